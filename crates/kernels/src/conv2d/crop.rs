//! Kernels larger than the images that they see, cut down to the elements that ever meet a pixel.
//!
//! A 3×3 kernel with padding 1 on 1×1 images multiplies with its centre alone: deep networks on small images end so.

use super::shape::Conv2dShape;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;
use crate::{AlignedVec, Float};
use std::ops::Range;

/// The part of a kernel that meets pixels.
pub(super) struct Crop {
    /// The convolution with that part alone.
    pub shape: Conv2dShape,
    kernel: [usize; 2],
    kept: [Range<usize>; 2],
}

impl Crop {
    /// The part of the kernel of `s` that meets pixels, if that is not all of it.
    pub fn of(s: &Conv2dShape) -> Option<Crop> {
        let out = s.out_size();
        let mut shape = s.clone();
        let mut kept = [0..s.kernel[0], 0..s.kernel[1]];
        for d in 0..2 {
            let meets = |k: &usize| {
                (0..out[d]).any(|o| {
                    let at = o * s.stride[d] + k * s.dilation[d];
                    at >= s.padding[d][0] && at < s.padding[d][0] + s.in_size[d]
                })
            };
            let (Some(first), Some(last)) = ((0..s.kernel[d]).find(meets), (0..s.kernel[d]).rfind(meets)) else {
                continue;
            };
            let [before, after] = s.padding[d];
            let cut = [first, s.kernel[d] - 1 - last].map(|k| k * s.dilation[d]);
            if let (Some(before), Some(after)) = (before.checked_sub(cut[0]), after.checked_sub(cut[1])) {
                shape.padding[d] = [before, after];
                shape.kernel[d] = last + 1 - first;
                kept[d] = first..last + 1;
            }
        }
        (shape.kernel != s.kernel).then_some(Crop { shape, kernel: s.kernel, kept })
    }

    /// Values of a kept row of a kernel.
    fn row_len(&self) -> usize {
        self.kept[1].len() * (self.shape.in_channels / self.shape.groups)
    }

    /// Values of a kernel, of all output channels' one.
    fn kernel_len(&self) -> usize {
        self.kernel[0] * self.kernel[1] * (self.shape.in_channels / self.shape.groups)
    }

    /// Where the kept rows of a kernel begin in it.
    fn rows(&self) -> impl Iterator<Item = usize> {
        let (kw, first, channels) = (self.kernel[1], self.kept[1].start, self.shape.in_channels / self.shape.groups);
        self.kept[0].clone().map(move |y| (y * kw + first) * channels)
    }

    /// Kernels of a task.
    fn kernels_per_task(&self) -> usize {
        CHUNK.div_ceil(self.kernel_len().max(1))
    }

    /// The kept part of a weight.
    pub fn cut<T: Float>(&self, weight: &[T]) -> AlignedVec<T> {
        let (whole, row, many) = (self.kernel_len(), self.row_len(), self.kernels_per_task());
        let part = self.kept[0].len() * row;
        let mut cut = AlignedVec::unspecified(self.shape.out_channels * part);
        parallel_chunks(&mut cut, many * part, |task, cut| {
            for (o, cut) in cut.chunks_exact_mut(part).enumerate() {
                let kernel = &weight[(task * many + o) * whole..][..whole];
                for (at, cut) in self.rows().zip(cut.chunks_exact_mut(row)) {
                    cut.copy_from_slice(&kernel[at..][..row]);
                }
            }
        });
        cut
    }

    /// The gradient of the whole weight from that of its kept part: zero elsewhere.
    pub fn spread<T: Float>(&self, cut: &[T], weight: &mut [T]) {
        let (whole, row, many) = (self.kernel_len(), self.row_len(), self.kernels_per_task());
        let part = self.kept[0].len() * row;
        parallel_chunks(weight, many * whole, |task, kernels| {
            kernels.fill(T::ZERO);
            for (o, kernel) in kernels.chunks_exact_mut(whole).enumerate() {
                let cut = &cut[(task * many + o) * part..][..part];
                for (at, cut) in self.rows().zip(cut.chunks_exact(row)) {
                    kernel[at..][..row].copy_from_slice(cut);
                }
            }
        });
    }
}
