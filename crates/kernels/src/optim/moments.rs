//! The running means of gradients and of their squares that Adam, NAdam and LAMB keep.

use crate::float::Float;

#[derive(Clone, Copy)]
pub(super) struct Moments<T> {
    one_minus_beta1: T,
    beta2: T,
    one_minus_beta2: T,
    inv_sqrt_correction2: T,
    eps: T,
}

impl<T: Float> Moments<T> {
    pub(super) fn new(beta1: f64, beta2: f64, correction2: f64, eps: f64) -> Self {
        let t = T::from_f64;
        Moments {
            one_minus_beta1: t(1.0 - beta1),
            beta2: t(beta2),
            one_minus_beta2: t(1.0 - beta2),
            inv_sqrt_correction2: t(1.0 / correction2.sqrt()),
            eps: t(eps),
        }
    }

    /// Both means after `g`, and the denominator.
    #[inline(always)]
    pub(super) fn update(self, g: T, m: T, v: T) -> (T, T, T) {
        let m = m + (g - m) * self.one_minus_beta1;
        let v = v * self.beta2 + g * g * self.one_minus_beta2;
        (m, v, v.sqrt() * self.inv_sqrt_correction2 + self.eps)
    }
}

/// Corrects the bias of a mean that started from zero and has seen `step` values.
pub(super) fn bias_correction(beta: f64, step: u64) -> f64 {
    1.0 - beta.powf(step as f64)
}
