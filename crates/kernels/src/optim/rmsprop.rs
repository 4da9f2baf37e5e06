//! RMSprop.

use super::rule::{Rule, Slices};
use crate::float::Float;

/// The settings of a step of `torch.optim.RMSprop`. State: the mean of squared gradients; if `centered` the mean of gradients;
/// if there is momentum its buffer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropStep {
    /// Learning rate.
    pub lr: f64,
    /// How much of the means remains.
    pub alpha: f64,
    /// Added to the denominator.
    pub eps: f64,
    /// L2 penalty.
    pub weight_decay: f64,
    /// How much of the last step remains; 0 switches it off.
    pub momentum: f64,
    /// Whether to divide by the standard deviation of the gradient instead of its root mean square.
    pub centered: bool,
}

#[derive(Clone, Copy)]
struct RmsProp<T, const CENTERED: bool, const MOMENTUM: bool> {
    lr: T,
    alpha: T,
    one_minus_alpha: T,
    eps: T,
    weight_decay: T,
    momentum: T,
}

impl<T: Float, const CENTERED: bool, const MOMENTUM: bool, const N: usize> Rule<T, N>
    for RmsProp<T, CENTERED, MOMENTUM>
{
    #[inline(always)]
    fn apply(self, p: T, g: T, mut s: [T; N]) -> (T, [T; N]) {
        let g = g + self.weight_decay * p;
        s[0] = s[0] * self.alpha + g * g * self.one_minus_alpha;
        let mut square = s[0];
        if CENTERED {
            s[1] += (g - s[1]) * self.one_minus_alpha;
            // The variance of a gradient that never changes rounds to less than 0.
            square = (square - s[1] * s[1]).max(T::ZERO);
        }
        let step = g / (square.sqrt() + self.eps);
        if !MOMENTUM {
            return (p - self.lr * step, s);
        }
        s[N - 1] = s[N - 1] * self.momentum + step;
        (p - self.lr * s[N - 1], s)
    }
}

impl RmsPropStep {
    pub(super) fn slots(&self) -> usize {
        1 + usize::from(self.centered) + usize::from(self.momentum != 0.0)
    }

    pub(super) fn run<T: Float>(&self, slices: Slices<T>) {
        match (self.centered, self.momentum != 0.0) {
            (false, false) => slices.apply::<_, 1>(self.rule::<T, false, false>()),
            (false, true) => slices.apply::<_, 2>(self.rule::<T, false, true>()),
            (true, false) => slices.apply::<_, 2>(self.rule::<T, true, false>()),
            (true, true) => slices.apply::<_, 3>(self.rule::<T, true, true>()),
        }
    }

    fn rule<T: Float, const CENTERED: bool, const MOMENTUM: bool>(&self) -> RmsProp<T, CENTERED, MOMENTUM> {
        let t = T::from_f64;
        RmsProp {
            lr: t(self.lr),
            alpha: t(self.alpha),
            one_minus_alpha: t(1.0 - self.alpha),
            eps: t(self.eps),
            weight_decay: t(self.weight_decay),
            momentum: t(self.momentum),
        }
    }
}
