//! Lion.

use super::rule::{Rule, Slices};
use crate::float::Float;

/// The settings of a step of Lion (Chen et al., 2023). State: the mean of gradients.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LionStep {
    /// Learning rate.
    pub lr: f64,
    /// How much of the mean goes into the step.
    pub beta1: f64,
    /// How much of the mean remains.
    pub beta2: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
}

#[derive(Clone, Copy)]
struct Lion<T> {
    lr: T,
    decay_factor: T,
    one_minus_beta1: T,
    one_minus_beta2: T,
}

impl<T: Float> Rule<T, 1> for Lion<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [m]: [T; 1]) -> (T, [T; 1]) {
        let direction = m + (g - m) * self.one_minus_beta1;
        let sign = if direction > T::ZERO {
            T::ONE
        } else if direction < T::ZERO {
            -T::ONE
        } else {
            direction
        };
        (p * self.decay_factor - self.lr * sign, [m + (g - m) * self.one_minus_beta2])
    }
}

impl LionStep {
    pub(super) fn run<T: Float>(&self, slices: Slices<T>) {
        let t = T::from_f64;
        slices.apply(Lion {
            lr: t(self.lr),
            decay_factor: t(1.0 - self.lr * self.weight_decay),
            one_minus_beta1: t(1.0 - self.beta1),
            one_minus_beta2: t(1.0 - self.beta2),
        });
    }
}
