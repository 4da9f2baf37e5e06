//! What most networks of the last ten years are made of: a convolution, batch normalization, an activation.

use striate_nn::init::{self, FanMode, Nonlinearity};
use striate_nn::{BatchNorm2d, Conv2d, Conv2dBuilder, Forward, Linear, Module, Parameter, Pass, SqueezeExcitation};
use striate_tensor::{DType, Generator, Shape, Tensor};

/// The function at the end of a [`ConvNorm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    None,
    Relu,
    Relu6,
    Silu,
    Hardswish,
}

impl Activation {
    pub(crate) fn of(self, x: Tensor) -> Tensor {
        match self {
            Activation::None => x,
            Activation::Relu => x.relu(),
            Activation::Relu6 => x.relu6(),
            Activation::Silu => x.silu(),
            Activation::Hardswish => x.hardswish(),
        }
    }
}

/// A convolution without bias, batch normalization and an activation, whose parameters are named `0` and `1`
/// (`torchvision.ops.Conv2dNormActivation`).
#[derive(Debug, Module)]
pub(crate) struct ConvNorm(Conv2d, BatchNorm2d, #[module(skip)] Activation);

impl ConvNorm {
    pub(crate) fn new(conv: Conv2dBuilder, activation: Activation, rng: &mut Generator) -> Self {
        let conv = kaiming(conv, rng);
        let channels = conv.weight.value().size(0);
        ConvNorm(conv, BatchNorm2d::new(channels), activation)
    }

    /// With these settings of the normalization.
    pub(crate) fn norm(self, eps: f64, momentum: f64) -> Self {
        ConvNorm(self.0, BatchNorm2d { eps, momentum, ..self.1 }, self.2)
    }
}

impl Forward for ConvNorm {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        pass.observe(self, self.2.of(self.1.forward(self.0.forward(x, pass), pass)))
    }
}

/// A convolution without bias whose weight is normal, with a variance that keeps that of the gradient (He et al., 2015): torchvision's
/// `kaiming_normal_(mode="fan_out")`.
pub(crate) fn kaiming(conv: Conv2dBuilder, rng: &mut Generator) -> Conv2d {
    kaiming_biased(conv.bias(false), rng)
}

/// As [`kaiming`], with a bias of 0.
pub(crate) fn kaiming_biased(conv: Conv2dBuilder, rng: &mut Generator) -> Conv2d {
    conv.build_with(|shape| kaiming_weight(shape, rng))
}

/// The weight of [`kaiming`].
pub(crate) fn kaiming_weight(shape: impl Into<Shape>, rng: &mut Generator) -> Tensor {
    init::kaiming_normal(shape, FanMode::FanOut, Nonlinearity::ReLU, rng)
}

/// A linear layer of this weight and a bias of 0.
pub(crate) fn linear(weight: Tensor) -> Linear {
    let bias = Tensor::zeros([weight.size(0)], DType::F32);
    Linear { weight: Parameter::new(weight), bias: Some(Parameter::new(bias)) }
}

/// Squeeze-and-excitation from `channels` to `squeezed` and back, with these functions between and after, and [`kaiming`] weights.
pub(crate) fn squeeze_excitation(
    channels: usize,
    squeezed: usize,
    between: impl Forward + 'static,
    after: impl Forward + 'static,
    rng: &mut Generator,
) -> SqueezeExcitation {
    SqueezeExcitation {
        fc1: kaiming_biased(Conv2d::options(channels, squeezed, 1), rng),
        fc2: kaiming_biased(Conv2d::options(squeezed, channels, 1), rng),
        activation: Box::new(between),
        scale_activation: Box::new(after),
    }
}

/// The multiple of `divisor` nearest to `value`, but not below nine tenths of it (torchvision's `_make_divisible`).
pub(crate) fn make_divisible(value: f64, divisor: usize) -> usize {
    let nearest = divisor.max((value + divisor as f64 / 2.0) as usize / divisor * divisor);
    if (nearest as f64) < 0.9 * value { nearest + divisor } else { nearest }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_rounded_as_in_torchvision() {
        // What `_make_divisible(value, 8)` gives.
        for (value, channels) in [(32.0, 32), (11.2, 16), (16.8, 16), (22.4, 24), (4.0, 8), (19.0, 24), (75.0, 72)] {
            assert_eq!(make_divisible(value, 8), channels, "{value}");
        }
    }
}
