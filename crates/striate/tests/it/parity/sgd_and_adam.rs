//! SGD, Adam and AdamW: the parameter after each of five steps.

use super::fixtures::{Case, Tolerance, compare, for_each_case};
use striate::prelude::*;
use striate::tensor::{AdamStep, Update};

fn optimizer(case: &Case) -> Box<dyn Optimizer> {
    let lr = case.float("lr").expect("a learning rate");
    let or_zero = |arg| case.float(arg).unwrap_or(0.0);
    if case.op == "adam" {
        let mut adam = Adam::new(lr).weight_decay(or_zero("weight_decay"));
        if let Some(betas) = case.floats("betas") {
            adam = adam.betas(betas[0], betas[1]);
        }
        return Box::new(adam);
    }
    let sgd = Sgd::new(lr).dampening(or_zero("dampening")).weight_decay(or_zero("weight_decay"));
    let momentum = or_zero("momentum");
    Box::new(if case.flag("nesterov", false) { sgd.nesterov(momentum) } else { sgd.momentum(momentum) })
}

/// The gradients that a step with gradient `grad` starts from.
fn gradients(parameter: &Parameter, grad: Tensor) -> Gradients {
    parameter.tensor(&Pass::train(0)).backward_with(grad)
}

fn steps(case: &Case) -> Tensor {
    let grads = case.tensor("grads");
    let grad = |step: usize| grads.clone().select(0, step);
    let mut after = Vec::new();
    if case.op == "adamw" {
        let mut value = case.tensor("start");
        let zeros = || Tensor::full_like(&value, 0.0).into_array();
        let mut state = [zeros(), zeros()];
        let weight_decay = case.float("weight_decay").expect("a weight decay");
        let lr = case.float("lr").expect("a learning rate");
        for step in 0..grads.size(0) {
            let settings = Update::Adam(AdamStep {
                lr,
                beta1: 0.9,
                beta2: 0.999,
                eps: 1e-8,
                weight_decay,
                decoupled: true,
                step: step as u64 + 1,
            });
            value.update(&settings, &grad(step), &mut state);
            after.push(value.clone());
        }
    } else {
        let mut parameter = Parameter::new(case.tensor("start"));
        let mut optimizer = optimizer(case);
        for step in 0..grads.size(0) {
            let gradients = gradients(&parameter, grad(step));
            optimizer.step(&mut parameter, &gradients);
            after.push(parameter.value().clone());
        }
    }
    Tensor::stack(&after, 0)
}

/// Gradients reach from 0 and 1e-6 to 1e4 by rows, so each row is compared by itself.
#[test]
fn sgd_and_adam() {
    for_each_case("optimizer", |case| {
        let (after, expected) = (steps(case), case.tensor("output"));
        for row in 0..expected.size(1) {
            let of_row = |t: &Tensor| t.clone().select(1, row);
            compare(&of_row(&after), &of_row(&expected), Tolerance::of_largest(1e-6))
                .map_err(|e| format!("{}: row {row}: {e}", case.name))?;
        }
        Ok(())
    });
}
