//! Kernels larger than the images that they see, cut down to the elements that ever meet a pixel.
//!
//! A 3×3 kernel with padding 1 on 1×1 images multiplies with its centre alone: deep networks on small images end so.

use super::Conv2dShape;
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

    /// Where the kept rows of all kernels lie in the weight, in order; each has as many values as [`Crop::row_len`].
    fn rows(&self) -> impl Iterator<Item = usize> + '_ {
        let [kh, kw] = self.kernel;
        let channels = self.shape.in_channels / self.shape.groups;
        let row = move |o: usize, y: usize| ((o * kh + y) * kw + self.kept[1].start) * channels;
        (0..self.shape.out_channels).flat_map(move |o| self.kept[0].clone().map(move |y| row(o, y)))
    }

    fn row_len(&self) -> usize {
        self.kept[1].len() * (self.shape.in_channels / self.shape.groups)
    }

    /// The kept part of a weight.
    pub fn cut<T: Copy>(&self, weight: &[T]) -> Vec<T> {
        self.rows().flat_map(|at| &weight[at..][..self.row_len()]).copied().collect()
    }

    /// The gradient of the whole weight from that of its kept part: zero elsewhere.
    pub fn spread<T: Copy + Default>(&self, part: &[T], whole: &mut [T]) {
        whole.fill(T::default());
        for (at, part) in self.rows().zip(part.chunks_exact(self.row_len().max(1))) {
            whole[at..][..part.len()].copy_from_slice(part);
        }
    }
}
