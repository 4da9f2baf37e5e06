//! The one definition of bringing a number between bounds.

use crate::float::Float;

/// What results are brought between. NaN is a bound that nothing reaches.
pub type Clamp = [f64; 2];

pub(crate) const NO_CLAMP: Clamp = [f64::NAN; 2];

/// `x` between the bounds, or the bound that it reaches: of a lower bound of 0, −0 becomes 0. NaN stays.
#[inline(always)]
pub(crate) fn clamped<T: Float>(x: T, [low, high]: [T; 2]) -> T {
    let x = if x <= low { low } else { x };
    if x >= high { high } else { x }
}
