//! Ops that move elements.

use super::grid::{Grid, indices};
use crate::dtype::DType;
use crate::op::{Op, PaddingMode};
use crate::shape::Shape;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], _dtype: DType, shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::Reshape { .. } | Op::Flatten { .. } | Op::Cast { .. } => x[0].clone().reshaped(shape),
        Op::Permute { dims } => permute(&x[0], dims),
        Op::Expand { .. } => Grid::from_fn(shape, |i| x[0].at_broadcast(&i)),
        Op::Narrow { dim, start, .. } => Grid::from_fn(shape, |i| x[0].at(&i.with(*dim, start + i[*dim]))),
        Op::Cat { dim } => cat(x, *dim, shape),
        Op::Pad { padding, mode, value } => pad(&x[0], padding, *mode, *value, shape),
        Op::PadGrad { padding, mode } => pad_grad(&x[0], padding, *mode, shape),
        Op::Gather { dim } => gather(&x[0], &x[1], *dim),
        Op::ScatterAdd { dim, .. } => scatter_add(&x[0], &x[1], *dim, shape),
        Op::IndexSelect { dim } => index_select(&x[0], &x[1], *dim, shape),
        Op::IndexAdd { dim, .. } => index_add(&x[0], &x[1], *dim, shape),
        _ => unreachable!("{} moves no elements", op.name()),
    };
    vec![one]
}

pub fn permute(x: &Grid, dims: &[usize]) -> Grid {
    let mut y = Grid::zeros(x.shape.permuted(dims));
    for index in indices(x.shape) {
        *y.at_mut(&index.permuted(dims)) = x.at(&index);
    }
    y
}

pub fn cat(parts: &[Grid], dim: usize, shape: Shape) -> Grid {
    let mut y = Grid::zeros(shape);
    let mut start = 0;
    for x in parts {
        for index in indices(x.shape) {
            *y.at_mut(&index.with(dim, start + index[dim])) = x.at(&index);
        }
        start += x.shape[dim];
    }
    y
}

/// The place in a dimension of `size` elements that stands at place `i` of the padded one, which starts `before` earlier; none for zeros.
fn source(mode: PaddingMode, i: usize, before: usize, size: usize) -> Option<usize> {
    let (i, size) = (i as isize - before as isize, size as isize);
    let inside = (0..size).contains(&i);
    let at = match mode {
        _ if inside => i,
        PaddingMode::Zeros => return None,
        PaddingMode::Reflect if i < 0 => -i,
        PaddingMode::Reflect => 2 * (size - 1) - i,
        PaddingMode::Replicate if i < 0 => 0,
        PaddingMode::Replicate => size - 1,
        PaddingMode::Circular if i < 0 => i + size,
        PaddingMode::Circular => i - size,
    };
    Some(at as usize)
}

fn sources(mode: PaddingMode, index: Shape, padding: &[[usize; 2]], input: Shape) -> Option<Shape> {
    (0..input.rank())
        .map(|d| source(mode, index[d], padding[d][0], input[d]))
        .collect::<Option<Vec<usize>>>()
        .map(Shape::from)
}

pub fn pad(x: &Grid, padding: &[[usize; 2]], mode: PaddingMode, value: f64, shape: Shape) -> Grid {
    Grid::from_fn(shape, |i| sources(mode, i, padding, x.shape).map_or(value, |from| x.at(&from)))
}

pub fn pad_grad(grad: &Grid, padding: &[[usize; 2]], mode: PaddingMode, input: Shape) -> Grid {
    let mut to_x = Grid::zeros(input);
    for i in indices(grad.shape) {
        if let Some(from) = sources(mode, i, padding, input) {
            *to_x.at_mut(&from) += grad.at(&i);
        }
    }
    to_x
}

fn checked(op: &str, index: f64, size: usize) -> usize {
    assert!(index >= 0.0 && index < size as f64, "{op}: index {index} is out of range for a dimension of size {size}");
    index as usize
}

/// `y[i][j][k] = x[i][index[i][j][k]][k]`, for three dimensions and `dim` 1.
pub fn gather(x: &Grid, index: &Grid, dim: usize) -> Grid {
    Grid::from_fn(index.shape, |i| x.at(&i.with(dim, checked("gather", index.at(&i), x.shape[dim]))))
}

/// `y[i][index[i][j][k]][k] += grad[i][j][k]`, for three dimensions and `dim` 1.
pub fn scatter_add(grad: &Grid, index: &Grid, dim: usize, shape: Shape) -> Grid {
    let mut y = Grid::zeros(shape);
    for i in indices(index.shape) {
        *y.at_mut(&i.with(dim, checked("scatter_add", index.at(&i), shape[dim]))) += grad.at(&i);
    }
    y
}

/// `y[i][j][k] = x[i][index[j]][k]`, for three dimensions and `dim` 1.
pub fn index_select(x: &Grid, index: &Grid, dim: usize, shape: Shape) -> Grid {
    Grid::from_fn(shape, |i| x.at(&i.with(dim, checked("index_select", index.values[i[dim]], x.shape[dim]))))
}

/// `y[i][index[j]][k] += grad[i][j][k]`, for three dimensions and `dim` 1.
pub fn index_add(grad: &Grid, index: &Grid, dim: usize, shape: Shape) -> Grid {
    let mut y = Grid::zeros(shape);
    for i in indices(grad.shape) {
        *y.at_mut(&i.with(dim, checked("index_add", index.values[i[dim]], shape[dim]))) += grad.at(&i);
    }
    y
}

#[cfg(test)]
pub mod cases {
    use crate::array::Array;
    use crate::backend::reference::tests::{Case, integers, numbers, of_each_type, shapes, with_specials};
    use crate::dtype::DType;
    use crate::op::{Op, PaddingMode};
    use crate::shape::Shape;

    pub fn all() -> Vec<Case> {
        let all = [
            reshape(),
            flatten(),
            permute(),
            expand(),
            narrow(),
            cat(),
            pad(),
            pad_grad(),
            cast(),
            gather(),
            scatter_add(),
            index_select(),
            index_add(),
        ];
        all.into_iter().flatten().collect()
    }

    fn reshape() -> Vec<Case> {
        let pairs: [(&[usize], &[usize]); 8] = [
            (&[], &[1, 1]),
            (&[17], &[17]),
            (&[6, 4], &[2, 3, 4]),
            (&[2, 3, 4, 5], &[2, 60]),
            (&[2, 60], &[2, 3, 4, 5]),
            (&[2, 3, 4, 5], &[4, 5, 3, 2]),
            (&[2, 3, 1, 4, 2], &[6, 4, 2]),
            (&[0, 3], &[3, 0, 2]),
        ];
        let case = |(from, to): (&[usize], &[usize])| {
            of_each_type(from, 1).map(|x| Case::exact(Op::Reshape { shape: to.into() }, vec![x]))
        };
        pairs.into_iter().flat_map(case).collect()
    }

    fn flatten() -> Vec<Case> {
        let shapes = [[2, 3, 4, 5], [0, 3, 2, 2]];
        let ranges = [(0, 3), (1, 3), (1, 2), (2, 2)];
        let case = |shape: [usize; 4]| {
            ranges.map(|(start_dim, end_dim)| Case::exact(Op::Flatten { start_dim, end_dim }, vec![numbers(shape, 1)]))
        };
        shapes.into_iter().flat_map(case).collect()
    }

    fn permute() -> Vec<Case> {
        let case = |shape: Shape| {
            let rank = shape.rank();
            let turned: Vec<usize> = (0..rank).map(|d| (d + 1) % rank).collect();
            [(0..rank).rev().collect(), turned].into_iter().flat_map(move |dims: Vec<usize>| {
                of_each_type(shape, 1).map(|x| Case::exact(Op::Permute { dims: dims.clone() }, vec![x]))
            })
        };
        shapes().into_iter().flat_map(case).collect()
    }

    fn expand() -> Vec<Case> {
        let pairs: [(&[usize], &[usize]); 6] = [
            (&[], &[2, 3]),
            (&[1], &[0]),
            (&[3, 1], &[2, 3, 4]),
            (&[1, 3, 1, 5], &[2, 3, 4, 5]),
            (&[5], &[2, 3, 4, 5]),
            (&[2, 1, 1, 1, 3], &[2, 3, 4, 2, 3]),
        ];
        let case = |(from, to): (&[usize], &[usize])| {
            of_each_type(from, 1).map(|x| Case::exact(Op::Expand { shape: to.into() }, vec![x]))
        };
        pairs.into_iter().flat_map(case).collect()
    }

    fn narrow() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in shapes() {
            for dim in 0..shape.rank() {
                let size = shape[dim];
                for (start, length) in [(0, size), (size / 2, size - size / 2), (size / 3, 0)] {
                    cases.extend(
                        of_each_type(shape, 1).map(|x| Case::exact(Op::Narrow { dim, start, length }, vec![x])),
                    );
                }
            }
        }
        cases
    }

    fn cat() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in shapes() {
            for dim in 0..shape.rank() {
                let parts =
                    [of_each_type(shape, 1), of_each_type(shape.with(dim, 2), 2), of_each_type(shape.with(dim, 0), 3)];
                for dtype in 0..parts[0].len() {
                    let inputs = parts.iter().chain(&parts[..1]).map(|x| x[dtype].clone()).collect();
                    cases.push(Case::exact(Op::Cat { dim }, inputs));
                }
                cases.push(Case::exact(Op::Cat { dim }, vec![numbers(shape, 1)]));
            }
        }
        cases
    }

    /// Shapes and padding that every mode can fill.
    fn paddings() -> Vec<(Shape, Vec<[usize; 2]>)> {
        let pairs: [(&[usize], &[[usize; 2]]); 6] = [
            (&[17], &[[3, 16]]),
            (&[3, 5], &[[0, 0], [4, 2]]),
            (&[2, 3, 5], &[[1, 0], [0, 2], [3, 3]]),
            (&[2, 3, 4, 5], &[[0, 0], [0, 0], [1, 3], [4, 0]]),
            (&[2, 17, 3, 2], &[[0, 0], [1, 1], [0, 0], [0, 1]]),
            (&[2, 3, 3, 4, 2], &[[0, 0], [0, 0], [1, 2], [0, 1], [1, 1]]),
        ];
        pairs.into_iter().map(|(shape, padding)| (shape.into(), padding.to_vec())).collect()
    }

    const MODES: [PaddingMode; 3] = [PaddingMode::Reflect, PaddingMode::Replicate, PaddingMode::Circular];

    fn pad() -> Vec<Case> {
        let mut cases = Vec::new();
        for (shape, padding) in paddings() {
            for mode in MODES {
                let op = Op::Pad { padding: padding.clone(), mode, value: 0.0 };
                cases.push(Case::exact(op, vec![with_specials(&numbers(shape, 1))]));
            }
            for value in [0.0, 7.0, -1.5] {
                let op = Op::Pad { padding: padding.clone(), mode: PaddingMode::Zeros, value };
                cases.extend(of_each_type(shape, 1).map(|x| Case::exact(op.clone(), vec![x])));
            }
        }
        let (padding, mode) = (vec![[1, 0], [0, 2]], PaddingMode::Zeros);
        cases.push(Case::exact(Op::Pad { padding, mode, value: 1.0 }, vec![numbers([0, 3], 1)]));
        cases
    }

    fn pad_grad() -> Vec<Case> {
        let mut cases = Vec::new();
        for (shape, padding) in paddings() {
            let padded: Shape = shape.iter().zip(&padding).map(|(n, p)| n + p[0] + p[1]).collect();
            for mode in MODES {
                cases.push(Case::largest(Op::PadGrad { padding: padding.clone(), mode }, vec![numbers(padded, 1)]));
            }
        }
        cases
    }

    fn cast() -> Vec<Case> {
        let far = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.5, -0.5, 255.4, 256.7, -3.9, 1e15, -1e15, 1e300];
        let far = Array::from_slice(&far, Shape::from([12]));
        // Ties between neighbours of 16 bits, their subnormal numbers, and the ends of their ranges.
        let near = [1.0, -1.0].map(|sign| {
            [1.0 + 2f64.powi(-11), 1.0 + 3.0 * 2f64.powi(-11), 1.0 + 2f64.powi(-8), 1.0 + 3.0 * 2f64.powi(-8)]
                .into_iter()
                .chain([2f64.powi(-25), 3.0 * 2f64.powi(-25), 1.5 * 2f64.powi(-20), 65519.0, 65520.0, 3.3961e38, 1e-10])
                .map(|x| sign * x)
                .collect::<Vec<f64>>()
        });
        let near = near.concat();
        let near = Array::from_slice(&near, Shape::from([near.len()]));
        let ends = [i64::from(i32::MIN), i64::from(i32::MAX), -129, 128, 65519, 65520, (1 << 40) + (1 << 32) + 1];
        let ends = Array::from_slice(&ends, Shape::from([ends.len()]));
        let mut inputs = vec![far, near, ends, integers([17], 1, -1000, 1000)];
        inputs.extend(shapes().into_iter().flat_map(|shape| of_each_type(shape, 1)));
        let case = |x: Array| DType::ALL.map(|dtype| Case::exact(Op::Cast { dtype }, vec![x.clone()]));
        inputs.into_iter().flat_map(case).collect()
    }

    /// Shapes, a dimension, and the shape of an index into it.
    fn indexings() -> Vec<(Shape, usize, Shape)> {
        let triples: [(&[usize], usize, &[usize]); 7] = [
            (&[17], 0, &[5]),
            (&[3, 17], 1, &[3, 4]),
            (&[3, 17], 0, &[7, 17]),
            // Smaller in another dimension.
            (&[4, 5, 6], 1, &[2, 9, 3]),
            (&[2, 3, 4, 5], 2, &[2, 3, 1, 4]),
            (&[2, 3, 4, 2, 3], 4, &[2, 1, 4, 2, 2]),
            (&[3, 4], 0, &[0, 4]),
        ];
        triples.into_iter().map(|(shape, dim, index)| (shape.into(), dim, index.into())).collect()
    }

    fn gather() -> Vec<Case> {
        let case = |(shape, dim, by): (Shape, usize, Shape)| {
            let index = integers(by, 2, 0, shape[dim] as i64);
            of_each_type(shape, 1).map(|x| Case::exact(Op::Gather { dim }, vec![x, index.clone()]))
        };
        indexings().into_iter().flat_map(case).collect()
    }

    fn scatter_add() -> Vec<Case> {
        let case = |(shape, dim, by): (Shape, usize, Shape)| {
            let index = integers(by, 2, 0, shape[dim] as i64);
            let [x, whole, ..] = of_each_type(by, 1);
            let op = Op::ScatterAdd { dim, shape };
            [Case::largest(op.clone(), vec![x, index.clone()]), Case::exact(op, vec![whole, index])]
        };
        indexings().into_iter().flat_map(case).collect()
    }

    fn index_select() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in shapes() {
            for dim in (0..shape.rank()).filter(|&d| shape[d] > 0) {
                for n in [0, 1, 7] {
                    let index = integers([n], 2, 0, shape[dim] as i64);
                    let case = |x| Case::exact(Op::IndexSelect { dim }, vec![x, index.clone()]);
                    cases.extend(of_each_type(shape, 1).map(case));
                }
            }
        }
        cases
    }

    fn index_add() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in shapes() {
            for dim in 0..shape.rank() {
                for size in [1, 5] {
                    let index = integers([shape[dim]], 2, 0, size as i64);
                    let [x, whole, ..] = of_each_type(shape, 1);
                    cases.push(Case::largest(Op::IndexAdd { dim, size }, vec![x, index.clone()]));
                    cases.push(Case::exact(Op::IndexAdd { dim, size }, vec![whole, index]));
                }
            }
        }
        cases
    }
}
