//! The weight gradient by blocks of tiles: at each of the 36 points, the product of the input's transforms with those of the output's
//! gradient, summed over tiles.

use super::kernel_grad::KernelGrad;
use super::tiles::{
    Grid, Images, POINTS, point_stride, prefetch_input, prefetch_output_grad, transform_input, transform_output_grad,
};
use super::transform::Four;
use crate::gemm::tile::{self, MAX_ROWS, Walk, tile_cols};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};

/// Tiles of a block.
const BLOCK: usize = 48;
/// Output channels of one task: its sums stay in a cache.
const ROWS: usize = 64;
/// Tiles that a partial sum is worth being kept for.
const TILES_PER_PARTIAL: usize = 256;
/// The most partial sums.
const MAX_PARTIALS: usize = 16;
/// The most values in all partial sums together, if there is more than one.
const MAX_VALUES: usize = 8 << 20;

/// Sums over all tiles of `grid`, those of the output.
pub(super) fn weight_grad(
    target: Target,
    input: Images,
    grad: Images,
    before: [isize; 2],
    grid: Grid,
    grad_weight: &mut [f32],
) {
    let (ci, co) = (input.channels, grad.channels);
    let groups = co.div_ceil(ROWS);
    let point = point_stride(ROWS * ci);
    let len = POINTS * point;
    let wanted = (grid.len() / TILES_PER_PARTIAL).min(MAX_PARTIALS).min(MAX_VALUES / (groups * len)).max(1);
    let tiles = grid.len().div_ceil(wanted).next_multiple_of(BLOCK).max(BLOCK);
    let partials = grid.len().div_ceil(tiles).max(1);
    let mut sums = AlignedVec::<f32>::unspecified(groups * partials * len);
    threads::parallel_chunks(&mut sums, len, |task, sums| {
        let (group, partial) = (task / partials, task % partials);
        sums.fill(0.0);
        target.run(Part {
            input,
            grad,
            before,
            grid,
            first: partial * tiles,
            end: ((partial + 1) * tiles).min(grid.len()),
            row: group * ROWS,
            rows: ROWS.min(co - group * ROWS),
            sums,
        });
    });
    threads::parallel_chunks(grad_weight, 9 * ci, |o, kernel| {
        let (group, o) = (o / ROWS, o % ROWS);
        let parts = &sums[group * partials * len..][..partials * len];
        target.run(KernelGrad { sums: &parts[o * ci..], part: len, partials, point, first: 0, columns: ci, kernel });
    });
}

struct Part<'a> {
    input: Images<'a>,
    grad: Images<'a>,
    before: [isize; 2],
    grid: Grid,
    first: usize,
    end: usize,
    /// The first output channel, and how many.
    row: usize,
    rows: usize,
    /// point × `ROWS` output channels × input channel
    sums: &'a mut [f32],
}

impl Kernel for Part<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, MAX_ROWS>(simd) } else { self.all::<S, 6>(simd) }
    }
}

impl Part<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize>(self, simd: S) {
        let (ci, co) = (self.input.channels, self.grad.channels);
        let width = tile_cols(S::LANES);
        let [in_stride, out_stride] = [ci, co].map(|c| c.next_multiple_of(S::LANES));
        let zeros = vec![0.0; ci.max(co)];
        let [in_point, out_point] = [in_stride, out_stride].map(|row| point_stride(BLOCK * row));
        let point = point_stride(ROWS * ci);
        let mut inputs = AlignedVec::<f32>::unspecified(POINTS * in_point);
        let mut grads = AlignedVec::<f32>::unspecified(POINTS * out_point);
        for first in (self.first..self.end).step_by(BLOCK) {
            let count = BLOCK.min(self.end - first);
            for t in 0..count {
                let place = self.grid.get(first + t);
                if t + 1 < count {
                    let next = self.grid.get(first + t + 1);
                    prefetch_input(simd, &self.input, &next, self.before);
                    prefetch_output_grad(simd, &self.grad, &next);
                }
                let to = &mut inputs[t * in_stride..];
                transform_input::<S, Four>(simd, &self.input, &place, self.before, &zeros, to, in_point);
                let to = &mut grads[t * out_stride..];
                transform_output_grad::<S, Four>(simd, &self.grad, &place, &zeros, to, out_point);
            }
            for p in 0..POINTS {
                for column in (0..ci).step_by(width) {
                    let job = Point {
                        grad: &grads[p * out_point + self.row..],
                        out_stride,
                        rows: self.rows,
                        input: &inputs[p * in_point + column..],
                        in_stride,
                        cols: width.min(ci - column),
                        count,
                    };
                    let sums = &mut self.sums[p * point + column..];
                    if tile::is_narrow(S::LANES, job.cols) {
                        job.add::<S, R, 1>(simd, sums, ci)
                    } else {
                        job.add::<S, R, 2>(simd, sums, ci)
                    }
                }
            }
        }
    }
}

/// The transforms of a block of tiles at one point.
struct Point<'a> {
    grad: &'a [f32],
    out_stride: usize,
    rows: usize,
    input: &'a [f32],
    in_stride: usize,
    cols: usize,
    count: usize,
}

impl Point<'_> {
    /// Adds the products of `rows` output channels with `cols` input channels.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(&self, simd: S, sums: &mut [f32], stride: usize) {
        assert!(self.cols <= V * S::LANES);
        assert!(self.grad.len() >= (self.count - 1) * self.out_stride + self.rows);
        assert!(self.input.len() >= (self.count - 1) * self.in_stride + V * S::LANES);
        assert!(sums.len() >= (self.rows - 1) * stride + self.cols);
        let walk = Walk::run(self.count, self.out_stride);
        for o in (0..self.rows).step_by(R) {
            let count = R.min(self.rows - o);
            let mut rows = [self.grad.as_ptr(); R];
            for r in 0..R {
                rows[r] = self.grad.as_ptr().wrapping_add(o + r.min(count - 1));
            }
            // SAFETY: each row is one channel of all tiles, within the lengths asserted above.
            unsafe {
                let to = sums.as_mut_ptr().add(o * stride);
                let acc = tile::load::<S, R, V>(simd, to, stride, count, self.cols);
                let acc = tile::multiply(simd, &rows, &walk, self.input.as_ptr(), self.in_stride, acc);
                tile::store(simd, &acc, to, stride, count, self.cols);
            }
        }
    }
}
