//! Convolution with a 3×3 kernel by Winograd's algorithm: 36 multiplications for 16 outputs instead of 144.
//!
//! The transforms cost accuracy: for 32 → 64 channels on 26 × 26, values uniform in -1..1, the largest error of the output,
//! of the input gradient and of the weight gradient is 1.2e-6, 2.0e-6 and 2.8e-6 of the largest value. A NaN or an infinity
//! in the input makes the whole output tile NaN or infinite.
//!
//! Three algorithms do the same work in different orders; [`Algorithm`] says when each is used. Those for many channels, whose images are small,
//! cut 14 pixels into 4 + 4 + 3 + 3 rather than into four times 4. A fourth has smaller tiles: 16 multiplications for 4 outputs instead
//! of 36, with less than half as many kernels to read.

mod blocked;
mod blocked_grad;
mod few_tiles;
mod fused_kernel_transform;
mod groups;
mod kernel_grad;
mod kernels;
mod output;
mod point_major;
mod tiles;
mod transform;

use super::epilogue::Epilogue;
use super::input::Input;
use super::shape::Conv2dShape;
use crate::AlignedVec;
use crate::memory::NewBuffer;
use crate::packed::Weights;
use crate::target::Target;
use kernels::Kernels;
use output::Output;
use tiles::{Grid, Images, POINTS};
use transform::{Four, FourOrThree, Two};

/// With fewer channels the transforms cost more than the multiplications they save.
const MIN_CHANNELS: usize = 16;

/// What the transform of a kernel costs, in multiplications, most of it in memory traffic.
const KERNEL_COST: usize = 1500;

/// Whether the algorithm pays for this shape: where there are few tiles the transforms of the kernels outweigh what it saves.
pub fn applies(s: &Conv2dShape) -> bool {
    can(s)
        && s.in_channels.min(s.out_channels) >= MIN_CHANNELS
        && [s.in_size, s.out_size()].iter().all(|&size| {
            POINTS * Grid::of::<Four>(s.batch, size).len() + KERNEL_COST <= 9 * s.batch * size[0] * size[1]
        })
}

/// Whether the algorithm pays where transformed kernels are kept: for few tiles, which read more of them than of anything else.
pub fn applies_kept(s: &Conv2dShape) -> bool {
    can(s)
        && Grid::of::<Four>(s.batch, s.out_size()).len() <= FEW
        && s.batch > 0
        && point_major::is_profitable(s.in_channels, s.out_channels)
}

/// Whether the algorithm serves this shape.
pub fn can(s: &Conv2dShape) -> bool {
    let plain = s.kernel == [3, 3] && s.stride == [1, 1] && s.dilation == [1, 1] && s.groups == 1;
    plain && s.padding.as_flattened().iter().all(|&p| p <= 2)
}

/// Transformed kernels of more numbers are not packed once for all runs: what that saves is a small part of the work there.
const KEPT: usize = 1 << 20;

/// Up to this many of the larger tiles are few.
const FEW: usize = 16;

/// The order of the work.
enum Algorithm {
    /// Blocks of tiles, one after another.
    Blocked,
    /// Points, one after another, over many tiles: for many channels.
    PointMajor,
    /// As `PointMajor`, with kernels that are transformed where they are used: for few tiles.
    FusedKernelTransform,
}

impl Algorithm {
    /// For a batch of images of `size` pixels, and the channels that the convolution takes and gives; with the tiles of its output.
    fn of(batch: usize, size: [usize; 2], inputs: usize, outputs: usize) -> (Algorithm, Grid) {
        if !point_major::is_profitable(inputs, outputs) {
            return (Algorithm::Blocked, Grid::of::<Four>(batch, size));
        }
        let grid = Grid::of::<FourOrThree>(batch, size);
        if fused_kernel_transform::is_profitable(grid, outputs) {
            (Algorithm::FusedKernelTransform, grid)
        } else {
            (Algorithm::PointMajor, grid)
        }
    }
}

/// Whether [`forward`] can pool the output of this shape.
pub fn pools(s: &Conv2dShape) -> bool {
    applies(s) && !point_major::is_profitable(s.in_channels, s.out_channels)
}

/// As [`super::conv2d`], or [`super::conv2d_max_pool2`] with `pool`.
pub fn forward(
    s: &Conv2dShape,
    input: Input<f32>,
    weight: &Weights<f32>,
    bias: Option<&[f32]>,
    epilogue: Epilogue<f32>,
    pool: bool,
    output: &mut [f32],
) {
    assert!(!pool || pools(s));
    let (target, [ci, co]) = (Target::current(), [s.in_channels, s.out_channels]);
    let images = Images { data: input, size: s.in_size, channels: ci };
    let before = [s.padding[0][0] as isize, s.padding[1][0] as isize];
    let kernels = Kernels { values: weight.values, inputs: ci, outputs: co, rotated: false };
    if let Some(packed) = weight.packed.filter(|_| !pool && applies_kept(s))
        && let Some(transformed) = packed.small_tiles(target.lanes(), |new| kernels.transformed::<Two>(target, new))
    {
        let grid = Grid::of::<Two>(s.batch, s.out_size());
        let to = Output::new(grid, s.out_size(), co, bias, epilogue, None, false, output);
        return few_tiles::correlate(target, images, before, grid, transformed, to);
    }
    let (algorithm, grid) = Algorithm::of(s.batch, s.out_size(), ci, co);
    let to = Output::new(grid, s.out_size(), co, bias, epilogue, None, pool, output);
    let run = match algorithm {
        Algorithm::Blocked => blocked::correlate,
        Algorithm::PointMajor => point_major::correlate,
        Algorithm::FusedKernelTransform => {
            return fused_kernel_transform::correlate(target, images, before, grid, kernels, to);
        }
    };
    let transform = |new: NewBuffer| kernels.transformed::<Four>(target, new);
    let packed = weight.packed.filter(|_| POINTS * ci * co <= KEPT);
    match packed.and_then(|packed| packed.kernels(target.lanes(), transform)) {
        Some(transformed) => run(target, images, before, grid, transformed, to),
        None => run(target, images, before, grid, &transform(AlignedVec::unspecified), to),
    }
}

/// As [`super::conv2d_input_grad`]: the convolution with the kernel rotated by 180° and its channels exchanged.
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
    let (algorithm, grid) = Algorithm::of(s.batch, s.in_size, co, ci);
    let to = Output::new(grid, s.in_size, ci, None, Epilogue::NONE, before_relu, false, grad_input);
    let kernels = Kernels { values: weight, inputs: co, outputs: ci, rotated: true };
    let transformed = || kernels.transformed::<Four>(target, AlignedVec::unspecified);
    match algorithm {
        Algorithm::Blocked => blocked::correlate(target, images, before, grid, &transformed(), to),
        Algorithm::PointMajor => point_major::correlate(target, images, before, grid, &transformed(), to),
        Algorithm::FusedKernelTransform => fused_kernel_transform::correlate(target, images, before, grid, kernels, to),
    }
}

/// As [`super::conv2d_weight_grad`].
pub fn weight_grad(s: &Conv2dShape, input: Input<f32>, grad_output: &[f32], grad_weight: &mut [f32]) {
    let (target, [ci, co]) = (Target::current(), [s.in_channels, s.out_channels]);
    let input = Images { data: input, size: s.in_size, channels: ci };
    let grad = Images { data: grad_output.into(), size: s.out_size(), channels: co };
    let before = [s.padding[0][0] as isize, s.padding[1][0] as isize];
    let (algorithm, grid) = Algorithm::of(s.batch, s.out_size(), ci, co);
    let run = match algorithm {
        Algorithm::Blocked => blocked_grad::weight_grad,
        Algorithm::PointMajor => point_major::weight_grad,
        Algorithm::FusedKernelTransform => fused_kernel_transform::weight_grad,
    };
    run(target, input, grad, before, grid, grad_weight);
}
