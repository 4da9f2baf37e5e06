//! Networks: ready ones, with the parameter names that their PyTorch versions have, and ones that a line of text describes.

mod blueprint;
mod lenet;
mod mnist_net;
pub mod text;

pub use blueprint::{Blueprint, Description, title_of};
pub use lenet::LeNet;
pub use mnist_net::MnistNet;

use std::fmt;
use striate_nn::Forward;
use striate_tensor::Generator;

/// A network that can be built by name.
#[derive(Clone, Copy)]
pub struct Architecture {
    /// Its name on the command line and in model files.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The shape of the images it takes: channels, height, width.
    pub input: [usize; 3],
    build: fn(usize, &mut Generator) -> Box<dyn Forward>,
}

impl Architecture {
    /// The network with fresh weights and `classes` outputs.
    pub fn build(&self, classes: usize, rng: &mut Generator) -> Box<dyn Forward> {
        (self.build)(classes, rng)
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Architecture({})", self.name)
    }
}

/// Every network of this crate.
pub const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "mnist-net",
        about: "two 3×3 convolutions, pooling, dropout and two linear layers, for 28×28 grey images",
        input: [1, 28, 28],
        build: |classes, rng| Box::new(MnistNet::new(classes, rng)),
    },
    Architecture {
        name: "lenet",
        about: "LeNet-5 with ReLU and max pooling, for 32×32 grey images (28×28 ones are padded)",
        input: [1, 32, 32],
        build: |classes, rng| Box::new(LeNet::new(classes, rng)),
    },
];

/// The network of this name.
pub fn find(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|a| a.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_nn::{Module, Pass};
    use striate_tensor::{DType, Tensor};

    #[test]
    fn every_network_takes_its_input_and_gives_its_classes() {
        for a in ARCHITECTURES {
            let net = a.build(7, &mut Generator::new(1));
            let [c, h, w] = a.input;
            let y = net.forward(Tensor::zeros([2, c, h, w], DType::F32), &Pass::eval());
            assert_eq!(y.shape(), [2, 7], "{}", a.name);
        }
    }

    #[test]
    fn parameters_are_named_and_counted_as_in_pytorch() {
        let rng = &mut Generator::new(1);
        let net = MnistNet::new(10, rng);
        assert_eq!(net.num_parameters(), 1_199_882);
        let names: Vec<_> = net.named_parameters().into_iter().map(|(n, _)| n).collect();
        let layers = ["conv1", "conv2", "fc1", "fc2"];
        let expected: Vec<_> = layers.iter().flat_map(|l| [format!("{l}.weight"), format!("{l}.bias")]).collect();
        assert_eq!(names, expected);
        assert_eq!(LeNet::new(10, rng).num_parameters(), 61_706);
    }
}
