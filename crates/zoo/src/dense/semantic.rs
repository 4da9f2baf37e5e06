//! Decoders to a map of a quarter of the image's size: [`SemanticPyramid`] and [`DeepLab`].

use super::backbone::Backbone;
use super::pyramid::{Pyramid, enlarged};
use super::segmenter::Decoder;
use crate::conv_norm::{Activation, ConvNorm};
use striate_nn::{AdaptiveAvgPool2d, Conv2d, Dropout, Forward, Module, Pass};
use striate_tensor::{Generator, Interpolation, Tensor};

const BILINEAR: Interpolation = Interpolation::Bilinear { align_corners: false };
/// The stride of the maps that are made.
const STRIDE: usize = 4;

fn conv(from: usize, to: usize, kernel: usize, dilation: usize, rng: &mut Generator) -> ConvNorm {
    let conv = Conv2d::options(from, to, kernel).padding(kernel / 2 * dilation).dilation(dilation);
    ConvNorm::new(conv, Activation::Relu, rng)
}

/// The maps of a feature pyramid, enlarged to the finest one and added (Kirillov et al., Panoptic feature pyramid networks, 2019).
#[derive(Module)]
pub(crate) struct SemanticPyramid {
    backbone: Backbone,
    pyramid: Pyramid,
    convs: Vec<ConvNorm>,
    #[module(skip)]
    width: usize,
}

const PYRAMID_STRIDES: [usize; 4] = [4, 8, 16, 32];

impl SemanticPyramid {
    pub fn new(backbone: Backbone, width: usize, rng: &mut Generator) -> SemanticPyramid {
        let pyramid = Pyramid::new(&backbone.channels(&PYRAMID_STRIDES), width, 0, rng);
        let convs = PYRAMID_STRIDES.iter().map(|_| conv(width, width, 3, 1, rng)).collect();
        SemanticPyramid { backbone, pyramid, convs, width }
    }
}

impl Decoder for SemanticPyramid {
    fn map(&self, x: Tensor, pass: &Pass) -> Tensor {
        let maps = self.pyramid.maps(self.backbone.maps(x, &PYRAMID_STRIDES, pass), pass);
        let finest = maps[0].clone();
        let alike =
            maps.into_iter().zip(&self.convs).map(|(map, conv)| enlarged(conv.forward(map, pass), &finest, BILINEAR));
        alike.reduce(|sum, map| sum + map).expect("a pyramid has maps")
    }

    fn channels(&self) -> usize {
        self.width
    }

    fn stride(&self) -> usize {
        STRIDE
    }
}

/// DeepLabV3+ (Chen et al., 2018) on a backbone at an output stride of 32: convolutions of several dilations over its last map, and a decoder that sees the map at a
/// stride of 4. The dilations are half of the paper's for an output stride of 16.
#[derive(Module)]
pub(crate) struct DeepLab {
    backbone: Backbone,
    aspp: Vec<ConvNorm>,
    pooled: ConvNorm,
    project: ConvNorm,
    dropout: Dropout,
    low_level: ConvNorm,
    decoder: [ConvNorm; 2],
    #[module(skip)]
    width: usize,
}

const DILATIONS: [usize; 3] = [3, 6, 9];
/// Channels of the fine map that the decoder sees, as in the paper.
const LOW_LEVEL: usize = 48;
const DEEPLAB_STRIDES: [usize; 2] = [4, 32];

impl DeepLab {
    pub fn new(backbone: Backbone, width: usize, rng: &mut Generator) -> DeepLab {
        let [low, high] = backbone.channels(&DEEPLAB_STRIDES)[..] else { unreachable!("two strides have two maps") };
        let mut aspp = vec![conv(high, width, 1, 1, rng)];
        aspp.extend(DILATIONS.map(|dilation| conv(high, width, 3, dilation, rng)));
        let all = (aspp.len() + 1) * width;
        DeepLab {
            aspp,
            pooled: conv(high, width, 1, 1, rng),
            project: conv(all, width, 1, 1, rng),
            dropout: Dropout::new(0.1),
            low_level: conv(low, LOW_LEVEL, 1, 1, rng),
            decoder: [conv(width + LOW_LEVEL, width, 3, 1, rng), conv(width, width, 3, 1, rng)],
            backbone,
            width,
        }
    }
}

impl Decoder for DeepLab {
    fn map(&self, x: Tensor, pass: &Pass) -> Tensor {
        let maps = self.backbone.maps(x, &DEEPLAB_STRIDES, pass);
        let [low, high] = &maps[..] else { unreachable!("two strides have two maps") };
        let mut seen: Vec<Tensor> = self.aspp.iter().map(|conv| conv.forward(high.clone(), pass)).collect();
        let mean = AdaptiveAvgPool2d::new(1).forward(high.clone(), pass);
        seen.push(enlarged(self.pooled.forward(mean, pass), high, Interpolation::Nearest));
        let high = self.project.forward(Tensor::cat(&seen, 1), pass);
        let high = self.dropout.forward(high, pass);
        let low = self.low_level.forward(low.clone(), pass);
        let high = enlarged(high, &low, BILINEAR);
        self.decoder.iter().fold(Tensor::cat(&[high, low], 1), |x, conv| conv.forward(x, pass))
    }

    fn channels(&self) -> usize {
        self.width
    }

    fn stride(&self) -> usize {
        STRIDE
    }
}
