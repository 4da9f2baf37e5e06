//! The epilogue of a convolution: what is done to its sums before they are written, or while they are still in the cache.

use crate::elementwise::{Clamp, NO_CLAMP, Unary, clamped, unary_assign_here};
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::{Float, threads};

/// A residual, a clamp and an activation, in this order, none of which then takes a pass of its own. The results are those of separate passes to the bit.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// What is added to the output, element by element.
    pub residual: Option<&'a [T]>,
    /// What results are brought between.
    pub clamp: Option<Clamp>,
    /// The activation, where it is no clamp.
    pub activation: Option<Unary>,
}

impl<'a, T: Float> Epilogue<'a, T> {
    /// Nothing.
    pub const NONE: Self = Epilogue { residual: None, clamp: None, activation: None };

    /// Whether there is nothing to do before a value is written for the last time but its activation.
    pub(super) fn is_none(&self) -> bool {
        self.residual.is_none() && self.clamp.is_none()
    }

    pub(super) fn check(&self, output: usize) {
        let residual = self.residual.map_or(output, <[T]>::len);
        assert!(residual == output, "conv2d: a residual of {residual} elements for an output of {output}");
    }

    pub(super) fn as_f32(&self) -> Option<Epilogue<'a, f32>> {
        let residual = match self.residual {
            None => None,
            Some(x) => Some(T::as_f32(x)?),
        };
        Some(Epilogue { residual, clamp: self.clamp, activation: self.activation })
    }

    /// All of it, on an output that has been written.
    pub(super) fn apply(&self, output: &mut [T]) {
        if self.is_none() && self.activation.is_none() {
            return;
        }
        let clamp = self.clamp.unwrap_or(NO_CLAMP).map(T::from_f64);
        threads::parallel_chunks(output, CHUNK, |i, values| {
            for (j, x) in values.iter_mut().enumerate() {
                let y = self.residual.map_or(*x, |r| *x + r[i * CHUNK + j]);
                *x = clamped(y, clamp);
            }
            self.activate(values);
        });
    }

    /// The activation alone, on values that the calling thread has just written.
    pub(super) fn activate(&self, values: &mut [T]) {
        if let Some(activation) = self.activation {
            unary_assign_here(activation, values);
        }
    }

    /// The part of an output of which `values` elements from `start` on are this one's.
    pub(super) fn part(&self, start: usize, values: usize) -> Epilogue<'a, T> {
        Epilogue { residual: self.residual.map(|x| &x[start..][..values]), ..*self }
    }
}

/// The clamp of an epilogue, in registers.
#[derive(Clone, Copy)]
pub(super) struct InRegisters<S: Simd> {
    clamp: Option<[S::F32; 2]>,
}

impl Epilogue<'_, f32> {
    #[inline(always)]
    pub(super) fn in_registers<S: Simd>(&self, simd: S) -> InRegisters<S> {
        let splat = |[low, high]: Clamp| [simd.splat(low as f32), simd.splat(high as f32)];
        InRegisters { clamp: self.clamp.map(splat) }
    }
}

impl<S: Simd> InRegisters<S> {
    /// What becomes of a vector of the output, with the same vector of the residual.
    #[inline(always)]
    pub fn of(&self, simd: S, mut value: S::F32, residual: Option<S::F32>) -> S::F32 {
        if let Some(residual) = residual {
            value = simd.add(value, residual);
        }
        if let Some([low, high]) = self.clamp {
            value = simd.at_most(high, simd.at_least(low, value));
        }
        value
    }

    /// The first `lanes` values where they lie, with those of the residual.
    ///
    /// # Safety
    /// `at` must be valid for reading and writing `lanes` values, which are at most a vector, and `residual` for reading as many.
    #[inline(always)]
    pub unsafe fn in_place(&self, simd: S, at: *mut f32, residual: Option<*const f32>, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if lanes == S::LANES {
                simd.store(at, self.of(simd, simd.load(at), residual.map(|x| simd.load(x))));
            } else {
                let residual = residual.map(|x| simd.load_first(x, lanes));
                simd.store_first(at, self.of(simd, simd.load_first(at, lanes), residual), lanes);
            }
        }
    }
}
