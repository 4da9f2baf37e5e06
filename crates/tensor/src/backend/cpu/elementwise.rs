//! Functions of elements of several tensors, which broadcast.

use super::cast::cast;
use super::{by_comparable, by_float, comparable, no_such_op, take, views};
use crate::array::{Array, memory_order};
use crate::dtype::{DType, by_type};
use crate::element::Stored;
use crate::op::{Binary, Compare, Op, Spec};
use crate::shape::Shape;
use std::borrow::Cow;
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

/// The order of the dimensions in which the result of these arrays is stored: the one in which all operands of its shape are dense, if there is one, so that a
/// permutation before an elementwise op costs no transpose.
fn order_of(arrays: &[&Array], shape: Shape) -> Cow<'static, [usize]> {
    let mut whole = arrays.iter().filter(|a| a.shape == shape);
    let first = whole.next().map(|a| a.dense_order());
    first.filter(|order| whole.all(|a| a.is_dense_in(order))).unwrap_or_else(|| memory_order(shape.rank()).into())
}

/// Two or three arrays seen through one broadcast shape, in the memory order of the result.
struct Aligned<const N: usize> {
    shape: Shape,
    order: Cow<'static, [usize]>,
    memory_shape: Shape,
    strides: [Shape; N],
}

impl<const N: usize> Aligned<N> {
    fn new(arrays: [&Array; N]) -> Self {
        let shape = arrays[1..].iter().fold(arrays[0].shape, |s, a| Shape::broadcast("broadcast", &s, &a.shape));
        Aligned::in_order(arrays, shape, order_of(&arrays, shape))
    }

    fn in_order(arrays: [&Array; N], shape: Shape, order: Cow<'static, [usize]>) -> Self {
        let strides = arrays.map(|a| views::expanded_strides(a, shape).permuted(&order));
        Aligned { shape, memory_shape: shape.permuted(&order), strides, order }
    }

    fn result<T: Stored>(self, values: AlignedVec<T>) -> Array {
        Array::in_order(values, self.shape, &self.order)
    }
}

/// `x`, packed if reading it in this order of `shape` would hop through memory: neighbours of a slice of channels, say, lie side by side.
fn packed_first(x: Array, shape: Shape, order: &[usize]) -> Array {
    let runs = |&d: &usize| x.strides[d] == 1 && x.shape[d] >= 16;
    if x.shape != shape || x.is_dense_in(order) || order.last().is_some_and(runs) { x } else { x.dense() }
}

fn binary_float<T: Stored + striate_kernels::Float>(op: Binary, a: Array, b: Array) -> Array {
    let shape = Shape::broadcast("broadcast", &a.shape, &b.shape);
    let order = order_of(&[&a, &b], shape);
    let (mut a, mut b) = (packed_first(a, shape, &order), packed_first(b, shape, &order));
    let v = Aligned::in_order([&a, &b], shape, order);
    let (ms, [sa, sb]) = (v.memory_shape, v.strides);
    if a.shape == shape
        && let Some(out) = a.exclusive_in::<T>(&v.order)
    {
        ew::binary_assign(op, &ms, out, Operand { data: b.data(), strides: &sb }, false);
        return a;
    }
    if b.shape == shape
        && let Some(out) = b.exclusive_in::<T>(&v.order)
    {
        ew::binary_assign(op, &ms, out, Operand { data: a.data(), strides: &sa }, true);
        return b;
    }
    let mut out = AlignedVec::unspecified(shape.numel());
    let (a, b) = (Operand { data: a.data::<T>(), strides: &sa }, Operand { data: b.data::<T>(), strides: &sb });
    ew::binary(op, &ms, a, b, &mut out);
    v.result(out)
}

pub fn binary(op: Binary, a: Array, b: Array) -> Array {
    if a.dtype() == DType::I64 {
        let v = Aligned::new([&a, &b]);
        let mut out = AlignedVec::unspecified(v.shape.numel());
        let (a, b) = (a.data::<i64>(), b.data::<i64>());
        let (a, b) = (Operand { data: a, strides: &v.strides[0] }, Operand { data: b, strides: &v.strides[1] });
        ew::binary_i64(op, &v.memory_shape, a, b, &mut out);
        return v.result(out);
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
    v.result(out)
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
        v.result(out)
    })
}

fn prelu(x: Array, weight: Array) -> Array {
    let wide = (0..x.shape.rank()).map(|d| if d == 1 { weight.shape[0] } else { 1 }).collect();
    let scaled = binary(Binary::Mul, x.clone(), views::reshape(weight, wide));
    let zero = Array::full(0.0, Shape::from([]), x.dtype());
    select(compare(Compare::Gt, x.clone(), zero), x, scaled)
}

#[cfg(test)]
mod tests {
    use super::super::unary::unary;
    use super::*;
    use crate::op::Unary;

    fn numbers(shape: &[usize]) -> Array {
        let shape = Shape::new(shape);
        Array::from_slice(&(0..shape.numel()).map(|i| (i * 7 % 31) as f32 - 15.0).collect::<Vec<_>>(), shape)
    }

    /// The same values and shape in the default layout.
    fn default_of(x: &Array) -> Array {
        Array::from_slice(&x.to_vec::<f32>(), x.shape)
    }

    #[test]
    fn a_permuted_operand_gives_its_order_to_the_result() {
        for shape in [[2, 3, 4, 5], [1, 17, 3, 1], [1, 1, 1, 1], [3, 1, 2, 2], [0, 2, 3, 4]] {
            let last = |x: Array| views::permute(x, &[0, 2, 3, 1]);
            let (x, y) = (last(numbers(&shape)), last(unary(Unary::Square, numbers(&shape))));
            let [per_row, per_channel] = [numbers(&[shape[2], shape[3], shape[1]]), numbers(&[shape[1]])];
            let results = |x: &Array, y: &Array| {
                let both = |f, a: &Array, b: &Array| binary(f, a.clone(), b.clone());
                let chosen = select(compare(Compare::Gt, x.clone(), y.clone()), x.clone(), y.clone());
                let known =
                    [chosen, unary(Unary::Exp, x.clone()), both(Binary::Sub, x, y), both(Binary::Mul, x, &per_channel)];
                (known, [both(Binary::Sub, &per_row, x), both(Binary::Add, x, &default_of(y))])
            };
            let (got, mixed) = results(&x, &y);
            let (want, want_mixed) = results(&default_of(&x), &default_of(&y));
            for (got, want) in got.iter().zip(&want) {
                assert_eq!(got.to_vec::<f32>(), want.to_vec::<f32>(), "{shape:?}");
                assert!(got.is_dense_in(&[0, 1, 2, 3]), "{shape:?}");
            }
            for (got, want) in mixed.iter().zip(&want_mixed) {
                assert_eq!(got.to_vec::<f32>(), want.to_vec::<f32>(), "{shape:?}");
            }
        }
    }

    #[test]
    fn a_permuted_operand_that_nobody_else_holds_is_written_to() {
        let x = views::permute(numbers(&[2, 3, 4, 5]), &[0, 2, 3, 1]);
        let (place, want) =
            (x.data::<f32>().as_ptr(), x.to_vec::<f32>().iter().map(|x| x.abs() * 2.0).collect::<Vec<_>>());
        let y = unary(Unary::Abs, x);
        assert_eq!(y.data::<f32>().as_ptr(), place);
        let twice = binary(Binary::Mul, y, Array::full(2.0, Shape::from([]), DType::F32));
        assert_eq!((twice.data::<f32>().as_ptr(), twice.to_vec::<f32>()), (place, want));
    }

    #[test]
    fn rows_with_gaps_and_repeated_rows_are_read_in_the_default_order() {
        let part = views::narrow(views::permute(numbers(&[2, 3, 4, 5]), &[0, 2, 3, 1]), 1, 1, 2);
        let repeated = views::expand(numbers(&[1, 3, 1, 5]), Shape::from([2, 3, 4, 5]));
        for x in [part, repeated] {
            let want: Vec<f32> = x.to_vec::<f32>().iter().map(|x| -x).collect();
            assert_eq!(unary(Unary::Neg, x.clone()).to_vec::<f32>(), want);
            assert_eq!(binary(Binary::Sub, Array::full(0.0, x.shape, DType::F32), x).to_vec::<f32>(), want);
        }
    }
}
