//! Weights for tests.

use striate_nn::Classifier;
use striate_tensor::Tensor;

/// Gives layers weights of which no two are the same, in less time than it takes to draw them.
pub fn spread_weights(net: &mut dyn Classifier) {
    for (_, parameter) in net.named_parameters_mut() {
        let shape = parameter.value().shape().to_vec();
        if shape.len() < 2 {
            continue;
        }
        let (n, fan_in) = (parameter.value().numel(), shape[1..].iter().product::<usize>());
        let scale = (24.0 / fan_in as f32).sqrt() / 2f32.powi(32);
        let weight = |i: u32| i.wrapping_mul(0x9E37_79B1) as i32 as f32 * scale;
        parameter.set(Tensor::from_vec((1..=n as u32).map(weight).collect(), shape));
    }
}
