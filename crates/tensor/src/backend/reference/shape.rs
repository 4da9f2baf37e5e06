//! Ops that move elements.

use super::grid::{Grid, indices};
use crate::op::PaddingMode;
use crate::shape::Shape;

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
