//! The table of the ready networks.

use crate::nets::*;
use std::fmt;
use striate_nn::Classifier;
use striate_tensor::Generator;

/// A network that can be built by name.
#[derive(Clone, Copy)]
pub struct Architecture {
    /// Its name on the command line and in model files.
    pub name: &'static str,
    /// What it is, in a line.
    pub about: &'static str,
    /// The shape of the images it takes (channels, height, width), or of its usual ones where it takes several.
    pub input: [usize; 3],
    /// The least height and width of its images, if it takes all larger ones and any number of channels.
    pub min_size: Option<usize>,
    /// From channels and classes.
    build: fn(usize, usize, &mut Generator) -> Box<dyn Classifier>,
}

impl Architecture {
    /// The network with fresh weights and `classes` outputs, for images of its usual channels.
    pub fn build(&self, classes: usize, rng: &mut Generator) -> Box<dyn Classifier> {
        (self.build)(self.input[0], classes, rng)
    }

    /// As [`Architecture::build`], for images of shape `input` (channels, height, width).
    ///
    /// # Panics
    /// If it does not take them.
    pub fn build_for(&self, input: [usize; 3], classes: usize, rng: &mut Generator) -> Box<dyn Classifier> {
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

/// A network whose options have `in_channels`: its name, options and what it is, and the least and the usual size of its images, where
/// they are not 32 and 224.
macro_rules! ready {
    ($name:literal, $options:ident::$preset:ident, $about:literal) => {
        ready!($name, $options::$preset, $about, 32, 224)
    };
    ($name:literal, $options:ident::$preset:ident, $about:literal, $least:literal, $size:literal) => {
        Architecture {
            name: $name,
            about: $about,
            input: [3, $size, $size],
            min_size: Some($least),
            build: |in_channels, classes, rng| {
                Box::new($options { in_channels, ..$options::$preset() }.build(classes, rng))
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
    ready!("resnet18", ResNetOptions::resnet18, "ResNet-18: 17 convolutions with residual connections"),
    ready!("resnet34", ResNetOptions::resnet34, "ResNet-34: 33 convolutions with residual connections"),
    ready!("resnet50", ResNetOptions::resnet50, "ResNet-50: 49 convolutions in bottlenecks"),
    ready!("resnet101", ResNetOptions::resnet101, "ResNet-101: 100 convolutions in bottlenecks"),
    ready!("resnet152", ResNetOptions::resnet152, "ResNet-152: 151 convolutions in bottlenecks"),
    ready!("wide-resnet50-2", ResNetOptions::wide_resnet50_2, "Wide ResNet-50-2: twice as many inner channels"),
    ready!("resnext50-32x4d", ResNetOptions::resnext50_32x4d, "ResNeXt-50 32×4d: inner channels in 32 groups"),
    ready!("mobilenet-v2", MobileNetV2Options::default, "MobileNetV2: depthwise convolutions, for phones"),
    ready!("mobilenet-v3-small", MobileNetV3Options::small, "MobileNetV3-Small: found by search, for phones"),
    ready!("mobilenet-v3-large", MobileNetV3Options::large, "MobileNetV3-Large: the larger one of the two"),
    ready!("efficientnet-b0", EfficientNetOptions::b0, "EfficientNet-B0: much accuracy for few multiplications"),
    ready!("efficientnet-b1", EfficientNetOptions::b1, "EfficientNet-B1: B0, deeper", 32, 240),
    ready!("efficientnet-b2", EfficientNetOptions::b2, "EfficientNet-B2: B1, wider and deeper", 32, 288),
    ready!("efficientnet-b3", EfficientNetOptions::b3, "EfficientNet-B3: B2, wider and deeper", 32, 300),
    ready!("efficientnet-b4", EfficientNetOptions::b4, "EfficientNet-B4: B3, wider and deeper", 32, 380),
    ready!("efficientnet-lite0", EfficientNetLiteOptions::lite0, "EfficientNet-Lite0: B0 for phones"),
    ready!("efficientnet-lite1", EfficientNetLiteOptions::lite1, "EfficientNet-Lite1: B1 for phones", 32, 240),
    ready!("efficientnet-lite2", EfficientNetLiteOptions::lite2, "EfficientNet-Lite2: B2 for phones", 32, 260),
    ready!("efficientnet-lite3", EfficientNetLiteOptions::lite3, "EfficientNet-Lite3: B3 for phones", 32, 280),
    ready!("efficientnet-lite4", EfficientNetLiteOptions::lite4, "EfficientNet-Lite4: B4 for phones", 32, 300),
    ready!("mnasnet0-5", MnasNetOptions::mnasnet0_5, "MNASNet 0.5: half the channels of 1.0"),
    ready!("mnasnet0-75", MnasNetOptions::mnasnet0_75, "MNASNet 0.75: three quarters of the channels of 1.0"),
    ready!("mnasnet1-0", MnasNetOptions::mnasnet1_0, "MNASNet 1.0: found by search, for phones"),
    ready!("mnasnet1-3", MnasNetOptions::mnasnet1_3, "MNASNet 1.3: 1.3 times the channels of 1.0"),
    ready!("shufflenet-v2-x0-5", ShuffleNetV2Options::x0_5, "ShuffleNetV2 0.5×: the smallest one here"),
    ready!("shufflenet-v2-x1-0", ShuffleNetV2Options::x1_0, "ShuffleNetV2 1×: channels split and interleaved"),
    ready!("regnet-y-400mf", RegNetOptions::y_400mf, "RegNetY-400MF: each block's width by a formula"),
    ready!("regnet-x-400mf", RegNetOptions::x_400mf, "RegNetX-400MF: the same without squeeze-and-excitation"),
    ready!("densenet121", DenseNetOptions::densenet121, "DenseNet-121: each layer sees all before it", 29, 224),
    ready!("densenet169", DenseNetOptions::densenet169, "DenseNet-169: DenseNet-121 with more layers", 29, 224),
    ready!("convnext-tiny", ConvNeXtOptions::tiny, "ConvNeXt-Tiny: 7×7 convolutions, built like a transformer"),
    ready!("googlenet", GoogLeNetOptions::plain, "GoogLeNet: convolutions of several sizes in turn", 31, 224),
    ready!("inception-v3", InceptionV3Options::plain, "Inception v3: GoogLeNet's successor", 75, 299),
    ready!("squeezenet1-0", SqueezeNetOptions::squeezenet1_0, "SqueezeNet 1.0: few parameters", 29, 224),
    ready!("squeezenet1-1", SqueezeNetOptions::squeezenet1_1, "SqueezeNet 1.1: and few multiplications", 25, 224),
    ready!("alexnet", AlexNetOptions::default, "AlexNet: 5 convolutions and 3 linear layers", 63, 224),
    ready!("vgg11", VggOptions::vgg11, "VGG-11: 8 convolutions and 3 linear layers"),
    ready!("vgg13", VggOptions::vgg13, "VGG-13: 10 convolutions and 3 linear layers"),
    ready!("vgg16", VggOptions::vgg16, "VGG-16: 13 convolutions and 3 linear layers"),
    ready!("vgg19", VggOptions::vgg19, "VGG-19: 16 convolutions and 3 linear layers"),
    ready!("vgg11-bn", VggOptions::vgg11_bn, "VGG-11 with batch normalization"),
    ready!("vgg13-bn", VggOptions::vgg13_bn, "VGG-13 with batch normalization"),
    ready!("vgg16-bn", VggOptions::vgg16_bn, "VGG-16 with batch normalization"),
    ready!("vgg19-bn", VggOptions::vgg19_bn, "VGG-19 with batch normalization"),
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
                Some(n) => [[1, n, n], [1, n + 5, n]],
                None => [a.input; 2],
            };
            let net = a.build_for(inputs[0], 7, &mut Generator::blank());
            for [c, h, w] in inputs {
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
