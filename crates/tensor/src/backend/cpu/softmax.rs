//! Softmax and cross-entropy.

use super::{TRAINING, by_float, dim_last, no_such_op, take};
use crate::array::Array;
use crate::op::{Op, Spec};
use crate::shape::Shape;
use striate_kernels::{AlignedVec, softmax as kernel};

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, _outputs: &[Spec]) -> Vec<Array> {
    let one = match op {
        Op::CrossEntropy if TRAINING => {
            let [logits, target] = take(inputs);
            return cross_entropy(logits, target).into();
        }
        Op::Softmax { dim } | Op::LogSoftmax { dim } => {
            let [x] = take(inputs);
            softmax(x, *dim, matches!(op, Op::LogSoftmax { .. }))
        }
        Op::SoftmaxGrad { dim } | Op::LogSoftmaxGrad { dim } if TRAINING => {
            let [y, g] = take(inputs);
            softmax_grad(y, g, *dim, matches!(op, Op::LogSoftmaxGrad { .. }))
        }
        Op::CrossEntropyGrad if TRAINING => {
            let [log_probs, target, g] = take(inputs);
            cross_entropy_grad(log_probs, target, g)
        }
        _ => no_such_op(op, "softmax or cross-entropy"),
    };
    vec![one]
}

pub fn softmax(x: Array, dim: usize, log: bool) -> Array {
    let order = dim_last(x.shape.rank(), dim);
    let (rows, cols) = (x.shape.without(dim).numel(), x.shape[dim]);
    by_float!(x, "softmax", |T| {
        let mut out = AlignedVec::unspecified(rows * cols);
        let f = if log { kernel::log_softmax } else { kernel::softmax };
        f(rows, cols, &x.packed::<T>(&order), &mut out);
        Array::in_order(out, x.shape, &order)
    })
}

pub fn softmax_grad(y: Array, grad: Array, dim: usize, log: bool) -> Array {
    let order = dim_last(y.shape.rank(), dim);
    let (rows, cols) = (y.shape.without(dim).numel(), y.shape[dim]);
    by_float!(y, "softmax", |T| {
        let mut out = AlignedVec::unspecified(rows * cols);
        let f = if log { kernel::log_softmax_grad } else { kernel::softmax_grad };
        f(rows, cols, &y.packed::<T>(&order), &grad.packed::<T>(&order), &mut out);
        Array::in_order(out, y.shape, &order)
    })
}

pub fn cross_entropy(logits: Array, target: Array) -> [Array; 2] {
    let [rows, cols] = [logits.shape[0], logits.shape[1]];
    by_float!(logits, "cross_entropy", |T| {
        let (mut losses, mut log_probs) = (AlignedVec::unspecified(rows), AlignedVec::unspecified(rows * cols));
        kernel::cross_entropy(
            rows,
            cols,
            &logits.packed_default::<T>(),
            &target.packed_default(),
            &mut losses,
            &mut log_probs,
        );
        [Array::from_buffer(losses, Shape::from([rows])), Array::from_buffer(log_probs, logits.shape)]
    })
}

pub fn cross_entropy_grad(log_probs: Array, target: Array, grad: Array) -> Array {
    let [rows, cols] = [log_probs.shape[0], log_probs.shape[1]];
    by_float!(log_probs, "cross_entropy", |T| {
        let mut out = AlignedVec::unspecified(rows * cols);
        kernel::cross_entropy_grad(
            rows,
            cols,
            &log_probs.packed_default::<T>(),
            &target.packed_default(),
            &grad.packed_default(),
            &mut out,
        );
        Array::from_buffer(out, log_probs.shape)
    })
}
