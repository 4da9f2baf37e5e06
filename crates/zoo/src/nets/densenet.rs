//! DenseNet (Huang et al., 2017), its variant BC, as in torchvision.

use crate::conv_norm::linear;
use crate::named::Named;
use striate_nn::init::{self, FanMode, Nonlinearity};
use striate_nn::{
    AvgPool2d, BatchNorm2d, Classifier, Conv2d, Conv2dBuilder, Dropout, Entry, EntryMut, Forward, Linear, MaxPool2d,
    Module, Pass, ReLU, module,
};
use striate_tensor::{Generator, Tensor};

/// The settings of a [`DenseNet`], with torchvision's names and defaults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DenseNetOptions {
    /// Channels of the images.
    pub in_channels: usize,
    /// How many channels each layer adds (k in the paper).
    pub growth_rate: usize,
    /// Layers in each of the four blocks.
    pub block_config: [usize; 4],
    /// Channels of the first convolution.
    pub num_init_features: usize,
    /// How many times `growth_rate` channels a layer has inside.
    pub bn_size: usize,
    /// The probability with which an element of a layer's new channels is zeroed.
    pub drop_rate: f64,
}

impl DenseNetOptions {
    /// Blocks of that many layers.
    pub const fn new(block_config: [usize; 4]) -> Self {
        DenseNetOptions {
            in_channels: 3,
            growth_rate: 32,
            block_config,
            num_init_features: 64,
            bn_size: 4,
            drop_rate: 0.0,
        }
    }

    /// DenseNet-121.
    pub const fn densenet121() -> Self {
        DenseNetOptions::new([6, 12, 24, 16])
    }

    /// DenseNet-169.
    pub const fn densenet169() -> Self {
        DenseNetOptions::new([6, 12, 32, 32])
    }

    /// The network with fresh weights and `classes` outputs.
    pub fn build(self, classes: usize, rng: &mut Generator) -> DenseNet {
        let mut channels = self.num_init_features;
        let conv0 = kaiming(Conv2d::options(self.in_channels, channels, 7).stride(2).padding(3), rng);
        let mut features = Named::new()
            .add("conv0", conv0)
            .add("norm0", BatchNorm2d::new(channels))
            .add("relu0", ReLU)
            .add("pool0", MaxPool2d::new(3).stride(2).padding(1));
        for (number, layers) in (1..).zip(self.block_config) {
            let layer = |i| DenseLayer::new(&self, channels + i * self.growth_rate, rng);
            let block = DenseBlock { layers: (0..layers).map(layer).collect() };
            features = features.add(format!("denseblock{number}"), block);
            channels += layers * self.growth_rate;
            if number < self.block_config.len() {
                let transition = Named::new()
                    .add("norm", BatchNorm2d::new(channels))
                    .add("relu", ReLU)
                    .add("conv", kaiming(Conv2d::options(channels, channels / 2, 1), rng))
                    .add("pool", AvgPool2d::new(2));
                features = features.add(format!("transition{number}"), transition);
                channels /= 2;
            }
        }
        let features = features.add("norm5", BatchNorm2d::new(channels));
        let classifier = linear(init::default_weight([classes, channels], rng));
        DenseNet { features, classifier }
    }
}

/// A convolution without bias whose weight is normal, with a variance that keeps that of what passes (He et al., 2015).
fn kaiming(conv: Conv2dBuilder, rng: &mut Generator) -> Conv2d {
    conv.bias(false).build_with(|shape| init::kaiming_normal(shape, FanMode::FanIn, Nonlinearity::ReLU, rng))
}

/// Makes a few new channels of all those before it.
#[derive(Debug, Module)]
struct DenseLayer {
    norm1: BatchNorm2d,
    conv1: Conv2d,
    norm2: BatchNorm2d,
    conv2: Conv2d,
    dropout: Dropout,
}

impl DenseLayer {
    fn new(options: &DenseNetOptions, from: usize, rng: &mut Generator) -> Self {
        let inner = options.bn_size * options.growth_rate;
        DenseLayer {
            norm1: BatchNorm2d::new(from),
            conv1: kaiming(Conv2d::options(from, inner, 1), rng),
            norm2: BatchNorm2d::new(inner),
            conv2: kaiming(Conv2d::options(inner, options.growth_rate, 3).padding(1), rng),
            dropout: Dropout::new(options.drop_rate),
        }
    }
}

impl Forward for DenseLayer {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.conv1.forward(self.norm1.forward(x, pass).relu(), pass);
        let x = self.conv2.forward(self.norm2.forward(x, pass).relu(), pass);
        self.dropout.forward(x, pass)
    }
}

/// Layers each of which sees the channels of all before it. They are named from `denselayer1` on.
#[derive(Debug)]
struct DenseBlock {
    layers: Vec<DenseLayer>,
}

fn layer_name(prefix: &str, i: usize) -> String {
    module::join(prefix, &format!("denselayer{}", i + 1))
}

impl Module for DenseBlock {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        for (i, layer) in self.layers.iter().enumerate() {
            layer.visit(&layer_name(prefix, i), f);
        }
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        for (i, layer) in self.layers.iter_mut().enumerate() {
            layer.visit_mut(&layer_name(prefix, i), f);
        }
    }
}

impl Forward for DenseBlock {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.layers.iter().fold(x, |x, layer| {
            let new = pass.observe(layer, layer.forward(x.clone(), pass));
            Tensor::cat(&[x, new], 1)
        })
    }
}

/// Takes `[n, in_channels, h, w]` from 29×29 on. [`DenseNetOptions`] builds it.
#[derive(Module)]
pub struct DenseNet {
    features: Named,
    classifier: Linear,
}

forward_in_parts!(DenseNet);

impl Classifier for DenseNet {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.features.forward(x, pass).relu().adaptive_avg_pool2d([1, 1]).flatten(1, -1)
    }

    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        self.classifier.forward(features, pass)
    }

    fn head_name(&self) -> String {
        "classifier".to_string()
    }
}
