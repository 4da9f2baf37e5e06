//! Stochastic gradient descent.

use super::rule::{Rule, Slices};
use crate::float::Float;

/// The settings of a step of `torch.optim.SGD`. State: the velocity, if there is momentum.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// How much of the velocity remains; 0 switches it off.
    pub momentum: f64,
    /// How much of the gradient is kept out of the velocity.
    pub dampening: f64,
    /// L2 penalty.
    pub weight_decay: f64,
    /// Nesterov's momentum.
    pub nesterov: bool,
    /// Whether the velocity is yet to be set, which this step does from the gradient alone.
    pub first: bool,
    /// Whether to ascend instead of descend.
    pub maximize: bool,
}

#[derive(Clone, Copy)]
struct Sgd<T> {
    lr: T,
    momentum: T,
    one_minus_dampening: T,
    weight_decay: T,
    sign: T,
    nesterov: bool,
    first: bool,
}

impl<T: Float> Rule<T, 0> for Sgd<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, _: [T; 0]) -> (T, [T; 0]) {
        (p - self.lr * (g * self.sign + self.weight_decay * p), [])
    }
}

impl<T: Float> Rule<T, 1> for Sgd<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, [v]: [T; 1]) -> (T, [T; 1]) {
        let g = g * self.sign + self.weight_decay * p;
        let v = if self.first { g } else { self.momentum * v + self.one_minus_dampening * g };
        (p - self.lr * if self.nesterov { g + self.momentum * v } else { v }, [v])
    }
}

impl SgdStep {
    pub(super) fn slots(&self) -> usize {
        usize::from(self.momentum != 0.0)
    }

    pub(super) fn run<T: Float>(&self, slices: Slices<T>) {
        let t = T::from_f64;
        let rule = Sgd {
            lr: t(self.lr),
            momentum: t(self.momentum),
            one_minus_dampening: t(1.0 - self.dampening),
            weight_decay: t(self.weight_decay),
            sign: if self.maximize { -T::ONE } else { T::ONE },
            nesterov: self.nesterov,
            first: self.first,
        };
        match self.slots() {
            0 => slices.apply::<_, 0>(rule),
            _ => slices.apply::<_, 1>(rule),
        }
    }
}
