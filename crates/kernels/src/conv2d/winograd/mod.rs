//! Convolution with a 3×3 kernel by Winograd's algorithm: 36 multiplications for 16 outputs instead of 144.
//!
//! The transforms cost accuracy: for 32 → 64 channels on 26 × 26, values uniform in -1..1, the largest error of the output,
//! of the input gradient and of the weight gradient is 1.2e-6, 2.0e-6 and 2.8e-6 of the largest value. A NaN or an infinity
//! in the input makes the whole output tile NaN or infinite.
//!
//! Tiles are worked on in blocks whose transforms stay in the second-level cache, or, for many channels, in steps over many tiles
//! ([`deep`]), or, where these are few, by transforming kernels on the way to the product ([`few`]).

mod deep;
mod few;
mod kernels;
mod output;
mod tiles;
mod transform;
mod weight_grad;

pub use weight_grad::weight_grad;

use super::{Conv2dShape, Input};
use crate::conv2d::finish::Finish;
use crate::derived::Weights;
use crate::gemm::tile::{self, MAX_ROWS, Walk, tile_cols};
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::target::Target;
use crate::{Buffer, threads};
use kernels::{Kernels, kernel_panel};
use output::Output;
use std::sync::Arc;
use tiles::{Grid, Images, POINTS, point_stride, transform_input};

/// With fewer channels the transforms cost more than the multiplications they save.
const MIN_CHANNELS: usize = 16;
/// Tiles of a block: a multiple of every register tile's rows.
const BLOCK: usize = 24;

/// What the transform of a kernel costs, in multiplications, most of it in memory traffic.
const KERNEL_COST: usize = 1500;

/// Whether the algorithm pays for this shape: where there are few tiles the transforms of the kernels outweigh what it saves.
pub fn applies(s: &Conv2dShape) -> bool {
    can(s)
        && s.in_channels.min(s.out_channels) >= MIN_CHANNELS
        && [s.in_size, s.out_size()]
            .iter()
            .all(|&size| POINTS * Grid::new(s.batch, size).len() + KERNEL_COST <= 9 * s.batch * size[0] * size[1])
}

/// Whether the algorithm serves this shape.
pub fn can(s: &Conv2dShape) -> bool {
    let plain = s.kernel == [3, 3] && s.stride == [1, 1] && s.dilation == [1, 1] && s.groups == 1;
    plain && s.padding.as_flattened().iter().all(|&p| p <= 2)
}

/// Transformed kernels of more numbers are not kept with their weights: what they save is a small part of the work there.
const KEPT: usize = 1 << 20;

/// Whether [`forward`] can pool the output of this shape.
pub fn pools(s: &Conv2dShape) -> bool {
    applies(s) && !deep::pays(s.in_channels, s.out_channels)
}

/// As [`super::conv2d`], or [`super::conv2d_max_pool2`] with `pool`.
pub fn forward(
    s: &Conv2dShape,
    input: Input<f32>,
    weight: &Weights<f32>,
    bias: Option<&[f32]>,
    finish: Finish<f32>,
    pool: bool,
    output: &mut [f32],
) {
    assert!(!pool || pools(s));
    let (target, [ci, co]) = (Target::current(), [s.in_channels, s.out_channels]);
    let images = Images { data: input, size: s.in_size, channels: ci };
    let before = [s.padding[0][0] as isize, s.padding[1][0] as isize];
    let grid = Grid::new(s.batch, s.out_size());
    let to = Output::new(grid, s.out_size(), co, bias, finish, None, pool, output);
    let kernels = Kernels { values: weight.values, inputs: ci, outputs: co, turned: false };
    if few::pays(grid, ci, co) {
        return few::correlate(target, images, before, grid, kernels, to);
    }
    let make = || kernels.transformed(target);
    let kernels = match weight.buffer {
        Some(buffer) if POINTS * ci * co <= KEPT => buffer.derived(("winograd", [target.lanes(), ci, co]), make),
        _ => Arc::new(make()),
    };
    correlate(target, images, before, grid, &kernels, to);
}

/// As [`super::conv2d_input_grad`]: the convolution with the kernel turned around and its channels exchanged.
pub fn input_grad(
    s: &Conv2dShape,
    grad_output: &[f32],
    weight: &[f32],
    before_relu: Option<&[f32]>,
    grad_input: &mut [f32],
) {
    let (target, [ci, co]) = (Target::current(), [s.in_channels, s.out_channels]);
    let images = Images { data: grad_output.into(), size: s.out_size(), channels: co };
    let before = [2 - s.padding[0][0] as isize, 2 - s.padding[1][0] as isize];
    let grid = Grid::new(s.batch, s.in_size);
    let to = Output::new(grid, s.in_size, ci, None, Finish::NONE, before_relu, false, grad_input);
    let kernels = Kernels { values: weight, inputs: co, outputs: ci, turned: true };
    if few::pays(grid, co, ci) {
        return few::correlate(target, images, before, grid, kernels, to);
    }
    correlate(target, images, before, grid, &kernels.transformed(target), to);
}

fn correlate(target: Target, images: Images, before: [isize; 2], grid: Grid, kernels: &[f32], to: Output) {
    if deep::pays(images.channels, to.channels()) {
        return deep::correlate(target, images, before, grid, kernels, to);
    }
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
        let mut points = Buffer::<f32>::unspecified(POINTS * point);
        let mut products = Buffer::<f32>::unspecified(POINTS * point_stride(BLOCK * width));
        for t in 0..self.count {
            let (n, at) = self.grid.get(self.first + t);
            let corner = [at[0] as isize - self.before[0], at[1] as isize - self.before[1]];
            let to = &mut points[t * channels..];
            transform_input(simd, &self.images, n, corner, &zeros, to, point);
        }
        for column in (0..self.to.channels()).step_by(width) {
            let cols = width.min(self.to.channels() - column);
            let kernels = kernel_panel(self.kernels, ci, column, width);
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
        let bias = self.to.bias::<S, V>(simd, column, cols);
        for t in 0..self.count {
            let Some(to) = self.to.tile(self.first + t, column, cols) else { continue };
            for v in 0..V {
                let from = &products[t * width + v * S::LANES..];
                // SAFETY: the tile is this task's.
                unsafe { to.write(simd, from, product, v * S::LANES, bias[v]) };
            }
        }
    }
}
