//! 2-D convolution.

use super::Pair;
use crate::init;
use crate::module::Forward;
use crate::parameter::Parameter;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{Conv2dOptions, DType, Generator, PaddingMode, Tensor};

/// Convolves `[n, in, h, w]` to `[n, out, h', w']` (`torch.nn.Conv2d`).
#[derive(Debug, Module)]
pub struct Conv2d {
    /// `[out, in/groups, kh, kw]`
    pub weight: Parameter,
    /// `[out]`
    pub bias: Option<Parameter>,
    /// Stride, padding, dilation and groups.
    pub options: Conv2dOptions,
    /// What the padding consists of.
    #[module(skip)]
    pub padding_mode: PaddingMode,
}

/// How much is added around a convolution's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// This much on each side, for height and width.
    Zeros([usize; 2]),
    /// As much as keeps the size, which takes stride 1. Where the number is odd the extra one comes after.
    Same,
}

impl<P: Into<Pair>> From<P> for Padding {
    fn from(padding: P) -> Self {
        Padding::Zeros(padding.into().0)
    }
}

impl From<&str> for Padding {
    /// # Panics
    /// If the name is neither `same` nor `valid`.
    fn from(name: &str) -> Self {
        match name {
            "same" => Padding::Same,
            "valid" => Padding::Zeros([0; 2]),
            _ => panic!("convolution: padding is a number, 'same' or 'valid', got '{name}'"),
        }
    }
}

impl Conv2d {
    /// Stride 1, no padding, with a bias; PyTorch's default initial values.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: impl Into<Pair>, rng: &mut Generator) -> Self {
        Conv2d::options(in_channels, out_channels, kernel_size).build(rng)
    }

    /// A convolution whose settings follow: `Conv2d::options(3, 8, 3).stride(2).padding(1).build(rng)`.
    pub fn options(in_channels: usize, out_channels: usize, kernel_size: impl Into<Pair>) -> Conv2dBuilder {
        Conv2dBuilder {
            in_channels,
            out_channels,
            kernel_size: kernel_size.into().0,
            padding: Padding::Zeros([0; 2]),
            bias: true,
            options: Conv2dOptions::default(),
            padding_mode: PaddingMode::Zeros,
        }
    }
}

impl Forward for Conv2d {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let bias = self.bias.as_ref().map(|b| b.tensor(pass));
        let weight = self.weight.tensor(pass);
        if self.padding_mode == PaddingMode::Zeros {
            return pass.observe(self, x.conv2d(&weight, bias.as_ref(), &self.options));
        }
        let [height, width] = self.options.padding;
        let options = Conv2dOptions { padding: [[0; 2]; 2], ..self.options };
        let x = x.pad_mode(&[width, height], self.padding_mode);
        pass.observe(self, x.conv2d(&weight, bias.as_ref(), &options))
    }
}

/// The settings of a [`Conv2d`] to be.
#[derive(Clone, Debug)]
pub struct Conv2dBuilder {
    in_channels: usize,
    out_channels: usize,
    kernel_size: [usize; 2],
    padding: Padding,
    bias: bool,
    options: Conv2dOptions,
    padding_mode: PaddingMode,
}

impl Conv2dBuilder {
    /// Steps between windows.
    pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
        self.options.stride = stride.into().0;
        self
    }

    /// Zeros on each side: a number, one for height and one for width, or `"same"`.
    pub fn padding(mut self, padding: impl Into<Padding>) -> Self {
        self.padding = padding.into();
        self
    }

    /// What the padding consists of: `"zeros"`, `"reflect"`, `"replicate"` or `"circular"`.
    pub fn padding_mode(mut self, mode: impl Into<PaddingMode>) -> Self {
        self.padding_mode = mode.into();
        self
    }

    /// Distance between the elements of a window.
    pub fn dilation(mut self, dilation: impl Into<Pair>) -> Self {
        self.options.dilation = dilation.into().0;
        self
    }

    /// Groups of channels that do not see each other.
    pub fn groups(mut self, groups: usize) -> Self {
        self.options.groups = groups;
        self
    }

    /// Whether a bias is added.
    pub fn bias(mut self, bias: bool) -> Self {
        self.bias = bias;
        self
    }

    /// The layer, with PyTorch's default initial values.
    ///
    /// # Panics
    /// If `groups` does not divide both numbers of channels, padding `same` meets a stride, or a size is zero.
    pub fn build(self, rng: &mut Generator) -> Conv2d {
        let mut layer = self.build_with(|shape| init::default_weight(shape, rng));
        let fan_in = init::fan_in(layer.weight.value().shape_value());
        if let Some(bias) = &mut layer.bias {
            bias.set(init::default_bias(bias.value().numel(), fan_in, rng));
        }
        layer
    }

    /// The layer with the weight that `init` makes of its shape `[out, in/groups, kh, kw]`; the bias is 0.
    ///
    /// # Panics
    /// As [`Conv2dBuilder::build`], and if the weight has another shape.
    pub fn build_with(self, init: impl FnOnce([usize; 4]) -> Tensor) -> Conv2d {
        let Conv2dBuilder { in_channels, out_channels, kernel_size: k, padding, bias, mut options, padding_mode } =
            self;
        let g = options.groups;
        assert!(
            g > 0 && in_channels.is_multiple_of(g) && out_channels.is_multiple_of(g),
            "Conv2d: groups {g} must divide {in_channels} input and {out_channels} output channels"
        );
        let sizes = [k, options.stride, options.dilation].concat();
        assert!(sizes.iter().all(|&n| n > 0), "Conv2d: kernel size, stride and dilation must be at least 1");
        options.padding = match padding {
            Padding::Zeros(p) => p.map(|p| [p, p]),
            Padding::Same => {
                assert!(options.stride == [1; 2], "Conv2d: padding 'same' needs stride 1, got {:?}", options.stride);
                [0, 1].map(|d| {
                    let total = options.dilation[d] * (k[d] - 1);
                    [total / 2, total - total / 2]
                })
            }
        };
        let shape = [out_channels, in_channels / g, k[0], k[1]];
        let weight = init(shape);
        assert!(weight.shape() == shape, "Conv2d: the weight must be {shape:?}, got {:?}", weight.shape());
        let bias = bias.then(|| Parameter::new(Tensor::zeros([out_channels], DType::F32)));
        Conv2d { weight: Parameter::new(weight), bias, options, padding_mode }
    }
}
