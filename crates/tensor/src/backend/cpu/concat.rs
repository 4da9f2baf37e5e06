//! What is joined, and what is padded.

use super::{TRAINING, no_such_op, resample, take, views};
use crate::array::Array;
use crate::dtype::by_type;
use crate::op::{Op, PaddingMode, Spec};

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let one = match op {
        Op::Cat { dim } => by_type!(inputs[0].dtype(), |T| views::cat::<T>(&inputs, *dim)),
        Op::Pad { padding, mode: PaddingMode::Zeros, value } => {
            let [x] = take(inputs);
            by_type!(x.dtype(), |T| views::pad::<T>(&x, padding, *value))
        }
        Op::Pad { padding, mode, .. } => {
            let [x] = take(inputs);
            resample::pad(x, padding, *mode)
        }
        Op::PadGrad { padding, mode } if TRAINING => {
            let [g] = take(inputs);
            resample::pad_grad(g, padding, *mode, outputs[0].shape)
        }
        _ => no_such_op(op, "join or padding"),
    };
    vec![one]
}
