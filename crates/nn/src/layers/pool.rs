//! Pooling layers.

use super::Pair;
use crate::module::Forward;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{Pool1dOptions, Pool2dOptions, Tensor};

macro_rules! pool {
    ($name:ident, $method:ident, $arg:ty, $options:ident, |$size:ident| $value:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            /// Window, stride, padding and the rest.
            #[module(skip)]
            pub options: $options,
        }

        impl $name {
            /// Windows of a size that do not overlap, without padding.
            pub fn new($size: $arg) -> Self {
                $name { options: $options::new($value) }
            }

            /// Steps between windows.
            pub fn stride(mut self, $size: $arg) -> Self {
                self.options.stride = $value;
                self
            }

            /// Elements added on both sides: at most half the kernel size.
            pub fn padding(mut self, $size: $arg) -> Self {
                self.options.padding = $value;
                self
            }

            /// Whether windows that hang over the end count.
            pub fn ceil_mode(mut self, ceil_mode: bool) -> Self {
                self.options.ceil_mode = ceil_mode;
                self
            }
        }

        impl Forward for $name {
            fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
                x.$method(self.options)
            }
        }
    };
}

pool!(
    MaxPool1d,
    max_pool1d,
    usize,
    Pool1dOptions,
    |size| size,
    "The maximum of each window of `[n, c, l]` (`torch.nn.MaxPool1d`)."
);
pool!(
    AvgPool1d,
    avg_pool1d,
    usize,
    Pool1dOptions,
    |size| size,
    "The mean of each window of `[n, c, l]` (`torch.nn.AvgPool1d`)."
);
pool!(
    MaxPool2d,
    max_pool2d,
    impl Into<Pair>,
    Pool2dOptions,
    |size| size.into().0,
    "The maximum of each window (`torch.nn.MaxPool2d`)."
);
pool!(
    AvgPool2d,
    avg_pool2d,
    impl Into<Pair>,
    Pool2dOptions,
    |size| size.into().0,
    "The mean of each window (`torch.nn.AvgPool2d`)."
);

impl MaxPool1d {
    /// Distance between the elements of a window.
    pub fn dilation(mut self, dilation: usize) -> Self {
        self.options.dilation = dilation;
        self
    }
}

impl AvgPool1d {
    /// Whether the mean counts padding as zeros, as it does by default.
    pub fn count_include_pad(mut self, count: bool) -> Self {
        self.options.count_include_pad = count;
        self
    }
}

impl MaxPool2d {
    /// Distance between the elements of a window.
    pub fn dilation(mut self, dilation: impl Into<Pair>) -> Self {
        self.options.dilation = dilation.into().0;
        self
    }
}

impl AvgPool2d {
    /// Whether the mean counts padding as zeros, as it does by default.
    pub fn count_include_pad(mut self, count: bool) -> Self {
        self.options.count_include_pad = count;
        self
    }
}
