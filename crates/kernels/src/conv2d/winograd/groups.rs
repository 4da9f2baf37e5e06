//! Tiles in groups, whose transforms lie point after point.

use super::tiles::{Grid, Images, POINTS, point_stride, tile_stride, transform_input, transform_output_grad};
use super::transform::FourOrThree;
use crate::gemm::tile::MAX_ROWS;
use crate::isa::Kernel;
use crate::simd::Simd;
use std::ops::Range;

/// Tiles of one pass over the kernels: at one point they stay in the second-level cache. Tests get to a second pass with fewer.
pub(super) const TILES: usize = if cfg!(test) { 24 } else { 120 };
/// Tiles of a task that transforms: a multiple of every register tile's rows.
pub(super) const GROUP: usize = 12;

/// How many of `tiles` each pass takes, so that all take about as many.
pub(super) fn pass_len(tiles: usize) -> usize {
    tiles.div_ceil(tiles.div_ceil(TILES).max(1)).next_multiple_of(GROUP).max(GROUP)
}

/// A product whose rows are tiles.
pub(super) trait TileProduct {
    /// Multiplies `count` tiles of one group from `first` on, by a register tile of `R` rows and `V` vectors of columns.
    fn multiply<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, first: usize, count: usize);
}

/// All of a product, by register tiles of as few rows as each group's tiles need.
#[inline(always)]
pub(super) fn multiply_all<S: Simd, const V: usize>(simd: S, tiles: Range<usize>, product: &mut impl TileProduct) {
    if S::LANES == 16 {
        multiply_runs::<S, MAX_ROWS, 8, 4, V>(simd, tiles, product)
    } else {
        multiply_runs::<S, 6, 4, 2, V>(simd, tiles, product)
    }
}

#[inline(always)]
fn multiply_runs<S: Simd, const R: usize, const FEWER: usize, const FEWEST: usize, const V: usize>(
    simd: S,
    tiles: Range<usize>,
    product: &mut impl TileProduct,
) {
    let mut first = tiles.start;
    while first < tiles.end {
        let count = R.min(GROUP - first % GROUP).min(tiles.end - first);
        if count <= FEWEST {
            product.multiply::<S, FEWEST, V>(simd, first, count)
        } else if count <= FEWER {
            product.multiply::<S, FEWER, V>(simd, first, count)
        } else {
            product.multiply::<S, R, V>(simd, first, count)
        }
        first += count;
    }
}

/// Those of some tiles that are among `count` tiles from `first` on, which the result counts from.
pub(super) fn among(tiles: &Range<usize>, first: usize, count: usize) -> Range<usize> {
    let [start, end] = [tiles.start, tiles.end].map(|t| t.clamp(first, first + count) - first);
    start..end
}

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
            let (place, to) = (self.grid.get(self.tiles.0 + t), &mut self.points[t * stride..]);
            let point = point_stride(GROUP * stride);
            transform_input::<S, FourOrThree>(simd, self.images, &place, self.before, &zeros, to, point);
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
            let (place, to) = (self.grid.get(self.tiles.0 + t), &mut self.points[t * stride..]);
            transform_output_grad::<S, FourOrThree>(
                simd,
                self.images,
                &place,
                &zeros,
                to,
                point_stride(GROUP * stride),
            );
        }
    }
}
