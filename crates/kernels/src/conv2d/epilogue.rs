//! The epilogue of a convolution: what is done to its sums before they are written, or while they are still in the cache.

use crate::batch_norm::{Clamp, NO_CLAMP, clamped};
use crate::elementwise::{Unary, unary_assign_here};
use crate::gemm::tile;
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::{Float, threads};

/// A normalization by known statistics, a residual, a clamp and an activation, in this order, none of which then takes a pass of its own. The results are those of
/// [`crate::batch_norm::batch_norm_apply`], an addition and [`crate::elementwise::unary`] to the bit.
#[derive(Clone, Copy, Debug)]
pub struct Epilogue<'a, T> {
    /// The normalization, if there is one.
    pub norm: Option<Channels<'a, T>>,
    /// What is added to the output, element by element.
    pub residual: Option<&'a [T]>,
    /// What results are brought between.
    pub clamp: Option<Clamp>,
    /// The activation, where it is no clamp.
    pub activation: Option<Unary>,
}

/// Of each output channel: results become (x − mean) · scale + shift.
#[derive(Clone, Copy, Debug)]
pub struct Channels<'a, T> {
    /// The mean.
    pub mean: &'a [T],
    /// The weight divided by the standard deviation.
    pub scale: &'a [T],
    /// The bias of the normalization.
    pub shift: &'a [T],
}

impl<'a, T: Float> Epilogue<'a, T> {
    /// Nothing.
    pub const NONE: Self = Epilogue { norm: None, residual: None, clamp: None, activation: None };

    /// Whether there is nothing to do before a value is written for the last time but its activation.
    pub(super) fn is_none(&self) -> bool {
        self.norm.is_none() && self.residual.is_none() && self.clamp.is_none()
    }

    pub(super) fn check(&self, channels: usize, output: usize) {
        let fits = |n: Channels<T>| [n.mean, n.scale, n.shift].iter().all(|x| x.len() == channels);
        assert!(self.norm.is_none_or(fits), "conv2d: a normalization is not of {channels} channels");
        let residual = self.residual.map_or(output, <[T]>::len);
        assert!(residual == output, "conv2d: a residual of {residual} elements for an output of {output}");
    }

    pub(super) fn as_f32(&self) -> Option<Epilogue<'a, f32>> {
        let norm = match self.norm {
            None => None,
            Some(n) => {
                Some(Channels { mean: T::as_f32(n.mean)?, scale: T::as_f32(n.scale)?, shift: T::as_f32(n.shift)? })
            }
        };
        let residual = match self.residual {
            None => None,
            Some(x) => Some(T::as_f32(x)?),
        };
        Some(Epilogue { norm, residual, clamp: self.clamp, activation: self.activation })
    }

    /// All of it, on an output that has been written.
    pub(super) fn apply(&self, channels: usize, output: &mut [T]) {
        if output.is_empty() || (self.is_none() && self.activation.is_none()) {
            return;
        }
        let clamp = self.clamp.unwrap_or(NO_CLAMP).map(T::from_f64);
        let chunk = channels * CHUNK.div_ceil(channels);
        threads::parallel_chunks(output, chunk, |i, pixels| {
            for (k, pixel) in pixels.chunks_mut(channels).enumerate() {
                for (j, x) in pixel.iter_mut().enumerate() {
                    let y = self.norm.map_or(*x, |n| (*x - n.mean[j]) * n.scale[j] + n.shift[j]);
                    let y = self.residual.map_or(y, |r| y + r[i * chunk + k * channels + j]);
                    *x = clamped(y, clamp);
                }
            }
            self.activate(pixels);
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

/// What finishes `V` vectors of adjacent channels.
#[derive(Clone, Copy)]
pub(super) struct Vectors<S: Simd, const V: usize> {
    /// Mean, scale, shift.
    norm: Option<[[S::F32; V]; 3]>,
    clamp: Option<[S::F32; 2]>,
}

impl Epilogue<'_, f32> {
    /// Of `cols` channels from `first` on.
    #[inline(always)]
    pub(super) fn vectors<S: Simd, const V: usize>(&self, simd: S, first: usize, cols: usize) -> Vectors<S, V> {
        assert!(cols <= V * S::LANES);
        let mut norm = None;
        if let Some(n) = self.norm {
            let mut rows = [[simd.splat(0.0); V]; 3];
            for (row, values) in rows.iter_mut().zip([n.mean, n.scale, n.shift]) {
                let values = &values[first..][..cols];
                // SAFETY: the slice has `cols` values, no more than the vectors.
                [*row] = unsafe { tile::load::<S, 1, V>(simd, values.as_ptr(), 0, 1, cols) };
            }
            norm = Some(rows);
        }
        let mut clamp = None;
        if let Some([low, high]) = self.clamp {
            clamp = Some([simd.splat(low as f32), simd.splat(high as f32)]);
        }
        Vectors { norm, clamp }
    }
}

impl<S: Simd, const V: usize> Vectors<S, V> {
    /// Vector `v` of a pixel, with the same vector of the residual.
    #[inline(always)]
    pub fn of(&self, simd: S, v: usize, mut value: S::F32, residual: Option<S::F32>) -> S::F32 {
        if let Some([mean, scale, shift]) = &self.norm {
            value = simd.add(simd.mul(simd.sub(value, mean[v]), scale[v]), shift[v]);
        }
        if let Some(residual) = residual {
            value = simd.add(value, residual);
        }
        if let Some([low, high]) = self.clamp {
            value = simd.at_most(high, simd.at_least(low, value));
        }
        value
    }
}

impl<S: Simd> Vectors<S, 1> {
    /// The first `lanes` channels of a pixel where they lie, with those of the residual.
    ///
    /// # Safety
    /// `at` must be valid for reading and writing `lanes` values, which are at most a vector, and `residual` for reading as many.
    #[inline(always)]
    pub unsafe fn in_place(&self, simd: S, at: *mut f32, residual: Option<*const f32>, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if lanes == S::LANES {
                simd.store(at, self.of(simd, 0, simd.load(at), residual.map(|x| simd.load(x))));
            } else {
                let residual = residual.map(|x| simd.load_first(x, lanes));
                simd.store_first(at, self.of(simd, 0, simd.load_first(at, lanes), residual), lanes);
            }
        }
    }
}
