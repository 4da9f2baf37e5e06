//! The networks, one file each.

mod alexnet;
mod convnext;
mod densenet;
mod efficientnet;
mod efficientnet_lite;
mod googlenet;
mod inception_v3;
mod lenet;
mod mnasnet;
mod mnist_net;
mod mobilenet_v2;
mod mobilenet_v3;
mod regnet;
mod resnet;
mod shufflenet_v2;
mod squeezenet;
mod vgg;

pub use alexnet::{AlexNet, AlexNetOptions};
pub use convnext::{ConvNeXt, ConvNeXtOptions};
pub use densenet::{DenseNet, DenseNetOptions};
pub use efficientnet::{EfficientNet, EfficientNetOptions};
pub use efficientnet_lite::{EfficientNetLite, EfficientNetLiteOptions};
pub use googlenet::{GoogLeNet, GoogLeNetOptions};
pub use inception_v3::{InceptionV3, InceptionV3Options};
pub use lenet::LeNet;
pub use mnasnet::{MnasNet, MnasNetOptions};
pub use mnist_net::MnistNet;
pub use mobilenet_v2::{INVERTED_RESIDUALS, InvertedResiduals, MobileNetV2, MobileNetV2Options};
pub use mobilenet_v3::{MobileNetV3, MobileNetV3Options, MobileNetV3Size};
pub use regnet::{RegNet, RegNetOptions};
pub use resnet::{ResNet, ResNetBlock, ResNetOptions};
pub use shufflenet_v2::{ShuffleNetV2, ShuffleNetV2Options};
pub use squeezenet::{SqueezeNet, SqueezeNetOptions, SqueezeNetVersion};
pub use vgg::{Vgg, VggOptions};
