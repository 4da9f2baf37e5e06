//! RegNet (Radosavovic et al., 2020), as in torchvision.

use crate::conv_norm::{Activation, ConvNorm, kaiming_weight, linear, make_divisible};
use crate::named::Named;
use striate_nn::{AdaptiveAvgPool2d, Classifier, Conv2d, Forward, Linear, Module, Pass, SqueezeExcitation, init};
use striate_tensor::{Generator, Tensor};

/// The settings of a [`RegNet`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RegNetOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// The number of blocks.
    pub depth: usize,
    /// The channels of the first block.
    pub w_0: usize,
    /// By how many channels each block is wider than the one before, before rounding.
    pub w_a: f64,
    /// The factor from one stage's channels to the next one's, to which they are rounded.
    pub w_m: f64,
    /// Channels of each group of the 3×3 convolutions.
    pub group_width: usize,
    /// How many times its output's channels a block has inside.
    pub bottleneck_multiplier: f64,
    /// Channels of squeeze-and-excitation as a fraction of a block's input, or none for blocks without it (RegNetX).
    pub se_ratio: Option<f64>,
    /// Channels of the first convolution.
    pub stem_width: usize,
}

impl RegNetOptions {
    /// RegNetY-400MF.
    pub const fn y_400mf() -> Self {
        RegNetOptions {
            in_channels: 3,
            depth: 16,
            w_0: 48,
            w_a: 27.89,
            w_m: 2.09,
            group_width: 8,
            bottleneck_multiplier: 1.0,
            se_ratio: Some(0.25),
            stem_width: 32,
        }
    }

    /// RegNetX-400MF.
    pub const fn x_400mf() -> Self {
        let (depth, w_0, w_a, w_m, group_width, se_ratio) = (22, 24, 24.48, 2.54, 16, None);
        RegNetOptions { depth, w_0, w_a, w_m, group_width, se_ratio, ..RegNetOptions::y_400mf() }
    }

    /// Channels, channels of a group and blocks of each stage.
    fn stages(&self) -> Vec<(usize, usize, usize)> {
        let width = |block: usize| {
            let continuous = block as f64 * self.w_a + self.w_0 as f64;
            let power = ((continuous / self.w_0 as f64).ln() / self.w_m.ln()).round_ties_even();
            (self.w_0 as f64 * self.w_m.powf(power) / 8.0).round_ties_even() as usize * 8
        };
        let widths: Vec<usize> = (0..self.depth).map(width).collect();
        let stage = |blocks: &[usize]| {
            let inner = (blocks[0] as f64 * self.bottleneck_multiplier) as usize;
            let group = self.group_width.min(inner);
            let fitting = make_divisible(inner as f64, group) as f64;
            ((fitting / self.bottleneck_multiplier) as usize, group, blocks.len())
        };
        widths.chunk_by(|a, b| a == b).map(stage).collect()
    }

    /// The network with fresh weights and `classes` outputs.
    ///
    /// # Panics
    /// If `w_0` is not a positive multiple of 8, `w_a` is negative, or `w_m` is not above 1.
    pub fn build(self, classes: usize, rng: &mut Generator) -> RegNet {
        assert!(
            self.w_0 > 0 && self.w_0.is_multiple_of(8) && self.w_a >= 0.0 && self.w_m > 1.0,
            "RegNet: w_0 must be a multiple of 8, w_a at least 0 and w_m above 1, got {self:?}"
        );
        let stem = Conv2d::options(self.in_channels, self.stem_width, 3).stride(2).padding(1);
        let stem = ConvNorm::new(stem, Activation::Relu, rng);
        let mut trunk_output = Named::new();
        let mut channels = self.stem_width;
        for ((to, group, blocks), number) in self.stages().into_iter().zip(1..) {
            let mut stage = Named::new();
            for i in 0..blocks {
                let stride = if i == 0 { 2 } else { 1 };
                stage = stage.add(format!("block{number}-{i}"), Block::new(&self, channels, to, group, stride, rng));
                channels = to;
            }
            trunk_output = trunk_output.add(format!("block{number}"), stage);
        }
        RegNet { stem, trunk_output, fc: linear(init::normal([classes, channels], 0.0, 0.01, rng)) }
    }
}

/// What is added to a block's input.
#[derive(Module)]
struct Bottleneck {
    a: ConvNorm,
    b: ConvNorm,
    se: Option<SqueezeExcitation>,
    c: ConvNorm,
}

/// A bottleneck with a residual connection.
#[derive(Module)]
struct Block {
    proj: Option<ConvNorm>,
    f: Bottleneck,
}

impl Block {
    fn new(options: &RegNetOptions, from: usize, to: usize, group: usize, stride: usize, rng: &mut Generator) -> Self {
        let inner = (to as f64 * options.bottleneck_multiplier).round_ties_even() as usize;
        let grouped = Conv2d::options(inner, inner, 3).stride(stride).padding(1).groups(inner / group);
        let se = options.se_ratio.map(|ratio| {
            let squeezed = (ratio * from as f64).round_ties_even() as usize;
            let mut layer = SqueezeExcitation::new(inner, squeezed, rng);
            for conv in [&mut layer.fc1, &mut layer.fc2] {
                conv.weight.set(kaiming_weight(conv.weight.value().shape_value(), rng));
            }
            layer
        });
        let proj = Conv2d::options(from, to, 1).stride(stride);
        Block {
            proj: (from != to || stride != 1).then(|| ConvNorm::new(proj, Activation::None, rng)),
            f: Bottleneck {
                a: ConvNorm::new(Conv2d::options(from, inner, 1), Activation::Relu, rng),
                b: ConvNorm::new(grouped, Activation::Relu, rng),
                se,
                c: ConvNorm::new(Conv2d::options(inner, to, 1), Activation::None, rng),
            },
        }
    }
}

impl Forward for Block {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let mut y = self.f.b.forward(self.f.a.forward(x.clone(), pass), pass);
        if let Some(se) = &self.f.se {
            y = se.forward(y, pass);
        }
        let y = pass.observe(&self.f, self.f.c.forward(y, pass));
        let around = match &self.proj {
            Some(proj) => proj.forward(x, pass),
            None => x,
        };
        (around + y).relu()
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`RegNetOptions`] builds it.
#[derive(Module)]
pub struct RegNet {
    stem: ConvNorm,
    trunk_output: Named,
    fc: Linear,
}

forward_in_parts!(RegNet);

impl Classifier for RegNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.trunk_output.forward(self.stem.forward(x, pass), pass);
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

    #[test]
    fn stages_are_those_of_torchvision() {
        assert_eq!(RegNetOptions::y_400mf().stages(), [(48, 8, 1), (104, 8, 3), (208, 8, 6), (440, 8, 6)]);
        assert_eq!(RegNetOptions::x_400mf().stages(), [(32, 16, 1), (64, 16, 2), (160, 16, 7), (400, 16, 12)]);
    }
}
