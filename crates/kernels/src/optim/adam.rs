//! Adam and AdamW.

use super::moments::{Moments, bias_correction};
use super::rule::{Rule, Slices};
use crate::float::Float;

/// The settings of a step of `torch.optim.Adam` or `AdamW`. State: the means of gradients and of squared gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamStep {
    /// Learning rate.
    pub lr: f64,
    /// How much of the mean of gradients remains.
    pub beta1: f64,
    /// How much of the mean of squared gradients remains.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Whether the weight decay acts on the parameter itself (AdamW) instead of the gradient (Adam).
    pub decoupled: bool,
    /// The number of this step, from 1.
    pub step: u64,
}

#[derive(Clone, Copy)]
struct Adam<T> {
    moments: Moments<T>,
    step_size: T,
    weight_decay: T,
    decay_factor: T,
}

impl<T: Float> Rule<T, 2> for Adam<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [m, v]: [T; 2]) -> (T, [T; 2]) {
        let g = g + self.weight_decay * p;
        let (m, v, denominator) = self.moments.update(g, m, v);
        (p * self.decay_factor - self.step_size * m / denominator, [m, v])
    }
}

impl AdamStep {
    pub(super) fn run<T: Float>(&self, slices: Slices<T>) {
        assert!(self.step > 0, "adam_step: steps count from 1");
        let t = T::from_f64;
        let correction = |beta| bias_correction(beta, self.step);
        let (l2, decoupled) = if self.decoupled { (0.0, self.weight_decay) } else { (self.weight_decay, 0.0) };
        slices.apply(Adam {
            moments: Moments::new(self.beta1, self.beta2, correction(self.beta2), self.eps),
            step_size: t(self.lr / correction(self.beta1)),
            weight_decay: t(l2),
            decay_factor: t(1.0 - self.lr * decoupled),
        });
    }
}
