//! Sums and what else is made of many elements: reductions, sorting, matrix products.

use super::grid::{Grid, along, indices};
use crate::op::Reduce;
use crate::shape::Shape;

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
