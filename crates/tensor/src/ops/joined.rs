//! Ops that may take in the one before them (`op/join.rs`): each is recorded as what it has become.

use super::{activation, batch_norm, conv2d, elementwise, pool2d};
use crate::deferred::{Input, Value};
use crate::op::{Binary, Op, Spec, Unary};
use crate::tensor::Tensor;

/// The result of an op that takes part in joining: of `op`, or of what it becomes with the deferred op before it.
///
/// # Panics
/// If the operands do not fit.
pub(crate) fn apply(op: Op, operands: Vec<Tensor>) -> Tensor {
    let specs: Vec<Spec> = operands.iter().map(Tensor::spec).collect();
    op.outputs(&specs);
    let (op, inputs) = joined(op, operands);
    match op {
        Op::Unary(Unary::Relu) => elementwise::relu_of(inputs),
        Op::Unary(Unary::Activation(a)) => activation::activation_of(a, inputs),
        Op::Binary(Binary::Add) => elementwise::sum_of(inputs),
        Op::Conv2d { options, input_relu } => conv2d::conv2d_of(options, input_relu, inputs),
        Op::MaxPool2d { options, input_relu, .. } => pool2d::max_pool2d_of(options, input_relu, inputs),
        Op::BatchNorm { .. } => batch_norm::batch_norm_of(op, inputs),
        other => unreachable!("{} is not joined with others", other.name()),
    }
}

fn joined(op: Op, mut operands: Vec<Tensor>) -> (Op, Vec<Input>) {
    // A sum may join what stands on either side.
    let sides = if op == Op::Binary(Binary::Add) { 2 } else { 1 };
    for side in 0..sides {
        let Value::Deferred(deferred) = &operands[side].value else { continue };
        if sides == 2 && operands[0].spec() != operands[1].spec() {
            break;
        }
        let others = || operands.iter().enumerate().filter(|(i, _)| *i != side).map(|(_, t)| t);
        let Some((joint, before)) = deferred.joined(&op) else { continue };
        if others().any(|t| t.device() != deferred.device()) {
            continue;
        }
        operands.remove(side);
        let rest = operands.into_iter().map(Tensor::into_input);
        return (joint, before.into_iter().chain(rest).collect());
    }
    (op, operands.into_iter().map(Tensor::into_input).collect())
}
