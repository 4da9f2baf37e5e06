//! Functions of one operand.

use super::activation::{self, Activation};
use super::clamp::clamped;
use super::math;
use super::vector::VectorFn;
use super::visit::WithUnary;
use crate::float::Float;
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;
use crate::training::TRAINING;
use serde::{Deserialize, Serialize};

/// A function of one number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unary {
    /// -x
    Neg,
    /// |x|
    Abs,
    /// -1, 0 or 1; 0 for NaN, as in PyTorch.
    Sign,
    /// e^x
    Exp,
    /// The natural logarithm.
    Log,
    /// ln(1 + x), exact near zero.
    Log1p,
    /// e^x - 1, exact near zero.
    Expm1,
    /// The error function.
    Erf,
    /// √x
    Sqrt,
    /// 1 / √x
    Rsqrt,
    /// The largest whole number that is not above x.
    Floor,
    /// The smallest whole number that is not below x.
    Ceil,
    /// The nearest whole number, of two the even one.
    Round,
    /// x²
    Square,
    /// 1 / x
    Recip,
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
    /// The hyperbolic tangent.
    Tanh,
    /// 1 / (1 + e^-x)
    Sigmoid,
    /// max(x, 0); NaN stays NaN.
    Relu,
    /// x if it is positive, or else x times the slope.
    LeakyRelu(#[serde(with = "crate::number")] f64),
    /// x + the scalar
    AddScalar(#[serde(with = "crate::number")] f64),
    /// x · the scalar
    MulScalar(#[serde(with = "crate::number")] f64),
    /// x to the power of the scalar.
    PowScalar(#[serde(with = "crate::number")] f64),
    /// The larger of x and the scalar; NaN stays NaN.
    ClampMin(#[serde(with = "crate::number")] f64),
    /// The smaller of x and the scalar; NaN stays NaN.
    ClampMax(#[serde(with = "crate::number")] f64),
    /// An activation function.
    Activation(Activation),
}

impl Unary {
    /// PyTorch's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Unary::Neg => "neg",
            Unary::Abs => "abs",
            Unary::Sign => "sign",
            Unary::Exp => "exp",
            Unary::Log => "log",
            Unary::Log1p => "log1p",
            Unary::Expm1 => "expm1",
            Unary::Erf => "erf",
            Unary::Sqrt => "sqrt",
            Unary::Rsqrt => "rsqrt",
            Unary::Floor => "floor",
            Unary::Ceil => "ceil",
            Unary::Round => "round",
            Unary::Square => "square",
            Unary::Recip => "reciprocal",
            Unary::Sin => "sin",
            Unary::Cos => "cos",
            Unary::Tanh => "tanh",
            Unary::Sigmoid => "sigmoid",
            Unary::Relu => "relu",
            Unary::LeakyRelu(_) => "leaky_relu",
            Unary::AddScalar(_) => "add",
            Unary::MulScalar(_) => "mul",
            Unary::PowScalar(_) => "pow",
            Unary::ClampMin(_) | Unary::ClampMax(_) => "clamp",
            Unary::Activation(a) => a.name(),
        }
    }
}

fn with_unary<T: Float>(op: Unary, then: impl WithUnary<T>) {
    let t = T::from_f64;
    match op {
        Unary::Neg => then.call(|x: T| -x),
        Unary::Abs => then.call(|x: T| x.abs()),
        Unary::Sign => then.call(|x: T| {
            let positive = if x > T::ZERO { T::ONE } else { T::ZERO };
            if x < T::ZERO { -T::ONE } else { positive }
        }),
        Unary::Exp => then.call(|x: T| math::exp(x)),
        Unary::Log => then.call(|x: T| x.ln()),
        Unary::Log1p => then.call(|x: T| x.ln_1p()),
        Unary::Expm1 => then.call(|x: T| x.exp_m1()),
        Unary::Erf => then.call(|x: T| math::erf(x)),
        Unary::Sqrt => then.call(|x: T| x.sqrt()),
        Unary::Rsqrt => then.call(|x: T| T::ONE / x.sqrt()),
        Unary::Floor => then.call(|x: T| x.floor()),
        Unary::Ceil => then.call(|x: T| x.ceil()),
        Unary::Round => then.call(|x: T| x.round_ties_even()),
        Unary::Square => then.call(|x: T| x * x),
        Unary::Recip => then.call(|x: T| T::ONE / x),
        Unary::Sin => then.call(|x: T| x.sin()),
        Unary::Cos => then.call(|x: T| x.cos()),
        Unary::Tanh => then.call(|x: T| math::tanh(x)),
        Unary::Sigmoid => then.call(|x: T| T::ONE / (T::ONE + math::exp(-x))),
        Unary::Relu => then.call(|x: T| clamped(x, [T::ZERO, t(f64::NAN)])),
        Unary::LeakyRelu(slope) => {
            let slope = t(slope);
            then.call(move |x: T| if x > T::ZERO { x } else { x * slope })
        }
        Unary::AddScalar(s) => {
            let s = t(s);
            then.call(move |x: T| x + s)
        }
        Unary::MulScalar(s) => {
            let s = t(s);
            then.call(move |x: T| x * s)
        }
        Unary::PowScalar(0.5) => then.call(|x: T| x.sqrt()),
        Unary::PowScalar(2.0) => then.call(|x: T| x * x),
        Unary::PowScalar(3.0) => then.call(|x: T| x * x * x),
        Unary::PowScalar(-1.0) => then.call(|x: T| T::ONE / x),
        Unary::PowScalar(s) => {
            let s = t(s);
            then.call(move |x: T| x.powf(s))
        }
        Unary::ClampMin(s) => {
            let s = t(s);
            then.call(move |x: T| clamped(x, [s, t(f64::NAN)]))
        }
        Unary::ClampMax(s) => {
            let s = t(s);
            then.call(move |x: T| clamped(x, [t(f64::NAN), s]))
        }
        Unary::Activation(a) => activation::with_value(a, then),
    }
}

struct Map<'a, T, F> {
    x: &'a [T],
    out: &'a mut [T],
    f: F,
}

impl<T: Float, F: Fn(T) -> T> Kernel for Map<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for (out, x) in self.out.iter_mut().zip(self.x) {
            *out = (self.f)(*x);
        }
    }
}

struct MapAssign<'a, T, F> {
    x: &'a mut [T],
    f: F,
}

impl<T: Float, F: Fn(T) -> T> Kernel for MapAssign<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        for x in self.x.iter_mut() {
            *x = (self.f)(*x);
        }
    }
}

struct Write<'a, T> {
    x: &'a [T],
    out: &'a mut [T],
}

impl<T: Float> WithUnary<T> for Write<'_, T> {
    fn call(self, f: impl Fn(T) -> T + Copy + Sync) {
        parallel_chunks(self.out, CHUNK, |i, out| {
            let x = &self.x[i * CHUNK..][..out.len()];
            T::dispatch(Map { x, out, f })
        });
    }
}

struct Assign<'a, T>(&'a mut [T]);

impl<T: Float> WithUnary<T> for Assign<'_, T> {
    fn call(self, f: impl Fn(T) -> T + Copy + Sync) {
        T::dispatch(MapAssign { x: self.0, f });
    }
}

/// As [`unary_assign`], on this thread alone: for a part that it has just written.
pub(crate) fn unary_assign_here<T: Float>(op: Unary, x: &mut [T]) {
    match (VectorFn::of(op), T::as_f32_mut(x)) {
        (Some(f), Some(x)) => f.assign_here(x),
        _ => with_unary(op, Assign(x)),
    }
}

/// `out[i] = op(x[i])`.
///
/// In `f32`, `Exp`, `Tanh` and `Sigmoid` are off by at most about two units in the last place, `Erf` by three.
///
/// # Panics
/// If the lengths differ.
pub fn unary<T: Float>(op: Unary, x: &[T], out: &mut [T]) {
    assert_eq!(x.len(), out.len(), "{op:?}: {} inputs, {} outputs", x.len(), out.len());
    if TRAINING && VectorFn::of(op).is_none() {
        return with_unary(op, Write { x, out });
    }
    parallel_chunks(out, CHUNK, |i, out| {
        out.copy_from_slice(&x[i * CHUNK..][..out.len()]);
        unary_assign_here(op, out);
    });
}

/// `x[i] = op(x[i])`.
pub fn unary_assign<T: Float>(op: Unary, x: &mut [T]) {
    parallel_chunks(x, CHUNK, |_, x| unary_assign_here(op, x));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference_unary(op: Unary, x: f64) -> f64 {
        match op {
            Unary::Neg => -x,
            Unary::Abs => x.abs(),
            Unary::Sign if x.is_nan() || x == 0.0 => 0.0,
            Unary::Sign => x.signum(),
            Unary::Exp => x.exp(),
            Unary::Log => x.ln(),
            Unary::Log1p => x.ln_1p(),
            Unary::Expm1 => x.exp_m1(),
            Unary::Erf => libm::erf(x),
            Unary::Sqrt => x.sqrt(),
            Unary::Rsqrt => 1.0 / x.sqrt(),
            Unary::Floor => x.floor(),
            Unary::Ceil => x.ceil(),
            Unary::Round => x.round_ties_even(),
            Unary::Square => x * x,
            Unary::Recip => 1.0 / x,
            Unary::Sin => x.sin(),
            Unary::Cos => x.cos(),
            Unary::Tanh => x.tanh(),
            Unary::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Unary::Relu if x.is_nan() => x,
            Unary::Relu => x.max(0.0),
            Unary::LeakyRelu(s) => x.max(0.0) + s * x.min(if x.is_nan() { x } else { 0.0 }),
            Unary::AddScalar(s) => x + s,
            Unary::MulScalar(s) => x * s,
            // As in PyTorch: NaN for -∞, where powf gives ∞.
            Unary::PowScalar(0.5) => x.sqrt(),
            Unary::PowScalar(s) => x.powf(s),
            Unary::ClampMin(_) | Unary::ClampMax(_) if x.is_nan() => x,
            Unary::ClampMin(s) => x.max(s),
            Unary::ClampMax(s) => x.min(s),
            Unary::Activation(_) => panic!("see the tests of activations"),
        }
    }

    const ALL: [Unary; 32] = [
        Unary::Neg,
        Unary::Abs,
        Unary::Sign,
        Unary::Exp,
        Unary::Log,
        Unary::Log1p,
        Unary::Expm1,
        Unary::Erf,
        Unary::Sqrt,
        Unary::Rsqrt,
        Unary::Floor,
        Unary::Ceil,
        Unary::Round,
        Unary::Square,
        Unary::Recip,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Relu,
        Unary::LeakyRelu(0.01),
        Unary::AddScalar(1.5),
        Unary::MulScalar(-2.5),
        Unary::PowScalar(0.0),
        Unary::PowScalar(0.5),
        Unary::PowScalar(1.0),
        Unary::PowScalar(2.0),
        Unary::PowScalar(3.0),
        Unary::PowScalar(-1.0),
        Unary::PowScalar(1.75),
        Unary::ClampMin(-0.5),
        Unary::ClampMax(0.5),
    ];

    fn inputs() -> Vec<f64> {
        let special =
            [0.0, 1.0, -1.0, 1e30, -1e30, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 88.5, -86.0, 1e-7, 0.5, 2.5];
        // The values must be the same in f32 and f64.
        let plain = (0..1000).map(|i| ((i as f64 - 500.0) * 0.0173) as f32 as f64);
        special.into_iter().map(|x| x as f32 as f64).chain(plain).collect()
    }

    fn check<T: Float>(tolerance: f64) {
        let x = inputs();
        for len in [0, 1, 3, 17, x.len()] {
            let x = &x[..len];
            let typed: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
            for op in ALL {
                let mut out = vec![T::NAN; len];
                unary(op, &typed, &mut out);
                let mut assigned = typed.clone();
                unary_assign(op, &mut assigned);
                for i in 0..len {
                    // The reference is rounded to T, so that it overflows where T does.
                    let (got, want) = (out[i].to_f64(), T::from_f64(reference_unary(op, x[i])).to_f64());
                    let close = got == want
                        || got.is_nan() && want.is_nan()
                        || (got - want).abs() <= tolerance * want.abs().max(1e-30);
                    assert!(close, "{op:?}({}) = {got}, expected {want}", x[i]);
                    let same = assigned[i].to_f64() == got || got.is_nan() && assigned[i].is_nan();
                    assert!(same, "{op:?}({}) in place", x[i]);
                }
            }
        }
    }

    #[test]
    fn unary_matches_the_reference() {
        check::<f32>(4e-7);
        check::<f64>(1e-13);
    }

    #[test]
    fn long_inputs_are_split_without_gaps() {
        let x: Vec<f32> = (0..3 * CHUNK + 5).map(|i| i as f32).collect();
        let mut out = vec![0.0; x.len()];
        unary(Unary::Neg, &x, &mut out);
        assert!(x.iter().zip(&out).all(|(x, y)| -x == *y));
    }
}
