//! Attacks against PyTorch.

use crate::{floats, numbers, read};
use serde_json::Value;
use striate_nn::{
    Conv2d, CrossEntropyLoss, Flatten, Forward, Linear, Pass, Sequential, StateDict, Tanh, load_state_dict,
};
use striate_report::robustness::{Steps, perturb};
use striate_tensor::{Generator, Reduction, Tensor};

const SHAPE: [usize; 4] = [5, 2, 6, 6];

fn network(state: &Value) -> Sequential {
    let rng = &mut Generator::new(0);
    let mut network =
        Sequential::new().add(Conv2d::new(2, 4, 3, rng)).add(Tanh).add(Flatten::default()).add(Linear::new(64, 3, rng));
    let tensor = |name: &str, shape: &[usize]| Tensor::from_vec(floats(&state[name]), shape.to_vec());
    let state = StateDict::from([
        ("0.weight".to_string(), tensor("conv.weight", &[4, 2, 3, 3])),
        ("0.bias".to_string(), tensor("conv.bias", &[4])),
        ("3.weight".to_string(), tensor("fc.weight", &[3, 64])),
        ("3.bias".to_string(), tensor("fc.bias", &[3])),
    ]);
    load_state_dict(&mut network, &state).unwrap();
    network
}

#[test]
fn fgsm_and_pgd_as_pytorch_computes_them() {
    let fixture = read("attack.json");
    let network = network(&fixture["state"]);
    let (mean, std) = (floats(&fixture["mean"]), floats(&fixture["std"]));
    let labels: Vec<i64> = numbers(&fixture["labels"]).into_iter().map(|l| l as i64).collect();
    let labels = Tensor::from_vec(labels, [5]);
    let normalized = |values: &[f32]| {
        let value = |(i, x): (usize, &f32)| (x - mean[i / 36 % 2]) / std[i / 36 % 2];
        Tensor::from_vec(values.iter().enumerate().map(value).collect::<Vec<f32>>(), SHAPE)
    };
    // Deviations are positive, so that gradients of values and of normalized values have the same signs.
    let gradient = |values: &[f32]| {
        let input = normalized(values).requires_grad();
        let output = network.forward(input.clone(), &Pass::eval());
        let loss = CrossEntropyLoss::new().reduction(Reduction::Sum).forward(output, &labels);
        loss.backward().get(&input).unwrap().to_vec::<f32>()
    };
    let x = floats(&fixture["x"]);
    for (i, (found, expected)) in gradient(&x).iter().zip(floats(&fixture["gradient"])).enumerate() {
        assert!((found / std[i / 36 % 2] - expected).abs() < 1e-5, "{i}: {found} {expected}");
    }
    for case in fixture["cases"].as_array().unwrap() {
        let number = |key: &str| case[key].as_f64().unwrap() as f32;
        let steps =
            Steps { epsilon: number("epsilon"), steps: case["steps"].as_u64().unwrap() as usize, size: number("size") };
        let start = floats(&case["start"]);
        let found = perturb(&x, &start, &vec![true; x.len()], steps, gradient);
        for (i, (found, expected)) in found.iter().zip(floats(&case["values"])).enumerate() {
            assert!((found - expected).abs() < 1e-6, "{steps:?}, value {i}: {found}, PyTorch {expected}");
        }
        let logits = network.forward(normalized(&found), &Pass::eval()).to_vec::<f32>();
        for (found, expected) in logits.iter().zip(floats(&case["logits"])) {
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }
}
