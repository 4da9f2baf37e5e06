//! The convolutional network of MNIST tutorials.

use striate_nn::{Classifier, Conv2d, Dropout, Dropout2d, Forward, Linear, Module, Pass};
use striate_tensor::{Generator, Tensor};

/// Takes `[n, 1, 28, 28]`.
#[derive(Debug, Module)]
pub struct MnistNet {
    conv1: Conv2d,
    conv2: Conv2d,
    dropout1: Dropout2d,
    fc1: Linear,
    dropout2: Dropout,
    fc2: Linear,
}

impl MnistNet {
    /// The network with PyTorch's default initial values.
    pub fn new(classes: usize, rng: &mut Generator) -> Self {
        MnistNet {
            conv1: Conv2d::new(1, 32, 3, rng),
            conv2: Conv2d::new(32, 64, 3, rng),
            dropout1: Dropout2d::new(0.25),
            fc1: Linear::new(64 * 12 * 12, 128, rng),
            dropout2: Dropout::new(0.5),
            fc2: Linear::new(128, classes, rng),
        }
    }
}

forward_in_parts!(MnistNet);

impl Classifier for MnistNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.conv1.forward(x, pass).relu();
        let x = self.conv2.forward(x, pass).relu().max_pool2d(2);
        let x = self.dropout1.forward(x, pass).flatten(1, -1);
        self.fc1.forward(x, pass).relu()
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.fc2.forward(self.dropout2.forward(features, pass), pass)
    }

    fn head_name(&self) -> String {
        "fc2".to_string()
    }
}
