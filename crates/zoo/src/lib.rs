//! Networks: ready ones, with the parameter names that their PyTorch versions have, and ones that a line of text describes.

mod blueprint;
mod conv_norm;
mod lenet;
mod mnist_net;
mod mobilenet_v2;
mod resnet;
pub mod text;

pub use blueprint::{Blueprint, Description, title_of};
pub use lenet::LeNet;
pub use mnist_net::MnistNet;
pub use mobilenet_v2::{INVERTED_RESIDUALS, InvertedResiduals, MobileNetV2, MobileNetV2Options};
pub use resnet::{ResNet, ResNetBlock, ResNetOptions};

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
    /// The shape of the images it takes (channels, height, width), or of its customary ones where it takes several.
    pub input: [usize; 3],
    /// The least height and width of its images, if it takes all larger ones and any number of channels.
    pub min_size: Option<usize>,
    /// From channels and classes.
    build: fn(usize, usize, &mut Generator) -> Box<dyn Forward>,
}

impl Architecture {
    /// The network with fresh weights and `classes` outputs, for images of its customary channels.
    pub fn build(&self, classes: usize, rng: &mut Generator) -> Box<dyn Forward> {
        (self.build)(self.input[0], classes, rng)
    }

    /// As [`Architecture::build`], for images of shape `input` (channels, height, width).
    ///
    /// # Panics
    /// If it does not take them.
    pub fn build_for(&self, input: [usize; 3], classes: usize, rng: &mut Generator) -> Box<dyn Forward> {
        assert!(self.takes(input), "{} takes {}, got {input:?}", self.name, self.sizes());
        (self.build)(input[0], classes, rng)
    }

    /// Whether it takes images of this shape.
    pub fn takes(&self, input: [usize; 3]) -> bool {
        self.input_for(input) == input
    }

    /// The shape nearest to that of `images` that it takes.
    pub fn input_for(&self, [channels, height, width]: [usize; 3]) -> [usize; 3] {
        self.min_size.map_or(self.input, |least| [channels.max(1), height.max(least), width.max(least)])
    }

    /// What images it takes, in words.
    pub fn sizes(&self) -> String {
        let [channels, height, width] = self.input;
        match self.min_size {
            Some(least) => format!("images from {least}×{least} on"),
            None => format!("{channels}×{height}×{width} images"),
        }
    }
}

impl fmt::Debug for Architecture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Architecture({})", self.name)
    }
}

/// ImageNet's images as most networks take them.
const IMAGENET: [usize; 3] = [3, 224, 224];

macro_rules! resnet {
    ($name:literal, $options:ident, $about:literal) => {
        Architecture {
            name: $name,
            about: $about,
            input: IMAGENET,
            min_size: Some(32),
            build: |in_channels, classes, rng| {
                Box::new(ResNetOptions { in_channels, ..ResNetOptions::$options() }.build(classes, rng))
            },
        }
    };
}

/// Every network of this crate.
pub const ARCHITECTURES: &[Architecture] = &[
    Architecture {
        name: "mnist-net",
        about: "two 3×3 convolutions, pooling, dropout and two linear layers, for 28×28 grey images",
        input: [1, 28, 28],
        min_size: None,
        build: |_, classes, rng| Box::new(MnistNet::new(classes, rng)),
    },
    Architecture {
        name: "lenet",
        about: "LeNet-5 with ReLU and max pooling, for 32×32 grey images (28×28 ones are padded)",
        input: [1, 32, 32],
        min_size: None,
        build: |_, classes, rng| Box::new(LeNet::new(classes, rng)),
    },
    resnet!("resnet18", resnet18, "ResNet-18: 17 convolutions with ways around them"),
    resnet!("resnet34", resnet34, "ResNet-34: 33 convolutions with ways around them"),
    resnet!("resnet50", resnet50, "ResNet-50: 49 convolutions in bottlenecks"),
    resnet!("resnet101", resnet101, "ResNet-101: 100 convolutions in bottlenecks"),
    resnet!("resnet152", resnet152, "ResNet-152: 151 convolutions in bottlenecks"),
    resnet!("wide-resnet50-2", wide_resnet50_2, "Wide ResNet-50-2: ResNet-50 with twice as many inner channels"),
    resnet!("resnext50-32x4d", resnext50_32x4d, "ResNeXt-50 32×4d: ResNet-50 with its inner channels in 32 groups"),
    Architecture {
        name: "mobilenet-v2",
        about: "MobileNetV2: depthwise convolutions in inverted bottlenecks, for phones",
        input: IMAGENET,
        min_size: Some(32),
        build: |in_channels, classes, rng| {
            Box::new(MobileNetV2Options { in_channels, ..Default::default() }.build(classes, rng))
        },
    },
];

/// The network of this name, which may be written as torchvision does: `mobilenet_v2`.
pub fn find(name: &str) -> Option<&'static Architecture> {
    ARCHITECTURES.iter().find(|a| a.name == name.replace('_', "-"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_nn::{Module, Pass};
    use striate_tensor::{DType, Tensor};

    #[test]
    fn every_network_takes_its_input_and_gives_its_classes() {
        for a in ARCHITECTURES {
            let inputs = match a.min_size {
                Some(n) => [[a.input[0], n, n], [1, n + 5, n]],
                None => [a.input; 2],
            };
            for [c, h, w] in inputs {
                let net = a.build_for([c, h, w], 7, &mut Generator::new(1));
                let y = net.forward(Tensor::zeros([2, c, h, w], DType::F32), &Pass::eval());
                assert_eq!(y.shape(), [2, 7], "{}", a.name);
            }
        }
    }

    #[test]
    fn the_nearest_input_is_found() {
        let (lenet, resnet) = (find("lenet").unwrap(), find("wide_resnet50_2").unwrap());
        assert_eq!((lenet.input_for([3, 99, 7]), lenet.takes([1, 32, 32])), ([1, 32, 32], true));
        assert_eq!(resnet.input_for([1, 28, 300]), [1, 32, 300]);
        assert!(resnet.takes([4, 33, 65]) && !resnet.takes([3, 224, 31]));
        assert_eq!((lenet.sizes().as_str(), resnet.sizes().as_str()), ("1×32×32 images", "images from 32×32 on"));
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
