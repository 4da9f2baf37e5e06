//! The convolution by 2 × 2 pixels, for few tiles and kernels that were transformed before: most of the time goes into reading these.

use super::kernels::kernel_panel;
use super::output::Output;
use super::tiles::{Grid, Images, point_stride, transform_input};
use super::transform::{Tile, Two};
use crate::gemm::tile::{self, Prefetch, Single, Walk, tile_cols};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};
use std::ops::Range;

/// The most tiles of a block: twice the rows of a register tile.
const BLOCK: usize = if cfg!(test) { 12 } else { 28 };
/// Fewer tasks than this are split by output channels, too.
const MIN_TASKS: usize = 4;

pub(super) fn correlate(target: Target, images: Images, before: [isize; 2], grid: Grid, kernels: &[f32], to: Output) {
    let blocks = grid.len().div_ceil(BLOCK);
    let panels = to.channels().div_ceil(tile_cols(target.lanes()));
    let splits = MIN_TASKS.div_ceil(blocks).min(panels);
    threads::parallel_for(blocks * splits, |task| {
        let (first, split) = (task / splits * BLOCK, task % splits);
        let count = BLOCK.min(grid.len() - first);
        let panels = panels * split / splits..panels * (split + 1) / splits;
        target.run(Block { images, before, kernels, grid, first, count, panels, to: &to });
    });
}

struct Block<'a> {
    images: Images<'a>,
    before: [isize; 2],
    /// panel × point × input channel × output channel
    kernels: &'a [f32],
    grid: Grid,
    first: usize,
    count: usize,
    panels: Range<usize>,
    /// The output, of which this task writes the channels of its panels at the pixels of its tiles, and nobody else does.
    to: &'a Output<'a>,
}

impl Kernel for Block<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, 14, 8>(simd) } else { self.all::<S, 6, 4>(simd) }
    }
}

impl Block<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize, const SHORT: usize>(self, simd: S) {
        let ci = self.images.channels;
        let width = tile_cols(S::LANES);
        let row = point_stride(ci);
        let zeros = vec![0.0; ci];
        let point = self.count * row;
        let mut points = AlignedVec::<f32>::unspecified(Two::POINTS * point);
        let mut products = AlignedVec::<f32>::unspecified(Two::POINTS * point_stride(self.count * width));
        for t in 0..self.count {
            let to = &mut points[t * row..];
            let place = self.grid.get(self.first + t);
            transform_input::<S, Two>(simd, &self.images, &place, self.before, &zeros, to, point);
        }
        for column in self.panels.clone().map(|panel| panel * width) {
            let cols = width.min(self.to.channels() - column);
            let kernels = kernel_panel::<Two>(self.kernels, ci, column, width);
            if tile::is_narrow(S::LANES, cols) {
                self.columns::<S, R, SHORT, 1>(simd, kernels, column, cols, &points, &mut products)
            } else {
                self.columns::<S, R, SHORT, 2>(simd, kernels, column, cols, &points, &mut products)
            }
        }
    }

    /// The output channels of one panel, for all tiles of the block.
    #[inline(always)]
    fn columns<S: Simd, const R: usize, const SHORT: usize, const V: usize>(
        &self,
        simd: S,
        kernels: &[f32],
        column: usize,
        cols: usize,
        points: &[f32],
        products: &mut [f32],
    ) {
        let ci = self.images.channels;
        let (row, width) = (point_stride(ci), V * S::LANES);
        let (point, product, kernel) = (self.count * row, point_stride(self.count * width), point_stride(ci * width));
        assert!(kernels.len() >= Two::POINTS * kernel && points.len() == Two::POINTS * point);
        assert!(products.len() >= Two::POINTS * product && cols <= width && ci <= row);
        for p in 0..Two::POINTS {
            let b = &kernels[p * kernel..][..ci * width];
            let (mut t, mut index, tiles) = (0, 0, self.count.div_ceil(R));
            while t < self.count {
                let prefetch = Prefetch::of(b, width, index, tiles);
                index += 1;
                let left = self.count - t;
                let (from, to) = (points[p * point + t * row..].as_ptr(), &mut products[p * product + t * width..]);
                // SAFETY: the rows from `t` on are tiles of this point, of `ci` values each, within the lengths asserted above.
                unsafe {
                    // Two short tiles, rather than a long one and a part of another.
                    if left > 2 * SHORT || (SHORT < left && left <= R) {
                        rows::<S, R, V>(simd, from, row, b, prefetch, left, to.as_mut_ptr());
                        t += R;
                    } else {
                        rows::<S, SHORT, V>(simd, from, row, b, prefetch, left, to.as_mut_ptr());
                        t += SHORT;
                    }
                }
            }
        }
        let tiles = [self.first, self.count];
        // SAFETY: the tiles' channels of this panel are this task's.
        unsafe { self.to.write_panel::<S, Two, V>(simd, tiles, [column, cols], products, product) };
    }
}

/// The products of at most `R` rows with the panel `b`.
///
/// # Safety
/// `from` must be valid for reading as many values as the panel has rows at the first `count` multiples of `stride`, and `to` for writing `count` rows of `V` vectors.
#[inline(always)]
unsafe fn rows<S: Simd, const R: usize, const V: usize>(
    simd: S,
    from: *const f32,
    stride: usize,
    b: &[f32],
    prefetch: Prefetch,
    count: usize,
    to: *mut f32,
) {
    let count = count.min(R);
    let mut rows = [from; R];
    for r in 0..R {
        rows[r] = from.wrapping_add(r.min(count - 1) * stride);
    }
    let (walk, zeros) = (Walk::run(b.len() / (V * S::LANES), 1), [[simd.splat(0.0); V]; R]);
    // SAFETY: the caller's promise, and the walk has as many steps as the panel rows.
    unsafe {
        let acc = tile::multiply_prefetching::<S, Single, false, _, _>(
            simd,
            &rows,
            &walk,
            b.as_ptr(),
            V * S::LANES,
            zeros,
            prefetch,
        );
        tile::store(simd, &acc, to, V * S::LANES, count, V * S::LANES);
    }
}
