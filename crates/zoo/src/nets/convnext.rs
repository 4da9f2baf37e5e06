//! ConvNeXt (Liu et al., 2022), as in torchvision.

use crate::conv_norm::linear;
use striate_nn::{
    AdaptiveAvgPool2d, Classifier, Conv2d, Conv2dBuilder, Flatten, Forward, GELU, LayerNorm, Linear, Module, Parameter,
    Pass, Sequential, StochasticDepth, StochasticDepthMode, init,
};
use striate_tensor::{Generator, Shape, Tensor};

/// The settings of a [`ConvNeXt`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConvNeXtOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// Channels of each of the four stages.
    pub channels: [usize; 4],
    /// Blocks in each of them.
    pub blocks: [usize; 4],
    /// The probability with which the last block is left out; that of the others grows up to it in steps (Huang et al., 2016).
    pub stochastic_depth_prob: f64,
    /// What the blocks' outputs are multiplied by at first.
    pub layer_scale: f64,
}

impl ConvNeXtOptions {
    /// ConvNeXt-Tiny.
    pub const fn tiny() -> Self {
        ConvNeXtOptions {
            in_channels: 3,
            channels: [96, 192, 384, 768],
            blocks: [3, 3, 9, 3],
            stochastic_depth_prob: 0.1,
            layer_scale: 1e-6,
        }
    }

    /// The network with fresh weights and `classes` outputs.
    pub fn build(self, classes: usize, rng: &mut Generator) -> ConvNeXt {
        let total: usize = self.blocks.iter().sum();
        let [first, .., last] = self.channels;
        let stem = conv(Conv2d::options(self.in_channels, first, 4).stride(4), rng);
        let mut features = Sequential::new().add(Sequential::new().add(stem).add(LayerNorm2d::new(first)));
        let mut number = 0;
        for (i, (channels, blocks)) in self.channels.into_iter().zip(self.blocks).enumerate() {
            let mut stage = Sequential::new();
            for _ in 0..blocks {
                let left_out = self.stochastic_depth_prob * number as f64 / (total as f64 - 1.0);
                stage = stage.add(Block::new(channels, self.layer_scale, left_out, rng));
                number += 1;
            }
            features = features.add(stage);
            if let Some(&to) = self.channels.get(i + 1) {
                let halving = conv(Conv2d::options(channels, to, 2).stride(2), rng);
                features = features.add(Sequential::new().add(LayerNorm2d::new(channels)).add(halving));
            }
        }
        let classifier = Sequential::new()
            .add(LayerNorm2d::new(last))
            .add(Flatten::default())
            .add(linear(weight([classes, last], rng)));
        ConvNeXt { features, classifier }
    }
}

fn weight(shape: impl Into<Shape>, rng: &mut Generator) -> Tensor {
    init::trunc_normal(shape, 0.0, 0.02, -2.0, 2.0, rng)
}

fn conv(conv: Conv2dBuilder, rng: &mut Generator) -> Conv2d {
    conv.build_with(|shape| weight(shape, rng))
}

const EPS: f64 = 1e-6;

/// Normalizes the channels of each pixel.
#[derive(Debug, Module)]
struct LayerNorm2d {
    weight: Parameter,
    bias: Parameter,
}

impl LayerNorm2d {
    fn new(channels: usize) -> Self {
        let filled = |value| Parameter::new(init::constant([channels], value));
        LayerNorm2d { weight: filled(1.0), bias: filled(0.0) }
    }
}

impl Forward for LayerNorm2d {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let (weight, bias) = (self.weight.tensor(pass), self.bias.tensor(pass));
        let channels = [weight.numel()];
        x.permute(&CHANNELS_LAST).layer_norm(&channels, Some(&weight), Some(&bias), EPS).permute(&CHANNELS_FIRST)
    }
}

const CHANNELS_LAST: [isize; 4] = [0, 2, 3, 1];
const CHANNELS_FIRST: [isize; 4] = [0, 3, 1, 2];

/// The dimensions in another order.
#[derive(Debug, Module)]
struct Permute(#[module(skip)] [isize; 4]);

impl Forward for Permute {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.permute(&self.0)
    }
}

/// A 7×7 depthwise convolution, then two linear layers for each pixel, with a residual connection.
#[derive(Module)]
struct Block {
    layer_scale: Parameter,
    block: Sequential,
    stochastic_depth: StochasticDepth,
}

impl Block {
    fn new(channels: usize, layer_scale: f64, left_out: f64, rng: &mut Generator) -> Self {
        let depthwise = Conv2d::options(channels, channels, 7).padding(3).groups(channels);
        let mut layer = |from: usize, to: usize| -> Linear { linear(weight([to, from], rng)) };
        let (widen, narrow) = (layer(channels, 4 * channels), layer(4 * channels, channels));
        let block = Sequential::new()
            .add(conv(depthwise, rng))
            .add(Permute(CHANNELS_LAST))
            .add(LayerNorm { eps: EPS, ..LayerNorm::new([channels]) })
            .add(widen)
            .add(GELU::default())
            .add(narrow)
            .add(Permute(CHANNELS_FIRST));
        Block {
            layer_scale: Parameter::new(init::constant([channels, 1, 1], layer_scale)),
            block,
            stochastic_depth: StochasticDepth::new(left_out, StochasticDepthMode::Row),
        }
    }
}

impl Forward for Block {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let y = self.block.forward(x.clone(), pass) * self.layer_scale.tensor(pass);
        self.stochastic_depth.forward(y, pass) + x
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`ConvNeXtOptions`] builds it.
#[derive(Module)]
pub struct ConvNeXt {
    features: Sequential,
    classifier: Sequential,
}

forward_in_parts!(ConvNeXt);

impl Classifier for ConvNeXt {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = AdaptiveAvgPool2d::new(1).forward(self.features.forward(x, pass), pass);
        self.classifier.forward_range(..2, x, pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        pass.observe(&self.classifier, self.classifier.forward_range(2.., features, pass))
    }

    fn head_name(&self) -> String {
        "classifier.2".to_string()
    }
}
