//! Exponentials that the compiler can vectorize: straight-line arithmetic without calls or branches.
//!
//! The polynomials of the exponential and the hyperbolic tangent are those of the Cephes library (S. Moshier), single
//! precision.

use crate::float::Float;

/// e^x. In `f32` within two units in the last place; results too small for a normal number may be 0.
#[inline(always)]
pub(crate) fn exp<T: Float>(x: T) -> T {
    if size_of::<T>() == 4 { T::from_f64(exp_f32(x.to_f64() as f32) as f64) } else { x.exp() }
}

/// The hyperbolic tangent, in `f32` within two units in the last place.
#[inline(always)]
pub(crate) fn tanh<T: Float>(x: T) -> T {
    if size_of::<T>() == 4 { T::from_f64(tanh_f32(x.to_f64() as f32) as f64) } else { x.tanh() }
}

/// e^x - 1. In `f32` within a few units in the last place, near 0 too.
#[inline(always)]
pub(crate) fn exp_m1<T: Float>(x: T) -> T {
    if size_of::<T>() == 4 { T::from_f64(exp_m1_f32(x.to_f64() as f32) as f64) } else { x.exp_m1() }
}

/// ln(1 + x) for x from 0 to 1. In `f32` within a few units in the last place, near 0 too.
#[inline(always)]
pub(crate) fn ln_1p<T: Float>(x: T) -> T {
    if size_of::<T>() == 4 { T::from_f64(ln_1p_f32(x.to_f64() as f32) as f64) } else { x.ln_1p() }
}

/// 1 / (1 + e^-x) and 1 / (1 + e^x), both with all their digits.
#[inline(always)]
pub(crate) fn sigmoids<T: Float>(x: T) -> [T; 2] {
    let e = exp(-x.abs());
    let large = T::ONE / (T::ONE + e);
    let small = e * large;
    if x < T::ZERO { [small, large] } else { [large, small] }
}

/// 1 / (1 + e^-x), which keeps its digits for negative x too.
#[inline(always)]
pub(crate) fn sigmoid<T: Float>(x: T) -> T {
    sigmoids(x)[0]
}

/// The standard normal distribution and its density at x.
#[inline(always)]
pub(crate) fn normal_cdf<T: Float>(x: T) -> [T; 2] {
    let density = exp(x * x * T::from_f64(-0.5));
    let upper = if size_of::<T>() == 4 {
        density * T::from_f64(normal_tail_f32(x.abs().to_f64() as f32) as f64)
    } else {
        T::from_f64(0.5 * libm::erfc(x.to_f64().abs() * std::f64::consts::FRAC_1_SQRT_2))
    };
    let cdf = if x < T::ZERO { upper } else { T::ONE - upper };
    // 1 / √(2π)
    [cdf, density * T::from_f64(0.398_942_280_401_432_7)]
}

/// What lies above `a` ≥ 0 in the standard normal distribution, divided by e^(-a²/2).
///
/// A polynomial in 1 / (1 + 0.21 · a), fitted for the smallest relative error, which is 1.6e-8 before rounding.
#[inline(always)]
fn normal_tail_f32(a: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.21 * a);
    let p = -7.165_548e-2;
    let p = p * t + 2.835_844e-1;
    let p = p * t - 3.302_445e-1;
    let p = p * t + 3.493_905e-1;
    let p = p * t - 9.391_772e-2;
    let p = p * t + 1.248_694_3e-1;
    let p = p * t + 6.919_304e-2;
    let p = p * t + 8.506_873e-2;
    let p = p * t + 8.371_159e-2;
    p * t
}

#[inline(always)]
fn ln_1p_f32(x: f32) -> f32 {
    // 2 · artanh(x / (2 + x)), by its power series: the argument is at most 1/3.
    let s = x / (2.0 + x);
    let z = s * s;
    let p = 1.0 / 17.0;
    let p = p * z + 1.0 / 15.0;
    let p = p * z + 1.0 / 13.0;
    let p = p * z + 1.0 / 11.0;
    let p = p * z + 1.0 / 9.0;
    let p = p * z + 1.0 / 7.0;
    let p = p * z + 0.2;
    let p = p * z + 1.0 / 3.0;
    2.0 * (s + s * z * p)
}

#[inline(always)]
fn exp_m1_f32(x: f32) -> f32 {
    let small = exp_m1_poly(x);
    let large = exp_f32(x) - 1.0;
    if x.abs() < 0.35 { small } else { large }
}

/// e^r - 1 for |r| ≤ 0.35.
#[inline(always)]
fn exp_m1_poly(r: f32) -> f32 {
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_5e-1;
    let p = p * r + 0.5;
    p * r * r + r
}

/// The error function, in `f32` within three units in the last place.
#[inline(always)]
pub(crate) fn erf<T: Float>(x: T) -> T {
    T::from_f64(if size_of::<T>() == 4 { erf_f32(x.to_f64() as f32) as f64 } else { libm::erf(x.to_f64()) })
}

#[inline(always)]
fn exp_f32(x: f32) -> f32 {
    // Beyond these the result is 0 or infinite anyway. Comparisons in this direction let NaN through.
    let x = if x > 90.0 { 90.0 } else { x };
    let x = if x < -110.0 { -110.0 } else { x };
    // Adding 1.5 · 2^23 rounds to an integer, which then stands in the low bits.
    const ROUND: f32 = 12_582_912.0;
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = x - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = exp_m1_poly(r) + 1.0;
    // 2^n in two factors, as it may lie outside the range of normal numbers.
    let n = (shifted.to_bits() as i32).wrapping_sub(ROUND.to_bits() as i32);
    let half = n >> 1;
    let power = |n: i32| f32::from_bits((n.wrapping_add(127) as u32) << 23);
    p * power(half) * power(n.wrapping_sub(half))
}

#[inline(always)]
fn tanh_f32(x: f32) -> f32 {
    let a = x.abs();
    let large = 1.0 - 2.0 / (exp_f32(2.0 * a) + 1.0);
    let z = x * x;
    let p = -5.704_988_7e-3;
    let p = p * z + 2.063_909e-2;
    let p = p * z - 5.373_971_6e-2;
    let p = p * z + 1.333_144_2e-1;
    let p = p * z - 3.333_328e-1;
    let small = a + a * z * p;
    let y = if a < 0.625 { small } else { large };
    if x < 0.0 { -y } else { y }
}

#[inline(always)]
fn erf_f32(x: f32) -> f32 {
    let a = x.abs();
    let z = x * x;
    let p = 7.853_861e-5;
    let p = p * z - 8.010_194e-4;
    let p = p * z + 5.188_328e-3;
    let p = p * z - 2.685_381_2e-2;
    let p = p * z + 1.128_358_5e-1;
    let p = p * z - 3.761_262_6e-1;
    let p = p * z + std::f32::consts::FRAC_2_SQRT_PI;
    let small = x * p;
    // 1 - erf(a) is e^(-a²)/a times a polynomial in 1/a², fitted for a up to 2; beyond, it matters less and less.
    let q = 1.0 / a;
    let y = q * q;
    let p = 2.326_82e-2;
    let p = p * y - 1.387_039_4e-1;
    let p = p * y + 3.687_424_7e-1;
    let p = p * y - 5.824_733e-1;
    let p = p * y + 6.210_004_6e-1;
    let p = p * y - 4.944_515_3e-1;
    let p = p * y + 3.404_88e-1;
    let p = p * y - 2.741_127e-1;
    let p = p * y + 5.638_259_4e-1;
    let large = 1.0 - exp_f32(-z) * q * p;
    let large = if x < 0.0 { -large } else { large };
    if a < 1.0 { small } else { large }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance in units in the last place of the exact result.
    fn ulps(got: f32, exact: f64) -> f64 {
        let near = exact as f32;
        let unit = f32::from_bits(near.abs().to_bits() + 1) as f64 - near.abs() as f64;
        (got as f64 - exact).abs() / unit
    }

    #[test]
    fn within_a_few_units_in_the_last_place() {
        for i in -87_000..88_000 {
            let x = i as f32 * 1e-3;
            assert!(ulps(exp(x), (x as f64).exp()) < 2.0, "exp({x})");
            let x = i as f32 * 1e-4;
            if x != 0.0 {
                assert!(ulps(tanh(x), (x as f64).tanh()) < 2.0, "tanh({x})");
                assert!(ulps(erf(x), libm::erf(x as f64)) < 3.0, "erf({x})");
            }
        }
    }

    #[test]
    fn near_zero_the_differences_keep_their_digits() {
        for i in -40_000..10_000 {
            let x = i as f32 * 1e-4;
            if x != 0.0 {
                assert!(ulps(exp_m1(x), (x as f64).exp_m1()) < 4.0, "exp_m1({x})");
            }
            let x = 10f32.powf(i as f32 * 2e-4 - 2.0);
            assert!(x > 1.0 || ulps(ln_1p(x), (x as f64).ln_1p()) < 4.0, "ln_1p({x})");
        }
    }

    #[test]
    fn the_normal_distribution_keeps_its_digits_in_the_lower_tail() {
        for i in -80_000..80_000 {
            let x = i as f32 * 1e-4;
            let want = 0.5 * libm::erfc(-x as f64 / std::f64::consts::SQRT_2);
            let error = (normal_cdf(x)[0] as f64 - want).abs() / want;
            assert!(error < 6e-7 + 1e-7 * (x * x) as f64, "{x}: {error}");
        }
        assert_eq!([f32::INFINITY, f32::NEG_INFINITY].map(|x| normal_cdf(x)[0]), [1.0, 0.0]);
    }

    #[test]
    fn edges() {
        assert_eq!(exp(0f32), 1.0);
        assert_eq!(exp(f32::INFINITY), f32::INFINITY);
        assert_eq!(exp(89f32), f32::INFINITY);
        assert_eq!(exp(f32::NEG_INFINITY), 0.0);
        assert!(exp(f32::NAN).is_nan() && tanh(f32::NAN).is_nan());
        assert!(erf(f32::NAN).is_nan());
        assert_eq!([erf(f32::INFINITY), erf(f32::NEG_INFINITY), erf(0f32)], [1.0, -1.0, 0.0]);
        assert_eq!([tanh(f32::INFINITY), tanh(f32::NEG_INFINITY), tanh(-0f32)], [1.0, -1.0, 0.0]);
    }
}
