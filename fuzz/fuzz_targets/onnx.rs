//! The bytes as an ONNX file, which is run if it can be read and its inputs are small.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::path::Path;
use striate_nn::Pass;
use striate_onnx::{Model, Network};
use striate_tensor::Tensor;

fuzz_target!(|bytes: &[u8]| {
    let path = Path::new("fuzz.onnx");
    let Ok(model) = Model::from_bytes(bytes.to_vec(), path) else { return };
    let Ok(network) = Network::of_model(model, path) else { return };
    let mut inputs = Vec::new();
    for port in network.inputs() {
        let shape: Vec<usize> = port.sizes.iter().map(|n| n.unwrap_or(2)).collect();
        if shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).is_none_or(|n| n > 4096) || shape.len() > 8 {
            return;
        }
        inputs.push(Tensor::ones(shape, port.dtype));
    }
    let _ = network.run(inputs, &Pass::eval());
});
