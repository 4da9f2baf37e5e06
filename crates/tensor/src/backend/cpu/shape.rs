//! Views.

use super::{no_such_op, take, views};
use crate::array::Array;
use crate::op::{Op, Spec};

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let shape = outputs[0].shape;
    let one = match op {
        Op::Reshape { .. } | Op::Flatten { .. } => {
            let [x] = take(inputs);
            views::reshape(x, shape)
        }
        Op::Permute { dims } => {
            let [x] = take(inputs);
            views::permute(x, dims)
        }
        Op::Expand { .. } => {
            let [x] = take(inputs);
            views::expand(x, shape)
        }
        Op::Narrow { dim, start, length } => {
            let [x] = take(inputs);
            views::narrow(x, *dim, *start, *length)
        }
        _ => no_such_op(op, "view"),
    };
    vec![one]
}
