//! Picking elements and slices by number.

use super::views;
use crate::array::Array;
use crate::element::Stored;
use crate::shape::Shape;
use std::ops::AddAssign;
use striate_kernels::{AlignedVec, index};

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

pub fn gather<T: Stored>(x: &Array, dim: usize, index: &Array) -> Array {
    let x = trimmed(x, dim, index.shape);
    let order = rows(x.shape.rank());
    let [outer, len, inner] = split(x.shape, dim);
    let mut out = AlignedVec::unspecified(index.shape.numel());
    let n = index.shape[dim];
    index::gather(outer, len, inner, n, &x.packed::<T>(&order), &index.packed(&order), &mut out);
    Array::in_order(out, index.shape, &order)
}

pub fn scatter_add<T: Stored + AddAssign>(grad: &Array, dim: usize, index: &Array, shape: Shape) -> Array {
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

pub fn index_select<T: Stored>(x: &Array, dim: usize, index: &Array) -> Array {
    let order = rows(x.shape.rank());
    let [outer, len, inner] = split(x.shape, dim);
    let shape = x.shape.with(dim, index.shape[0]);
    let mut out = AlignedVec::unspecified(shape.numel());
    index::index_select(outer, len, inner, &x.packed::<T>(&order), &index.packed(&[0]), &mut out);
    Array::in_order(out, shape, &order)
}

pub fn index_add<T: Stored + AddAssign>(grad: &Array, dim: usize, index: &Array, shape: Shape) -> Array {
    let order = rows(shape.rank());
    let [outer, len, inner] = split(shape, dim);
    let mut out = AlignedVec::zeroed(shape.numel());
    index::index_add(outer, len, inner, &grad.packed::<T>(&order), &index.packed(&[0]), &mut out);
    Array::in_order(out, shape, &order)
}
