//! ResNet (He et al., 2016), Wide ResNet (Zagoruyko and Komodakis, 2016) and ResNeXt (Xie et al., 2017), as in torchvision.

use crate::conv_norm::{Activation, ConvNorm, kaiming};
use striate_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Classifier, Conv2d, Conv2dBuilder, Forward, Linear, MaxPool2d, Module, Pass,
};
use striate_tensor::{DType, Generator, Tensor};

/// What a [`ResNet`] is built of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResNetBlock {
    /// Two 3×3 convolutions (torchvision's `BasicBlock`).
    Basic,
    /// A 1×1 convolution to fewer channels, a 3×3 one, and a 1×1 one to four times as many (torchvision's `Bottleneck`).
    Bottleneck,
}

impl ResNetBlock {
    /// How many times the block's inner channels it gives.
    const fn expansion(self) -> usize {
        match self {
            ResNetBlock::Basic => 1,
            ResNetBlock::Bottleneck => 4,
        }
    }
}

/// The settings of a [`ResNet`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetOptions {
    /// What it is built of.
    pub block: ResNetBlock,
    /// Blocks in each of the four stages.
    pub layers: [usize; 4],
    /// Channels of the images.
    pub in_channels: usize,
    /// Groups of the 3×3 convolutions of bottlenecks.
    pub groups: usize,
    /// Channels of such a group in the first stage.
    pub width_per_group: usize,
    /// Whether blocks start as the identity, by a scale of 0 in their last normalization (Goyal et al., 2017).
    pub zero_init_residual: bool,
    /// For each of the last three stages, whether its stride becomes dilation: the feature map stays larger.
    pub replace_stride_with_dilation: [bool; 3],
}

impl ResNetOptions {
    /// Stages of that many blocks.
    pub const fn new(block: ResNetBlock, layers: [usize; 4]) -> Self {
        ResNetOptions {
            block,
            layers,
            in_channels: 3,
            groups: 1,
            width_per_group: 64,
            zero_init_residual: false,
            replace_stride_with_dilation: [false; 3],
        }
    }

    /// ResNet-18.
    pub const fn resnet18() -> Self {
        ResNetOptions::new(ResNetBlock::Basic, [2, 2, 2, 2])
    }

    /// ResNet-34.
    pub const fn resnet34() -> Self {
        ResNetOptions::new(ResNetBlock::Basic, [3, 4, 6, 3])
    }

    /// ResNet-50, with the stride in the 3×3 convolution ("v1.5").
    pub const fn resnet50() -> Self {
        ResNetOptions::new(ResNetBlock::Bottleneck, [3, 4, 6, 3])
    }

    /// ResNet-101.
    pub const fn resnet101() -> Self {
        ResNetOptions::new(ResNetBlock::Bottleneck, [3, 4, 23, 3])
    }

    /// ResNet-152.
    pub const fn resnet152() -> Self {
        ResNetOptions::new(ResNetBlock::Bottleneck, [3, 8, 36, 3])
    }

    /// Wide ResNet-50-2: ResNet-50 with twice as many inner channels.
    pub const fn wide_resnet50_2() -> Self {
        ResNetOptions { width_per_group: 128, ..ResNetOptions::resnet50() }
    }

    /// ResNeXt-50 32×4d: ResNet-50 with 32 groups of 4 channels.
    pub const fn resnext50_32x4d() -> Self {
        ResNetOptions { groups: 32, width_per_group: 4, ..ResNetOptions::resnet50() }
    }

    /// The network with fresh weights and `classes` outputs.
    ///
    /// # Panics
    /// If basic blocks meet groups, another width or dilation, which they do not have.
    pub fn build(self, classes: usize, rng: &mut Generator) -> ResNet {
        let plain = self.groups == 1 && self.width_per_group == 64 && self.replace_stride_with_dilation == [false; 3];
        assert!(
            self.block == ResNetBlock::Bottleneck || plain,
            "ResNet: basic blocks have groups 1, width 64 and no dilation, got {self:?}"
        );
        let conv1 = kaiming(Conv2d::options(self.in_channels, 64, 7).stride(2).padding(3), rng);
        let mut at = Stage { in_channels: 64, dilation: 1 };
        let layer1 = at.build(&self, 0, rng);
        let layer2 = at.build(&self, 1, rng);
        let layer3 = at.build(&self, 2, rng);
        let layer4 = at.build(&self, 3, rng);
        let fc = Linear::new(at.in_channels, classes, rng);
        ResNet { conv1, bn1: BatchNorm2d::new(64), layer1, layer2, layer3, layer4, fc }
    }
}

/// Where the construction of stages has come to.
struct Stage {
    in_channels: usize,
    dilation: usize,
}

impl Stage {
    fn build(&mut self, options: &ResNetOptions, number: usize, rng: &mut Generator) -> Vec<Block> {
        let first_dilation = self.dilation;
        let dilated = number > 0 && options.replace_stride_with_dilation[number - 1];
        let step = if number == 0 { 1 } else { 2 };
        if dilated {
            self.dilation *= step;
        }
        let stride = if dilated { 1 } else { step };
        let planes = 64 << number;
        let block = |i: usize| {
            let (stride, dilation) = if i == 0 { (stride, first_dilation) } else { (1, self.dilation) };
            let block = Block::new(options, self.in_channels, planes, stride, dilation, rng);
            self.in_channels = planes * options.block.expansion();
            block
        };
        (0..options.layers[number]).map(block).collect()
    }
}

/// Convolutions with a residual connection.
#[derive(Debug, Module)]
struct Block {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    conv2: Conv2d,
    bn2: BatchNorm2d,
    conv3: Option<Conv2d>,
    bn3: Option<BatchNorm2d>,
    downsample: Option<ConvNorm>,
}

impl Block {
    fn new(
        options: &ResNetOptions,
        in_channels: usize,
        planes: usize,
        stride: usize,
        dilation: usize,
        rng: &mut Generator,
    ) -> Self {
        let out_channels = planes * options.block.expansion();
        let conv3x3 = |from, to| Conv2d::options(from, to, 3).padding(dilation).dilation(dilation);
        let width = planes * options.width_per_group / 64 * options.groups;
        let (conv1, conv2, conv3): (Conv2dBuilder, _, _) = match options.block {
            ResNetBlock::Basic => (conv3x3(in_channels, planes).stride(stride), conv3x3(planes, planes), None),
            ResNetBlock::Bottleneck => (
                Conv2d::options(in_channels, width, 1),
                conv3x3(width, width).stride(stride).groups(options.groups),
                Some(Conv2d::options(width, out_channels, 1)),
            ),
        };
        let inner = if conv3.is_some() { width } else { planes };
        let mut block = Block {
            conv1: kaiming(conv1, rng),
            bn1: BatchNorm2d::new(inner),
            conv2: kaiming(conv2, rng),
            bn2: BatchNorm2d::new(inner),
            bn3: conv3.is_some().then(|| BatchNorm2d::new(out_channels)),
            conv3: conv3.map(|conv| kaiming(conv, rng)),
            downsample: (stride != 1 || in_channels != out_channels).then(|| {
                ConvNorm::new(Conv2d::options(in_channels, out_channels, 1).stride(stride), Activation::None, rng)
            }),
        };
        if options.zero_init_residual
            && let Some(scale) = &mut block.bn3.as_mut().unwrap_or(&mut block.bn2).weight
        {
            scale.set(Tensor::zeros([out_channels], DType::F32));
        }
        block
    }
}

impl Forward for Block {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let y = self.bn1.forward(self.conv1.forward(x.clone(), pass), pass).relu();
        let mut y = self.bn2.forward(self.conv2.forward(y, pass), pass);
        if let (Some(conv3), Some(bn3)) = (&self.conv3, &self.bn3) {
            y = bn3.forward(conv3.forward(y.relu(), pass), pass);
        }
        let around = match &self.downsample {
            Some(downsample) => downsample.forward(x, pass),
            None => x,
        };
        (y + around).relu()
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`ResNetOptions`] builds it.
#[derive(Debug, Module)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm2d,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    fc: Linear,
}

forward_in_parts!(ResNet);

impl Classifier for ResNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.bn1.forward(self.conv1.forward(x, pass), pass).relu();
        let x = MaxPool2d::new(3).stride(2).padding(1).forward(x, pass);
        let stages = [&self.layer1, &self.layer2, &self.layer3, &self.layer4];
        let run = |x, block: &Block| pass.observe(block, block.forward(x, pass));
        let x = stages.into_iter().fold(x, |x, stage| pass.observe(stage, stage.iter().fold(x, run)));
        AdaptiveAvgPool2d::new(1).forward(x, pass).flatten(1, -1)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.fc.forward(features, pass)
    }

    fn head_name(&self) -> String {
        "fc".to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scale_of_last_norm(options: ResNetOptions) -> Vec<f32> {
        let net = ResNetOptions { layers: [1, 1, 1, 1], ..options }.build(2, &mut Generator::new(0));
        let block = &net.layer1[0];
        let norm = block.bn3.as_ref().unwrap_or(&block.bn2);
        norm.weight.as_ref().unwrap().value().to_vec()
    }

    #[test]
    fn blocks_start_as_the_identity_if_asked() {
        for options in [ResNetOptions::resnet18(), ResNetOptions::resnet50()] {
            assert!(scale_of_last_norm(options).iter().all(|&s| s == 1.0));
            let zeroed = ResNetOptions { zero_init_residual: true, ..options };
            assert!(scale_of_last_norm(zeroed).iter().all(|&s| s == 0.0));
        }
    }

    #[test]
    fn weights_start_with_torchvisions_spread() {
        let net =
            ResNetOptions { layers: [1, 1, 1, 1], ..ResNetOptions::resnet18() }.build(1000, &mut Generator::new(0));
        let spread = |t: &Tensor| t.clone().var(&[], 0, false).sqrt().item::<f32>();
        // √2 / √(out · kh · kw), and a uniform distribution within ±1/√in.
        for (weight, want) in [
            (&net.conv1.weight, (2.0f32 / (64.0 * 49.0)).sqrt()),
            (&net.layer4[0].conv1.weight, (2.0f32 / (512.0 * 9.0)).sqrt()),
            (&net.fc.weight, (1.0f32 / (3.0 * 512.0)).sqrt()),
        ] {
            let got = spread(weight.value());
            assert!((got / want - 1.0).abs() < 0.02, "{got}, expected {want}");
        }
    }

    #[test]
    #[should_panic(expected = "basic blocks have groups 1")]
    fn basic_blocks_have_no_groups() {
        ResNetOptions { groups: 2, ..ResNetOptions::resnet18() }.build(2, &mut Generator::new(0));
    }
}
