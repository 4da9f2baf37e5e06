//! The part of an image that a band of output rows looks at, with its padding.

use super::{Input, zero_unless_positive};
use crate::Buffer;

/// About how many output pixels a band has: its patches should stay in the second-level cache.
const BAND_PIXELS: usize = 512;

/// How many output rows a band has.
pub(super) fn band_rows(out_size: [usize; 2]) -> usize {
    (BAND_PIXELS / out_size[1].max(1)).clamp(1, out_size[0].max(1))
}

/// A rectangle of an image. Where it reaches beyond the image it reads zeros.
pub(super) enum Window<'a> {
    Inside { data: &'a [f32], row_stride: usize },
    Padded { data: Buffer<f32>, row_stride: usize },
}

impl<'a> Window<'a> {
    /// The `size` rectangle whose corner lies at `corner` of an image (H × W × `channels`).
    pub fn new(
        image: Input<'a, f32>,
        in_size: [usize; 2],
        channels: usize,
        corner: [isize; 2],
        size: [usize; 2],
    ) -> Self {
        let Input { values: image, relu } = image;
        assert_eq!(image.len(), in_size[0] * in_size[1] * channels);
        let inside = |d: usize| corner[d] >= 0 && corner[d] as usize + size[d] <= in_size[d];
        if inside(0) && inside(1) && !relu {
            let row_stride = in_size[1] * channels;
            let start = corner[0] as usize * row_stride + corner[1] as usize * channels;
            return Window::Inside { data: &image[start..], row_stride };
        }
        let row_stride = size[1] * channels;
        let mut data = Buffer::zeroed(size[0] * row_stride);
        let (x0, x1) = overlap(corner[1], size[1], in_size[1]);
        if x0 < x1 {
            for (i, row) in data.chunks_exact_mut(row_stride).enumerate() {
                let y = corner[0] + i as isize;
                if y >= 0 && (y as usize) < in_size[0] {
                    let start = (y as usize * in_size[1]).wrapping_add_signed(corner[1] + x0 as isize) * channels;
                    let (to, from) = (&mut row[x0 * channels..x1 * channels], &image[start..][..(x1 - x0) * channels]);
                    to.copy_from_slice(from);
                    if relu {
                        zero_unless_positive(from, to);
                    }
                }
            }
        }
        Window::Padded { data, row_stride }
    }

    /// The values, from the corner on.
    pub fn data(&self) -> &[f32] {
        match self {
            Window::Inside { data, .. } => data,
            Window::Padded { data, .. } => data,
        }
    }

    /// The distance from one row to the next.
    pub fn row_stride(&self) -> usize {
        match self {
            Window::Inside { row_stride, .. } | Window::Padded { row_stride, .. } => *row_stride,
        }
    }
}

/// Which of `size` positions from `start` on lie within `0..limit`.
pub(super) fn overlap(start: isize, size: usize, limit: usize) -> (usize, usize) {
    let first = (-start).max(0) as usize;
    let end = (limit as isize - start).clamp(0, size as isize) as usize;
    (first.min(end), end)
}
