//! NAdam.

use super::moments::Moments;
use super::rule::{Rule, Slices};
use crate::float::Float;

/// The settings of a step of `torch.optim.NAdam`. State: the means of gradients and of squared gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NAdamStep {
    /// Learning rate of the gradient itself.
    pub lr_grad: f64,
    /// Learning rate of the mean of gradients.
    pub lr_mean: f64,
    /// How much of the mean of gradients remains.
    pub beta1: f64,
    /// How much of the mean of squared gradients remains.
    pub beta2: f64,
    /// What the mean of squared gradients is divided by.
    pub correction2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty.
    pub weight_decay: f64,
}

#[derive(Clone, Copy)]
struct NAdam<T> {
    moments: Moments<T>,
    lr_grad: T,
    lr_mean: T,
    weight_decay: T,
}

impl<T: Float> Rule<T, 2> for NAdam<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let g = g + self.weight_decay * p;
        let (m, v, denominator) = self.moments.update(g, m, v);
        (p - (self.lr_grad * g + self.lr_mean * m) / denominator, [m, v])
    }
}

impl NAdamStep {
    pub(super) fn run<T: Float>(&self, slices: Slices<T>) {
        let t = T::from_f64;
        slices.apply(NAdam {
            moments: Moments::new(self.beta1, self.beta2, self.correction2, self.eps),
            lr_grad: t(self.lr_grad),
            lr_mean: t(self.lr_mean),
            weight_decay: t(self.weight_decay),
        });
    }
}
