//! Normalization within samples, and layers with running statistics over two training steps and in evaluation.

use super::fixtures::{Case, Tolerance, for_each_case};
use striate::prelude::*;

const TOLERANCE: Tolerance = Tolerance::of_largest(3e-6);

/// Two training steps and an evaluation.
fn run(case: &Case, layer: &dyn Forward, running: impl Fn() -> [Option<Tensor>; 2]) -> Result<(), String> {
    let mut names: Vec<String> = state_dict(layer as &dyn Module).into_keys().collect();
    names.sort();
    assert_eq!(names, case.texts("state"), "{}", case.name);
    for (step, name) in ["1", "2", "_eval"].into_iter().enumerate() {
        // An evaluation records nothing of parameters, but does of its input.
        let pass = if name == "_eval" { Pass::eval() } else { Pass::train(step as u64) };
        let x = case.tensor(&format!("input{name}")).requires_grad();
        let output = layer.forward(x.clone(), &pass);
        case.compare(&format!("output{name}"), &output, TOLERANCE)?;
        let grads = output.backward_with(case.tensor(&format!("grad_output{name}")));
        case.compare(&format!("grad{name}.input"), &grads.get(&x).expect("a gradient"), TOLERANCE)?;
        if pass.is_train() {
            for (parameter, p) in layer.named_parameters() {
                case.compare(&format!("grad{name}.{parameter}"), &grads.get(p).expect("a gradient"), TOLERANCE)?;
            }
        }
        for (buffer, value) in ["running_mean", "running_var"].into_iter().zip(running()) {
            if let Some(value) = value {
                case.compare(&format!("{buffer}{name}"), &value, TOLERANCE)?;
            }
        }
    }
    Ok(())
}

fn batch_norm1d(case: &Case) -> Result<(), String> {
    let mut layer = BatchNorm1d::new(case.tensor("running_mean").numel());
    layer.momentum = case.float("momentum").unwrap_or(layer.momentum);
    layer.eps = case.float("eps").unwrap_or(layer.eps);
    layer.weight = case.find("weight").map(Parameter::new);
    layer.bias = case.find("bias").map(Parameter::new);
    layer.running_mean.set(case.tensor("running_mean"));
    layer.running_var.set(case.tensor("running_var"));
    run(case, &layer, || [Some(layer.running_mean.value()), Some(layer.running_var.value())])?;
    assert_eq!(layer.num_batches_tracked.value().item::<i64>(), 2);
    Ok(())
}

fn instance_norm2d(case: &Case) -> Result<(), String> {
    let mut layer = InstanceNorm2d::new(case.tensor("input1").shape()[1]);
    if case.flag("affine", false) {
        layer = layer.affine();
    }
    if case.flag("track_running_stats", false) {
        layer = layer.track_running_stats();
    }
    layer.momentum = case.float("momentum").unwrap_or(layer.momentum);
    layer.eps = case.float("eps").unwrap_or(layer.eps);
    let mut state = state_dict(&layer);
    for (name, value) in state.iter_mut() {
        *value = case.find(name).unwrap_or_else(|| value.clone());
    }
    load_state_dict(&mut layer, &state).expect("the same names");
    let value = |buffer: &Option<Buffer>| buffer.as_ref().map(Buffer::value);
    run(case, &layer, || [value(&layer.running_mean), value(&layer.running_var)])
}

#[test]
fn norm() {
    for_each_case("norm", |case| {
        let eps = case.float("eps").unwrap_or(1e-5);
        match case.op.as_str() {
            "group_norm" => case.check(TOLERANCE, |t| {
                let (weight, bias) = (t.find("weight"), t.find("bias"));
                t.x().group_norm(case.int("num_groups") as usize, weight.as_ref(), bias.as_ref(), eps).output
            }),
            "layer_norm" => case.check(TOLERANCE, |t| {
                let (weight, bias) = (t.find("weight"), t.find("bias"));
                t.x().layer_norm(&case.sizes("normalized_shape"), weight.as_ref(), bias.as_ref(), eps)
            }),
            "batch_norm1d" => batch_norm1d(case),
            "instance_norm2d" => instance_norm2d(case),
            other => panic!("no such op: {other}"),
        }
    });
}
