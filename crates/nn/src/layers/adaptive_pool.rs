//! Adaptive pooling: the output's size is given, the windows follow.

use super::Pair;
use crate::module::Forward;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::Tensor;
use striate_tensor::op::hints::check_images;

macro_rules! adaptive_1d {
    ($name:ident, $method:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            /// The number of windows.
            pub output_size: usize,
        }

        impl $name {
            /// `output_size` windows that cover the input evenly.
            pub fn new(output_size: usize) -> Self {
                $name { output_size }
            }
        }

        impl Forward for $name {
            fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
                x.$method(self.output_size)
            }
        }
    };
}

macro_rules! adaptive_2d {
    ($name:ident, $method:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            /// The number of windows down and across; none keeps the input's size.
            #[module(skip)]
            pub output_size: [Option<usize>; 2],
        }

        impl $name {
            /// `output_size` windows, down and across, that cover the input evenly.
            pub fn new(output_size: impl Into<Pair>) -> Self {
                $name { output_size: output_size.into().0.map(Some) }
            }
        }

        impl Forward for $name {
            fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
                let s = x.shape_value();
                check_images(stringify!($name), s);
                x.$method([0, 1].map(|d| self.output_size[d].unwrap_or(s[2 + d])))
            }
        }
    };
}

adaptive_1d!(
    AdaptiveAvgPool1d,
    adaptive_avg_pool1d,
    "The means of a given number of windows of `[n, c, l]` (`torch.nn.AdaptiveAvgPool1d`)."
);
adaptive_1d!(
    AdaptiveMaxPool1d,
    adaptive_max_pool1d,
    "The maxima of a given number of windows of `[n, c, l]` (`torch.nn.AdaptiveMaxPool1d`)."
);
adaptive_2d!(
    AdaptiveAvgPool2d,
    adaptive_avg_pool2d,
    "The means of a given number of windows of `[n, c, h, w]` (`torch.nn.AdaptiveAvgPool2d`)."
);
adaptive_2d!(
    AdaptiveMaxPool2d,
    adaptive_max_pool2d,
    "The maxima of a given number of windows of `[n, c, h, w]` (`torch.nn.AdaptiveMaxPool2d`)."
);
