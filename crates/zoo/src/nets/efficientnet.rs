//! EfficientNet (Tan and Le, 2019), as in torchvision.

use crate::conv_norm::{Activation, ConvNorm, linear, make_divisible, squeeze_excitation};
use striate_nn::{
    AdaptiveAvgPool2d, Classifier, Conv2d, Dropout, Forward, Module, Pass, Sequential, SiLU, Sigmoid, StochasticDepth,
    StochasticDepthMode, init,
};
use striate_tensor::{Generator, Tensor};

/// Blocks of one kind, one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Stage {
    pub expand_ratio: usize,
    pub kernel: usize,
    /// Of the first block.
    pub stride: usize,
    pub channels: usize,
    pub blocks: usize,
}

/// The paper's network that all others are scaled from.
pub(crate) const STAGES: [Stage; 7] = {
    const fn stage(expand_ratio: usize, kernel: usize, stride: usize, channels: usize, blocks: usize) -> Stage {
        Stage { expand_ratio, kernel, stride, channels, blocks }
    }
    [
        stage(1, 3, 1, 16, 1),
        stage(6, 3, 2, 24, 2),
        stage(6, 5, 2, 40, 2),
        stage(6, 3, 2, 80, 3),
        stage(6, 5, 1, 112, 3),
        stage(6, 5, 2, 192, 4),
        stage(6, 3, 1, 320, 1),
    ]
};

/// As many channels as a network `width_mult` times as wide has.
pub(crate) fn scaled_width(channels: usize, width_mult: f64) -> usize {
    make_divisible(channels as f64 * width_mult, 8)
}

/// As many blocks as a network `depth_mult` times as deep has.
pub(crate) fn scaled_depth(blocks: usize, depth_mult: f64) -> usize {
    (blocks as f64 * depth_mult).ceil() as usize
}

/// The settings of an [`EfficientNet`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EfficientNetOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// What all numbers of channels are multiplied by.
    pub width_mult: f64,
    /// What all numbers of blocks are multiplied by.
    pub depth_mult: f64,
    /// The probability with which a feature is zeroed before the last layer.
    pub dropout: f64,
    /// The probability with which the last block is left out; that of the others grows up to it in steps (Huang et al., 2016).
    pub stochastic_depth_prob: f64,
}

impl EfficientNetOptions {
    const fn scaled(width_mult: f64, depth_mult: f64, dropout: f64) -> Self {
        EfficientNetOptions { in_channels: 3, width_mult, depth_mult, dropout, stochastic_depth_prob: 0.2 }
    }

    /// EfficientNet-B0, for images of 224×224.
    pub const fn b0() -> Self {
        EfficientNetOptions::scaled(1.0, 1.0, 0.2)
    }

    /// EfficientNet-B1, for images of 240×240.
    pub const fn b1() -> Self {
        EfficientNetOptions::scaled(1.0, 1.1, 0.2)
    }

    /// EfficientNet-B2, for images of 288×288.
    pub const fn b2() -> Self {
        EfficientNetOptions::scaled(1.1, 1.2, 0.3)
    }

    /// EfficientNet-B3, for images of 300×300.
    pub const fn b3() -> Self {
        EfficientNetOptions::scaled(1.2, 1.4, 0.3)
    }

    /// EfficientNet-B4, for images of 380×380.
    pub const fn b4() -> Self {
        EfficientNetOptions::scaled(1.4, 1.8, 0.4)
    }

    /// The network with fresh weights and `classes` outputs.
    pub fn build(self, classes: usize, rng: &mut Generator) -> EfficientNet {
        let depth = |stage: &Stage| scaled_depth(stage.blocks, self.depth_mult);
        let total: usize = STAGES.iter().map(depth).sum();
        let mut channels = scaled_width(32, self.width_mult);
        let stem = Conv2d::options(self.in_channels, channels, 3).stride(2).padding(1);
        let mut features = Sequential::new().add(ConvNorm::new(stem, Activation::Silu, rng));
        let mut number = 0;
        for stage in &STAGES {
            let to = scaled_width(stage.channels, self.width_mult);
            let mut blocks = Sequential::new();
            for i in 0..depth(stage) {
                let stage = Stage { stride: if i == 0 { stage.stride } else { 1 }, ..*stage };
                let left_out = self.stochastic_depth_prob * number as f64 / total as f64;
                blocks = blocks.add(MbConv::new(&stage, channels, to, left_out, rng));
                (channels, number) = (to, number + 1);
            }
            features = features.add(blocks);
        }
        let last = 4 * channels;
        let features = features.add(ConvNorm::new(Conv2d::options(channels, last, 1), Activation::Silu, rng));
        let bound = 1.0 / (classes as f64).sqrt();
        let linear = linear(init::uniform([classes, last], -bound, bound, rng));
        EfficientNet { features, classifier: Sequential::new().add(Dropout::new(self.dropout)).add(linear) }
    }
}

/// MobileNetV2's inverted residual with squeeze-and-excitation.
#[derive(Module)]
struct MbConv {
    block: Sequential,
    stochastic_depth: StochasticDepth,
    is_residual: bool,
}

impl MbConv {
    fn new(stage: &Stage, from: usize, to: usize, left_out: f64, rng: &mut Generator) -> Self {
        let expanded = make_divisible((from * stage.expand_ratio) as f64, 8);
        let mut block = Sequential::new();
        if expanded != from {
            block = block.add(ConvNorm::new(Conv2d::options(from, expanded, 1), Activation::Silu, rng));
        }
        let depthwise = Conv2d::options(expanded, expanded, stage.kernel)
            .stride(stage.stride)
            .padding(stage.kernel / 2)
            .groups(expanded);
        let (squeezed, between, after) = ((from / 4).max(1), SiLU, Sigmoid);
        let block = block
            .add(ConvNorm::new(depthwise, Activation::Silu, rng))
            .add(squeeze_excitation(expanded, squeezed, between, after, rng))
            .add(ConvNorm::new(Conv2d::options(expanded, to, 1), Activation::None, rng));
        MbConv {
            block,
            stochastic_depth: StochasticDepth::new(left_out, StochasticDepthMode::Row),
            is_residual: stage.stride == 1 && from == to,
        }
    }
}

impl Forward for MbConv {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        if !self.is_residual {
            return self.block.forward(x, pass);
        }
        self.stochastic_depth.forward(self.block.forward(x.clone(), pass), pass) + x
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`EfficientNetOptions`] builds it.
#[derive(Module)]
pub struct EfficientNet {
    features: Sequential,
    classifier: Sequential,
}

forward_in_parts!(EfficientNet);

impl Classifier for EfficientNet {
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
