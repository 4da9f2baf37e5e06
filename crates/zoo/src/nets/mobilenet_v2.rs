//! MobileNetV2 (Sandler et al., 2018), as in torchvision.

use crate::conv_norm::{Activation, ConvNorm, kaiming, linear, make_divisible};
use striate_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Classifier, Conv2d, Dropout, Forward, Module, Pass, Sequential, init,
};
use striate_tensor::{Generator, Tensor};

/// Blocks of one kind, one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvertedResiduals {
    /// How many times its input's channels a block has inside.
    pub expand_ratio: usize,
    /// The channels that it gives.
    pub channels: usize,
    /// How many blocks there are.
    pub blocks: usize,
    /// The stride of the first.
    pub stride: usize,
}

/// The paper's sequence of blocks.
pub const INVERTED_RESIDUALS: [InvertedResiduals; 7] = {
    const fn row(expand_ratio: usize, channels: usize, blocks: usize, stride: usize) -> InvertedResiduals {
        InvertedResiduals { expand_ratio, channels, blocks, stride }
    }
    [
        row(1, 16, 1, 1),
        row(6, 24, 2, 2),
        row(6, 32, 3, 2),
        row(6, 64, 4, 2),
        row(6, 96, 3, 1),
        row(6, 160, 3, 2),
        row(6, 320, 1, 1),
    ]
};

/// The settings of a [`MobileNetV2`], with torchvision's names and defaults.
#[derive(Clone, Debug, PartialEq)]
pub struct MobileNetV2Options {
    /// Channels of the images.
    pub in_channels: usize,
    /// What all numbers of channels are multiplied by.
    pub width_mult: f64,
    /// The sequence of blocks.
    pub inverted_residual_setting: Vec<InvertedResiduals>,
    /// Numbers of channels are multiples of this.
    pub round_nearest: usize,
    /// The probability with which a feature is zeroed before the last layer.
    pub dropout: f64,
}

impl Default for MobileNetV2Options {
    fn default() -> Self {
        MobileNetV2Options {
            in_channels: 3,
            width_mult: 1.0,
            inverted_residual_setting: INVERTED_RESIDUALS.to_vec(),
            round_nearest: 8,
            dropout: 0.2,
        }
    }
}

impl MobileNetV2Options {
    /// The network with fresh weights and `classes` outputs.
    ///
    /// # Panics
    /// If `round_nearest` is 0.
    pub fn build(&self, classes: usize, rng: &mut Generator) -> MobileNetV2 {
        assert!(self.round_nearest > 0, "MobileNetV2: round_nearest must be at least 1");
        let width = |channels: usize, factor: f64| make_divisible(channels as f64 * factor, self.round_nearest);
        let mut channels = width(32, self.width_mult);
        let last = width(1280, self.width_mult.max(1.0));
        let stem = Conv2d::options(self.in_channels, channels, 3).stride(2).padding(1);
        let mut features = Sequential::new().add(ConvNorm::new(stem, Activation::Relu6, rng));
        for row in &self.inverted_residual_setting {
            let to = width(row.channels, self.width_mult);
            for i in 0..row.blocks {
                let stride = if i == 0 { row.stride } else { 1 };
                features = features.add(InvertedResidual::new(channels, to, stride, row.expand_ratio, rng));
                channels = to;
            }
        }
        features = features.add(ConvNorm::new(Conv2d::options(channels, last, 1), Activation::Relu6, rng));
        let linear = linear(init::normal([classes, last], 0.0, 0.01, rng));
        MobileNetV2 { features, classifier: Sequential::new().add(Dropout::new(self.dropout)).add(linear) }
    }
}

/// A 1×1 convolution to more channels, a 3×3 depthwise one, and a 1×1 one to few, with a residual connection where the
/// shape stays.
#[derive(Module)]
struct InvertedResidual {
    conv: Sequential,
    is_residual: bool,
}

impl InvertedResidual {
    fn new(from: usize, to: usize, stride: usize, expand_ratio: usize, rng: &mut Generator) -> Self {
        let hidden = from * expand_ratio;
        let mut conv = Sequential::new();
        if expand_ratio != 1 {
            conv = conv.add(ConvNorm::new(Conv2d::options(from, hidden, 1), Activation::Relu6, rng));
        }
        let depthwise = Conv2d::options(hidden, hidden, 3).stride(stride).padding(1).groups(hidden);
        let conv = conv
            .add(ConvNorm::new(depthwise, Activation::Relu6, rng))
            .add(kaiming(Conv2d::options(hidden, to, 1), rng))
            .add(BatchNorm2d::new(to));
        InvertedResidual { conv, is_residual: stride == 1 && from == to }
    }
}

impl Forward for InvertedResidual {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        if self.is_residual { x.clone() + self.conv.forward(x, pass) } else { self.conv.forward(x, pass) }
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`MobileNetV2Options`] builds it.
#[derive(Module)]
pub struct MobileNetV2 {
    features: Sequential,
    classifier: Sequential,
}

forward_in_parts!(MobileNetV2);

impl Classifier for MobileNetV2 {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        AdaptiveAvgPool2d::new(1).forward(self.features.forward(x, pass), pass).flatten(1, -1)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.classifier.forward(features, pass)
    }

    fn head_name(&self) -> String {
        "classifier.1".to_string()
    }
}
