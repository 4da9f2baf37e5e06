//! Padding of images as a layer.

use crate::module::Forward;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::op::hints::check_images;
use striate_tensor::{PaddingMode, Tensor};

/// Padding on the four sides of an image: one number for all, or left, right, top and bottom, in PyTorch's order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides(pub [usize; 4]);

impl From<usize> for Sides {
    fn from(n: usize) -> Self {
        Sides([n; 4])
    }
}

impl From<[usize; 4]> for Sides {
    fn from(sides: [usize; 4]) -> Self {
        Sides(sides)
    }
}

macro_rules! pad {
    ($name:ident, $mode:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Debug, Module)]
        pub struct $name {
            /// Left, right, top and bottom.
            #[module(skip)]
            pub padding: [usize; 4],
        }

        impl $name {
            /// One number for all sides, or `[left, right, top, bottom]`.
            pub fn new(padding: impl Into<Sides>) -> Self {
                $name { padding: padding.into().0 }
            }
        }

        impl Forward for $name {
            fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
                let s = x.shape_value();
                check_images(stringify!($name), s);
                let [left, right, top, bottom] = self.padding;
                x.pad_mode(&[[left, right], [top, bottom]], PaddingMode::$mode)
            }
        }
    };
}

pad!(ZeroPad2d, Zeros, "Zeros around an image (`torch.nn.ZeroPad2d`).");
pad!(ReflectionPad2d, Reflect, "The image mirrored at its outermost pixels (`torch.nn.ReflectionPad2d`).");
pad!(ReplicationPad2d, Replicate, "The outermost pixels repeated (`torch.nn.ReplicationPad2d`).");
pad!(CircularPad2d, Circular, "The image again, from its other side (`torch.nn.CircularPad2d`).");
