//! Activation functions over vectors, with fewer operations than the loops that the compiler makes of their formulas.

use super::{Activation, Unary};
use crate::isa::{Kernel, dispatch};
use crate::simd::Simd;

/// The functions that this serves.
#[derive(Clone, Copy)]
pub(super) enum VectorFn {
    Silu,
    Gelu,
}

impl VectorFn {
    pub fn of(op: Unary) -> Option<VectorFn> {
        match op {
            Unary::Activation(Activation::Silu) => Some(VectorFn::Silu),
            Unary::Activation(Activation::Gelu) => Some(VectorFn::Gelu),
            _ => None,
        }
    }

    /// The function of each value, on the calling thread.
    pub fn assign_here(self, x: &mut [f32]) {
        match self {
            VectorFn::Silu => dispatch(Here::<true>(x)),
            VectorFn::Gelu => dispatch(Here::<false>(x)),
        }
    }
}

/// e^x, off by at most about two units in the last place. NaN stays.
#[inline(always)]
fn exp<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    // Beyond these the result is 0 or infinite anyway.
    let x = simd.min(simd.splat(128.0), simd.max(simd.splat(-104.0), x));
    // Adding 1.5 · 2^23 rounds to an integer.
    let round = simd.splat(12_582_912.0);
    let n = simd.sub(simd.mul_add(x, simd.splat(std::f32::consts::LOG2_E), round), round);
    let r = simd.mul_add(n, simd.splat(-0.693_359_4), x);
    let r = simd.mul_add(n, simd.splat(2.121_944_4e-4), r);
    // The polynomial for e^r of the Cephes library (S. Moshier), single precision.
    let c = |c: f32| simd.splat(c);
    let p = simd.mul_add(c(1.987_569_1e-4), r, c(1.398_199_9e-3));
    let p = simd.mul_add(p, r, c(8.333_452e-3));
    let p = simd.mul_add(p, r, c(4.166_579_6e-2));
    let p = simd.mul_add(p, r, c(1.666_666_5e-1));
    let p = simd.mul_add(p, r, c(0.5));
    simd.scale(simd.mul_add(simd.mul(p, r), r, simd.add(r, c(1.0))), n)
}

/// `x / (1 + e^-x)`
#[inline(always)]
fn silu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let e = exp(simd, simd.sub(simd.splat(0.0), x));
    simd.div(x, simd.add(simd.splat(1.0), e))
}

/// `x · Φ(x)`, with the polynomial of [`super::math::normal_cdf`] for what lies beyond |x|.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    let c = |c: f32| simd.splat(c);
    let minus = simd.sub(c(0.0), x);
    let a = simd.max_or_nan(x, minus);
    let density = exp(simd, simd.mul(simd.mul(x, x), c(-0.5)));
    let t = simd.div(c(1.0), simd.mul_add(c(0.21), a, c(1.0)));
    let p = simd.mul_add(c(-7.165_548e-2), t, c(2.835_844e-1));
    let p = simd.mul_add(p, t, c(-3.302_445e-1));
    let p = simd.mul_add(p, t, c(3.493_905e-1));
    let p = simd.mul_add(p, t, c(-9.391_772e-2));
    let p = simd.mul_add(p, t, c(1.248_694_3e-1));
    let p = simd.mul_add(p, t, c(6.919_304e-2));
    let p = simd.mul_add(p, t, c(8.506_873e-2));
    let p = simd.mul_add(p, t, c(8.371_159e-2));
    let upper = simd.mul(density, simd.mul(p, t));
    // Φ is 1 - upper where x is positive, and upper where it is not.
    let rest = simd.zero_unless_positive(x, simd.mul_add(c(-2.0), upper, c(1.0)));
    simd.mul(x, simd.add(upper, rest))
}

/// SiLU or GELU.
struct Here<'a, const SILU: bool>(&'a mut [f32]);

impl<const SILU: bool> Kernel for Here<'_, SILU> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (mut at, len) = (self.0.as_mut_ptr(), self.0.len());
        // SAFETY: `at` runs through the slice in whole vectors, and then has what is left of it.
        unsafe {
            for _ in 0..len / S::LANES {
                let x = simd.load(at);
                simd.store(at, if SILU { silu(simd, x) } else { gelu(simd, x) });
                at = at.add(S::LANES);
            }
            let rest = len % S::LANES;
            if rest > 0 {
                let x = simd.load_first(at, rest);
                simd.store_first(at, if SILU { silu(simd, x) } else { gelu(simd, x) }, rest);
            }
        }
    }
}
