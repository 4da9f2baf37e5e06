//! Which op takes in the one before it, so that both are one pass over the elements. This table is all there is of it.

use super::shapes::as_clamp;
use super::{FusedConv2d, Op, Pool2dOptions, Unary};

impl Op {
    /// Whether an op after it may take it in, so that it is computed only when its result is read. `trains` tells whether a gradient
    /// flows through it.
    pub(crate) fn is_deferred(&self, trains: bool) -> bool {
        match self {
            Op::Unary(Unary::Relu) => true,
            Op::BatchNorm { activation: None, .. } => true,
            Op::Conv2d { .. } => !trains,
            Op::FusedConv2d(f) => !trains && !f.max_pool2,
            _ => false,
        }
    }
}

/// The op that computes `next` of the result of `previous`, which has this many operands, where there is one. It takes the operands of `previous`, then the
/// others of `next`. `trains` tells whether a gradient flows through either.
pub(crate) fn join(previous: &Op, operands: usize, next: &Op, trains: bool) -> Option<Op> {
    let joined = match (previous, next) {
        // The reader applies the ReLU as it reads.
        (Op::Unary(Unary::Relu), Op::Conv2d { options, input_relu: false }) => {
            Op::Conv2d { options: *options, input_relu: true }
        }
        (Op::Unary(Unary::Relu), Op::MaxPool2d { options, input_relu: false, with_positions }) => {
            Op::MaxPool2d { options: *options, input_relu: true, with_positions: *with_positions }
        }
        // A normalization adds and clamps before it writes.
        (Op::BatchNorm { eps, training, residual: false, activation: None }, Op::Binary(super::Binary::Add)) => {
            Op::BatchNorm { eps: *eps, training: *training, residual: true, activation: None }
        }
        (Op::BatchNorm { eps, training, residual, activation: None }, Op::Unary(f)) => {
            // The gradient of a sum finds by the result where it was clamped, which takes a bound of 0 and no other.
            let clamps = if *residual { *f == Unary::Relu } else { as_clamp(*f).is_some() };
            if !clamps {
                return None;
            }
            Op::BatchNorm { eps: *eps, training: *training, residual: *residual, activation: Some(*f) }
        }
        // A convolution normalizes, clamps and pools before it writes.
        (Op::Conv2d { .. } | Op::FusedConv2d(_), _) if !trains => Op::FusedConv2d(fused(previous, operands, next)?),
        _ => return None,
    };
    Some(joined)
}

fn fused(previous: &Op, operands: usize, next: &Op) -> Option<FusedConv2d> {
    let conv = match previous {
        Op::Conv2d { options, input_relu } => FusedConv2d::new(*options, *input_relu, operands == 3),
        Op::FusedConv2d(f) => *f,
        _ => return None,
    };
    match next {
        Op::BatchNorm { eps, residual: false, activation: None, .. } if conv.takes_norm() => {
            Some(FusedConv2d { norm: Some(*eps), ..conv })
        }
        Op::Unary(f) if conv.takes_activation() && as_clamp(*f).is_some() => {
            Some(FusedConv2d { activation: Some(*f), ..conv })
        }
        Op::MaxPool2d { options, input_relu: false, .. } if conv.takes_max_pool2() => {
            let halves = Pool2dOptions { count_include_pad: options.count_include_pad, ..Pool2dOptions::new([2; 2]) };
            (*options == halves).then_some(FusedConv2d { max_pool2: true, ..conv })
        }
        _ => None,
    }
}
