//! Linear interpolation, for moving averages of parameters.

use super::rule::Rule;
use crate::float::Float;

#[derive(Clone, Copy)]
pub(super) struct Lerp<T>(pub T);

impl<T: Float> Rule<T, 0> for Lerp<T> {
    #[inline(always)]
    fn apply(self, p: T, g: T, _: [T; 0]) -> (T, [T; 0]) {
        (p + (g - p) * self.0, [])
    }
}
