//! Resizing as a layer.

use crate::module::Forward;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{Interpolation, Resize, Tensor};

/// An image `[n, c, h, w]` in another size (`torch.nn.Upsample`): see [`Tensor::interpolate`].
#[derive(Clone, Debug, Module)]
pub struct Upsample {
    /// The size, or what to multiply it with.
    #[module(skip)]
    pub to: Resize,
    /// How pixels are made up.
    #[module(skip)]
    pub mode: Interpolation,
}

impl Upsample {
    /// `to` is `[height, width]`, or a factor for both.
    pub fn new(to: impl Into<Resize>, mode: Interpolation) -> Self {
        Upsample { to: to.into(), mode }
    }
}

impl Forward for Upsample {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.interpolate(self.to, self.mode)
    }
}
