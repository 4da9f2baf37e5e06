//! Sums and what else is made of many elements: reductions, sorting, matrix products.

use super::grid::{Grid, along, indices};
use crate::dtype::DType;
use crate::op::{Op, Reduce};
use crate::shape::Shape;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], _dtype: DType, shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::Reduce { op, dims, .. } => reduce(*op, &x[0], dims),
        Op::ArgMax { dim, .. } => first_of(&x[0], *dim, |a, b| a > b),
        Op::ArgMin { dim, .. } => first_of(&x[0], *dim, |a, b| a < b),
        Op::ArgSort { dim, descending } => argsort(&x[0], *dim, *descending),
        Op::CumSum { dim, reverse } => cumsum(&x[0], *dim, *reverse),
        Op::MatMul => matmul(&x[0], &x[1], shape),
        Op::Linear => linear(&x[0], &x[1], x.get(2), shape),
        _ => unreachable!("{} is no reduction or product", op.name()),
    };
    vec![one]
}

/// Reduces `dims`, which keep size 1.
pub fn reduce(op: Reduce, x: &Grid, dims: &[usize]) -> Grid {
    let all = |index: Shape, value: usize| dims.iter().fold(index, |i, &d| i.with(d, value));
    let shape = all(x.shape, 1);
    // The elements that each result is made of.
    let mut groups: Vec<Vec<f64>> = vec![Vec::new(); shape.numel()];
    let numbers = Grid { shape, values: (0..shape.numel()).map(|n| n as f64).collect() };
    for i in indices(x.shape) {
        groups[numbers.at(&all(i, 0)) as usize].push(x.at(&i));
    }
    Grid { shape, values: groups.iter().map(|group| reduced(op, group)).collect() }
}

fn reduced(op: Reduce, group: &[f64]) -> f64 {
    let extreme = |f: fn(f64, f64) -> f64| {
        let join = |a: f64, b: f64| if a.is_nan() || b.is_nan() { f64::NAN } else { f(a, b) };
        group.iter().copied().reduce(join).unwrap_or_else(|| panic!("{op:?}: there are no elements to choose from"))
    };
    match op {
        Reduce::Sum => group.iter().sum(),
        Reduce::Mean => group.iter().sum::<f64>() / group.len() as f64,
        Reduce::Prod => group.iter().product(),
        Reduce::Max => extreme(f64::max),
        Reduce::Min => extreme(f64::min),
    }
}

/// Where the first element stands along `dim` that no other `beats`; NaN beats all numbers.
pub fn first_of(x: &Grid, dim: usize, beats: impl Fn(f64, f64) -> bool) -> Grid {
    along(dim, 1, [x], |[line]| {
        let mut best = 0;
        for (k, &x) in line.iter().enumerate() {
            if beats(x, line[best]) || (x.is_nan() && !line[best].is_nan()) {
                best = k;
            }
        }
        vec![best as f64]
    })
}

pub fn argsort(x: &Grid, dim: usize, descending: bool) -> Grid {
    along(dim, x.shape[dim], [x], |[line]| {
        // NaN is larger than every number.
        let order = |a: f64, b: f64| a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()));
        let mut positions: Vec<usize> = (0..line.len()).collect();
        // The sort is stable: equal elements keep their order.
        positions.sort_by(|&a, &b| if descending { order(line[b], line[a]) } else { order(line[a], line[b]) });
        positions.into_iter().map(|k| k as f64).collect()
    })
}

pub fn cumsum(x: &Grid, dim: usize, reverse: bool) -> Grid {
    along(dim, x.shape[dim], [x], |[mut line]| {
        if reverse {
            line.reverse();
        }
        for k in 1..line.len() {
            line[k] += line[k - 1];
        }
        if reverse {
            line.reverse();
        }
        line
    })
}

/// `y[.., i, j] = Σₖ a[.., i, k] · b[.., k, j]`
pub fn matmul(a: &Grid, b: &Grid, shape: Shape) -> Grid {
    let (row, column) = (shape.rank() - 2, shape.rank() - 1);
    let inner = a.shape[column];
    Grid::from_fn(shape, |i| (0..inner).map(|k| a.at(&i.with(column, k)) * b.at(&i.with(row, k))).sum())
}

/// `y[.., o] = Σᵢ x[.., i] · weight[o, i] + bias[o]`
pub fn linear(x: &Grid, weight: &Grid, bias: Option<&Grid>, shape: Shape) -> Grid {
    let last = shape.rank() - 1;
    Grid::from_fn(shape, |i| {
        let o = i[last];
        let sum: f64 = (0..x.shape[last]).map(|k| x.at(&i.with(last, k)) * weight.at(&[o, k])).sum();
        sum + bias.map_or(0.0, |b| b.values[o])
    })
}

#[cfg(test)]
pub mod cases {
    use crate::backend::reference::tests::{Case, integers, numbers, of_each_type, shapes, with_specials};
    use crate::dtype::DType;
    use crate::op::{Op, Reduce};
    use crate::shape::Shape;

    pub fn all() -> Vec<Case> {
        let all = [reduce(), arg_max(), arg_min(), arg_sort(), cum_sum(), mat_mul(), linear()];
        all.into_iter().flatten().collect()
    }

    /// All choices of dimensions.
    fn choices(rank: usize) -> Vec<Vec<usize>> {
        (0..1 << rank).map(|mask: usize| (0..rank).filter(|d| mask >> d & 1 == 1).collect()).collect()
    }

    fn reduce() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in shapes() {
            for dims in choices(shape.rank()) {
                let is_empty = shape.numel() == 0;
                for op in [Reduce::Sum, Reduce::Mean, Reduce::Prod, Reduce::Max, Reduce::Min] {
                    let chooses = matches!(op, Reduce::Max | Reduce::Min);
                    if is_empty && chooses {
                        continue;
                    }
                    for keepdim in [false, true] {
                        let op = Op::Reduce { op, dims: dims.clone(), keepdim };
                        let x = numbers(shape, 1);
                        let floats = [x.clone(), with_specials(&x)].map(|x| Case::largest(op.clone(), vec![x]));
                        cases.extend(floats);
                        if !matches!(op, Op::Reduce { op: Reduce::Mean, .. }) {
                            // Products stay below 2^53.
                            cases.push(Case::exact(op, vec![integers(shape, 1, -1, 2)]));
                        }
                    }
                }
            }
        }
        for op in [Reduce::Sum, Reduce::Mean, Reduce::Max] {
            for dims in [vec![0], vec![1]] {
                let op = Op::Reduce { op, dims, keepdim: true };
                cases.push(Case::largest(op, vec![numbers([2500, 33], 1)]));
            }
        }
        cases
    }

    fn positions(op: impl Fn(usize, bool) -> Op) -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in shapes() {
            for dim in (0..shape.rank()).filter(|&d| shape[d] > 0) {
                for flag in [false, true] {
                    let x = with_specials(&numbers(shape, 1));
                    let inputs = of_each_type(shape, 1).into_iter().chain([
                        x.clone().cast(DType::F16),
                        x.clone().cast(DType::BF16),
                        x,
                        integers(shape, 2, 0, 3),
                    ]);
                    cases.extend(inputs.map(|x| Case::exact(op(dim, flag), vec![x])));
                }
            }
        }
        cases
    }

    fn arg_max() -> Vec<Case> {
        positions(|dim, keepdim| Op::ArgMax { dim, keepdim })
    }

    fn arg_min() -> Vec<Case> {
        positions(|dim, keepdim| Op::ArgMin { dim, keepdim })
    }

    fn arg_sort() -> Vec<Case> {
        positions(|dim, descending| Op::ArgSort { dim, descending })
    }

    fn cum_sum() -> Vec<Case> {
        let mut cases = Vec::new();
        for shape in shapes() {
            for dim in 0..shape.rank() {
                for reverse in [false, true] {
                    let op = Op::CumSum { dim, reverse };
                    let x = numbers(shape, 1);
                    cases.extend([x.clone(), with_specials(&x)].map(|x| Case::largest(op.clone(), vec![x])));
                    cases.push(Case::exact(op, vec![integers(shape, 1, -9, 10)]));
                }
            }
        }
        cases
    }

    fn mat_mul() -> Vec<Case> {
        let pairs: [[&[usize]; 2]; 11] = [
            [&[1, 1], &[1, 1]],
            [&[3, 17], &[17, 5]],
            [&[33, 70], &[70, 130]],
            [&[1, 100], &[100, 1]],
            [&[3, 0], &[0, 5]],
            [&[0, 3], &[3, 5]],
            [&[2, 3, 4], &[2, 4, 5]],
            [&[17, 1, 3], &[17, 3, 1]],
            [&[0, 3, 4], &[0, 4, 5]],
            [&[2, 3, 4, 5], &[2, 3, 5, 7]],
            [&[2, 1, 3, 4, 5], &[2, 1, 3, 5, 2]],
        ];
        pairs.into_iter().map(|[a, b]| Case::largest(Op::MatMul, vec![numbers(a, 1), numbers(b, 2)])).collect()
    }

    fn linear() -> Vec<Case> {
        let pairs: [(&[usize], usize); 8] = [
            (&[17], 3),
            (&[1, 1], 1),
            (&[3, 17], 5),
            (&[33, 70], 130),
            (&[0, 4], 3),
            (&[2, 3, 5], 7),
            (&[2, 3, 4, 5], 6),
            (&[2, 1, 3, 4, 5], 2),
        ];
        let case = |(shape, out): (&[usize], usize)| {
            let shape = Shape::from(shape);
            let inputs = vec![numbers(shape, 1), numbers([out, shape[shape.rank() - 1]], 2)];
            let with_bias = inputs.iter().cloned().chain([numbers([out], 3)]).collect();
            [Case::largest(Op::Linear, inputs), Case::largest(Op::Linear, with_bias)]
        };
        pairs.into_iter().flat_map(case).collect()
    }
}
