//! [`UNet`], with an encoder of its own or a backbone.

use super::backbone::Backbone;
use super::pyramid::enlarged;
use super::segmenter::Decoder;
use crate::conv_norm::{Activation, ConvNorm};
use striate_nn::{Conv2d, Forward, MaxPool2d, Module, Pass};
use striate_tensor::{Generator, Interpolation, Resize, Tensor};

/// Two 3×3 convolutions, each with batch normalization and ReLU.
#[derive(Debug, Module)]
struct DoubleConv(ConvNorm, ConvNorm);

impl DoubleConv {
    fn new(from: usize, to: usize, rng: &mut Generator) -> DoubleConv {
        let mut conv = |from| ConvNorm::new(Conv2d::options(from, to, 3).padding(1), Activation::Relu, rng);
        DoubleConv(conv(from), conv(to))
    }
}

impl Forward for DoubleConv {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        pass.observe(self, self.1.forward(self.0.forward(x, pass), pass))
    }
}

/// U-Net (Ronneberger et al., 2015) with padded convolutions and batch normalization: maps become half as large and twice as wide `depth` times, and on the way back
/// each is enlarged by its nearest pixels and seen together with the one of its size.
#[derive(Debug, Module)]
pub(crate) struct UNet {
    encoder: Vec<DoubleConv>,
    decoder: Vec<DoubleConv>,
    #[module(skip)]
    width: usize,
}

impl UNet {
    pub fn new(in_channels: usize, width: usize, depth: usize, rng: &mut Generator) -> UNet {
        let at = |level: usize| width << level;
        let before = |level: usize| if level == 0 { in_channels } else { at(level - 1) };
        UNet {
            encoder: (0..=depth).map(|level| DoubleConv::new(before(level), at(level), rng)).collect(),
            decoder: (0..depth).map(|level| DoubleConv::new(at(level) + at(level + 1), at(level), rng)).collect(),
            width,
        }
    }
}

impl Decoder for UNet {
    fn map(&self, x: Tensor, pass: &Pass) -> Tensor {
        let mut x = self.encoder[0].forward(x, pass);
        let mut seen = Vec::with_capacity(self.decoder.len());
        for block in &self.encoder[1..] {
            seen.push(x.clone());
            x = block.forward(MaxPool2d::new(2).ceil_mode(true).forward(x, pass), pass);
        }
        for (block, skip) in self.decoder.iter().zip(seen).rev() {
            let above = enlarged(x, &skip, Interpolation::Nearest);
            x = block.forward(Tensor::cat(&[skip, above], 1), pass);
        }
        x
    }

    fn channels(&self) -> usize {
        self.width
    }

    fn stride(&self) -> usize {
        1
    }
}

/// The decoder of a U-Net on the maps of a backbone, whose sides are half of each other; the last one, at the image's size, sees no map beside it.
#[derive(Module)]
pub(crate) struct BackboneUNet {
    backbone: Backbone,
    decoder: Vec<DoubleConv>,
    #[module(skip)]
    strides: Vec<usize>,
    #[module(skip)]
    width: usize,
}

/// How many times as wide as the last map the widest ones are.
const WIDEST: usize = 16;

impl BackboneUNet {
    pub fn new(backbone: Backbone, width: usize, rng: &mut Generator) -> BackboneUNet {
        let strides: Vec<usize> = backbone.strides().into_iter().filter(|&s| s <= 32).collect();
        let channels = backbone.channels(&strides);
        let (mut decoder, mut from) = (Vec::new(), *channels.last().expect("a backbone has maps"));
        for stride in halved(32) {
            let skip = strides.iter().position(|&s| s == stride).map_or(0, |i| channels[i]);
            let to = width * stride.min(WIDEST);
            decoder.push(DoubleConv::new(from + skip, to, rng));
            from = to;
        }
        BackboneUNet { backbone, decoder, strides, width }
    }
}

/// The strides below this one: 16, 8, 4, 2, 1.
fn halved(stride: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(Some(stride / 2), |&s| (s > 1).then_some(s / 2))
}

impl Decoder for BackboneUNet {
    fn map(&self, x: Tensor, pass: &Pass) -> Tensor {
        let [height, width] = [x.size(2), x.size(3)];
        let mut maps = self.backbone.maps(x, &self.strides, pass);
        let mut x = maps.pop().expect("a backbone has maps");
        for (block, stride) in self.decoder.iter().zip(halved(32)) {
            let size = [height.div_ceil(stride), width.div_ceil(stride)];
            let above = x.interpolate(Resize::Size(size), Interpolation::Nearest);
            let x_in = match self.strides.iter().position(|&s| s == stride) {
                Some(i) => Tensor::cat(&[maps[i].clone(), above], 1),
                None => above,
            };
            x = block.forward(x_in, pass);
        }
        x
    }

    fn channels(&self) -> usize {
        self.width
    }

    fn stride(&self) -> usize {
        1
    }
}
