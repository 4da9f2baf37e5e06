//! The algorithm for many channels and few tiles: there the transformed kernels are the largest part of all data, so that writing them
//! to memory and reading them again takes longer than the product. Here a task makes those that it needs next, and they never leave
//! its cache; so do the sums of the weight gradient.

use super::groups::{GROUP, Grads, Inputs, TILES, group_len};
use super::kernel_grad::KernelGrad;
use super::kernels::{KernelPanel, Kernels};
use super::output::Output;
use super::tiles::{Grid, Images, POINTS, point_stride, tile_stride};
use super::transform::Four;
use crate::gemm::tile::{self, MAX_ROWS, Walk, tile_cols};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};
use std::marker::PhantomData;

/// Input channels whose kernels are transformed at once: with those of one panel of output channels they fit the second-level cache.
const DEPTH: usize = if cfg!(test) { 32 } else { 128 };
/// With fewer output channels there are not tasks enough.
const MIN_OUTPUTS: usize = 128;
/// Output channels of a task of the weight gradient: a multiple of every register tile's rows.
const ROWS: usize = 48;
/// Input channels of which it holds the sums at once: a multiple of every register tile's columns.
const COLUMNS: usize = 64;

/// Whether it is faster than [`super::point_major`] for this many tiles and output channels.
pub(super) fn is_profitable(grid: Grid, co: usize) -> bool {
    co >= MIN_OUTPUTS && (1..=TILES).contains(&grid.len())
}

/// Tiles in groups of [`GROUP`], each group's transforms one after another.
fn transformed(grid: Grid, row: usize, make: impl Fn((usize, usize), &mut [f32]) + Sync) -> AlignedVec<f32> {
    let mut points = AlignedVec::<f32>::unspecified(grid.len().div_ceil(GROUP) * group_len(row));
    threads::parallel_chunks(&mut points, group_len(row), |g, points| {
        make((g * GROUP, GROUP.min(grid.len() - g * GROUP)), points);
    });
    points
}

/// The convolution with kernels that are not transformed yet.
pub(super) fn correlate(target: Target, images: Images, before: [isize; 2], grid: Grid, kernels: Kernels, to: Output) {
    let stride = tile_stride(images.channels);
    let points = transformed(grid, stride, |tiles, points| {
        target.run(Inputs { images: &images, before, grid, tiles, points });
    });
    let width = tile_cols(target.lanes());
    threads::parallel_for(to.channels().div_ceil(width), |panel| {
        let first = panel * width;
        let cols = width.min(to.channels() - first);
        target.run(Panel { ci: images.channels, tiles: grid.len(), points: &points, kernels, first, cols, to: &to });
    });
}

/// A few output channels of all tiles.
struct Panel<'a> {
    ci: usize,
    /// How many.
    tiles: usize,
    /// group × point × tile × input channel
    points: &'a [f32],
    kernels: Kernels<'a>,
    /// The first output channel, and how many.
    first: usize,
    cols: usize,
    /// The output, of which this task writes its channels and nobody else does.
    to: &'a Output<'a>,
}

impl Kernel for Panel<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::LANES == 16 { self.all::<S, MAX_ROWS>(simd) } else { self.all::<S, 6>(simd) }
    }
}

impl Panel<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize>(&self, simd: S) {
        if tile::is_narrow(S::LANES, self.cols) { self.columns::<S, R, 1>(simd) } else { self.columns::<S, R, 2>(simd) }
    }

    #[inline(always)]
    fn columns<S: Simd, const R: usize, const V: usize>(&self, simd: S) {
        let width = V * S::LANES;
        let product = point_stride(self.tiles * width);
        let mut transformed = AlignedVec::<f32>::unspecified(POINTS * point_stride(DEPTH.min(self.ci) * width));
        let mut products = AlignedVec::<f32>::unspecified(POINTS * product);
        for start in (0..self.ci).step_by(DEPTH) {
            let inputs = start..self.ci.min(start + DEPTH);
            let depth = inputs.len();
            let panel = &mut transformed[..POINTS * point_stride(depth * width)];
            KernelPanel {
                kernels: self.kernels,
                inputs,
                first: self.first,
                channels: self.cols,
                panel,
                tile: PhantomData::<Four>,
            }
            .run(simd);
            for point in 0..POINTS {
                let kernels = &transformed[point * point_stride(depth * width)..][..depth * width];
                let products = &mut products[point * product..][..product];
                self.add::<S, R, V>(simd, point, start, kernels, products);
            }
        }
        self.write::<S, V>(simd, &products, product);
    }

    /// Adds what some input channels from `start` on give at one point.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(
        &self,
        simd: S,
        point: usize,
        start: usize,
        kernels: &[f32],
        products: &mut [f32],
    ) {
        let (stride, width, tiles) = (tile_stride(self.ci), V * S::LANES, self.tiles);
        let depth = kernels.len() / width;
        let len = point_stride(GROUP * stride);
        assert!(self.points.len() >= tiles.div_ceil(GROUP) * POINTS * len && GROUP.is_multiple_of(R));
        assert!(start + depth <= stride && products.len() >= tiles * width);
        let walk = Walk::run(depth, 1);
        for t in (0..tiles).step_by(R) {
            let count = R.min(tiles - t);
            // Rows of one register tile belong to one group.
            let from = (t / GROUP * POINTS + point) * len + t % GROUP * stride + start;
            let mut rows = [self.points.as_ptr(); R];
            for r in 0..R {
                rows[r] = self.points.as_ptr().wrapping_add(from + r.min(count - 1) * stride);
            }
            // SAFETY: each row is one tile's channels at this point, from `start` on, within the lengths asserted above; the kernels have
            // a row of `V` vectors for each, and the products one for each tile.
            unsafe {
                let to = products.as_mut_ptr().add(t * width);
                let mut acc = [[simd.splat(0.0); V]; R];
                if start > 0 {
                    acc = tile::load::<S, R, V>(simd, to, width, count, width);
                }
                let acc = tile::multiply(simd, &rows, &walk, kernels.as_ptr(), width, acc);
                tile::store(simd, &acc, to, width, count, width);
            }
        }
    }

    /// Transforms the products back.
    #[inline(always)]
    fn write<S: Simd, const V: usize>(&self, simd: S, products: &[f32], product: usize) {
        let width = V * S::LANES;
        let bias = self.to.bias::<S, V>(simd, self.first, self.cols);
        for t in 0..self.tiles {
            let Some(to) = self.to.tile(t, self.first, self.cols) else { continue };
            for v in 0..V {
                let from = &products[t * width + v * S::LANES..];
                // SAFETY: these channels are this task's.
                unsafe { to.write::<S, Four>(simd, from, product, v * S::LANES, bias[v]) };
            }
        }
    }
}

/// As [`super::blocked_grad::weight_grad`].
pub(super) fn weight_grad(
    target: Target,
    input: Images,
    grad: Images,
    before: [isize; 2],
    grid: Grid,
    grad_weight: &mut [f32],
) {
    let (ci, co) = (input.channels, grad.channels);
    let [in_stride, out_stride] = [ci, co].map(tile_stride);
    let points = transformed(grid, in_stride, |tiles, points| {
        target.run(Inputs { images: &input, before, grid, tiles, points });
    });
    let grad_points = transformed(grid, out_stride, |tiles, points| {
        target.run(Grads { images: &grad, grid, tiles, points });
    });
    threads::parallel_chunks(grad_weight, ROWS * 9 * ci, |task, kernels| {
        let first = task * ROWS;
        target.run(Sums { ci, co, tiles: grid.len(), first, points: &points, grad_points: &grad_points, kernels });
    });
}

/// What all tiles add to the kernels of some output channels.
struct Sums<'a> {
    ci: usize,
    co: usize,
    /// How many.
    tiles: usize,
    /// The first output channel.
    first: usize,
    /// group × point × tile × input channel
    points: &'a [f32],
    /// group × point × tile × output channel
    grad_points: &'a [f32],
    /// output channel × element × input channel
    kernels: &'a mut [f32],
}

impl Kernel for Sums<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        if S::LANES == 16 { self.all::<S, MAX_ROWS>(simd) } else { self.all::<S, 6>(simd) }
    }
}

impl Sums<'_> {
    #[inline(always)]
    fn all<S: Simd, const R: usize>(&mut self, simd: S) {
        const POINT: usize = point_stride(ROWS * COLUMNS);
        // point × output channel × input channel
        let mut sums = AlignedVec::<f32>::unspecified(POINTS * POINT);
        let width = tile_cols(S::LANES);
        for start in (0..self.ci).step_by(COLUMNS) {
            let columns = COLUMNS.min(self.ci - start);
            for point in 0..POINTS {
                let sums = &mut sums[point * POINT..][..POINT];
                for column in (0..columns).step_by(width) {
                    if tile::is_narrow(S::LANES, columns - column) {
                        self.add::<S, R, 1>(simd, point, start + column, &mut sums[column..])
                    } else {
                        self.add::<S, R, 2>(simd, point, start + column, &mut sums[column..])
                    }
                }
            }
            for (o, kernel) in self.kernels.chunks_exact_mut(9 * self.ci).enumerate() {
                let sums = &sums[o * COLUMNS..];
                KernelGrad { sums, part: 0, partials: 1, point: POINT, first: start, columns, kernel }.run(simd);
            }
        }
    }

    /// Sums at one point for the input channels of a register tile, from `column` on.
    #[inline(always)]
    fn add<S: Simd, const R: usize, const V: usize>(&self, simd: S, point: usize, column: usize, sums: &mut [f32]) {
        let [in_stride, out_stride] = [self.ci, self.co].map(tile_stride);
        let [in_len, out_len] = [in_stride, out_stride].map(|row| point_stride(GROUP * row));
        let (rows, groups, width) = (self.kernels.len() / (9 * self.ci), self.tiles.div_ceil(GROUP), V * S::LANES);
        assert!(self.points.len() >= groups * POINTS * in_len && column + width <= in_stride);
        assert!(self.grad_points.len() >= groups * POINTS * out_len && self.first + rows <= self.co);
        assert!(rows <= ROWS && sums.len() >= (rows - 1) * COLUMNS + width);
        for o in (0..rows).step_by(R) {
            let count = R.min(rows - o);
            let mut acc = [[simd.splat(0.0); V]; R];
            for g in 0..groups {
                let at = g * POINTS + point;
                let mut channels = [self.grad_points.as_ptr(); R];
                for r in 0..R {
                    let channel = self.first + o + r.min(count - 1);
                    channels[r] = self.grad_points.as_ptr().wrapping_add(at * out_len + channel);
                }
                let walk = Walk::run(GROUP.min(self.tiles - g * GROUP), out_stride);
                // SAFETY: each row is one channel of a group's tiles at this point, and as many rows of `V` vectors of input
                // channels are there, within the lengths asserted above.
                unsafe {
                    let b = self.points.as_ptr().add(at * in_len + column);
                    acc = tile::multiply(simd, &channels, &walk, b, in_stride, acc);
                }
            }
            // SAFETY: the sums have `count` rows from here on, as asserted.
            unsafe { tile::store(simd, &acc, sums.as_mut_ptr().add(o * COLUMNS), COLUMNS, count, width) };
        }
    }
}
