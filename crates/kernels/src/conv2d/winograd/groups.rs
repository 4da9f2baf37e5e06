//! Tiles in groups, whose transforms lie point after point.

use super::tiles::{Grid, Images, POINTS, point_stride, tile_stride, transform_input, transform_output_grad};
use super::transform::Four;
use crate::isa::Kernel;
use crate::simd::Simd;

/// Tiles of one pass over the kernels: at one point they stay in the second-level cache. Tests get to a second pass with fewer.
pub(super) const TILES: usize = if cfg!(test) { 24 } else { 120 };
/// Tiles of a task that transforms: a multiple of every register tile's rows.
pub(super) const GROUP: usize = 12;

/// How many numbers the transforms of a group of tiles with `row` channels each take.
pub(super) fn group_len(row: usize) -> usize {
    POINTS * point_stride(GROUP * row)
}

/// The transforms of a group of input tiles.
pub(super) struct Inputs<'a> {
    pub images: &'a Images<'a>,
    pub before: [isize; 2],
    pub grid: Grid,
    /// The first one, and how many.
    pub tiles: (usize, usize),
    /// point × tile × channel
    pub points: &'a mut [f32],
}

impl Kernel for Inputs<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.images.channels;
        let stride = tile_stride(channels);
        let zeros = vec![0.0; channels];
        for t in 0..self.tiles.1 {
            let (n, at) = self.grid.get(self.tiles.0 + t);
            let corner = [at[0] as isize - self.before[0], at[1] as isize - self.before[1]];
            let to = &mut self.points[t * stride..];
            transform_input::<S, Four>(simd, self.images, n, corner, &zeros, to, point_stride(GROUP * stride));
        }
    }
}

/// The transforms of a group of tiles of the output's gradient.
pub(super) struct Grads<'a> {
    pub images: &'a Images<'a>,
    pub grid: Grid,
    pub tiles: (usize, usize),
    /// point × tile × channel
    pub points: &'a mut [f32],
}

impl Kernel for Grads<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.images.channels;
        let stride = tile_stride(channels);
        let zeros = vec![0.0; channels];
        for t in 0..self.tiles.1 {
            let (n, at) = self.grid.get(self.tiles.0 + t);
            let to = &mut self.points[t * stride..];
            transform_output_grad(simd, self.images, n, at, &zeros, to, point_stride(GROUP * stride));
        }
    }
}
