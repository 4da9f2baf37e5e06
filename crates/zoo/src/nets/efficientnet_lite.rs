//! EfficientNet-Lite: EfficientNet (Tan and Le, 2019) as its authors changed it for phones, without squeeze-and-excitation, with ReLU6,
//! and with a first and a last part that are not scaled. The names of its parameters are those of the PyTorch package `efficientnet_lite_pytorch`.

use super::efficientnet::{STAGES, Stage, scaled_depth, scaled_width};
use crate::conv_norm::linear;
use striate_nn::{
    BatchNorm2d, Classifier, Conv2d, Conv2dBuilder, Dropout, Forward, Linear, Module, Parameter, Pass, StochasticDepth,
    StochasticDepthMode, init,
};
use striate_tensor::{Conv2dOptions, Generator, Tensor};

/// The settings of an [`EfficientNetLite`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EfficientNetLiteOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// What the blocks' numbers of channels are multiplied by.
    pub width_mult: f64,
    /// What the numbers of blocks are multiplied by, except in the first and the last stage.
    pub depth_mult: f64,
    /// The probability with which a feature is zeroed before the last layer.
    pub dropout: f64,
    /// The probability with which the last block is left out; that of the others grows up to it in steps (Huang et al., 2016).
    pub stochastic_depth_prob: f64,
}

impl EfficientNetLiteOptions {
    const fn scaled(width_mult: f64, depth_mult: f64, dropout: f64) -> Self {
        EfficientNetLiteOptions { in_channels: 3, width_mult, depth_mult, dropout, stochastic_depth_prob: 0.2 }
    }

    /// EfficientNet-Lite0, for images of 224×224.
    pub const fn lite0() -> Self {
        EfficientNetLiteOptions::scaled(1.0, 1.0, 0.2)
    }

    /// EfficientNet-Lite1, for images of 240×240.
    pub const fn lite1() -> Self {
        EfficientNetLiteOptions::scaled(1.0, 1.1, 0.2)
    }

    /// EfficientNet-Lite2, for images of 260×260.
    pub const fn lite2() -> Self {
        EfficientNetLiteOptions::scaled(1.1, 1.2, 0.3)
    }

    /// EfficientNet-Lite3, for images of 280×280.
    pub const fn lite3() -> Self {
        EfficientNetLiteOptions::scaled(1.2, 1.4, 0.3)
    }

    /// EfficientNet-Lite4, for images of 300×300.
    pub const fn lite4() -> Self {
        EfficientNetLiteOptions::scaled(1.4, 1.8, 0.3)
    }

    /// The network with fresh weights, whose distribution is that of the authors' code, and `classes` outputs.
    pub fn build(self, classes: usize, rng: &mut Generator) -> EfficientNetLite {
        let last_stage = STAGES.len() - 1;
        let depth = |i: usize| match STAGES[i].blocks {
            blocks if i == 0 || i == last_stage => blocks,
            blocks => scaled_depth(blocks, self.depth_mult),
        };
        let total: usize = (0..STAGES.len()).map(depth).sum();
        let (stem, head) = (32, 1280);
        let conv_stem = SameConv::new(Conv2d::options(self.in_channels, stem, 3).stride(2), rng);
        let mut channels = stem;
        let mut blocks = Vec::with_capacity(total);
        for (number, stage) in STAGES.iter().enumerate() {
            let to = scaled_width(stage.channels, self.width_mult);
            for i in 0..depth(number) {
                let stage = Stage { stride: if i == 0 { stage.stride } else { 1 }, ..*stage };
                let left_out = self.stochastic_depth_prob * blocks.len() as f64 / total as f64;
                blocks.push(Block::new(&stage, channels, to, left_out, rng));
                channels = to;
            }
        }
        let bound = 1.0 / (classes as f64).sqrt();
        EfficientNetLite {
            _conv_stem: conv_stem,
            _bn0: norm(stem),
            _blocks: blocks,
            _conv_head: SameConv::new(Conv2d::options(channels, head, 1), rng),
            _bn1: norm(head),
            dropout: Dropout::new(self.dropout),
            _fc: linear(init::uniform([classes, head], -bound, bound, rng)),
        }
    }
}

fn norm(channels: usize) -> BatchNorm2d {
    BatchNorm2d { eps: 1e-3, momentum: 0.01, ..BatchNorm2d::new(channels) }
}

/// A convolution without bias that gives `⌈size / stride⌉` pixels, as TensorFlow's padding `SAME` does: where the number of zeros is odd,
/// the extra ones are below and on the right.
#[derive(Debug, Module)]
struct SameConv {
    weight: Parameter,
    options: Conv2dOptions,
}

impl SameConv {
    /// Normal weights that keep the variance of the gradient (He et al., 2015).
    fn new(conv: Conv2dBuilder, rng: &mut Generator) -> Self {
        let Conv2d { weight, options, .. } = conv.bias(false).build_with(|shape| init::constant(shape, 0.0));
        let shape = weight.value().shape_value();
        let fan_out = shape[0] / options.groups * shape[2] * shape[3];
        let weight = Parameter::new(init::normal(shape, 0.0, (2.0 / fan_out as f64).sqrt(), rng));
        SameConv { weight, options }
    }
}

impl Forward for SameConv {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let weight = self.weight.tensor(pass);
        let padding = [0, 1].map(|d| {
            let (size, kernel, stride) = (x.shape()[2 + d], weight.shape()[2 + d], self.options.stride[d]);
            let total = ((size.div_ceil(stride) - 1) * stride + kernel).saturating_sub(size);
            [total / 2, total - total / 2]
        });
        pass.observe(self, x.conv2d(&weight, None, &Conv2dOptions { padding, ..self.options }))
    }
}

/// MobileNetV2's inverted residual.
#[derive(Debug, Module)]
struct Block {
    _expand_conv: Option<SameConv>,
    _bn0: Option<BatchNorm2d>,
    _depthwise_conv: SameConv,
    _bn1: BatchNorm2d,
    _project_conv: SameConv,
    _bn2: BatchNorm2d,
    stochastic_depth: StochasticDepth,
    is_residual: bool,
}

impl Block {
    fn new(stage: &Stage, from: usize, to: usize, left_out: f64, rng: &mut Generator) -> Self {
        let expanded = from * stage.expand_ratio;
        let expands = stage.expand_ratio != 1;
        let depthwise = Conv2d::options(expanded, expanded, stage.kernel).stride(stage.stride).groups(expanded);
        Block {
            _expand_conv: expands.then(|| SameConv::new(Conv2d::options(from, expanded, 1), rng)),
            _bn0: expands.then(|| norm(expanded)),
            _depthwise_conv: SameConv::new(depthwise, rng),
            _bn1: norm(expanded),
            _project_conv: SameConv::new(Conv2d::options(expanded, to, 1), rng),
            _bn2: norm(to),
            stochastic_depth: StochasticDepth::new(left_out, StochasticDepthMode::Row),
            is_residual: stage.stride == 1 && from == to,
        }
    }
}

impl Forward for Block {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let mut y = x.clone();
        if let (Some(conv), Some(norm)) = (&self._expand_conv, &self._bn0) {
            y = norm.forward(conv.forward(y, pass), pass).relu6();
        }
        y = self._bn1.forward(self._depthwise_conv.forward(y, pass), pass).relu6();
        y = self._bn2.forward(self._project_conv.forward(y, pass), pass);
        if self.is_residual { self.stochastic_depth.forward(y, pass) + x } else { y }
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`EfficientNetLiteOptions`] builds it.
#[derive(Debug, Module)]
pub struct EfficientNetLite {
    _conv_stem: SameConv,
    _bn0: BatchNorm2d,
    _blocks: Vec<Block>,
    _conv_head: SameConv,
    _bn1: BatchNorm2d,
    dropout: Dropout,
    _fc: Linear,
}

forward_in_parts!(EfficientNetLite);

impl Classifier for EfficientNetLite {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.trunk(x, pass);
        let x = self._bn1.forward(self._conv_head.forward(x, pass), pass).relu6();
        x.adaptive_avg_pool2d([1, 1]).flatten(1, -1)
    }

    fn trunk(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self._bn0.forward(self._conv_stem.forward(x, pass), pass).relu6();
        let run = |x, block: &Block| pass.observe(block, block.forward(x, pass));
        pass.observe(&self._blocks, self._blocks.iter().fold(x, run))
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self._fc.forward(self.dropout.forward(features, pass), pass)
    }

    fn head_name(&self) -> String {
        "_fc".to_string()
    }
}
