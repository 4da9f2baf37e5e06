//! Which op takes in the one before it in training, so that both are one pass over the elements. This table is all there is of it; inference fuses in
//! graphs.

use super::rule::as_clamp;
use super::{Binary, Op, Unary};

impl Op {
    /// Whether an op after it may take it in, so that it is computed only when its result is read.
    pub(crate) fn is_deferred(&self) -> bool {
        matches!(self, Op::Unary(Unary::Relu) | Op::BatchNorm { activation: None, .. })
    }
}

/// The op that computes `next` of the result of `previous`, where there is one. It takes the operands of `previous`, then the others of `next`.
pub(crate) fn join(previous: &Op, next: &Op) -> Option<Op> {
    match (previous, next) {
        // The reader applies the ReLU as it reads.
        (Op::Unary(Unary::Relu), Op::Conv2d { options, input_relu: false }) => {
            Some(Op::Conv2d { options: *options, input_relu: true })
        }
        (Op::Unary(Unary::Relu), Op::MaxPool2d { options, input_relu: false, with_positions }) => {
            Some(Op::MaxPool2d { options: *options, input_relu: true, with_positions: *with_positions })
        }
        // A normalization adds and clamps before it writes.
        (Op::BatchNorm { eps, training, residual: false, activation: None }, Op::Binary(Binary::Add)) => {
            Some(Op::BatchNorm { eps: *eps, training: *training, residual: true, activation: None })
        }
        (Op::BatchNorm { eps, training, residual, activation: None }, Op::Unary(f)) => {
            // The gradient of a sum finds by the result where it was clamped, which takes a bound of 0 and no other.
            let clamps = if *residual { *f == Unary::Relu } else { as_clamp(*f).is_some() };
            let joined = Op::BatchNorm { eps: *eps, training: *training, residual: *residual, activation: Some(*f) };
            clamps.then_some(joined)
        }
        _ => None,
    }
}
