//! The convolutional network of MNIST tutorials.

use striate_nn::{Conv2d, Dropout, Dropout2d, Forward, Linear, Module, Pass};
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

impl Forward for MnistNet {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.conv1.forward(x, pass).relu();
        let x = self.conv2.forward(x, pass).relu().max_pool2d(2);
        let x = self.dropout1.forward(x, pass).flatten(1, -1);
        let x = self.fc1.forward(x, pass).relu();
        let x = self.dropout2.forward(x, pass);
        self.fc2.forward(x, pass)
    }
}
