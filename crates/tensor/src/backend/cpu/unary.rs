//! Functions of one element, and whether all are finite.

use super::{by_float, no_such_op, take};
use crate::array::Array;
use crate::dtype::DType;
use crate::op::{Op, Spec, Unary};
use half::{bf16, f16};
use striate_kernels::AlignedVec;
use striate_kernels::elementwise as ew;

/// The result of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let [x] = take(inputs);
    vec![match op {
        Op::Unary(f) => unary(*f, x),
        Op::IsFinite => Array::full(f64::from(is_finite(&x)), outputs[0].shape, DType::U8),
        _ => no_such_op(op, "function of one element"),
    }]
}

fn is_finite(x: &Array) -> bool {
    match x.dtype() {
        DType::F16 => x.packed_default::<f16>().iter().all(|v| v.is_finite()),
        DType::BF16 => x.packed_default::<bf16>().iter().all(|v| v.is_finite()),
        _ => by_float!(x, "is_finite", |T| ew::first_non_finite(&x.packed_default::<T>()).is_none()),
    }
}

/// The result keeps the order in which `x` is dense, so that a permutation before it costs no transpose.
pub fn unary(op: Unary, mut x: Array) -> Array {
    let order = x.dense_order();
    by_float!(x, "elementwise function", |T| {
        if let Some(values) = x.exclusive_in::<T>(&order) {
            ew::unary_assign(op, values);
            return x;
        }
        let mut out = AlignedVec::unspecified(x.shape.numel());
        ew::unary(op, &x.packed::<T>(&order), &mut out);
        Array::in_order(out, x.shape, &order)
    })
}
