//! SiLU over vectors, with fewer operations than the loops that the compiler makes of a formula.

use crate::isa::{Kernel, dispatch};
use crate::simd::Simd;

/// `x / (1 + e^-x)`, off by at most about three units in the last place.
#[inline(always)]
fn silu<S: Simd>(simd: S, x: S::F32) -> S::F32 {
    // Beyond these e^-x is 0 or infinite anyway. NaN stays.
    let t = simd.sub(simd.splat(0.0), x);
    let t = simd.min(simd.splat(128.0), simd.max(simd.splat(-104.0), t));
    // Adding 1.5 · 2^23 rounds to an integer.
    let round = simd.splat(12_582_912.0);
    let n = simd.sub(simd.mul_add(t, simd.splat(std::f32::consts::LOG2_E), round), round);
    let r = simd.mul_add(n, simd.splat(-0.693_359_4), t);
    let r = simd.mul_add(n, simd.splat(2.121_944_4e-4), r);
    // The polynomial for e^r of the Cephes library (S. Moshier), single precision.
    let mut p = simd.splat(1.987_569_1e-4);
    for c in [1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5] {
        p = simd.mul_add(p, r, simd.splat(c));
    }
    let p = simd.mul_add(simd.mul(p, r), r, simd.add(r, simd.splat(1.0)));
    simd.div(x, simd.add(simd.splat(1.0), simd.scale(p, n)))
}

struct Here<'a>(&'a mut [f32]);

impl Kernel for Here<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (mut at, len) = (self.0.as_mut_ptr(), self.0.len());
        // SAFETY: `at` runs through the slice in whole vectors, and then has what is left of it.
        unsafe {
            for _ in 0..len / S::LANES {
                simd.store(at, silu(simd, simd.load(at)));
                at = at.add(S::LANES);
            }
            let rest = len % S::LANES;
            if rest > 0 {
                simd.store_first(at, silu(simd, simd.load_first(at, rest)), rest);
            }
        }
    }
}

/// The SiLU of each value, on the calling thread.
pub(super) fn silu_assign_here(x: &mut [f32]) {
    dispatch(Here(x));
}
