//! What becomes of a convolution's sums on their way to memory.

use crate::batch_norm::{Clamp, NO_CLAMP, clamped};
use crate::gemm::tile;
use crate::simd::Simd;
use crate::strided::CHUNK;
use crate::{Float, threads};

/// A normalization by known statistics and a clamp, which then take no pass of their own: their results are those of
/// [`crate::batch_norm::batch_norm_apply`] to the bit.
#[derive(Clone, Copy, Debug)]
pub struct Finish<'a, T> {
    /// The normalization, if there is one.
    pub norm: Option<Channels<'a, T>>,
    /// What results are brought between.
    pub clamp: Option<Clamp>,
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

impl<T: Float> Finish<'_, T> {
    /// Nothing.
    pub const NONE: Self = Finish { norm: None, clamp: None };

    /// Whether there is nothing to do.
    pub(super) fn is_none(&self) -> bool {
        self.norm.is_none() && self.clamp.is_none()
    }

    pub(super) fn check(&self, channels: usize) {
        let fits = |n: Channels<T>| [n.mean, n.scale, n.shift].iter().all(|x| x.len() == channels);
        assert!(self.norm.is_none_or(fits), "conv2d: a normalization is not of {channels} channels");
    }

    pub(super) fn as_f32(&self) -> Option<Finish<'_, f32>> {
        let norm = match self.norm {
            None => None,
            Some(n) => {
                Some(Channels { mean: T::as_f32(n.mean)?, scale: T::as_f32(n.scale)?, shift: T::as_f32(n.shift)? })
            }
        };
        Some(Finish { norm, clamp: self.clamp })
    }

    /// Finishes pixels of all channels in place.
    pub(super) fn apply(&self, channels: usize, values: &mut [T]) {
        if self.is_none() || values.is_empty() {
            return;
        }
        let clamp = self.clamp.unwrap_or(NO_CLAMP).map(T::from_f64);
        threads::parallel_chunks(values, channels * CHUNK.div_ceil(channels), |_, pixels| {
            for pixel in pixels.chunks_mut(channels) {
                for (j, x) in pixel.iter_mut().enumerate() {
                    let y = self.norm.map_or(*x, |n| (*x - n.mean[j]) * n.scale[j] + n.shift[j]);
                    *x = clamped(y, clamp);
                }
            }
        });
    }
}

/// What finishes `V` vectors of adjacent channels.
#[derive(Clone, Copy)]
pub(super) struct Vectors<S: Simd, const V: usize> {
    /// Mean, scale, shift.
    norm: Option<[[S::F32; V]; 3]>,
    clamp: Option<[S::F32; 2]>,
}

impl Finish<'_, f32> {
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
    /// Vector `v` of a pixel.
    #[inline(always)]
    pub fn of(&self, simd: S, v: usize, mut value: S::F32) -> S::F32 {
        if let Some([mean, scale, shift]) = &self.norm {
            value = simd.add(simd.mul(simd.sub(value, mean[v]), scale[v]), shift[v]);
        }
        if let Some([low, high]) = self.clamp {
            value = simd.at_most(high, simd.at_least(low, value));
        }
        value
    }
}

impl<S: Simd> Vectors<S, 1> {
    /// The first `lanes` channels of a pixel where they lie.
    ///
    /// # Safety
    /// `at` must be valid for reading and writing `lanes` values, which are at most a vector.
    #[inline(always)]
    pub unsafe fn in_place(&self, simd: S, at: *mut f32, lanes: usize) {
        // SAFETY: the caller's promise.
        unsafe {
            if lanes == S::LANES {
                simd.store(at, self.of(simd, 0, simd.load(at)));
            } else {
                simd.store_first(at, self.of(simd, 0, simd.load_first(at, lanes)), lanes);
            }
        }
    }
}
