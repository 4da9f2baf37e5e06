//! The floating-point numbers that kernels compute with.

use crate::Element;
use std::ops::{Add, AddAssign, Div, DivAssign, Mul, MulAssign, Neg, Sub, SubAssign};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// `f32` or `f64`.
///
/// Kernels are fast in `f32`; `f64` takes simple paths and serves gradient checks. The functions mean what those of
/// the same name in [`std`] mean, except where they say otherwise.
pub trait Float:
    sealed::Sealed
    + Element
    + PartialOrd
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + AddAssign
    + SubAssign
    + MulAssign
    + DivAssign
    + std::iter::Sum
    + std::fmt::Display
{
    /// 0
    const ZERO: Self;
    /// 1
    const ONE: Self;
    /// -∞
    const NEG_INFINITY: Self;
    /// +∞
    const INFINITY: Self;
    /// Not a number.
    const NAN: Self;
    /// The distance from 1 to the next number.
    const EPSILON: Self;

    /// The nearest value to `x`.
    fn from_f64(x: f64) -> Self;
    /// The same value as an `f64`.
    fn to_f64(self) -> f64;
    /// `self * a + b`, rounded once or twice, whichever is fast.
    fn mul_add(self, a: Self, b: Self) -> Self;
    /// √self
    fn sqrt(self) -> Self;
    /// e^self
    fn exp(self) -> Self;
    /// e^self - 1, exact near zero.
    fn exp_m1(self) -> Self;
    /// The natural logarithm.
    fn ln(self) -> Self;
    /// ln(1 + self), exact near zero.
    fn ln_1p(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// |self|
    fn abs(self) -> Self;
    /// self^n
    fn powf(self, n: Self) -> Self;
    /// self^n
    fn powi(self, n: i32) -> Self;
    /// The sine.
    fn sin(self) -> Self;
    /// The cosine.
    fn cos(self) -> Self;
    /// The largest integer not above `self`.
    fn floor(self) -> Self;
    /// The smallest integer not below `self`.
    fn ceil(self) -> Self;
    /// The nearest integer, halves away from zero.
    fn round(self) -> Self;
    /// The nearest integer, halves to the even one.
    fn round_ties_even(self) -> Self;
    /// The larger of the two; the other one when one is NaN.
    fn max(self, other: Self) -> Self;
    /// The smaller of the two; the other one when one is NaN.
    fn min(self, other: Self) -> Self;
    /// Whether it is NaN.
    fn is_nan(self) -> bool;
    /// Whether it is neither infinite nor NaN.
    fn is_finite(self) -> bool;
    /// `self` if `keep`, else 0: by a mask, which compilers turn into vector code where they would turn a choice into jumps.
    fn masked(self, keep: bool) -> Self;

    /// The slice as `f32`, if it is one: the door to the fast kernels.
    fn as_f32(x: &[Self]) -> Option<&[f32]>;
    /// The slice as `f32`, if it is one.
    fn as_f32_mut(x: &mut [Self]) -> Option<&mut [f32]>;
}

macro_rules! float {
    ($t:ident, $bits:ident, $as_f32:expr, $as_f32_mut:expr) => {
        impl Float for $t {
            const ZERO: Self = 0.0;
            const ONE: Self = 1.0;
            const NEG_INFINITY: Self = $t::NEG_INFINITY;
            const INFINITY: Self = $t::INFINITY;
            const NAN: Self = $t::NAN;
            const EPSILON: Self = $t::EPSILON;

            #[inline(always)]
            fn from_f64(x: f64) -> Self {
                x as $t
            }
            #[inline(always)]
            fn to_f64(self) -> f64 {
                self as f64
            }
            #[inline(always)]
            fn mul_add(self, a: Self, b: Self) -> Self {
                // `std`'s fused version is a slow library call where the target has no such instruction.
                self * a + b
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                $t::sqrt(self)
            }
            #[inline(always)]
            fn exp(self) -> Self {
                $t::exp(self)
            }
            #[inline(always)]
            fn exp_m1(self) -> Self {
                $t::exp_m1(self)
            }
            #[inline(always)]
            fn ln(self) -> Self {
                $t::ln(self)
            }
            #[inline(always)]
            fn ln_1p(self) -> Self {
                $t::ln_1p(self)
            }
            #[inline(always)]
            fn tanh(self) -> Self {
                $t::tanh(self)
            }
            #[inline(always)]
            fn abs(self) -> Self {
                $t::abs(self)
            }
            #[inline(always)]
            fn powf(self, n: Self) -> Self {
                $t::powf(self, n)
            }
            #[inline(always)]
            fn powi(self, n: i32) -> Self {
                $t::powi(self, n)
            }
            #[inline(always)]
            fn sin(self) -> Self {
                $t::sin(self)
            }
            #[inline(always)]
            fn cos(self) -> Self {
                $t::cos(self)
            }
            #[inline(always)]
            fn floor(self) -> Self {
                $t::floor(self)
            }
            #[inline(always)]
            fn ceil(self) -> Self {
                $t::ceil(self)
            }
            #[inline(always)]
            fn round_ties_even(self) -> Self {
                $t::round_ties_even(self)
            }
            #[inline(always)]
            fn round(self) -> Self {
                $t::round(self)
            }
            #[inline(always)]
            fn max(self, other: Self) -> Self {
                $t::max(self, other)
            }
            #[inline(always)]
            fn min(self, other: Self) -> Self {
                $t::min(self, other)
            }
            #[inline(always)]
            fn is_nan(self) -> bool {
                $t::is_nan(self)
            }
            #[inline(always)]
            fn is_finite(self) -> bool {
                $t::is_finite(self)
            }
            #[inline(always)]
            fn masked(self, keep: bool) -> Self {
                $t::from_bits(self.to_bits() & $bits::from(keep).wrapping_neg())
            }
            #[inline(always)]
            fn as_f32(x: &[Self]) -> Option<&[f32]> {
                let f: fn(&[Self]) -> Option<&[f32]> = $as_f32;
                f(x)
            }
            #[inline(always)]
            fn as_f32_mut(x: &mut [Self]) -> Option<&mut [f32]> {
                let f: fn(&mut [Self]) -> Option<&mut [f32]> = $as_f32_mut;
                f(x)
            }
        }
    };
}

float!(f32, u32, |x| Some(x), |x| Some(x));
float!(f64, u64, |_| None, |_| None);
