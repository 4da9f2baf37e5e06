//! The algorithm for many channels: point after point over many tiles, so that each transformed kernel, of which there are too
//! many for a cache, is read once for all of them.

use super::groups::{GROUP, Grads, Inputs, TileProduct, among, group_len, multiply_all, pass_len};
use super::kernel_grad::KernelGrad;
use super::kernels::kernel_panel;
use super::output::Output;
use super::tiles::{Grid, Images, POINTS, point_stride, tile_stride};
use super::transform::FourOrThree;
use crate::gemm::tile::{self, MAX_ROWS, Walk, tile_cols};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::{AlignedVec, threads};
use std::ops::Range;

/// Output channels of a task of the weight gradient.
const ROWS: usize = 64;
/// With this many products of channels the kernels are too many for a cache.
const MANY: usize = 128 * 192;

/// Whether it is the fastest for this many input and output channels.
pub(super) fn is_profitable(ci: usize, co: usize) -> bool {
    ci * co >= MANY
}

/// As [`super::blocked::correlate`].
pub(super) fn correlate(target: Target, images: Images, before: [isize; 2], grid: Grid, kernels: &[f32], to: Output) {
    let [in_stride, out_stride] = [images.channels, to.channels()].map(tile_stride);
    let [in_group, out_group] = [in_stride, out_stride].map(group_len);
    let pass = pass_len(grid.len());
    let room = pass.min(grid.len()).div_ceil(GROUP);
    let mut points = AlignedVec::<f32>::unspecified(room * in_group);
    let mut products = AlignedVec::<f32>::unspecified(room * out_group);
    for first in (0..grid.len()).step_by(pass) {
        let count = pass.min(grid.len() - first);
        let groups = count.div_ceil(GROUP);
        let points = &mut points[..groups * in_group];
        threads::parallel_chunks(points, in_group, |g, points| {
            let tiles = (first + g * GROUP, GROUP.min(count - g * GROUP));
            target.run(Inputs { images: &images, before, grid, tiles, points });
        });
        let write = threads::SendPtr(products.as_mut_ptr());
        threads::parallel_for(POINTS, |point| {
            let (tiles, products) = (among(&grid.at_point(point), first, count), write.get());
            target.run(Products { ci: images.channels, co: to.channels(), point, tiles, points, kernels, products });
        });
        threads::parallel_for(groups, |g| {
            let products = &products[g * out_group..][..out_group];
            target.run(Outputs { tiles: (first + g * GROUP, GROUP.min(count - g * GROUP)), products, to: &to });
        });
    }
}

/// Some tiles times all kernels at one point.
struct Products<'a> {
    ci: usize,
    co: usize,
    point: usize,
    tiles: Range<usize>,
    /// group × point × tile × input channel
    points: &'a [f32],
    /// panel × point × input channel × output channel
    kernels: &'a [f32],
    /// group × point × tile × output channel, of which this point's are this task's
    products: *mut f32,
}

impl Kernel for Products<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = tile_cols(S::LANES);
        for column in (0..self.co).step_by(width) {
            let stored = width.min(self.co - column).next_multiple_of(S::LANES);
            let panel = kernel_panel::<FourOrThree>(self.kernels, self.ci, column, width);
            let kernels = &panel[self.point * point_stride(self.ci * stored)..];
            let mut columns = Columns { all: &self, kernels, column };
            if tile::is_narrow(S::LANES, stored) {
                multiply_all::<S, 1>(simd, self.tiles.clone(), &mut columns)
            } else {
                multiply_all::<S, 2>(simd, self.tiles.clone(), &mut columns)
            }
        }
    }
}

/// The output channels of one panel.
struct Columns<'a> {
    all: &'a Products<'a>,
    /// input channel × output channel
    kernels: &'a [f32],
    /// The first output channel.
    column: usize,
}

impl TileProduct for Columns<'_> {
    #[inline(always)]
    fn multiply<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, first: usize, count: usize) {
        let Columns { all, kernels, column } = *self;
        let [in_stride, out_stride] = [all.ci, all.co].map(tile_stride);
        let [in_point, out_point] = [in_stride, out_stride].map(|row| point_stride(GROUP * row));
        let (width, point, first) = (V * S::LANES, first / GROUP * POINTS + all.point, first % GROUP);
        assert!(kernels.len() >= all.ci * width && column + width <= out_stride);
        assert!(all.points.len() >= (point + 1) * in_point && first + count <= GROUP && (1..=R).contains(&count));
        let mut rows = [all.points.as_ptr(); R];
        for r in 0..R {
            let row = first + r.min(count - 1);
            rows[r] = all.points.as_ptr().wrapping_add(point * in_point + row * in_stride);
        }
        // SAFETY: each row is one tile's channels at this point, and the kernels have `ci` rows, within the lengths
        // asserted above; the products have room for the same tiles, and those at this point are this task's.
        unsafe {
            let walk = Walk::run(all.ci, 1);
            let acc = tile::multiply(simd, &rows, &walk, kernels.as_ptr(), width, [[simd.splat(0.0); V]; R]);
            let to = all.products.add(point * out_point + first * out_stride + column);
            tile::store(simd, &acc, to, out_stride, count, width);
        }
    }
}

/// The output tiles of a group from their products.
struct Outputs<'a> {
    tiles: (usize, usize),
    /// point × tile × channel
    products: &'a [f32],
    /// The output, of which this task writes the pixels of its tiles and nobody else does.
    to: &'a Output<'a>,
}

impl Kernel for Outputs<'_> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.to.channels();
        let stride = tile_stride(channels);
        for t in 0..self.tiles.1 {
            let Some(to) = self.to.tile(self.tiles.0 + t, 0, channels) else { continue };
            for first in (0..channels).step_by(S::LANES) {
                let [bias] = self.to.bias::<S, 1>(simd, first, S::LANES.min(channels - first));
                let from = &self.products[t * stride + first..];
                // SAFETY: the tile is this task's.
                unsafe { to.write::<S, FourOrThree>(simd, from, point_stride(GROUP * stride), first, bias) };
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
    let [in_group, out_group] = [in_stride, out_stride].map(group_len);
    let pass = pass_len(grid.len());
    let room = pass.min(grid.len()).div_ceil(GROUP);
    let mut points = AlignedVec::<f32>::unspecified(room * in_group);
    let mut grad_points = AlignedVec::<f32>::unspecified(room * out_group);
    // point × output channel, in whole tasks × input channel
    let blocks = co.div_ceil(ROWS);
    let task_len = point_stride(ROWS * ci);
    let mut sums = AlignedVec::<f32>::unspecified(POINTS * blocks * task_len);
    if grid.len() == 0 {
        sums.fill(0.0);
    }
    for first in (0..grid.len()).step_by(pass) {
        let count = pass.min(grid.len() - first);
        let groups = count.div_ceil(GROUP);
        let points = &mut points[..groups * in_group];
        let grad_points = &mut grad_points[..groups * out_group];
        let tiles = |g: usize| (first + g * GROUP, GROUP.min(count - g * GROUP));
        threads::parallel_chunks(points, in_group, |g, points| {
            target.run(Inputs { images: &input, before, grid, tiles: tiles(g), points });
        });
        threads::parallel_chunks(grad_points, out_group, |g, points| {
            target.run(Grads { images: &grad, grid, tiles: tiles(g), points });
        });
        threads::parallel_chunks(&mut sums, task_len, |task, sums| {
            let (point, row) = (task / blocks, task % blocks * ROWS);
            let (rows, tiles) = (ROWS.min(co - row), among(&grid.at_point(point), first, count));
            target.run(Sums { ci, co, point, row, rows, tiles, points, grad_points, sums, fresh: first == 0 });
        });
    }
    threads::parallel_chunks(grad_weight, 9 * ci, |o, kernel| {
        let sums = &sums[o / ROWS * task_len + o % ROWS * ci..];
        target.run(KernelGrad { sums, part: 0, partials: 1, point: blocks * task_len, first: 0, columns: ci, kernel });
    });
}

/// What some tiles add to some output channels' kernels at one point.
struct Sums<'a> {
    ci: usize,
    co: usize,
    point: usize,
    /// The first output channel, and how many.
    row: usize,
    rows: usize,
    tiles: Range<usize>,
    /// group × point × tile × input channel
    points: &'a [f32],
    /// group × point × tile × output channel
    grad_points: &'a [f32],
    /// output channel × input channel
    sums: &'a mut [f32],
    /// Whether the sums hold nothing yet.
    fresh: bool,
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
        let width = tile_cols(S::LANES);
        for column in (0..self.ci).step_by(width) {
            let cols = width.min(self.ci - column);
            if tile::is_narrow(S::LANES, cols) {
                self.columns::<S, R, 1>(simd, column, cols)
            } else {
                self.columns::<S, R, 2>(simd, column, cols)
            }
        }
    }

    #[inline(always)]
    fn columns<S: Simd, const R: usize, const V: usize>(&mut self, simd: S, column: usize, cols: usize) {
        let [in_stride, out_stride] = [self.ci, self.co].map(tile_stride);
        let groups = self.tiles.start / GROUP..self.tiles.end.div_ceil(GROUP);
        let [in_point, out_point] = [in_stride, out_stride].map(|row| point_stride(GROUP * row));
        assert!(self.points.len() >= groups.end * POINTS * in_point && column + V * S::LANES <= in_stride);
        assert!(self.grad_points.len() >= groups.end * POINTS * out_point && self.row + self.rows <= self.co);
        assert!(self.sums.len() >= (self.rows - 1) * self.ci + column + cols && cols <= V * S::LANES);
        for o in (0..self.rows).step_by(R) {
            let count = R.min(self.rows - o);
            // SAFETY: each row is one channel of a group's tiles at this point, within the lengths asserted above, and so are the
            // sums of `count` channels.
            unsafe {
                let to = self.sums.as_mut_ptr().add(o * self.ci + column);
                let mut acc = [[simd.splat(0.0); V]; R];
                if !self.fresh {
                    acc = tile::load::<S, R, V>(simd, to, self.ci, count, cols);
                }
                for g in groups.clone() {
                    let (point, tiles) = (g * POINTS + self.point, among(&self.tiles, g * GROUP, GROUP));
                    let mut rows = [self.grad_points.as_ptr(); R];
                    for r in 0..R {
                        let at = tiles.start * out_stride + self.row + o + r.min(count - 1);
                        rows[r] = self.grad_points.as_ptr().add(point * out_point + at);
                    }
                    let b = self.points.as_ptr().add(point * in_point + tiles.start * in_stride + column);
                    let walk = Walk::run(tiles.len(), out_stride);
                    acc = tile::multiply(simd, &rows, &walk, b, in_stride, acc);
                }
                tile::store(simd, &acc, to, self.ci, count, cols);
            }
        }
    }
}
