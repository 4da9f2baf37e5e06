//! Ops that move elements.

use super::cast::cast;
use super::{TRAINING, by_float, by_number, index, no_such_op, resample, take, views};
use crate::array::Array;
use crate::dtype::by_type;
use crate::op::{Op, PaddingMode, Spec};

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
        Op::Cat { dim } => by_type!(inputs[0].dtype(), |T| views::cat::<T>(&inputs, *dim)),
        Op::Pad { padding, mode, value } => {
            let [x] = take(inputs);
            if *mode == PaddingMode::Zeros {
                by_type!(x.dtype(), |T| views::pad::<T>(&x, padding, *value))
            } else {
                resample::pad(x, padding, *mode)
            }
        }
        Op::PadGrad { padding, mode } if TRAINING => {
            let [g] = take(inputs);
            resample::pad_grad(g, padding, *mode, shape)
        }
        Op::Cast { dtype } => {
            let [x] = take(inputs);
            cast(x, *dtype)
        }
        Op::Gather { dim } => {
            let [x, index] = take(inputs);
            by_type!(x.dtype(), |T| index::gather::<T>(&x, *dim, &index))
        }
        Op::ScatterAdd { dim, .. } => {
            let [g, index] = take(inputs);
            by_number!(g, "scatter_add", |T| index::scatter_add::<T>(&g, *dim, &index, shape))
        }
        Op::IndexSelect { dim } => {
            let [x, index] = take(inputs);
            by_type!(x.dtype(), |T| index::index_select::<T>(&x, *dim, &index))
        }
        Op::IndexAdd { dim, .. } => {
            let [g, index] = take(inputs);
            by_number!(g, "index_add", |T| index::index_add::<T>(&g, *dim, &index, shape))
        }
        _ => no_such_op(op, "move of elements"),
    };
    vec![one]
}
