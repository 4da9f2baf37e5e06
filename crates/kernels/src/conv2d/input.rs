//! The input of a convolution, and the gradient of its ReLU.

use crate::Float;
use std::borrow::Cow;

/// What is convolved: the values, or the larger of each and 0, which then take no pass of their own.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a, T> {
    /// NHWC.
    pub values: &'a [T],
    /// Whether their ReLU is meant.
    pub relu: bool,
}

impl<'a, T> From<&'a [T]> for Input<'a, T> {
    fn from(values: &'a [T]) -> Self {
        Input { values, relu: false }
    }
}

impl<T: Float> Input<'_, T> {
    pub(super) fn as_f32(&self) -> Option<Input<'_, f32>> {
        T::as_f32(self.values).map(|values| Input { values, relu: self.relu })
    }

    /// The values, with their ReLU applied.
    pub(super) fn realized(&self) -> Cow<'_, [T]> {
        match self.relu {
            true => self.values.iter().map(|&x| if x <= T::ZERO { T::ZERO } else { x }).collect(),
            false => self.values.into(),
        }
    }
}

/// Sets `grad` to 0 where `x` ≤ 0: the gradient of ReLU.
#[inline(always)]
pub(super) fn zero_unless_positive<T: Float>(x: &[T], grad: &mut [T]) {
    for (grad, x) in grad.iter_mut().zip(x) {
        let dead = *x <= T::ZERO;
        *grad = grad.masked(!dead);
    }
}
