//! Batch normalization: training over two steps, and evaluation.

use super::fixtures::{Case, Tolerance, for_each_case};
use striate::prelude::*;

fn train(case: &Case) -> Result<(), String> {
    // An input near 1000 has lost the digits that tell its elements apart.
    let tolerance = Tolerance::of_largest(if case.name == "far_from_zero" { 1e-4 } else { 3e-6 });
    let channels = case.tensor("running_mean").numel();
    let mut layer = BatchNorm2d::new(channels);
    layer.momentum = case.float("momentum").unwrap_or(layer.momentum);
    layer.eps = case.float("eps").unwrap_or(layer.eps);
    layer.weight = case.find("weight").map(Parameter::new);
    layer.bias = case.find("bias").map(Parameter::new);
    layer.running_mean.set(case.tensor("running_mean"));
    layer.running_var.set(case.tensor("running_var"));
    for step in [1, 2] {
        let x = case.tensor(&format!("input{step}")).requires_grad();
        let output = layer.forward(x.clone(), &Pass::train(step));
        case.compare(&format!("output{step}"), &output, tolerance)?;
        let grads = output.backward_with(case.tensor(&format!("grad_output{step}")));
        case.compare(&format!("grad{step}.input"), &grads.get(&x).expect("a gradient"), tolerance)?;
        for (name, parameter) in [("weight", &layer.weight), ("bias", &layer.bias)] {
            if let Some(p) = parameter {
                case.compare(&format!("grad{step}.{name}"), &grads.get(p).expect("a gradient"), tolerance)?;
            }
        }
        case.compare(&format!("running_mean{step}"), &layer.running_mean.value(), Tolerance::SUM)?;
        case.compare(&format!("running_var{step}"), &layer.running_var.value(), tolerance)?;
    }
    assert_eq!(layer.num_batches_tracked.value().item::<i64>(), 2);
    Ok(())
}

#[test]
fn batch_norm() {
    for_each_case("batch_norm", |case| match case.op.as_str() {
        "batch_norm2d_train" => train(case),
        "batch_norm2d_eval" => case.check(Tolerance::of_largest(3e-6), |t| {
            let (mean, var) = (t.get("running_mean"), t.get("running_var"));
            let eps = case.float("eps").expect("an epsilon");
            t.x().batch_norm_inference(&mean, &var, t.find("weight").as_ref(), t.find("bias").as_ref(), eps)
        }),
        other => panic!("no such op: {other}"),
    });
}
