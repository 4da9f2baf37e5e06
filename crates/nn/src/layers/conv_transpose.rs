//! Transposed convolution, which enlarges what a convolution with a stride makes smaller.

use super::Pair;
use crate::init;
use crate::module::Forward;
use crate::parameter::Parameter;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{ConvTranspose1dOptions, ConvTranspose2dOptions, Generator, Tensor};

macro_rules! conv_transpose {
    (
        $name:ident, $builder:ident, $options:ident, $method:ident, $arg:ty, |$size:ident| $value:expr, $kernel_type:ty, $kernel:expr,
        $weight_doc:literal, $doc:literal
    ) => {
        #[doc = $doc]
        #[derive(Debug, Module)]
        pub struct $name {
            #[doc = $weight_doc]
            pub weight: Parameter,
            /// `[out]`
            pub bias: Option<Parameter>,
            /// Stride, padding, output padding, dilation and groups.
            #[module(skip)]
            pub options: $options,
        }

        impl $name {
            /// Stride 1, no padding, with a bias; PyTorch's default initial values.
            pub fn new(in_channels: usize, out_channels: usize, $size: $arg, rng: &mut Generator) -> Self {
                $name::options(in_channels, out_channels, $size).build(rng)
            }

            /// A layer whose settings follow, up to `build(rng)`.
            pub fn options(in_channels: usize, out_channels: usize, $size: $arg) -> $builder {
                $builder { in_channels, out_channels, kernel_size: $kernel, bias: true, options: $options::default() }
            }
        }

        impl Forward for $name {
            fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
                let bias = self.bias.as_ref().map(|b| b.tensor(pass));
                pass.observe(self, x.$method(&self.weight.tensor(pass), bias.as_ref(), &self.options))
            }
        }

        #[doc = concat!("The settings of a [`", stringify!($name), "`] to be.")]
        #[derive(Clone, Debug)]
        pub struct $builder {
            in_channels: usize,
            out_channels: usize,
            kernel_size: $kernel_type,
            bias: bool,
            options: $options,
        }

        impl $builder {
            /// Steps between the places that neighbouring inputs are spread around.
            pub fn stride(mut self, $size: $arg) -> Self {
                self.options.stride = $value;
                self
            }

            /// Cut off from both sides of the output.
            pub fn padding(mut self, $size: $arg) -> Self {
                self.options.padding = $value;
                self
            }

            /// Added to the output's end; less than the stride or the dilation.
            pub fn output_padding(mut self, $size: $arg) -> Self {
                self.options.output_padding = $value;
                self
            }

            /// Distance between the elements of a window.
            pub fn dilation(mut self, $size: $arg) -> Self {
                self.options.dilation = $value;
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
            /// If `groups` does not divide both numbers of channels.
            pub fn build(self, rng: &mut Generator) -> $name {
                let $builder { in_channels, out_channels, kernel_size, bias, options } = self;
                let g = options.groups;
                assert!(
                    g > 0 && in_channels.is_multiple_of(g) && out_channels.is_multiple_of(g),
                    "{}: groups {g} must divide {in_channels} input and {out_channels} output channels",
                    stringify!($name)
                );
                let sizes = [&[in_channels, out_channels / g][..], &kernel_size[..]].concat();
                let weight = init::default_weight(sizes, rng);
                // As PyTorch does, though the outputs see other channels.
                let fan_in = init::fan_in(weight.shape_value());
                let bias = bias.then(|| Parameter::new(init::default_bias(out_channels, fan_in, rng)));
                $name { weight: Parameter::new(weight), bias, options }
            }
        }
    };
}

conv_transpose!(
    ConvTranspose1d,
    ConvTranspose1dBuilder,
    ConvTranspose1dOptions,
    conv_transpose1d,
    usize,
    |size| size,
    [usize; 1],
    [size],
    "`[in, out/groups, k]`",
    "Spreads `[n, in, l]` to `[n, out, l']` (`torch.nn.ConvTranspose1d`)."
);
conv_transpose!(
    ConvTranspose2d,
    ConvTranspose2dBuilder,
    ConvTranspose2dOptions,
    conv_transpose2d,
    impl Into<Pair>,
    |size| size.into().0,
    [usize; 2],
    size.into().0,
    "`[in, out/groups, kh, kw]`",
    "Spreads `[n, in, h, w]` to `[n, out, h', w']` (`torch.nn.ConvTranspose2d`)."
);
