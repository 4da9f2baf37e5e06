//! Functions of elements of several tensors, which broadcast.

use super::cast::cast;
use super::{by_comparable, by_float, comparable, no_such_op, take, views};
use crate::array::{Array, memory_order};
use crate::dtype::{DType, by_type};
use crate::element::Stored;
use crate::op::{Binary, Compare, Op, Spec};
use crate::shape::Shape;
use striate_kernels::AlignedVec;
use striate_kernels::elementwise::{self as ew, Operand};

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, _outputs: &[Spec]) -> Vec<Array> {
    let one = match op {
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
        _ => no_such_op(op, "function of elements of several tensors"),
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

fn compare(op: Compare, a: Array, b: Array) -> Array {
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

fn select(condition: Array, a: Array, b: Array) -> Array {
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

fn prelu(x: Array, weight: Array) -> Array {
    let wide = (0..x.shape.rank()).map(|d| if d == 1 { weight.shape[0] } else { 1 }).collect();
    let scaled = binary(Binary::Mul, x.clone(), views::reshape(weight, wide));
    let zero = Array::full(0.0, Shape::from([]), x.dtype());
    select(compare(Compare::Gt, x.clone(), zero), x, scaled)
}
