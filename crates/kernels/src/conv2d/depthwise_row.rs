//! A row of a depthwise convolution, from rows of its input that have their padding.

use super::epilogue::{Epilogue, InRegisters};
use crate::AlignedVec;
use crate::isa::Kernel;
use crate::memory::NewBuffer;
use crate::simd::Simd;
use crate::target::Target;

/// Kernel elements as rows of whole vectors, `at(channel, element)`.
pub(super) fn pack(
    new: NewBuffer,
    lanes: usize,
    channels: usize,
    elements: usize,
    at: impl Fn(usize, usize) -> f32,
) -> AlignedVec<f32> {
    let stride = channels.next_multiple_of(lanes);
    let mut packed = new(elements * stride);
    packed.fill(0.0);
    for c in 0..channels {
        for k in 0..elements {
            packed[k * stride + c] = at(c, k);
        }
    }
    packed
}

pub(super) struct DepthwiseRow<'a> {
    /// Rows of the input, pixel after pixel, each with whole vectors of channels.
    pub rows: &'a [f32],
    /// The rows that the kernel sees: which of its rows meets which, by where that begins.
    pub taps: &'a [(usize, usize)],
    /// The distance of two pixels of the input.
    pub pixel: usize,
    /// Its size: 3, 5 or 7.
    pub kernel: usize,
    /// 1 or 2.
    pub stride: usize,
    /// The kernels, element after element, each with whole vectors of channels.
    pub weights: &'a [f32],
    /// The distance of two elements.
    pub element: usize,
    /// How many channels there are.
    pub channels: usize,
    pub bias: Option<&'a [f32]>,
    /// Of which this does the clamp.
    pub epilogue: Epilogue<'a, f32>,
    /// How many pixels the output has.
    pub pixels: usize,
    /// Their distance.
    pub apart: usize,
    pub output: &'a mut [f32],
}

impl DepthwiseRow<'_> {
    pub fn run(mut self, target: Target) {
        target.run(Row(&mut self));
    }
}

struct Row<'a, 'b>(&'a mut DepthwiseRow<'b>);

impl Kernel for Row<'_, '_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match (self.0.kernel, self.0.stride) {
            (3, 1) => self.all::<S, 3, 1>(simd),
            (3, 2) => self.all::<S, 3, 2>(simd),
            (5, 1) => self.all::<S, 5, 1>(simd),
            (5, 2) => self.all::<S, 5, 2>(simd),
            (7, 1) => self.all::<S, 7, 1>(simd),
            (7, 2) => self.all::<S, 7, 2>(simd),
            other => unreachable!("a kernel and stride of {other:?}"),
        }
    }
}

impl Row<'_, '_> {
    #[inline(always)]
    fn all<S: Simd, const K: usize, const STRIDE: usize>(self, simd: S) {
        let row = self.0;
        let whole = row.channels.next_multiple_of(S::LANES);
        let seen = (row.pixels - 1) * STRIDE + K;
        for &(k, start) in row.taps {
            assert!(k < K && start + (seen - 1) * row.pixel + whole <= row.rows.len());
        }
        assert!((K * K - 1) * row.element + whole <= row.weights.len() && whole <= row.pixel);
        assert!(row.bias.is_none_or(|b| b.len() == row.channels) && row.channels <= row.apart);
        assert!((row.pixels - 1) * row.apart + row.channels <= row.output.len());
        let epilogue = row.epilogue.in_registers(simd);
        // Tiles of the size that leaves the least to a last one, which may overlap the one before it.
        match row.pixels {
            n if n.is_multiple_of(7) => row.tiles::<S, K, STRIDE, 7>(simd, epilogue),
            n if n >= 8 => row.tiles::<S, K, STRIDE, 8>(simd, epilogue),
            n if n >= 4 => row.tiles::<S, K, STRIDE, 4>(simd, epilogue),
            _ => row.tiles::<S, K, STRIDE, 1>(simd, epilogue),
        }
    }
}

impl DepthwiseRow<'_> {
    #[inline(always)]
    fn tiles<S: Simd, const K: usize, const STRIDE: usize, const T: usize>(
        &mut self,
        simd: S,
        epilogue: InRegisters<S>,
    ) {
        let mut x = 0;
        while x < self.pixels {
            let first = x.min(self.pixels - T);
            // SAFETY: `all` has asserted that the rows, kernels and output are as long as pixels up to the last reach.
            unsafe { self.tile::<S, K, STRIDE, T>(simd, epilogue, first) };
            x += T;
        }
    }

    /// `T` adjacent pixels from `x` on.
    ///
    /// # Safety
    /// `x + T` must be at most `pixels`, and what [`Row::all`] asserts must hold.
    #[inline(always)]
    unsafe fn tile<S: Simd, const K: usize, const STRIDE: usize, const T: usize>(
        &mut self,
        simd: S,
        epilogue: InRegisters<S>,
        x: usize,
    ) {
        let (pixel, apart) = (self.pixel, self.apart);
        let output = self.output.as_mut_ptr();
        for first in (0..self.channels).step_by(S::LANES) {
            let lanes = S::LANES.min(self.channels - first);
            let mut acc = [simd.splat(0.0); T];
            // SAFETY: the caller's promise; rows and kernels have whole vectors of channels, bias and output `lanes` from here on.
            unsafe {
                if let Some(bias) = self.bias {
                    acc = [simd.load_first(bias.as_ptr().add(first), lanes); T];
                }
                for &(ky, start) in self.taps {
                    let row = self.rows.as_ptr().add(start + x * STRIDE * pixel + first);
                    for k in 0..K {
                        let weight = simd.load(self.weights.as_ptr().add((ky * K + k) * self.element + first));
                        for t in 0..T {
                            acc[t] = simd.mul_add(simd.load(row.add((t * STRIDE + k) * pixel)), weight, acc[t]);
                        }
                    }
                }
                for t in 0..T {
                    let y = epilogue.of(simd, acc[t], None);
                    let to = output.add((x + t) * apart + first);
                    if lanes == S::LANES { simd.store(to, y) } else { simd.store_first(to, y, lanes) }
                }
            }
        }
    }
}
