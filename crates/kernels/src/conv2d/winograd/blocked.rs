//! The convolution by blocks of tiles whose transforms stay in the second-level cache.

use super::kernels::kernel_panel;
use super::output::Output;
use super::tiles::{Grid, Images, POINTS, point_stride, prefetch_input, transform_input};
use super::transform::Four;
use crate::gemm::tile::{self, MAX_ROWS, Walk, tile_cols};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};

/// Tiles of a block: a multiple of every register tile's rows.
const BLOCK: usize = 24;

/// The convolution with kernels that [`super::kernels::Kernels`] has transformed.
pub(super) fn correlate(target: Target, images: Images, before: [isize; 2], grid: Grid, kernels: &[f32], to: Output) {
    threads::parallel_for(grid.len().div_ceil(BLOCK), |block| {
        let first = block * BLOCK;
        let count = BLOCK.min(grid.len() - first);
        target.run(Block { images, before, kernels, grid, first, count, to: &to });
    });
}

struct Block<'a> {
    images: Images<'a>,
    before: [isize; 2],
    kernels: &'a [f32],
    grid: Grid,
    first: usize,
    count: usize,
    /// The output, of which this task writes the pixels of its tiles and nobody else does.
    to: &'a Output<'a>,
}

impl Kernel for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, MAX_ROWS>(simd) } else { self.all::<S, 6>(simd) }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize>(self, simd: S) {
        let ci = self.images.channels;
        let width = tile_cols(S::LANES);
        let channels = ci.next_multiple_of(S::LANES);
        let zeros = vec![0.0; ci];
        let point = point_stride(BLOCK * channels);
        let mut points = AlignedVec::<f32>::unspecified(POINTS * point);
        let mut products = AlignedVec::<f32>::unspecified(POINTS * point_stride(BLOCK * width));
        for t in 0..self.count {
            let to = &mut points[t * channels..];
            let place = self.grid.get(self.first + t);
            if t + 1 < self.count {
                prefetch_input(simd, &self.images, &self.grid.get(self.first + t + 1), self.before);
            }
            transform_input::<S, Four>(simd, &self.images, &place, self.before, &zeros, to, point);
        }
        for column in (0..self.to.channels()).step_by(width) {
            let cols = width.min(self.to.channels() - column);
            let kernels = kernel_panel::<Four>(self.kernels, ci, column, width);
            if tile::is_narrow(S::LANES, cols) {
                self.columns::<S, R, 1>(simd, kernels, column, cols, &points, &mut products)
            } else {
                self.columns::<S, R, 2>(simd, kernels, column, cols, &points, &mut products)
            }
        }
    }

    /// The output channels of one panel, for all tiles of the block.
    #[inline(always)]
    fn columns<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        kernels: &[f32],
        column: usize,
        cols: usize,
        points: &[f32],
        products: &mut [f32],
    ) {
        let ci = self.images.channels;
        let channels = ci.next_multiple_of(S::LANES);
        let width = V * S::LANES;
        let [point, product] = [channels, width].map(|row| point_stride(BLOCK * row));
        let kernel = point_stride(ci * width);
        assert!(kernels.len() >= POINTS * kernel && points.len() == POINTS * point);
        assert!(products.len() >= POINTS * product && self.count <= BLOCK && cols <= width);
        let walk = Walk::run(ci, 1);
        let zero = [[simd.splat(0.0); V]; R];
        for p in 0..POINTS {
            let [start, end] = [p, p + 1].map(|p| self.first + self.count * p / POINTS);
            self.to.prefetch(simd, start..end, [column, cols]);
            for t in (0..self.count).step_by(R) {
                let count = R.min(self.count - t);
                let mut rows = [points.as_ptr(); R];
                for r in 0..R {
                    rows[r] = points.as_ptr().wrapping_add(p * point + (t + r.min(count - 1)) * channels);
                }
                // SAFETY: each row is one tile's channels at one point, and the panel has `ci` rows for it, within the
                // lengths asserted above.
                unsafe {
                    let b = kernels.as_ptr().add(p * kernel);
                    let acc = tile::multiply(simd, &rows, &walk, b, width, zero);
                    let to = products.as_mut_ptr().add(p * product + t * width);
                    tile::store(simd, &acc, to, width, count, width);
                }
            }
        }
        let tiles = [self.first, self.count];
        // SAFETY: the tiles' channels of this panel are this task's.
        unsafe { self.to.write_panel::<S, Four, V>(simd, tiles, [column, cols], products, product) };
    }
}
