//! SqueezeNet (Iandola et al., 2016), as in torchvision.

use striate_nn::init::{self, FanMode, Nonlinearity};
use striate_nn::{
    AdaptiveAvgPool2d, Classifier, Conv2d, Conv2dBuilder, Dropout, Forward, MaxPool2d, Module, Pass, ReLU, Sequential,
};
use striate_tensor::{Generator, Tensor};

/// Which of its authors' versions a [`SqueezeNet`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SqueezeNetVersion {
    /// The paper's.
    V1_0,
    /// A later one with less than half the multiplications: smaller kernels at the start, and pooling earlier.
    V1_1,
}

/// The settings of a [`SqueezeNet`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SqueezeNetOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// Which version.
    pub version: SqueezeNetVersion,
    /// The probability with which a feature is zeroed before the last convolution.
    pub dropout: f64,
}

impl SqueezeNetOptions {
    /// SqueezeNet 1.0.
    pub const fn squeezenet1_0() -> Self {
        SqueezeNetOptions { in_channels: 3, version: SqueezeNetVersion::V1_0, dropout: 0.5 }
    }

    /// SqueezeNet 1.1.
    pub const fn squeezenet1_1() -> Self {
        SqueezeNetOptions { version: SqueezeNetVersion::V1_1, ..SqueezeNetOptions::squeezenet1_0() }
    }

    /// The network with fresh weights and `classes` outputs.
    pub fn build(self, classes: usize, rng: &mut Generator) -> SqueezeNet {
        // Channels after squeezing and those of each half after expanding, block by block between poolings.
        type Blocks = &'static [(usize, usize)];
        let (stem, kernel, stages): (usize, usize, [Blocks; 3]) = match self.version {
            SqueezeNetVersion::V1_0 => {
                let middle: Blocks = &[(32, 128), (48, 192), (48, 192), (64, 256)];
                (96, 7, [&[(16, 64), (16, 64), (32, 128)], middle, &[(64, 256)]])
            }
            SqueezeNetVersion::V1_1 => {
                let last: Blocks = &[(48, 192), (48, 192), (64, 256), (64, 256)];
                (64, 3, [&[(16, 64), (16, 64)], &[(32, 128), (32, 128)], last])
            }
        };
        let first = Conv2d::options(self.in_channels, stem, kernel).stride(2);
        let mut features = Sequential::new().add(kaiming_uniform(first, rng)).add(ReLU);
        let mut channels = stem;
        for blocks in stages {
            features = features.add(MaxPool2d::new(3).stride(2).ceil_mode(true));
            for &(squeezed, half) in blocks {
                features = features.add(Fire::new(channels, squeezed, half, rng));
                channels = 2 * half;
            }
        }
        let last = Conv2d::options(channels, classes, 1).build_with(|shape| init::normal(shape, 0.0, 0.01, rng));
        let classifier =
            Sequential::new().add(Dropout::new(self.dropout)).add(last).add(ReLU).add(AdaptiveAvgPool2d::new(1));
        SqueezeNet { features, classifier }
    }
}

fn kaiming_uniform(conv: Conv2dBuilder, rng: &mut Generator) -> Conv2d {
    conv.build_with(|shape| init::kaiming_uniform(shape, FanMode::FanIn, Nonlinearity::ReLU, rng))
}

/// A 1×1 convolution to few channels, then a 1×1 and a 3×3 one to many beside each other.
#[derive(Debug, Module)]
struct Fire {
    squeeze: Conv2d,
    expand1x1: Conv2d,
    expand3x3: Conv2d,
}

impl Fire {
    fn new(from: usize, squeezed: usize, half: usize, rng: &mut Generator) -> Self {
        Fire {
            squeeze: kaiming_uniform(Conv2d::options(from, squeezed, 1), rng),
            expand1x1: kaiming_uniform(Conv2d::options(squeezed, half, 1), rng),
            expand3x3: kaiming_uniform(Conv2d::options(squeezed, half, 3).padding(1), rng),
        }
    }
}

impl Forward for Fire {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.squeeze.forward(x, pass).relu();
        let small = self.expand1x1.forward(x.clone(), pass);
        Tensor::cat(&[small, self.expand3x3.forward(x, pass)], 1).relu()
    }
}

/// Takes `[n, in_channels, h, w]` from 29×29 on (version 1.1 from 25×25). [`SqueezeNetOptions`] builds it.
#[derive(Module)]
pub struct SqueezeNet {
    features: Sequential,
    classifier: Sequential,
}

forward_in_parts!(SqueezeNet);

impl Classifier for SqueezeNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.features.forward(x, pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.classifier.forward(features, pass).flatten(1, -1)
    }

    fn head_name(&self) -> String {
        "classifier.1".to_string()
    }
}
