//! VGG (Simonyan and Zisserman, 2015), as in torchvision.

use crate::conv_norm::{kaiming_biased, linear};
use striate_nn::{
    AdaptiveAvgPool2d, BatchNorm2d, Classifier, Conv2d, Dropout, Forward, MaxPool2d, Module, Pass, ReLU, Sequential,
    init,
};
use striate_tensor::{Generator, Tensor};

/// The settings of a [`Vgg`], with torchvision's defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VggOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// 3×3 convolutions in each of the five stages, of 64, 128, 256, 512 and 512 channels.
    pub convs: [usize; 5],
    /// Whether batch normalization follows each convolution.
    pub batch_norm: bool,
    /// The probability with which a feature is zeroed after the first two linear layers.
    pub dropout: f64,
}

impl VggOptions {
    /// Stages of that many convolutions, without batch normalization.
    pub const fn new(convs: [usize; 5]) -> Self {
        VggOptions { in_channels: 3, convs, batch_norm: false, dropout: 0.5 }
    }

    /// VGG-11, the paper's configuration A.
    pub const fn vgg11() -> Self {
        VggOptions::new([1, 1, 2, 2, 2])
    }

    /// VGG-13, the paper's configuration B.
    pub const fn vgg13() -> Self {
        VggOptions::new([2, 2, 2, 2, 2])
    }

    /// VGG-16, the paper's configuration D.
    pub const fn vgg16() -> Self {
        VggOptions::new([2, 2, 3, 3, 3])
    }

    /// VGG-19, the paper's configuration E.
    pub const fn vgg19() -> Self {
        VggOptions::new([2, 2, 4, 4, 4])
    }

    /// VGG-11 with batch normalization.
    pub const fn vgg11_bn() -> Self {
        VggOptions { batch_norm: true, ..VggOptions::vgg11() }
    }

    /// VGG-13 with batch normalization.
    pub const fn vgg13_bn() -> Self {
        VggOptions { batch_norm: true, ..VggOptions::vgg13() }
    }

    /// VGG-16 with batch normalization.
    pub const fn vgg16_bn() -> Self {
        VggOptions { batch_norm: true, ..VggOptions::vgg16() }
    }

    /// VGG-19 with batch normalization.
    pub const fn vgg19_bn() -> Self {
        VggOptions { batch_norm: true, ..VggOptions::vgg19() }
    }

    /// The network with fresh weights and `classes` outputs.
    pub fn build(self, classes: usize, rng: &mut Generator) -> Vgg {
        let mut features = Sequential::new();
        let mut from = self.in_channels;
        for (convs, to) in self.convs.into_iter().zip([64, 128, 256, 512, 512]) {
            for _ in 0..convs {
                features = features.add(kaiming_biased(Conv2d::options(from, to, 3).padding(1), rng));
                if self.batch_norm {
                    features = features.add(BatchNorm2d::new(to));
                }
                features = features.add(ReLU);
                from = to;
            }
            features = features.add(MaxPool2d::new(2));
        }
        let mut layer = |from: usize, to: usize| linear(init::normal([to, from], 0.0, 0.01, rng));
        let classifier = Sequential::new()
            .add(layer(from * 7 * 7, 4096))
            .add(ReLU)
            .add(Dropout::new(self.dropout))
            .add(layer(4096, 4096))
            .add(ReLU)
            .add(Dropout::new(self.dropout))
            .add(layer(4096, classes));
        Vgg { features, classifier }
    }
}

/// Takes `[n, in_channels, h, w]` from 32×32 on. [`VggOptions`] builds it.
#[derive(Module)]
pub struct Vgg {
    features: Sequential,
    classifier: Sequential,
}

forward_in_parts!(Vgg);

impl Classifier for Vgg {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = AdaptiveAvgPool2d::new(7).forward(self.features.forward(x, pass), pass);
        self.classifier.forward_range(..5, x.flatten(1, -1), pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        pass.observe(&self.classifier, self.classifier.forward_range(5.., features, pass))
    }

    fn head_name(&self) -> String {
        "classifier.6".to_string()
    }
}
