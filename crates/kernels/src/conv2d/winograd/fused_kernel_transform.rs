//! The algorithm for many channels and few tiles: there the transformed kernels are the largest part of all data, so that writing them
//! to memory and reading them again takes longer than the product. Here a task makes those that it needs next, and they never leave
//! its cache; so do the sums of the weight gradient.

use super::groups::{GROUP, Grads, Inputs, TILES, TileProduct, among, group_len, multiply_all};
use super::kernel_grad::KernelGrad;
use super::kernels::{KernelPanel, Kernels};
use super::output::Output;
use super::tiles::{Grid, Images, POINTS, point_stride, tile_stride};
use super::transform::FourOrThree;
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
        target.run(Panel { ci: images.channels, grid, points: &points, kernels, first, cols, to: &to });
    });
}

/// A few output channels of all tiles.
struct Panel<'a> {
    ci: usize,
    grid: Grid,
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
        if tile::is_narrow(S::LANES, self.cols) { self.columns::<S, 1>(simd) } else { self.columns::<S, 2>(simd) }
    }
}

impl Panel<'_> {
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&self, simd: S) {
        let width = V * S::LANES;
        let product = point_stride(self.grid.len() * width);
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
                tile: PhantomData::<FourOrThree>,
            }
            .run(simd);
            for point in 0..POINTS {
                let kernels = &transformed[point * point_stride(depth * width)..][..depth * width];
                let products = &mut products[point * product..][..product];
                let mut sums = Part { panel: self, point, start, kernels, products };
                multiply_all::<S, V>(simd, self.grid.at_point(point), &mut sums);
            }
        }
        self.write::<S, V>(simd, &products, product);
    }

    /// Transforms the products back.
    #[inline(always)]
    fn write<S: Simd, const V: usize>(&self, simd: S, products: &[f32], product: usize) {
        let width = V * S::LANES;
        let bias = self.to.bias::<S, V>(simd, self.first, self.cols);
        for t in 0..self.grid.len() {
            let Some(to) = self.to.tile(t, self.first, self.cols) else { continue };
            for v in 0..V {
                let from = &products[t * width + v * S::LANES..];
                // SAFETY: these channels are this task's.
                unsafe { to.write::<S, FourOrThree>(simd, from, product, v * S::LANES, bias[v]) };
            }
        }
    }
}

/// What some input channels give at one point.
struct Part<'a> {
    panel: &'a Panel<'a>,
    point: usize,
    /// The first input channel.
    start: usize,
    /// input channel × output channel
    kernels: &'a [f32],
    /// tile × output channel: the sums over the input channels before these
    products: &'a mut [f32],
}

impl TileProduct for Part<'_> {
    #[inline(always)]
    fn multiply<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, first: usize, count: usize) {
        let Part { panel, point, start, kernels, .. } = *self;
        let (stride, width, group) = (tile_stride(panel.ci), V * S::LANES, first / GROUP);
        let (depth, len) = (kernels.len() / width, point_stride(GROUP * stride));
        assert!(panel.points.len() >= (group + 1) * POINTS * len && (1..=R).contains(&count));
        assert!(first % GROUP + count <= GROUP && start + depth <= stride);
        assert!(self.products.len() >= (first + count) * width);
        let from = (group * POINTS + point) * len + first % GROUP * stride + start;
        let mut rows = [panel.points.as_ptr(); R];
        for r in 0..R {
            rows[r] = panel.points.as_ptr().wrapping_add(from + r.min(count - 1) * stride);
        }
        // SAFETY: each row is one tile's channels at this point, from `start` on, within the lengths asserted above; the kernels have
        // a row of `V` vectors for each, and the products one for each tile.
        unsafe {
            let to = self.products.as_mut_ptr().add(first * width);
            let mut acc = [[simd.splat(0.0); V]; R];
            if start > 0 {
                acc = tile::load::<S, R, V>(simd, to, width, count, width);
            }
            let acc = tile::multiply(simd, &rows, &Walk::run(depth, 1), kernels.as_ptr(), width, acc);
            tile::store(simd, &acc, to, width, count, width);
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
        target.run(Sums { ci, co, grid, first, points: &points, grad_points: &grad_points, kernels });
    });
}

/// What all tiles add to the kernels of some output channels.
struct Sums<'a> {
    ci: usize,
    co: usize,
    grid: Grid,
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
        let (rows, groups, width) = (self.kernels.len() / (9 * self.ci), self.grid.len().div_ceil(GROUP), V * S::LANES);
        assert!(self.points.len() >= groups * POINTS * in_len && column + width <= in_stride);
        assert!(self.grad_points.len() >= groups * POINTS * out_len && self.first + rows <= self.co);
        assert!(rows <= ROWS && sums.len() >= (rows - 1) * COLUMNS + width);
        let tiles = self.grid.at_point(point);
        for o in (0..rows).step_by(R) {
            let count = R.min(rows - o);
            let mut acc = [[simd.splat(0.0); V]; R];
            for g in tiles.start / GROUP..tiles.end.div_ceil(GROUP) {
                let (at, tiles) = (g * POINTS + point, among(&tiles, g * GROUP, GROUP));
                let mut channels = [self.grad_points.as_ptr(); R];
                for r in 0..R {
                    let channel = tiles.start * out_stride + self.first + o + r.min(count - 1);
                    channels[r] = self.grad_points.as_ptr().wrapping_add(at * out_len + channel);
                }
                let walk = Walk::run(tiles.len(), out_stride);
                // SAFETY: each row is one channel of a group's tiles at this point, and as many rows of `V` vectors of input
                // channels are there, within the lengths asserted above.
                unsafe {
                    let b = self.points.as_ptr().add(at * in_len + tiles.start * in_stride + column);
                    acc = tile::multiply(simd, &channels, &walk, b, in_stride, acc);
                }
            }
            // SAFETY: the sums have `count` rows from here on, as asserted.
            unsafe { tile::store(simd, &acc, sums.as_mut_ptr().add(o * COLUMNS), COLUMNS, count, width) };
        }
    }
}
