//! MNASNet (Tan et al., 2019), the paper's variant B1, as in torchvision.

use crate::conv_norm::{kaiming, linear, make_divisible};
use striate_nn::init::{self, FanMode, Nonlinearity};
use striate_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Classifier, Conv2d, Conv2dBuilder, Dropout, Forward, Module, Pass, ReLU, Sequential,
};
use striate_tensor::{Generator, Tensor};

/// The settings of an [`MnasNet`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MnasNetOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// What all numbers of channels are multiplied by, except the last one.
    pub alpha: f64,
    /// The probability with which a feature is zeroed before the last layer.
    pub dropout: f64,
}

/// Layers before the stages.
const BEFORE_STAGES: usize = 8;

/// Kernel, stride of the first, expansion and number of the blocks of each stage.
const STAGES: [(usize, usize, usize, usize); 6] =
    [(3, 2, 3, 3), (5, 2, 3, 3), (5, 2, 6, 3), (3, 1, 6, 2), (5, 2, 6, 4), (3, 1, 6, 1)];

impl MnasNetOptions {
    /// With `alpha` times the paper's channels.
    pub const fn new(alpha: f64) -> Self {
        MnasNetOptions { in_channels: 3, alpha, dropout: 0.2 }
    }

    /// MNASNet with half the channels.
    pub const fn mnasnet0_5() -> Self {
        MnasNetOptions::new(0.5)
    }

    /// MNASNet with three quarters of the channels.
    pub const fn mnasnet0_75() -> Self {
        MnasNetOptions::new(0.75)
    }

    /// MNASNet as in the paper.
    pub const fn mnasnet1_0() -> Self {
        MnasNetOptions::new(1.0)
    }

    /// MNASNet with 1.3 times the channels.
    pub const fn mnasnet1_3() -> Self {
        MnasNetOptions::new(1.3)
    }

    /// The network with fresh weights and `classes` outputs.
    ///
    /// # Panics
    /// If `alpha` is not positive.
    pub fn build(self, classes: usize, rng: &mut Generator) -> MnasNet {
        assert!(self.alpha > 0.0, "MNASNet: alpha must be above 0, got {}", self.alpha);
        let [stem, first, widths @ ..] =
            [32, 16, 24, 40, 80, 96, 192, 320].map(|c| make_divisible(f64::from(c) * self.alpha, 8));
        let layers = Sequential::new();
        let layers = with_norm(layers, Conv2d::options(self.in_channels, stem, 3).stride(2).padding(1), rng);
        let depthwise = Conv2d::options(stem, stem, 3).padding(1).groups(stem);
        let layers = with_norm(layers.add(ReLU), depthwise, rng).add(ReLU);
        let mut layers = with_norm(layers, Conv2d::options(stem, first, 1), rng);
        let mut channels = first;
        debug_assert_eq!(layers.len(), BEFORE_STAGES);
        for ((kernel, stride, expansion, blocks), to) in STAGES.into_iter().zip(widths) {
            let mut stage = Sequential::new();
            for i in 0..blocks {
                let stride = if i == 0 { stride } else { 1 };
                stage = stage.add(InvertedResidual::new(channels, to, kernel, stride, expansion, rng));
                channels = to;
            }
            layers = layers.add(stage);
        }
        let layers = with_norm(layers, Conv2d::options(channels, 1280, 1), rng).add(ReLU);
        let weight = init::kaiming_uniform([classes, 1280], FanMode::FanOut, Nonlinearity::Sigmoid, rng);
        MnasNet { layers, classifier: Sequential::new().add(Dropout::new(self.dropout)).add(linear(weight)) }
    }
}

/// With a convolution and batch normalization at the end.
fn with_norm(layers: Sequential, conv: Conv2dBuilder, rng: &mut Generator) -> Sequential {
    let conv = kaiming(conv, rng);
    // TensorFlow's momentum of 0.9997 is the weight of the past.
    let norm = BatchNorm2d { momentum: 1.0 - 0.9997, ..BatchNorm2d::new(conv.weight.value().size(0)) };
    layers.add(conv).add(norm)
}

/// MobileNetV2's inverted residual, with ReLU.
#[derive(Module)]
struct InvertedResidual {
    layers: Sequential,
    is_residual: bool,
}

impl InvertedResidual {
    fn new(from: usize, to: usize, kernel: usize, stride: usize, expansion: usize, rng: &mut Generator) -> Self {
        let hidden = from * expansion;
        let depthwise = Conv2d::options(hidden, hidden, kernel).stride(stride).padding(kernel / 2).groups(hidden);
        let layers = with_norm(Sequential::new(), Conv2d::options(from, hidden, 1), rng).add(ReLU);
        let layers = with_norm(layers, depthwise, rng).add(ReLU);
        let layers = with_norm(layers, Conv2d::options(hidden, to, 1), rng);
        InvertedResidual { layers, is_residual: stride == 1 && from == to }
    }
}

impl Forward for InvertedResidual {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        if self.is_residual { self.layers.forward(x.clone(), pass) + x } else { self.layers.forward(x, pass) }
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`MnasNetOptions`] builds it.
#[derive(Module)]
pub struct MnasNet {
    layers: Sequential,
    classifier: Sequential,
}

forward_in_parts!(MnasNet);

impl Classifier for MnasNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        AdaptiveAvgPool2d::new(1).forward(self.layers.forward(x, pass), pass).flatten(1, -1)
    }

    fn trunk(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.layers.forward_range(..BEFORE_STAGES + STAGES.len(), x, pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.classifier.forward(features, pass)
    }

    fn head_name(&self) -> String {
        "classifier.1".to_string()
    }
}
