//! Default initial values: the same bounds and spread as PyTorch's.

use super::fixtures::{Case, for_each_case};
use striate::prelude::*;

fn check(case: &Case, name: &str, values: &Tensor) -> Result<(), String> {
    let fact = |key: String| case.float(&key).unwrap_or_else(|| panic!("{}: no {key}", case.name));
    let bound = fact("bound".into());
    let values: Vec<f64> = values.to_vec::<f32>().into_iter().map(f64::from).collect();
    let n = values.len() as f64;
    let largest = values.iter().fold(0.0f64, |m, v| m.max(v.abs()));
    let mean = values.iter().sum::<f64>() / n;
    let std = (values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
    // The spread of an even distribution's sample deviates by about 1/√n in 2.2 standard errors.
    let (their_largest, their_std) = (fact(format!("{name}_max")), fact(format!("{name}_std")));
    let near = |a: f64, b: f64| (a - b).abs() <= 3.0 / n.sqrt() * b;
    let right = largest <= bound * (1.0 + 1e-6)
        && near(largest, their_largest)
        && near(std, their_std)
        && mean.abs() <= 2.0 * bound / n.sqrt();
    if right {
        return Ok(());
    }
    Err(format!(
        "{}: {name}: bound {bound}, largest {largest} (PyTorch {their_largest}), std {std} (PyTorch {their_std}), mean {mean}",
        case.name
    ))
}

#[test]
fn initial_values() {
    for_each_case("init", |case| {
        let rng = &mut Generator::new(1);
        let size = |arg| case.int(arg) as usize;
        let (weight, bias) = match case.op.as_str() {
            "linear_init" => {
                let layer = Linear::new(size("in_features"), size("out_features"), rng);
                (layer.weight, layer.bias)
            }
            "conv2d_init" => {
                let kernel = case.pair("kernel_size", [0; 2]);
                let builder = Conv2d::options(size("in_channels"), size("out_channels"), kernel);
                let layer = builder.groups(size("groups")).build(rng);
                (layer.weight, layer.bias)
            }
            other => panic!("no such op: {other}"),
        };
        check(case, "weight", weight.value())?;
        check(case, "bias", bias.expect("a bias by default").value())
    });
}
