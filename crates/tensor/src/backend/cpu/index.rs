//! Picking elements and slices by number.

use super::{by_number, no_such_op, take, views};
use crate::array::Array;
use crate::dtype::by_type;
use crate::element::Stored;
use crate::op::{Op, Spec};
use crate::shape::Shape;
use std::ops::AddAssign;
use striate_kernels::{AlignedVec, index};

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let shape = outputs[0].shape;
    let [x, index] = take(inputs);
    vec![match op {
        Op::Gather { dim } => by_type!(x.dtype(), |T| gather::<T>(&x, *dim, &index)),
        Op::ScatterAdd { dim, .. } => by_number!(x, "scatter_add", |T| scatter_add::<T>(&x, *dim, &index, shape)),
        Op::IndexSelect { dim } => by_type!(x.dtype(), |T| index_select::<T>(&x, *dim, &index)),
        Op::IndexAdd { dim, .. } => by_number!(x, "index_add", |T| index_add::<T>(&x, *dim, &index, shape)),
        _ => no_such_op(op, "picking by number"),
    }]
}

fn rows(rank: usize) -> Vec<usize> {
    (0..rank).collect()
}

/// The sizes before, at and after a dimension.
fn split(shape: Shape, dim: usize) -> [usize; 3] {
    [shape[..dim].iter().product(), shape[dim], shape[dim + 1..].iter().product()]
}

/// `index` covers `x` fully except along `dim`, which `torch.gather` does not ask for: the rest of `x` is cut away.
fn trimmed(x: &Array, dim: usize, index: Shape) -> Array {
    (0..index.rank()).filter(|&d| d != dim).fold(x.clone(), |x, d| views::narrow(x, d, 0, index[d]))
}

fn gather<T: Stored>(x: &Array, dim: usize, index: &Array) -> Array {
    let x = trimmed(x, dim, index.shape);
    let order = rows(x.shape.rank());
    let [outer, len, inner] = split(x.shape, dim);
    let mut out = AlignedVec::unspecified(index.shape.numel());
    let n = index.shape[dim];
    index::gather(outer, len, inner, n, &x.packed::<T>(&order), &index.packed(&order), &mut out);
    Array::in_order(out, index.shape, &order)
}

fn scatter_add<T: Stored + AddAssign>(grad: &Array, dim: usize, index: &Array, shape: Shape) -> Array {
    let order = rows(shape.rank());
    let small = (0..shape.rank()).map(|d| if d == dim { shape[d] } else { index.shape[d] }).collect::<Shape>();
    let [outer, len, inner] = split(small, dim);
    let mut out = AlignedVec::zeroed(small.numel());
    let n = index.shape[dim];
    index::scatter_add(outer, len, inner, n, &grad.packed::<T>(&order), &index.packed(&order), &mut out);
    let sums = Array::in_order(out, small, &order);
    let padding: Vec<[usize; 2]> = (0..shape.rank()).map(|d| [0, shape[d] - small[d]]).collect();
    views::pad::<T>(&sums, &padding, 0.0)
}

fn index_select<T: Stored>(x: &Array, dim: usize, index: &Array) -> Array {
    let order = rows(x.shape.rank());
    let [outer, len, inner] = split(x.shape, dim);
    let shape = x.shape.with(dim, index.shape[0]);
    let mut out = AlignedVec::unspecified(shape.numel());
    index::index_select(outer, len, inner, &x.packed::<T>(&order), &index.packed(&[0]), &mut out);
    Array::in_order(out, shape, &order)
}

fn index_add<T: Stored + AddAssign>(grad: &Array, dim: usize, index: &Array, shape: Shape) -> Array {
    let order = rows(shape.rank());
    let [outer, len, inner] = split(shape, dim);
    let mut out = AlignedVec::zeroed(shape.numel());
    index::index_add(outer, len, inner, &grad.packed::<T>(&order), &index.packed(&[0]), &mut out);
    Array::in_order(out, shape, &order)
}
