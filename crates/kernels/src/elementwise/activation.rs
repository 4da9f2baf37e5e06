//! Activation functions of one number, and their slopes.

use super::clamp::clamped;
use super::math::{exp, exp_m1, ln_1p, normal_cdf, sigmoid, sigmoids};
use super::visit::{WithBinary, WithUnary};
use crate::float::Float;
use serde::{Deserialize, Serialize};
use std::f64::consts::PI;

/// An activation function whose slope is computed from its input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// The nearest number from the first to the second; NaN stays NaN. The slope is 0 at both ends.
    Hardtanh(#[serde(with = "crate::number")] f64, #[serde(with = "crate::number")] f64),
    /// x if it is positive, or else α · (e^x - 1) (Clevert, Unterthiner and Hochreiter, 2016).
    Elu(#[serde(with = "crate::number")] f64),
    /// x · Φ(x), where Φ is the standard normal distribution (Hendrycks and Gimpel, 2016).
    Gelu,
    /// The approximation of `Gelu` by a hyperbolic tangent: x/2 · (1 + tanh(√(2/π) · (x + 0.044715 · x³))).
    GeluTanh,
    /// x / (1 + e^-x)
    Silu,
    /// x · min(max(x + 3, 0), 6) / 6 (Howard et al., 2019).
    Hardswish,
    /// min(max(x + 3, 0), 6) / 6
    Hardsigmoid,
    /// ln(1 + e^(β·x)) / β, and x itself where β·x is above the threshold.
    Softplus {
        /// β
        #[serde(with = "crate::number")]
        beta: f64,
        /// Above it the function is taken for linear.
        #[serde(with = "crate::number")]
        threshold: f64,
    },
    /// x · tanh(ln(1 + e^x)) (Misra, 2019).
    Mish,
    /// x, but 0 from −λ to λ. The slope is 0 there, the bounds included.
    Hardshrink(#[serde(with = "crate::number")] f64),
    /// x moved towards 0 by λ, and 0 from −λ to λ. The slope is 0 there, the bounds included.
    Softshrink(#[serde(with = "crate::number")] f64),
}

impl Activation {
    /// Each, with some of its settings, for tests that go through all.
    pub const SAMPLES: &[Activation] = &[
        Activation::Hardtanh(-1.0, 1.0),
        Activation::Hardtanh(-0.1, 0.3),
        Activation::Elu(1.0),
        Activation::Elu(0.3),
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::Hardswish,
        Activation::Hardsigmoid,
        Activation::Softplus { beta: 1.0, threshold: 20.0 },
        Activation::Softplus { beta: 3.0, threshold: 2.0 },
        Activation::Softplus { beta: 0.5, threshold: 20.0 },
        Activation::Mish,
        Activation::Hardshrink(0.5),
        Activation::Softshrink(0.5),
    ];

    /// PyTorch's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Activation::Hardtanh(..) => "hardtanh",
            Activation::Elu(_) => "elu",
            Activation::Gelu | Activation::GeluTanh => "gelu",
            Activation::Silu => "silu",
            Activation::Hardswish => "hardswish",
            Activation::Hardsigmoid => "hardsigmoid",
            Activation::Softplus { .. } => "softplus",
            Activation::Mish => "mish",
            Activation::Hardshrink(_) => "hardshrink",
            Activation::Softshrink(_) => "softshrink",
        }
    }

    /// The function at `x` in plain arithmetic, with its settings as `round` makes them: what kernels are compared with, and what the reference
    /// backend computes.
    pub fn plain(self, x: f64, round: impl Fn(f64) -> f64) -> f64 {
        match self {
            Activation::Hardtanh(low, high) => plain::clamp(x, round(low), round(high)),
            Activation::Elu(alpha) => {
                if x <= 0.0 {
                    round(alpha) * x.exp_m1()
                } else {
                    x
                }
            }
            Activation::Gelu => x * plain::normal(x),
            Activation::GeluTanh => x * plain::sigmoid(plain::gelu_tanh(x)),
            Activation::Silu => x * plain::sigmoid(x),
            Activation::Hardswish => x * plain::clamp(x + 3.0, 0.0, 6.0) / 6.0,
            Activation::Hardsigmoid => plain::clamp(x + 3.0, 0.0, 6.0) / 6.0,
            Activation::Softplus { beta, threshold } if round(beta) * x > round(threshold) => x,
            Activation::Softplus { beta, .. } => plain::softplus(round(beta) * x) / round(beta),
            Activation::Mish => x * plain::softplus(x).tanh(),
            Activation::Hardshrink(lambda) if x.abs() <= round(lambda) => 0.0,
            Activation::Hardshrink(_) => x,
            Activation::Softshrink(lambda) if x.abs() <= round(lambda) => 0.0,
            Activation::Softshrink(lambda) => x - round(lambda).copysign(x),
        }
    }

    /// The slope at `x`, times a gradient, as [`Activation::plain`]. At a corner it is 0 if it is on one side.
    pub fn plain_grad(self, x: f64, grad: f64, round: impl Fn(f64) -> f64) -> f64 {
        match self {
            Activation::Hardtanh(low, high) if x <= round(low) || x >= round(high) => 0.0,
            Activation::Hardtanh(..) => grad,
            Activation::Elu(alpha) => {
                if x <= 0.0 {
                    grad * round(alpha) * x.exp()
                } else {
                    grad
                }
            }
            Activation::Gelu => grad * (plain::normal(x) + x * (-x * x / 2.0).exp() / (2.0 * PI).sqrt()),
            Activation::GeluTanh => {
                let (s, rest) = (plain::sigmoid(plain::gelu_tanh(x)), plain::sigmoid(-plain::gelu_tanh(x)));
                let slope = 2.0 * TANH_SCALE * (1.0 + 3.0 * TANH_CUBE * x * x);
                grad * (s + x * s * rest * slope)
            }
            Activation::Silu => grad * plain::sigmoid(x) * (1.0 + x * plain::sigmoid(-x)),
            Activation::Hardswish if x <= -3.0 => 0.0,
            Activation::Hardswish if x < 3.0 => grad * (x / 3.0 + 0.5),
            Activation::Hardswish => grad,
            Activation::Hardsigmoid => {
                if x > -3.0 && x < 3.0 {
                    grad / 6.0
                } else {
                    0.0
                }
            }
            Activation::Softplus { beta, threshold } if round(beta) * x > round(threshold) => grad,
            Activation::Softplus { beta, .. } => grad * plain::sigmoid(round(beta) * x),
            // The hyperbolic tangent is 1 there, and ∞ · 0 no number.
            Activation::Mish if x > 20.0 => grad,
            Activation::Mish => {
                let t = plain::softplus(x).tanh();
                grad * (t + x * plain::sigmoid(x) * (1.0 - t * t))
            }
            Activation::Hardshrink(lambda) | Activation::Softshrink(lambda) if x.abs() <= round(lambda) => 0.0,
            Activation::Hardshrink(_) | Activation::Softshrink(_) => grad,
        }
    }
}

/// What the plain definitions are made of.
mod plain {
    use super::{TANH_CUBE, TANH_SCALE};

    /// NaN stays; what equals a bound becomes it, so that of a bound of 0 −0 becomes 0.
    pub fn clamp(x: f64, low: f64, high: f64) -> f64 {
        if x <= low {
            low
        } else if x >= high {
            high
        } else {
            x
        }
    }

    pub fn sigmoid(x: f64) -> f64 {
        1.0 / (1.0 + (-x).exp())
    }

    /// ln(1 + eˣ), without an overflow on the way.
    pub fn softplus(x: f64) -> f64 {
        if x > 0.0 { x + (-x).exp().ln_1p() } else { x.exp().ln_1p() }
    }

    /// 2u, where gelu is approximated by x/2 · (1 + tanh(u)) = x · sigmoid(2u).
    pub fn gelu_tanh(x: f64) -> f64 {
        2.0 * TANH_SCALE * (x + TANH_CUBE * x.powi(3))
    }

    /// The standard normal distribution at x.
    pub fn normal(x: f64) -> f64 {
        libm::erfc(-x / std::f64::consts::SQRT_2) / 2.0
    }
}

/// √(2/π)
const TANH_SCALE: f64 = 0.797_884_560_802_865_4;
const TANH_CUBE: f64 = 0.044715;

/// The argument of the sigmoid that gelu's approximation comes to, 2 · √(2/π) · (x + 0.044715 · x³), and its slope.
#[inline(always)]
fn gelu_tanh<T: Float>(x: T) -> [T; 2] {
    let t = T::from_f64;
    // Beyond this the sigmoid is 0 or 1, and the cube of a larger number could overflow.
    let x = clamped(x, [t(-30.0), t(30.0)]);
    let square = x * x;
    let (scale, cube) = (t(2.0 * TANH_SCALE), t(TANH_CUBE));
    [scale * x * (T::ONE + cube * square), scale * (T::ONE + t(3.0) * cube * square)]
}

/// e^x and tanh(ln(1 + e^x)) = n / (n + 2) with n = e^x · (e^x + 2); for x above 20 the quotient is 1.
#[inline(always)]
fn mish<T: Float>(x: T) -> [T; 3] {
    let two = T::from_f64(2.0);
    let limit = T::from_f64(20.0);
    let e = exp(if x > limit { limit } else { x });
    let n = e * (e + two);
    [e, n / (n + two), n + two]
}

/// Calls `then` with the function.
pub(super) fn with_value<T: Float>(activation: Activation, then: impl WithUnary<T>) {
    let t = T::from_f64;
    match activation {
        Activation::Hardtanh(low, high) => {
            let (low, high) = (t(low), t(high));
            then.call(move |x: T| clamped(x, [low, high]))
        }
        Activation::Elu(alpha) => {
            let alpha = t(alpha);
            then.call(move |x: T| if x <= T::ZERO { alpha * exp_m1(x) } else { x })
        }
        Activation::Gelu => then.call(|x: T| x * normal_cdf(x)[0]),
        Activation::GeluTanh => then.call(|x: T| x * sigmoid(gelu_tanh(x)[0])),
        Activation::Silu => then.call(|x: T| x * sigmoid(x)),
        Activation::Hardswish => {
            then.call(|x: T| x * clamped(x + T::from_f64(3.0), [T::ZERO, T::from_f64(6.0)]) / T::from_f64(6.0))
        }
        Activation::Hardsigmoid => {
            then.call(|x: T| clamped(x + T::from_f64(3.0), [T::ZERO, T::from_f64(6.0)]) / T::from_f64(6.0))
        }
        Activation::Softplus { beta, threshold } => {
            let (beta, threshold) = (t(beta), t(threshold));
            then.call(move |x: T| {
                let y = x * beta;
                let positive = if y < T::ZERO { T::ZERO } else { y };
                let soft = (positive + ln_1p(exp(-y.abs()))) / beta;
                if y > threshold { x } else { soft }
            })
        }
        Activation::Mish => then.call(|x: T| x * mish(x)[1]),
        Activation::Hardshrink(lambda) => {
            let lambda = t(lambda);
            then.call(move |x: T| if x.abs() <= lambda { T::ZERO } else { x })
        }
        Activation::Softshrink(lambda) => {
            let lambda = t(lambda);
            then.call(move |x: T| x - clamped(x, [-lambda, lambda]))
        }
    }
}

/// Calls `then` with the product of the slope at x and a gradient.
pub(super) fn with_slope<T: Float>(activation: Activation, then: impl WithBinary<T, T>) {
    let t = T::from_f64;
    match activation {
        Activation::Hardtanh(low, high) => {
            let (low, high) = (t(low), t(high));
            then.call(move |x: T, g: T| if (x <= low) | (x >= high) { T::ZERO } else { g })
        }
        Activation::Elu(alpha) => {
            let alpha = t(alpha);
            then.call(move |x: T, g: T| if x <= T::ZERO { g * alpha * exp(x) } else { g })
        }
        Activation::Gelu => then.call(|x: T, g: T| {
            let [cdf, density] = normal_cdf(x);
            g * (cdf + x * density)
        }),
        Activation::GeluTanh => then.call(|x: T, g: T| {
            let [u, slope] = gelu_tanh(x);
            let [s, rest] = sigmoids(u);
            g * (s + x * s * rest * slope)
        }),
        Activation::Silu => then.call(|x: T, g: T| {
            let [s, rest] = sigmoids(x);
            g * s * (T::ONE + x * rest)
        }),
        Activation::Hardswish => then.call(|x: T, g: T| {
            let three = T::from_f64(3.0);
            let inner = g * (x / three + T::from_f64(0.5));
            let upper = if x < three { inner } else { g };
            if x <= -three { T::ZERO } else { upper }
        }),
        Activation::Hardsigmoid => then.call(|x: T, g: T| {
            let three = T::from_f64(3.0);
            if (x > -three) & (x < three) { g / T::from_f64(6.0) } else { T::ZERO }
        }),
        Activation::Softplus { beta, threshold } => {
            let (beta, threshold) = (t(beta), t(threshold));
            then.call(move |x: T, g: T| {
                let y = x * beta;
                let soft = g * sigmoid(y);
                if y > threshold { g } else { soft }
            })
        }
        Activation::Mish => then.call(|x: T, g: T| {
            // The slope of tanh(ln(1 + e^x)) is 4 · e^x · (1 + e^x) / (n + 2)².
            let [e, quotient, below] = mish(x);
            let bend = T::from_f64(4.0) * x * e * (T::ONE + e) / (below * below);
            g * if x > T::from_f64(20.0) { T::ONE } else { quotient + bend }
        }),
        Activation::Hardshrink(lambda) | Activation::Softshrink(lambda) => {
            let lambda = t(lambda);
            then.call(move |x: T, g: T| if x.abs() <= lambda { T::ZERO } else { g })
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::elementwise::{Binary, Operand, Unary, binary, unary};

    fn value(activation: Activation, x: f64) -> f64 {
        activation.plain(x, |setting| setting)
    }

    /// The slope by a central difference of fourth order.
    pub fn slope(activation: Activation, x: f64) -> f64 {
        let h = 1e-3;
        let at = |k: f64| value(activation, x + k * h);
        (8.0 * (at(1.0) - at(-1.0)) - (at(2.0) - at(-2.0))) / (12.0 * h)
    }

    /// Where a function has a corner there is no slope to compare with.
    fn corners(activation: Activation) -> Vec<f64> {
        match activation {
            Activation::Hardtanh(low, high) => vec![low, high],
            Activation::Elu(_) => vec![0.0],
            Activation::Hardswish | Activation::Hardsigmoid => vec![-3.0, 3.0],
            Activation::Softplus { beta, threshold } => vec![threshold / beta],
            Activation::Hardshrink(lambda) | Activation::Softshrink(lambda) => vec![-lambda, lambda],
            _ => vec![],
        }
    }

    fn check<T: Float>(relative: f64, absolute: f64) {
        let x: Vec<f64> = (-4000..=4000).map(|i| (i as f64 * 5.03e-3) as f32 as f64).collect();
        let typed: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
        let mut out = vec![T::NAN; x.len()];
        for &activation in Activation::SAMPLES {
            unary(Unary::Activation(activation), &typed, &mut out);
            for (x, got) in x.iter().zip(&out) {
                let (got, want) = (got.to_f64(), value(activation, *x));
                // What an exponential too small for a normal f32 gives may be 0.
                let allowed = relative * want.abs() + 1e-36;
                assert!((got - want).abs() <= allowed, "{activation:?}({x}) = {got}, expected {want}");
            }
            let op = Binary::ActivationGrad(activation);
            let two = [T::from_f64(2.0)];
            let x_operand = Operand { data: &typed, strides: &[1] };
            binary(op, &[x.len()], x_operand, Operand { data: &two, strides: &[0] }, &mut out);
            for (x, got) in x.iter().zip(&out) {
                if corners(activation).iter().any(|c| (x - c).abs() < 3e-3) {
                    continue;
                }
                let (got, want) = (got.to_f64(), 2.0 * slope(activation, *x));
                assert!((got - want).abs() <= absolute, "slope of {activation:?} at {x}: {got}, expected {want}");
                let plain = activation.plain_grad(*x, 2.0, |setting| setting);
                assert!((plain - want).abs() <= 1e-8, "plain slope of {activation:?} at {x}: {plain}, expected {want}");
            }
        }
    }

    #[test]
    fn values_and_slopes_match_the_reference() {
        // The relative error of e^(-x²/2) grows with x²; in f64 the reference's own error counts.
        check::<f32>(2e-5, 2e-6);
        check::<f64>(1e-12, 1e-8);
    }

    #[test]
    fn far_out_nothing_overflows() {
        let x = [1e4f32, -1e4, 1e15, -1e15];
        let g = [1f32; 4];
        for activation in [Activation::Gelu, Activation::GeluTanh, Activation::Silu, Activation::Mish] {
            let mut out = [f32::NAN; 4];
            unary(Unary::Activation(activation), &x, &mut out);
            assert_eq!(out, [1e4, 0.0, 1e15, 0.0], "{activation:?}");
            let operands = [&x, &g].map(|data| Operand { data: &data[..], strides: &[1] });
            binary(Binary::ActivationGrad(activation), &[4], operands[0], operands[1], &mut out);
            assert_eq!(out, [1.0, 0.0, 1.0, 0.0], "slope of {activation:?}");
        }
    }

    #[test]
    fn nan_stays_nan() {
        for &activation in Activation::SAMPLES {
            let mut out = [0f32];
            unary(Unary::Activation(activation), &[f32::NAN], &mut out);
            assert!(out[0].is_nan(), "{activation:?}");
        }
    }
}
