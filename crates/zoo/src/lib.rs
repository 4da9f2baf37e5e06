//! Networks: ready ones, with the parameter names that their PyTorch versions have, and ones that a line of text describes.

/// [`Forward`](striate_nn::Forward) of a [`Classifier`](striate_nn::Classifier): its head of its features.
macro_rules! forward_in_parts {
    ($net:ty) => {
        impl striate_nn::Forward for $net {
            fn forward(&self, x: striate_tensor::Tensor, pass: &striate_nn::Pass) -> striate_tensor::Tensor {
                striate_nn::Classifier::head(self, striate_nn::Classifier::features(self, x, pass), pass)
            }
        }
    };
}

mod blueprint;
mod conv_norm;
mod dense;
mod named;
mod nets;
mod published;
mod recognize;
mod registry;
pub mod text;

pub use blueprint::{Blueprint, Description, title_of};
pub use dense::{BOX_VALUES, Backbone, Output};
pub use nets::*;
pub use published::{Interpolation, Published, Version, all_published, published};
pub use recognize::{Resemblance, nearest};
pub use registry::{ARCHITECTURES, Architecture, find};
