//! Adagrad.

use super::rule::{Rule, Slices};
use crate::float::Float;

/// The settings of a step of `torch.optim.Adagrad`. State: the sum of squared gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdagradStep {
    /// Learning rate, after any decay.
    pub lr: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty.
    pub weight_decay: f64,
}

#[derive(Clone, Copy)]
struct Adagrad<T> {
    lr: T,
    eps: T,
    weight_decay: T,
}

impl<T: Float> Rule<T, 1> for Adagrad<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [sum]: [T; 1]) -> (T, [T; 1]) {
        let g = g + self.weight_decay * p;
        let sum = sum + g * g;
        (p - self.lr * g / (sum.sqrt() + self.eps), [sum])
    }
}

impl AdagradStep {
    pub(super) fn run<T: Float>(&self, slices: Slices<T>) {
        let t = T::from_f64;
        slices.apply(Adagrad { lr: t(self.lr), eps: t(self.eps), weight_decay: t(self.weight_decay) });
    }
}
