//! [`Pyramid`]: maps of several sizes with as many channels each.

use crate::conv_norm::{Activation, ConvNorm};
use striate_nn::{Conv2d, Forward, Module, Pass};
use striate_tensor::{Generator, Interpolation, Resize, Tensor};

/// A feature pyramid network (Lin et al., Feature pyramid networks for object detection, 2017), with batch normalization: what is seen at coarse maps is added to
/// finer ones, and all have as many channels.
#[derive(Debug, Module)]
pub(crate) struct Pyramid {
    lateral: Vec<ConvNorm>,
    output: Vec<ConvNorm>,
    /// Maps that are coarser than any of the backbone's.
    coarser: Vec<ConvNorm>,
}

impl Pyramid {
    /// From maps of these channels, finest first, to maps of `width` channels, and `coarser` more, each of half the size of the one before.
    pub fn new(channels: &[usize], width: usize, coarser: usize, rng: &mut Generator) -> Pyramid {
        let conv = |from, kernel: usize, stride: usize, activation, rng: &mut Generator| {
            let conv = Conv2d::options(from, width, kernel).padding(kernel / 2).stride(stride);
            ConvNorm::new(conv, activation, rng)
        };
        Pyramid {
            lateral: channels.iter().map(|&from| conv(from, 1, 1, Activation::None, rng)).collect(),
            output: channels.iter().map(|_| conv(width, 3, 1, Activation::Relu, rng)).collect(),
            coarser: (0..coarser).map(|_| conv(width, 3, 2, Activation::Relu, rng)).collect(),
        }
    }

    /// Its maps, finest first.
    pub fn maps(&self, maps: Vec<Tensor>, pass: &Pass) -> Vec<Tensor> {
        let mut above: Option<Tensor> = None;
        let mut out = Vec::new();
        for ((map, lateral), output) in maps.into_iter().zip(&self.lateral).zip(&self.output).rev() {
            let mut map = lateral.forward(map, pass);
            if let Some(above) = above {
                map = enlarged(above, &map, Interpolation::Nearest) + map;
            }
            out.push(output.forward(map.clone(), pass));
            above = Some(map);
        }
        out.reverse();
        for coarser in &self.coarser {
            let last = out.last().expect("a pyramid has a map").clone();
            out.push(coarser.forward(last, pass));
        }
        out
    }
}

/// A map in the height and width of another.
pub(crate) fn enlarged(map: Tensor, like: &Tensor, mode: Interpolation) -> Tensor {
    map.interpolate(Resize::Size([like.size(2), like.size(3)]), mode)
}
