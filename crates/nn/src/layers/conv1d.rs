//! 1-D convolution.

use super::conv2d::Padding;
use crate::init;
use crate::module::Forward;
use crate::parameter::Parameter;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{Conv1dOptions, Generator, PaddingMode, Tensor};

/// Convolves `[n, in, l]` to `[n, out, l']` (`torch.nn.Conv1d`).
#[derive(Debug, Module)]
pub struct Conv1d {
    /// `[out, in/groups, k]`
    pub weight: Parameter,
    /// `[out]`
    pub bias: Option<Parameter>,
    /// Stride, padding, dilation and groups.
    #[module(skip)]
    pub options: Conv1dOptions,
    /// What the padding consists of.
    #[module(skip)]
    pub padding_mode: PaddingMode,
}

impl Conv1d {
    /// Stride 1, no padding, with a bias; PyTorch's default initial values.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: usize, rng: &mut Generator) -> Self {
        Conv1d::options(in_channels, out_channels, kernel_size).build(rng)
    }

    /// A convolution whose settings follow: `Conv1d::options(3, 8, 5).stride(2).padding(2).build(rng)`.
    pub fn options(in_channels: usize, out_channels: usize, kernel_size: usize) -> Conv1dBuilder {
        Conv1dBuilder {
            in_channels,
            out_channels,
            kernel_size,
            padding: Padding::Zeros([0; 2]),
            bias: true,
            options: Conv1dOptions::default(),
            padding_mode: PaddingMode::Zeros,
        }
    }
}

impl Forward for Conv1d {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let bias = self.bias.as_ref().map(|b| b.tensor(pass));
        let weight = self.weight.tensor(pass);
        if self.padding_mode == PaddingMode::Zeros {
            return pass.observe(self, x.conv1d(&weight, bias.as_ref(), &self.options));
        }
        let options = Conv1dOptions { padding: [0; 2], ..self.options };
        let x = x.pad_mode(&[self.options.padding], self.padding_mode);
        pass.observe(self, x.conv1d(&weight, bias.as_ref(), &options))
    }
}

/// The settings of a [`Conv1d`] to be.
#[derive(Clone, Debug)]
pub struct Conv1dBuilder {
    in_channels: usize,
    out_channels: usize,
    kernel_size: usize,
    padding: Padding,
    bias: bool,
    options: Conv1dOptions,
    padding_mode: PaddingMode,
}

impl Conv1dBuilder {
    /// Steps between windows.
    pub fn stride(mut self, stride: usize) -> Self {
        self.options.stride = stride;
        self
    }

    /// Added on each side: a number, or `"same"`.
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
    pub fn dilation(mut self, dilation: usize) -> Self {
        self.options.dilation = dilation;
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
    pub fn build(self, rng: &mut Generator) -> Conv1d {
        let Conv1dBuilder { in_channels, out_channels, kernel_size: k, padding, bias, mut options, padding_mode } =
            self;
        let g = options.groups;
        assert!(
            g > 0 && in_channels.is_multiple_of(g) && out_channels.is_multiple_of(g),
            "Conv1d: groups {g} must divide {in_channels} input and {out_channels} output channels"
        );
        assert!(
            k > 0 && options.stride > 0 && options.dilation > 0,
            "Conv1d: kernel size, stride and dilation must be at least 1"
        );
        options.padding = match padding {
            Padding::Zeros([p, q]) => {
                assert!(p == q, "Conv1d: padding is one number, got {p} and {q}");
                [p; 2]
            }
            Padding::Same => {
                assert!(options.stride == 1, "Conv1d: padding 'same' needs stride 1, got {}", options.stride);
                let total = options.dilation * (k - 1);
                [total / 2, total - total / 2]
            }
        };
        let weight = init::default_weight([out_channels, in_channels / g, k], rng);
        let fan_in = init::fan_in(weight.shape_value());
        let bias = bias.then(|| Parameter::new(init::default_bias(out_channels, fan_in, rng)));
        Conv1d { weight: Parameter::new(weight), bias, options, padding_mode }
    }
}
