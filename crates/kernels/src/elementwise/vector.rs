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

/// Range reduction: n and r of e^x = 2^n · e^r, with a whole number n.
#[inline(always)]
fn power_and_rest<S: Simd>(simd: S, x: S::F32) -> (S::F32, S::F32) {
    // Beyond these the result is 0 or infinite anyway.
    let x = simd.min(simd.splat(128.0), simd.max(simd.splat(-104.0), x));
    // Adding 1.5 · 2^23 rounds to an integer.
    let round = simd.splat(12_582_912.0);
    let n = simd.sub(simd.mul_add(x, simd.splat(std::f32::consts::LOG2_E), round), round);
    if S::LANES == 16 {
        // With FMA the product is not rounded, and ln 2 in `f32` is off by only 2e-9. Shorter vectors may be without FMA.
        return (n, simd.mul_add(n, simd.splat(-std::f32::consts::LN_2), x));
    }
    let r = simd.mul_add(n, simd.splat(-0.693_359_4), x);
    (n, simd.mul_add(n, simd.splat(2.121_944_4e-4), r))
}

/// e^x = 2^n · e^r, off by at most about two units in the last place. NaN stays.
#[inline(always)]
fn exp<S: Simd>(simd: S, (n, r): (S::F32, S::F32)) -> S::F32 {
    // 1 + r + r² · p(r) with the minimax polynomial p of degree 4 for |r| ≤ ln(2)/2; its relative error is at most 4e-9.
    let c = |c: f32| simd.splat(c);
    let p = simd.mul_add(c(1.381_453_9e-3), r, c(8.368_745e-3));
    let p = simd.mul_add(p, r, c(4.166_839e-2));
    let p = simd.mul_add(p, r, c(1.666_652_1e-1));
    let p = simd.mul_add(p, r, c(4.999_999_4e-1));
    simd.scale(simd.mul_add(simd.mul(p, r), r, simd.add(r, c(1.0))), n)
}

/// Of SiLU or GELU, what of `x` the exponential is taken of.
#[inline(always)]
fn exponent<S: Simd, const SILU: bool>(simd: S, x: S::F32) -> S::F32 {
    if SILU { simd.sub(simd.splat(0.0), x) } else { simd.mul(simd.mul(x, x), simd.splat(-0.5)) }
}

/// SiLU or GELU of `x` with the exponential.
#[inline(always)]
fn function<S: Simd, const SILU: bool>(simd: S, x: S::F32, e: S::F32) -> S::F32 {
    if SILU { silu(simd, x, e) } else { gelu(simd, x, e) }
}

/// `x / (1 + e^-x)`
#[inline(always)]
fn silu<S: Simd>(simd: S, x: S::F32, e: S::F32) -> S::F32 {
    simd.div(x, simd.add(simd.splat(1.0), e))
}

/// `x · Φ(x)` for the density `e^(-x²/2)`, with the polynomial of [`super::math::normal_cdf`] for what lies beyond |x|.
#[inline(always)]
fn gelu<S: Simd>(simd: S, x: S::F32, density: S::F32) -> S::F32 {
    let c = |c: f32| simd.splat(c);
    let minus = simd.sub(c(0.0), x);
    let a = simd.max_or_nan(x, minus);
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

/// Values that go through each step together, where vectors are shorter than those of AVX-512. Steps of one value wait for each other, and they are so
/// many that a processor sees few of the next value's behind them.
const TOGETHER: usize = 256;

impl<const SILU: bool> Kernel for Here<'_, SILU> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let whole = self.0.len() / S::LANES * S::LANES;
        let (whole, rest) = self.0.split_at_mut(whole);
        if S::LANES == 16 {
            for x in whole.chunks_exact_mut(S::LANES) {
                // SAFETY: a whole vector.
                unsafe { simd.store(x.as_mut_ptr(), value::<S, SILU>(simd, simd.load(x.as_ptr()))) }
            }
        } else {
            let mut room = [[0.0; TOGETHER]; 2];
            for chunk in whole.chunks_mut(TOGETHER) {
                step_by_step::<S, SILU>(simd, chunk, &mut room);
            }
        }
        if !rest.is_empty() {
            // SAFETY: fewer values than a vector has are left.
            unsafe {
                let x = simd.load_first(rest.as_ptr(), rest.len());
                simd.store_first(rest.as_mut_ptr(), value::<S, SILU>(simd, x), rest.len());
            }
        }
    }
}

#[inline(always)]
fn value<S: Simd, const SILU: bool>(simd: S, x: S::F32) -> S::F32 {
    let e = exp(simd, power_and_rest(simd, exponent::<S, SILU>(simd, x)));
    function::<S, SILU>(simd, x, e)
}

/// [`value`] of whole vectors, at most [`TOGETHER`] values.
#[inline(always)]
fn step_by_step<S: Simd, const SILU: bool>(simd: S, values: &mut [f32], [powers, rests]: &mut [[f32; TOGETHER]; 2]) {
    let (x, powers, rests, len) = (values.as_mut_ptr(), powers.as_mut_ptr(), rests.as_mut_ptr(), values.len());
    assert!(len <= TOGETHER && len.is_multiple_of(S::LANES));
    // SAFETY: all three have `len` values, a multiple of the lanes, as asserted.
    unsafe {
        for at in (0..len).step_by(S::LANES) {
            let (n, r) = power_and_rest(simd, exponent::<S, SILU>(simd, simd.load(x.add(at))));
            simd.store(powers.add(at), n);
            simd.store(rests.add(at), r);
        }
        for at in (0..len).step_by(S::LANES) {
            let e = exp(simd, (simd.load(powers.add(at)), simd.load(rests.add(at))));
            simd.store(rests.add(at), e);
        }
        for at in (0..len).step_by(S::LANES) {
            let (value, e) = (simd.load(x.add(at)), simd.load(rests.add(at)));
            simd.store(x.add(at), function::<S, SILU>(simd, value, e));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::tests::on_every_target;

    #[test]
    fn silu_is_off_by_a_few_units_in_the_last_place() {
        let values: Vec<f32> = (-8000..8000).map(|i| i as f32 * 0.01).collect();
        on_every_target(|target| {
            let mut got = values.clone();
            VectorFn::Silu.assign_here(&mut got);
            for (&x, &got) in values.iter().zip(&got) {
                let want = f64::from(x) / (1.0 + f64::from(-x).exp());
                assert!((f64::from(got) - want).abs() <= 4e-7 * want.abs(), "{target:?}: {x}, {got} instead of {want}");
            }
        });
    }

    #[test]
    fn a_value_has_the_same_bits_alone_and_among_many() {
        let mut values: Vec<f32> = (0..1000).map(|i| (i as f32 - 500.0) * 0.31).collect();
        for (at, x) in [(3, f32::NAN), (255, f32::INFINITY), (256, f32::NEG_INFINITY), (700, -0.0), (999, 1e30)] {
            values[at] = x;
        }
        on_every_target(|target| {
            for function in [VectorFn::Silu, VectorFn::Gelu] {
                let alone: Vec<u32> = values
                    .iter()
                    .map(|&x| {
                        let mut one = [x];
                        function.assign_here(&mut one);
                        one[0].to_bits()
                    })
                    .collect();
                for len in [1, 17, 255, 256, 257, 511, 1000] {
                    let mut many = values[..len].to_vec();
                    function.assign_here(&mut many);
                    for (i, x) in many.iter().enumerate() {
                        let same = x.to_bits() == alone[i] || x.is_nan() && f32::from_bits(alone[i]).is_nan();
                        assert!(same, "{target:?}: value {i} of {len}, {x}");
                    }
                }
            }
        });
    }
}
