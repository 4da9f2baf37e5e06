//! ShuffleNetV2 (Ma et al., 2018), as in torchvision.

use striate_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Classifier, Conv2d, Forward, Linear, MaxPool2d, Module, Pass, ReLU, Sequential,
};
use striate_tensor::{Generator, Tensor};

/// The settings of a [`ShuffleNetV2`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ShuffleNetV2Options {
    /// Channels of the images.
    pub in_channels: usize,
    /// Blocks in each of the three stages.
    pub stages_repeats: [usize; 3],
    /// Channels after the first convolution, after each stage, and after the last convolution.
    pub stages_out_channels: [usize; 5],
}

impl ShuffleNetV2Options {
    /// The paper's numbers of blocks, with these channels.
    pub const fn new(stages_out_channels: [usize; 5]) -> Self {
        ShuffleNetV2Options { in_channels: 3, stages_repeats: [4, 8, 4], stages_out_channels }
    }

    /// ShuffleNetV2 0.5×.
    pub const fn x0_5() -> Self {
        ShuffleNetV2Options::new([24, 48, 96, 192, 1024])
    }

    /// ShuffleNetV2 1×.
    pub const fn x1_0() -> Self {
        ShuffleNetV2Options::new([24, 116, 232, 464, 1024])
    }

    /// ShuffleNetV2 1.5×.
    pub const fn x1_5() -> Self {
        ShuffleNetV2Options::new([24, 176, 352, 704, 1024])
    }

    /// ShuffleNetV2 2×.
    pub const fn x2_0() -> Self {
        ShuffleNetV2Options::new([24, 244, 488, 976, 2048])
    }

    /// The network with fresh weights and `classes` outputs.
    ///
    /// # Panics
    /// If a stage's number of channels is odd.
    pub fn build(self, classes: usize, rng: &mut Generator) -> ShuffleNetV2 {
        let [stem, stages @ .., last] = self.stages_out_channels;
        assert!(
            stages.iter().all(|c| c % 2 == 0),
            "ShuffleNetV2: stages split their channels in halves, got {stages:?}"
        );
        let mut channels = stem;
        let conv1 = Conv2d::options(self.in_channels, stem, 3).stride(2).padding(1);
        let conv1 = Sequential::new().add(conv1.bias(false).build(rng)).add(BatchNorm2d::new(stem)).add(ReLU);
        let mut stage = |number: usize| {
            let block = |i| {
                let block = Block::new(channels, stages[number], if i == 0 { 2 } else { 1 }, rng);
                channels = stages[number];
                block
            };
            (0..self.stages_repeats[number]).map(block).collect()
        };
        let (stage2, stage3, stage4) = (stage(0), stage(1), stage(2));
        let conv5 = Sequential::new()
            .add(Conv2d::options(channels, last, 1).bias(false).build(rng))
            .add(BatchNorm2d::new(last))
            .add(ReLU);
        ShuffleNetV2 { conv1, stage2, stage3, stage4, conv5, fc: Linear::new(last, classes, rng) }
    }
}

/// Two branches whose channels are interleaved. With stride 1 each gets half the channels, and the first one leaves them as they are.
#[derive(Module)]
struct Block {
    branch1: Sequential,
    branch2: Sequential,
}

impl Block {
    fn new(from: usize, to: usize, stride: usize, rng: &mut Generator) -> Self {
        let half = to / 2;
        let mut pointwise = |from: usize| Conv2d::options(from, half, 1).bias(false).build(rng);
        let (first, last) = (pointwise(if stride > 1 { from } else { half }), pointwise(half));
        let around = (stride > 1).then(|| pointwise(from));
        let mut depthwise = |channels: usize| {
            Conv2d::options(channels, channels, 3).stride(stride).padding(1).groups(channels).bias(false).build(rng)
        };
        let branch1 = match around {
            None => Sequential::new(),
            Some(pointwise) => Sequential::new()
                .add(depthwise(from))
                .add(BatchNorm2d::new(from))
                .add(pointwise)
                .add(BatchNorm2d::new(half))
                .add(ReLU),
        };
        let branch2 = Sequential::new()
            .add(first)
            .add(BatchNorm2d::new(half))
            .add(ReLU)
            .add(depthwise(half))
            .add(BatchNorm2d::new(half))
            .add(last)
            .add(BatchNorm2d::new(half))
            .add(ReLU);
        Block { branch1, branch2 }
    }
}

impl Forward for Block {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let (first, second) = if self.branch1.is_empty() {
            let half = x.shape()[1] / 2;
            (x.clone().narrow(1, 0, half), x.narrow(1, half, half))
        } else {
            (self.branch1.forward(x.clone(), pass), x)
        };
        shuffled(Tensor::cat(&[first, self.branch2.forward(second, pass)], 1))
    }
}

/// The channels of both halves in turn.
fn shuffled(x: Tensor) -> Tensor {
    let [n, c, h, w] = x.shape()[..] else { panic!("ShuffleNetV2: the input must be [n, c, h, w]") };
    x.reshape([n, 2, c / 2, h, w]).transpose(1, 2).reshape([n, c, h, w])
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`ShuffleNetV2Options`] builds it.
#[derive(Module)]
pub struct ShuffleNetV2 {
    conv1: Sequential,
    stage2: Vec<Block>,
    stage3: Vec<Block>,
    stage4: Vec<Block>,
    conv5: Sequential,
    fc: Linear,
}

forward_in_parts!(ShuffleNetV2);

impl Classifier for ShuffleNetV2 {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = MaxPool2d::new(3).stride(2).padding(1).forward(self.conv1.forward(x, pass), pass);
        let stages = [&self.stage2, &self.stage3, &self.stage4];
        let run = |x, block: &Block| pass.observe(block, block.forward(x, pass));
        let x = stages.into_iter().fold(x, |x, stage| pass.observe(stage, stage.iter().fold(x, run)));
        AdaptiveAvgPool2d::new(1).forward(self.conv5.forward(x, pass), pass).flatten(1, -1)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.fc.forward(features, pass)
    }

    fn head_name(&self) -> String {
        "fc".to_string()
    }
}
