//! The other optimizers, clipping and averaged weights.

use super::fixtures::{Case, Tolerance, compare, for_each_case};
use striate::nn::optim::{clip_grad_norm, clip_grad_value};
use striate::prelude::*;

fn number(case: &Case, arg: &str) -> f64 {
    case.float(arg).unwrap_or_else(|| panic!("{}: no number {arg}", case.name))
}

/// The optimizer of the case. Settings that the case leaves out are the optimizer's own defaults.
fn optimizer(case: &Case) -> Box<dyn Optimizer> {
    let lr = number(case, "lr");
    macro_rules! with {
        ($optimizer:expr, $($arg:ident),*) => {{
            let mut optimizer = $optimizer;
            $(if let Some(value) = case.float(stringify!($arg)) {
                optimizer.$arg = value;
            })*
            optimizer
        }};
    }
    macro_rules! with_betas {
        ($optimizer:expr) => {{
            let optimizer = $optimizer;
            Box::new(match case.floats("betas") {
                Some(betas) => optimizer.betas(betas[0], betas[1]),
                None => optimizer,
            })
        }};
    }
    match case.op.as_str() {
        "adamw" => with_betas!(with!(AdamW::new(lr), eps, weight_decay)),
        "nadam" => with_betas!(with!(NAdam::new(lr), eps, weight_decay, momentum_decay)),
        "lion" => with_betas!(with!(Lion::new(lr), weight_decay)),
        "lamb" => with_betas!(with!(Lamb::new(lr), eps, weight_decay)),
        "rmsprop" => {
            let optimizer = with!(RMSprop::new(lr), alpha, eps, weight_decay, momentum);
            Box::new(optimizer.centered(case.flag("centered", false)))
        }
        "adagrad" => Box::new(with!(Adagrad::new(lr), lr_decay, weight_decay, initial_accumulator_value, eps)),
        other => panic!("no such optimizer: {other}"),
    }
}

/// The gradients that a step with gradient `grad` starts from.
fn gradients(parameter: &Parameter, grad: Tensor) -> Gradients {
    parameter.tensor(&Pass::train(0)).backward_with(grad)
}

/// Each step; half way the optimizer is replaced by a fresh one that gets its state.
fn steps(case: &Case) -> Result<(), String> {
    let (grads, expected) = (case.tensor("grads"), case.tensor("output"));
    let mut parameter = Parameter::new(case.tensor("start"));
    let mut current = optimizer(case);
    let mut after = Vec::new();
    for step in 0..grads.size(0) {
        if step == 3 {
            let state = current.state().clone();
            current = optimizer(case);
            current.set_state(state);
        }
        let gradients = gradients(&parameter, grads.clone().select(0, step));
        current.step(&mut parameter, &gradients);
        after.push(parameter.value().clone());
    }
    let after = Tensor::stack(&after, 0);
    // LAMB's norms are of the whole, so that rounding of the largest row reaches all.
    let fraction = if case.op == "lamb" { 2e-6 } else { 1e-6 };
    for row in 0..expected.size(1) {
        let of_row = |t: &Tensor| t.clone().select(1, row);
        compare(&of_row(&after), &of_row(&expected), Tolerance::of_largest(fraction))
            .map_err(|e| format!("{}: row {row}: {e}", case.name))?;
    }
    Ok(())
}

fn clipping(case: &Case) -> Result<(), String> {
    let parameters: Vec<Parameter> =
        (0..3).map(|i| Parameter::new(Tensor::full_like(&case.tensor(&format!("grad{i}")), 0.0))).collect();
    let mut all = Gradients::default();
    for (i, parameter) in parameters.iter().enumerate() {
        all.set(parameter, case.tensor(&format!("grad{i}")));
    }
    if case.op == "clip_grad_value" {
        clip_grad_value(&parameters, &mut all, number(case, "clip_value"));
    } else {
        let norm_type = if case.text("norm_type") == Some("inf") { f64::INFINITY } else { number(case, "norm_type") };
        let (got, want) =
            (clip_grad_norm(&parameters, &mut all, number(case, "max_norm"), norm_type), number(case, "norm"));
        if (got - want).abs() > 1e-6 * want {
            return Err(format!("{}: the norm is {got}, PyTorch has {want}", case.name));
        }
    }
    for (i, parameter) in parameters.iter().enumerate() {
        let grad = all.get(parameter).expect("it was set");
        case.compare(&format!("output{i}"), &grad, Tolerance::ELEMENT)?;
    }
    Ok(())
}

fn average(case: &Case) -> Result<(), String> {
    let values = case.tensor("values");
    let mut parameter = Parameter::new(values.clone().select(0, 0));
    let mut ema = Ema::new(&parameter, number(case, "decay"));
    let mut after = vec![parameter.value().clone()];
    for i in 1..values.size(0) {
        parameter.set(values.clone().select(0, i));
        ema.update(&parameter);
        after.push(ema.state().0[""].clone());
    }
    case.compare("output", &Tensor::stack(&after, 0), Tolerance::SUM)
}

#[test]
fn optim() {
    for_each_case("optim", |case| match case.op.as_str() {
        "clip_grad_norm" | "clip_grad_value" => clipping(case),
        "ema" => average(case),
        _ => steps(case),
    });
}
