//! AlexNet (Krizhevsky, 2014: "One weird trick"), as in torchvision.

use striate_nn::{
    AdaptiveAvgPool2d, Classifier, Conv2d, Dropout, Forward, Linear, MaxPool2d, Module, Pass, ReLU, Sequential,
};
use striate_tensor::{Generator, Tensor};

/// The settings of an [`AlexNet`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AlexNetOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// The probability with which a feature is zeroed before the first two linear layers.
    pub dropout: f64,
}

impl Default for AlexNetOptions {
    fn default() -> Self {
        AlexNetOptions { in_channels: 3, dropout: 0.5 }
    }
}

impl AlexNetOptions {
    /// The network with fresh weights and `classes` outputs.
    pub fn build(self, classes: usize, rng: &mut Generator) -> AlexNet {
        let features = Sequential::new()
            .add(Conv2d::options(self.in_channels, 64, 11).stride(4).padding(2).build(rng))
            .add(ReLU)
            .add(MaxPool2d::new(3).stride(2))
            .add(Conv2d::options(64, 192, 5).padding(2).build(rng))
            .add(ReLU)
            .add(MaxPool2d::new(3).stride(2))
            .add(Conv2d::options(192, 384, 3).padding(1).build(rng))
            .add(ReLU)
            .add(Conv2d::options(384, 256, 3).padding(1).build(rng))
            .add(ReLU)
            .add(Conv2d::options(256, 256, 3).padding(1).build(rng))
            .add(ReLU)
            .add(MaxPool2d::new(3).stride(2));
        let classifier = Sequential::new()
            .add(Dropout::new(self.dropout))
            .add(Linear::new(256 * 6 * 6, 4096, rng))
            .add(ReLU)
            .add(Dropout::new(self.dropout))
            .add(Linear::new(4096, 4096, rng))
            .add(ReLU)
            .add(Linear::new(4096, classes, rng));
        AlexNet { features, classifier }
    }
}

/// Takes `[n, in_channels, h, w]` from 63×63 on. [`AlexNetOptions`] builds it.
#[derive(Module)]
pub struct AlexNet {
    features: Sequential,
    classifier: Sequential,
}

forward_in_parts!(AlexNet);

impl Classifier for AlexNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = AdaptiveAvgPool2d::new(6).forward(self.features.forward(x, pass), pass);
        self.classifier.forward_range(..6, x.flatten(1, -1), pass)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        pass.observe(&self.classifier, self.classifier.forward_range(6.., features, pass))
    }

    fn head_name(&self) -> String {
        "classifier.6".to_string()
    }
}
