//! LeNet-5 (LeCun et al., 1998) as tutorials write it: ReLU and max pooling.

use striate_nn::{Classifier, Conv2d, Forward, Linear, Module, Pass};
use striate_tensor::{Generator, Tensor};

/// Takes `[n, 1, 32, 32]`.
#[derive(Debug, Module)]
pub struct LeNet {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
    fc3: Linear,
}

impl LeNet {
    /// The network with PyTorch's default initial values.
    pub fn new(classes: usize, rng: &mut Generator) -> Self {
        LeNet {
            conv1: Conv2d::new(1, 6, 5, rng),
            conv2: Conv2d::new(6, 16, 5, rng),
            fc1: Linear::new(16 * 5 * 5, 120, rng),
            fc2: Linear::new(120, 84, rng),
            fc3: Linear::new(84, classes, rng),
        }
    }
}

forward_in_parts!(LeNet);

impl Classifier for LeNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.conv1.forward(x, pass).relu().max_pool2d(2);
        let x = self.conv2.forward(x, pass).relu().max_pool2d(2);
        let x = self.fc1.forward(x.flatten(1, -1), pass).relu();
        self.fc2.forward(x, pass).relu()
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.fc3.forward(features, pass)
    }

    fn head_name(&self) -> String {
        "fc3".to_string()
    }
}
