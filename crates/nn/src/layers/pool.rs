//! Pooling layers.

use super::Pair;
use crate::module::Forward;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{Pool2dOptions, Tensor};

macro_rules! pool {
    ($name:ident, $method:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            /// Window, stride, padding and the rest.
            pub options: Pool2dOptions,
        }

        impl $name {
            /// Windows of `kernel_size` that do not overlap, without padding.
            pub fn new(kernel_size: impl Into<Pair>) -> Self {
                $name { options: Pool2dOptions::new(kernel_size.into().0) }
            }

            /// Steps between windows.
            pub fn stride(mut self, stride: impl Into<Pair>) -> Self {
                self.options.stride = stride.into().0;
                self
            }

            /// Elements added on both sides: at most half the kernel size.
            pub fn padding(mut self, padding: impl Into<Pair>) -> Self {
                self.options.padding = padding.into().0;
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

pool!(MaxPool2d, max_pool2d, "The maximum of each window (`torch.nn.MaxPool2d`).");
pool!(AvgPool2d, avg_pool2d, "The mean of each window (`torch.nn.AvgPool2d`).");

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
