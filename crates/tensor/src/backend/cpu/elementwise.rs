//! Functions of elements: one, two or three operands, conversions and reductions.

use super::cast::cast;
use super::{by_float, by_number, take, views};
use crate::array::{Array, memory_order};
use crate::dtype::{DType, by_type};
use crate::element::Stored;
use crate::op::{Binary, Compare, Op, Reduce, Spec, Unary};
use crate::shape::Shape;
use striate_kernels::elementwise::{self as ew, Operand};
use striate_kernels::{AlignedVec, reduce as kernel, scan, sort};

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let shape = outputs[0].shape;
    let one = match op {
        Op::Unary(f) => {
            let [x] = take(inputs);
            unary(*f, x)
        }
        Op::Binary(f) => {
            let [a, b] = take(inputs);
            binary(*f, a, b)
        }
        Op::Compare(c) => {
            let [a, b] = take(inputs);
            compare(*c, a, b)
        }
        Op::Where => {
            let [condition, a, b] = take(inputs);
            select(condition, a, b)
        }
        Op::Prelu => {
            let [x, weight] = take(inputs);
            prelu(x, weight)
        }
        Op::IsFinite => {
            let [x] = take(inputs);
            let x = if x.dtype().is_half() { cast(x, DType::F32) } else { x };
            let finite = by_float!(x, "is_finite", |T| ew::first_non_finite(&x.packed_default::<T>()).is_none());
            Array::full(f64::from(finite), shape, DType::U8)
        }
        Op::Reduce { op, dims, .. } => {
            let [x] = take(inputs);
            views::reshape(reduce(*op, x, dims), shape)
        }
        Op::ArgMax { dim, .. } => {
            let [x] = take(inputs);
            views::reshape(argmax(x, *dim), shape)
        }
        Op::ArgMin { dim, .. } => {
            let [x] = take(inputs);
            views::reshape(argmin(x, *dim), shape)
        }
        Op::ArgSort { dim, descending } => {
            let [x] = take(inputs);
            argsort(x, *dim, *descending)
        }
        Op::CumSum { dim, reverse } => {
            let [x] = take(inputs);
            cumsum(x, *dim, *reverse)
        }
        _ => unreachable!("{} is no function or reduction of elements", op.name()),
    };
    vec![one]
}

/// Two or three arrays seen through one broadcast shape, in the memory order of the result.
struct Aligned<const N: usize> {
    shape: Shape,
    memory_shape: Shape,
    strides: [Shape; N],
}

impl<const N: usize> Aligned<N> {
    fn new(arrays: [&Array; N]) -> Self {
        let shape = arrays[1..].iter().fold(arrays[0].shape, |s, a| Shape::broadcast("broadcast", &s, &a.shape));
        let order = memory_order(shape.rank());
        let strides = arrays.map(|a| views::expanded_strides(a, shape).permuted(order));
        Aligned { shape, memory_shape: shape.permuted(order), strides }
    }
}

/// `x`, packed if reading it in the order of `shape` would hop through memory: neighbours of a slice of channels, say, lie side by side.
fn packed_first(x: Array, shape: Shape) -> Array {
    let inner = memory_order(shape.rank()).last().copied();
    let runs = |d: usize| x.strides[d] == 1 && x.shape[d] >= 16;
    if x.shape != shape || inner.is_some_and(runs) { x } else { x.dense() }
}

fn binary_float<T: Stored + striate_kernels::Float>(op: Binary, a: Array, b: Array) -> Array {
    let shape = Shape::broadcast("broadcast", &a.shape, &b.shape);
    let (mut a, mut b) = (packed_first(a, shape), packed_first(b, shape));
    let v = Aligned::new([&a, &b]);
    let (ms, [sa, sb]) = (v.memory_shape, v.strides);
    if a.shape == shape
        && let Some(out) = a.exclusive::<T>()
    {
        ew::binary_assign(op, &ms, out, Operand { data: b.data(), strides: &sb }, false);
        return a;
    }
    if b.shape == shape
        && let Some(out) = b.exclusive::<T>()
    {
        ew::binary_assign(op, &ms, out, Operand { data: a.data(), strides: &sa }, true);
        return b;
    }
    let mut out = AlignedVec::unspecified(shape.numel());
    let (a, b) = (Operand { data: a.data::<T>(), strides: &sa }, Operand { data: b.data::<T>(), strides: &sb });
    ew::binary(op, &ms, a, b, &mut out);
    Array::from_buffer(out, v.shape)
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

pub fn unary(op: Unary, x: Array) -> Array {
    let mut x = x.dense();
    by_float!(x, "elementwise function", |T| {
        if let Some(values) = x.exclusive::<T>() {
            ew::unary_assign(op, values);
            return x;
        }
        let mut out = AlignedVec::unspecified(x.shape.numel());
        ew::unary(op, &x.packed_default::<T>(), &mut out);
        Array::from_buffer(out, x.shape)
    })
}

pub fn binary(op: Binary, a: Array, b: Array) -> Array {
    if a.dtype() == DType::I64 {
        let v = Aligned::new([&a, &b]);
        let mut out = AlignedVec::unspecified(v.shape.numel());
        let (a, b) = (a.data::<i64>(), b.data::<i64>());
        let (a, b) = (Operand { data: a, strides: &v.strides[0] }, Operand { data: b, strides: &v.strides[1] });
        ew::binary_i64(op, &v.memory_shape, a, b, &mut out);
        return Array::from_buffer(out, v.shape);
    }
    by_float!(a, "elementwise function", |T| binary_float::<T>(op, a, b))
}

/// `x` in a type that holds every value of its own and has kernels that compare.
fn comparable(x: Array) -> Array {
    match x.dtype() {
        DType::F16 | DType::BF16 => cast(x, DType::F32),
        DType::I32 | DType::I8 => cast(x, DType::I64),
        DType::Bool => cast(x, DType::U8),
        DType::F32 | DType::F64 | DType::I64 | DType::U8 => x,
    }
}

/// `$body` with the Rust type of a [`comparable`] array.
macro_rules! by_comparable {
    ($x:expr, $op:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            DType::U8 => {
                type $t = u8;
                $body
            }
            _ => by_number!($x, $op, |$t| $body),
        }
    };
}

pub fn compare(op: Compare, a: Array, b: Array) -> Array {
    let (a, b) = (comparable(a), comparable(b));
    let v = Aligned::new([&a, &b]);
    let mut out = AlignedVec::unspecified(v.shape.numel());
    by_comparable!(a, op.name(), |T| {
        let a = Operand { data: a.data::<T>(), strides: &v.strides[0] };
        let b = Operand { data: b.data::<T>(), strides: &v.strides[1] };
        ew::compare(op, &v.memory_shape, a, b, &mut out)
    });
    Array::from_buffer(out, v.shape)
}

pub fn select(condition: Array, a: Array, b: Array) -> Array {
    let condition = if condition.dtype() == DType::Bool { cast(condition, DType::U8) } else { condition };
    let v = Aligned::new([&condition, &a, &b]);
    let condition = Operand { data: condition.data::<u8>(), strides: &v.strides[0] };
    by_type!(a.dtype(), |T| {
        let mut out = AlignedVec::unspecified(v.shape.numel());
        let a = Operand { data: a.data::<T>(), strides: &v.strides[1] };
        let b = Operand { data: b.data::<T>(), strides: &v.strides[2] };
        ew::select(&v.memory_shape, condition, a, b, &mut out);
        Array::from_buffer(out, v.shape)
    })
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

pub fn argmax(x: Array, dim: usize) -> Array {
    let x = comparable(x);
    by_comparable!(x, "argmax", |T| along_last(&x, dim, 1, |rows, n, x, out| kernel::argmax::<T>(rows, n, 1, x, out)))
}

pub fn argmin(x: Array, dim: usize) -> Array {
    let x = comparable(x);
    by_comparable!(x, "argmin", |T| along_last(&x, dim, 1, |rows, n, x, out| kernel::argmin::<T>(rows, n, 1, x, out)))
}

pub fn argsort(x: Array, dim: usize, descending: bool) -> Array {
    let n = x.shape[dim];
    let x = comparable(x);
    by_comparable!(x, "argsort", |T| along_last(&x, dim, n, |_, n, x, out| sort::argsort::<T>(n, descending, x, out)))
}

pub fn cumsum(x: Array, dim: usize, reverse: bool) -> Array {
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

fn prelu(x: Array, weight: Array) -> Array {
    let wide = (0..x.shape.rank()).map(|d| if d == 1 { weight.shape[0] } else { 1 }).collect();
    let scaled = binary(Binary::Mul, x.clone(), views::reshape(weight, wide));
    let zero = Array::full(0.0, Shape::from([]), x.dtype());
    select(compare(Compare::Gt, x.clone(), zero), x, scaled)
}
