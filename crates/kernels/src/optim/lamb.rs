//! LAMB.

use super::moments::{Moments, bias_correction};
use super::rule::{Rule, Slices};
use crate::float::Float;

/// The settings of the direction of a step of LAMB (You et al., 2020). State: the means of gradients and of squared gradients, and the
/// direction, which is written. The parameter stays as it is: the length of the step depends on the norms of both.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LambStep {
    /// How much of the mean of gradients remains.
    pub beta1: f64,
    /// How much of the mean of squared gradients remains.
    pub beta2: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// This times the parameter is added to the direction.
    pub weight_decay: f64,
    /// The number of this step, from 1.
    pub step: u64,
}

#[derive(Clone, Copy)]
struct Lamb<T> {
    moments: Moments<T>,
    inv_correction1: T,
    weight_decay: T,
}

impl<T: Float> Rule<T, 3> for Lamb<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [m, v, _]: [T; 3]) -> (T, [T; 3]) {
        let (m, v, denominator) = self.moments.update(g, m, v);
        (p, [m, v, m * self.inv_correction1 / denominator + self.weight_decay * p])
    }
}

impl LambStep {
    pub(super) fn run<T: Float>(&self, slices: Slices<T>) {
        assert!(self.step > 0, "lamb_direction: steps count from 1");
        let t = T::from_f64;
        let correction = |beta| bias_correction(beta, self.step);
        slices.apply(Lamb {
            moments: Moments::new(self.beta1, self.beta2, correction(self.beta2), self.eps),
            inv_correction1: t(1.0 / correction(self.beta1)),
            weight_decay: t(self.weight_decay),
        });
    }
}
