//! MobileNetV3 (Howard et al., 2019), as in torchvision.

use crate::conv_norm::{Activation, ConvNorm, linear, make_divisible, squeeze_excitation};
use striate_nn::{
    AdaptiveAvgPool2d, Classifier, Conv2d, Dropout, Forward, Hardsigmoid, Hardswish, Module, Pass, ReLU, Sequential,
    init,
};
use striate_tensor::{Generator, Tensor};

/// Which of the paper's networks a [`MobileNetV3`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MobileNetV3Size {
    /// For devices with little to compute with.
    Small,
    /// For those with more.
    Large,
}

/// The settings of a [`MobileNetV3`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MobileNetV3Options {
    /// Channels of the images.
    pub in_channels: usize,
    /// Which network.
    pub size: MobileNetV3Size,
    /// What all numbers of channels are multiplied by.
    pub width_mult: f64,
    /// Whether the last blocks have half as many channels.
    pub reduced_tail: bool,
    /// Whether the last stride becomes dilation: the feature map stays larger.
    pub dilated: bool,
    /// The probability with which a feature is zeroed before the last layer.
    pub dropout: f64,
}

/// Blocks as in the paper's tables.
struct Row {
    kernel: usize,
    expanded: usize,
    channels: usize,
    squeezes: bool,
    activation: Activation,
    stride: usize,
}

const fn row(
    kernel: usize,
    expanded: usize,
    channels: usize,
    squeezes: bool,
    activation: Activation,
    stride: usize,
) -> Row {
    Row { kernel, expanded, channels, squeezes, activation, stride }
}

/// How many of the last blocks `reduced_tail` and `dilated` are about.
const TAIL: usize = 3;

const SMALL: &[Row] = {
    use Activation::{Hardswish, Relu};
    &[
        row(3, 16, 16, true, Relu, 2),
        row(3, 72, 24, false, Relu, 2),
        row(3, 88, 24, false, Relu, 1),
        row(5, 96, 40, true, Hardswish, 2),
        row(5, 240, 40, true, Hardswish, 1),
        row(5, 240, 40, true, Hardswish, 1),
        row(5, 120, 48, true, Hardswish, 1),
        row(5, 144, 48, true, Hardswish, 1),
        row(5, 288, 96, true, Hardswish, 2),
        row(5, 576, 96, true, Hardswish, 1),
        row(5, 576, 96, true, Hardswish, 1),
    ]
};

const LARGE: &[Row] = {
    use Activation::{Hardswish, Relu};
    &[
        row(3, 16, 16, false, Relu, 1),
        row(3, 64, 24, false, Relu, 2),
        row(3, 72, 24, false, Relu, 1),
        row(5, 72, 40, true, Relu, 2),
        row(5, 120, 40, true, Relu, 1),
        row(5, 120, 40, true, Relu, 1),
        row(3, 240, 80, false, Hardswish, 2),
        row(3, 200, 80, false, Hardswish, 1),
        row(3, 184, 80, false, Hardswish, 1),
        row(3, 184, 80, false, Hardswish, 1),
        row(3, 480, 112, true, Hardswish, 1),
        row(3, 672, 112, true, Hardswish, 1),
        row(5, 672, 160, true, Hardswish, 2),
        row(5, 960, 160, true, Hardswish, 1),
        row(5, 960, 160, true, Hardswish, 1),
    ]
};

impl MobileNetV3Options {
    /// MobileNetV3-Small.
    pub const fn small() -> Self {
        MobileNetV3Options {
            in_channels: 3,
            size: MobileNetV3Size::Small,
            width_mult: 1.0,
            reduced_tail: false,
            dilated: false,
            dropout: 0.2,
        }
    }

    /// MobileNetV3-Large.
    pub const fn large() -> Self {
        MobileNetV3Options { size: MobileNetV3Size::Large, ..MobileNetV3Options::small() }
    }

    /// The network with fresh weights and `classes` outputs.
    pub fn build(self, classes: usize, rng: &mut Generator) -> MobileNetV3 {
        let (rows, last) = match self.size {
            MobileNetV3Size::Small => (SMALL, 1024),
            MobileNetV3Size::Large => (LARGE, 1280),
        };
        let width = |channels: usize| make_divisible(channels as f64 * self.width_mult, 8);
        let divider = if self.reduced_tail { 2 } else { 1 };
        let mut channels = width(16);
        let stem = Conv2d::options(self.in_channels, channels, 3).stride(2).padding(1);
        let mut features = Sequential::new().add(conv_norm(stem, Activation::Hardswish, rng));
        for (i, row) in rows.iter().enumerate() {
            // The first block of the tail still has its expanded channels in full.
            let tail = (i + TAIL).checked_sub(rows.len());
            let (outer, inner) = (tail.map_or(1, |_| divider), tail.map_or(1, |at| if at > 0 { divider } else { 1 }));
            let dilation = if tail.is_some() && self.dilated { 2 } else { 1 };
            let (expanded, to) = (width(row.expanded / inner), width(row.channels / outer));
            features = features.add(InvertedResidual::new(row, channels, expanded, to, dilation, rng));
            channels = to;
        }
        let features = features.add(conv_norm(Conv2d::options(channels, 6 * channels, 1), Activation::Hardswish, rng));
        let last = width(last / divider);
        let mut layer = |from: usize, to: usize| linear(init::normal([to, from], 0.0, 0.01, rng));
        let classifier = Sequential::new()
            .add(layer(6 * channels, last))
            .add(Hardswish)
            .add(Dropout::new(self.dropout))
            .add(layer(last, classes));
        MobileNetV3 { features, classifier }
    }
}

fn conv_norm(conv: striate_nn::Conv2dBuilder, activation: Activation, rng: &mut Generator) -> ConvNorm {
    ConvNorm::new(conv, activation, rng).norm(1e-3, 0.01)
}

/// A 1×1 convolution to more channels, a depthwise one, squeeze-and-excitation, and a 1×1 one to few, with a residual connection
/// where the shape stays.
#[derive(Module)]
struct InvertedResidual {
    block: Sequential,
    is_residual: bool,
}

impl InvertedResidual {
    fn new(row: &Row, from: usize, expanded: usize, to: usize, dilation: usize, rng: &mut Generator) -> Self {
        let mut block = Sequential::new();
        if expanded != from {
            block = block.add(conv_norm(Conv2d::options(from, expanded, 1), row.activation, rng));
        }
        let stride = if dilation > 1 { 1 } else { row.stride };
        let padding = (row.kernel - 1) / 2 * dilation;
        let depthwise = Conv2d::options(expanded, expanded, row.kernel)
            .stride(stride)
            .padding(padding)
            .dilation(dilation)
            .groups(expanded);
        block = block.add(conv_norm(depthwise, row.activation, rng));
        if row.squeezes {
            let squeezed = make_divisible((expanded / 4) as f64, 8);
            let (between, after) = (ReLU, Hardsigmoid);
            block = block.add(squeeze_excitation(expanded, squeezed, between, after, rng));
        }
        block = block.add(conv_norm(Conv2d::options(expanded, to, 1), Activation::None, rng));
        InvertedResidual { block, is_residual: row.stride == 1 && from == to }
    }
}

impl Forward for InvertedResidual {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        if self.is_residual { self.block.forward(x.clone(), pass) + x } else { self.block.forward(x, pass) }
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`MobileNetV3Options`] builds it.
#[derive(Module)]
pub struct MobileNetV3 {
    features: Sequential,
    classifier: Sequential,
}

forward_in_parts!(MobileNetV3);

impl Classifier for MobileNetV3 {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = AdaptiveAvgPool2d::new(1).forward(self.features.forward(x, pass), pass);
        self.classifier.forward_range(..2, x.flatten(1, -1), pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        pass.observe(&self.classifier, self.classifier.forward_range(2.., features, pass))
    }

    fn head_name(&self) -> String {
        "classifier.3".to_string()
    }
}
