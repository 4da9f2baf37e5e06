//! What most networks of the last ten years are made of: a convolution, batch normalization, an activation.

use striate_nn::init::{self, FanMode, Nonlinearity};
use striate_nn::{BatchNorm2d, Conv2d, Conv2dBuilder, Forward, Module, Pass};
use striate_tensor::{Generator, Tensor};

/// The function at the end of a [`ConvNorm`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Activation {
    None,
    Relu6,
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
}

impl Forward for ConvNorm {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.1.forward(self.0.forward(x, pass), pass);
        match self.2 {
            Activation::None => x,
            Activation::Relu6 => x.relu6(),
        }
    }
}

/// A convolution without bias whose weight is normal, with a variance that keeps that of the gradient (He et al., 2015): torchvision's
/// `kaiming_normal_(mode="fan_out")`.
pub(crate) fn kaiming(conv: Conv2dBuilder, rng: &mut Generator) -> Conv2d {
    conv.bias(false).build_with(|shape| init::kaiming_normal(shape, FanMode::FanOut, Nonlinearity::ReLU, rng))
}
