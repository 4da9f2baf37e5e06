//! Sums and choices along dimensions, and sorting.

use super::{by_comparable, by_float, comparable, no_such_op, take, views};
use crate::array::{Array, memory_order};
use crate::dtype::DType;
use crate::element::Stored;
use crate::op::{Op, Reduce, Spec};
use crate::shape::Shape;
use striate_kernels::{AlignedVec, reduce as kernel, scan, sort};

/// The result of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let [x] = take(inputs);
    let one = match op {
        Op::Reduce { op, dims, .. } => reduce(*op, x, dims),
        Op::ArgMax { dim, .. } => argmax(x, *dim),
        Op::ArgMin { dim, .. } => argmin(x, *dim),
        Op::ArgSort { dim, descending } => argsort(x, *dim, *descending),
        Op::CumSum { dim, reverse } => cumsum(x, *dim, *reverse),
        _ => no_such_op(op, "reduction"),
    };
    vec![views::reshape(one, outputs[0].shape)]
}

/// What `f(rows, n, x, out)` makes of the elements along `dim`, which then has size `size`.
fn along_last<T: Stored>(x: &Array, dim: usize, size: usize, f: impl FnOnce(usize, usize, &[T], &mut [i64])) -> Array {
    let order = super::dim_last(x.shape.rank(), dim);
    let shape = x.shape.with(dim, size);
    let mut out = AlignedVec::unspecified(shape.numel());
    f(x.shape.without(dim).numel(), x.shape[dim], &x.packed::<T>(&order), &mut out);
    Array::in_order(out, shape, &order)
}

fn reduce_i64(op: Reduce, x: &Array, dims: &[usize], shape: Shape) -> Array {
    let kept = (0..x.shape.rank()).filter(|d| !dims.contains(d));
    let order: Vec<usize> = kept.chain(dims.iter().copied()).collect();
    let n = dims.iter().map(|&d| x.shape[d]).product();
    let mut out = AlignedVec::unspecified(shape.numel());
    kernel::reduce_i64(op, n, &x.packed(&order), &mut out);
    Array::in_order(out, shape, &(0..shape.rank()).collect::<Vec<_>>())
}

pub fn reduce(op: Reduce, x: Array, dims: &[usize]) -> Array {
    let order = memory_order(x.shape.rank());
    let reduced: Vec<bool> = order.iter().map(|d| dims.contains(d)).collect();
    let shape = dims.iter().fold(x.shape, |s, &d| s.with(d, 1));
    if x.dtype() == DType::I64 {
        return reduce_i64(op, &x, dims, shape);
    }
    by_float!(x, "reduction", |T| {
        let mut out = AlignedVec::unspecified(shape.numel());
        let (xs, strides) = (x.shape.permuted(order), x.strides.permuted(order));
        kernel::reduce(op, &xs, &strides, x.data::<T>(), &reduced, &mut out);
        Array::from_buffer(out, shape)
    })
}

fn argmax(x: Array, dim: usize) -> Array {
    let x = comparable(x);
    by_comparable!(x, "argmax", |T| along_last(&x, dim, 1, |rows, n, x, out| kernel::argmax::<T>(rows, n, 1, x, out)))
}

fn argmin(x: Array, dim: usize) -> Array {
    let x = comparable(x);
    by_comparable!(x, "argmin", |T| along_last(&x, dim, 1, |rows, n, x, out| kernel::argmin::<T>(rows, n, 1, x, out)))
}

fn argsort(x: Array, dim: usize, descending: bool) -> Array {
    let n = x.shape[dim];
    let x = comparable(x);
    by_comparable!(x, "argsort", |T| along_last(&x, dim, n, |_, n, x, out| sort::argsort::<T>(n, descending, x, out)))
}

fn cumsum(x: Array, dim: usize, reverse: bool) -> Array {
    let order = memory_order(x.shape.rank());
    let at = order.iter().position(|&d| d == dim).expect("a dimension of the array");
    let sizes = x.shape.permuted(order);
    let [outer, n, inner] = [sizes[..at].iter().product(), sizes[at], sizes[at + 1..].iter().product()];
    if x.dtype() == DType::I64 {
        let mut out = AlignedVec::unspecified(x.shape.numel());
        scan::cumsum_i64(outer, n, inner, reverse, &x.packed_default(), &mut out);
        return Array::from_buffer(out, x.shape);
    }
    by_float!(x, "cumsum", |T| {
        let mut out = AlignedVec::unspecified(x.shape.numel());
        scan::cumsum::<T>(outer, n, inner, reverse, &x.packed_default(), &mut out);
        Array::from_buffer(out, x.shape)
    })
}
