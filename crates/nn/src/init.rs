//! Initial values of parameters.

use striate_tensor::{DType, Generator, Shape, Tensor};

/// How many inputs feed each output of a weight `[out, in, ..]`.
pub fn fan_in(shape: Shape) -> usize {
    shape[1..].iter().product()
}

/// PyTorch's default for the weights of linear and convolution layers: `kaiming_uniform_(a=√5)`, which is even between ±1/√fan_in
/// (He et al., 2015).
pub fn default_weight(shape: impl Into<Shape>, rng: &mut Generator) -> Tensor {
    let shape = shape.into();
    uniform_fan_in(shape, fan_in(shape), rng)
}

/// PyTorch's default for their biases: even between ±1/√fan_in of the weight.
pub fn default_bias(size: usize, fan_in: usize, rng: &mut Generator) -> Tensor {
    uniform_fan_in(Shape::from([size]), fan_in, rng)
}

fn uniform_fan_in(shape: Shape, fan_in: usize, rng: &mut Generator) -> Tensor {
    let bound = if fan_in == 0 { 0.0 } else { 1.0 / (fan_in as f64).sqrt() };
    Tensor::rand_uniform(shape, -bound, bound, DType::F32, rng)
}
