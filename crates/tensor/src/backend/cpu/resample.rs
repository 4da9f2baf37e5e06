//! Resampling, and padding with what is there: sparse matrices along dimensions.

use super::{TRAINING, by_float, no_such_op, take};
use crate::array::{Array, memory_order};
use crate::element::Stored;
use crate::op::{GridSampleMode, GridSamplePadding, Interpolation, Op, PaddingMode, Spec};
use crate::shape::Shape;
use striate_kernels::grid_sample::{GridSample, grid_sample, grid_sample_grad};
use striate_kernels::resample::{self as kernel, Taps};
use striate_kernels::{AlignedVec, Float};

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let shape = outputs[0].shape;
    let one = match op {
        Op::Interpolate { scale_factor, mode, .. } => {
            let [x] = take(inputs);
            interpolate(x, shape, *scale_factor, *mode)
        }
        Op::InterpolateGrad { input, scale_factor, mode } if TRAINING => {
            let [g] = take(inputs);
            interpolate_grad(g, *input, *scale_factor, *mode)
        }
        Op::GridSample { mode, padding_mode, align_corners } => {
            let [x, grid] = take(inputs);
            let s = sampling(x.shape, grid.shape, *mode, *padding_mode, *align_corners);
            by_float!(x, "grid_sample", |T| {
                let mut out = AlignedVec::unspecified(shape.numel());
                grid_sample(&s, &x.packed_default::<T>(), &grid.packed(&ROWS), &mut out);
                Array::from_buffer(out, shape)
            })
        }
        Op::GridSampleGrad { mode, padding_mode, align_corners } if TRAINING => {
            let [grad, x, grid] = take(inputs);
            let s = sampling(x.shape, grid.shape, *mode, *padding_mode, *align_corners);
            by_float!(x, "grid_sample", |T| {
                let (mut to_x, mut to_grid) =
                    (AlignedVec::unspecified(x.shape.numel()), AlignedVec::unspecified(grid.shape.numel()));
                let (g, values) = (grad.packed_default::<T>(), x.packed_default());
                grid_sample_grad(&s, &g, &values, &grid.packed(&ROWS), &mut to_x, &mut to_grid);
                return vec![Array::from_buffer(to_x, x.shape), Array::in_order(to_grid, grid.shape, &ROWS)];
            })
        }
        _ => no_such_op(op, "resampling"),
    };
    vec![one]
}

/// How a grid lies in memory.
const ROWS: [usize; 4] = [0, 1, 2, 3];

fn sampling(
    x: Shape,
    grid: Shape,
    mode: GridSampleMode,
    padding: GridSamplePadding,
    align_corners: bool,
) -> GridSample {
    let (in_size, out_size) = ([x[2], x[3]], [grid[1], grid[2]]);
    GridSample { batch: x[0], channels: x[1], in_size, out_size, mode, padding, align_corners }
}

/// The pixel that stands at `i` of the padded dimension, counted from the start of the image of `size` pixels.
fn outside(mode: PaddingMode, i: isize, size: usize) -> usize {
    let last = size as isize - 1;
    let at = match mode {
        PaddingMode::Reflect => last - (last - i.abs()).abs(),
        PaddingMode::Circular => i.rem_euclid(size as isize),
        PaddingMode::Replicate | PaddingMode::Zeros => i.clamp(0, last),
    };
    at as usize
}

/// Weights of the pixels around `source`, which may be out of range and then stand for the outermost pixel.
fn cubic(t: f64) -> [f64; 4] {
    const A: f64 = -0.75;
    let near = |x: f64| ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0;
    let far = |x: f64| ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A;
    [far(t + 1.0), near(t), near(1.0 - t), far(2.0 - t)]
}

/// The weights of one dimension; `factor` is the scale factor, if the size was given by one.
fn interpolation(mode: Interpolation, size: usize, out: usize, factor: Option<f64>) -> Taps {
    let scale = factor.map_or(size as f64 / out as f64, |f| 1.0 / f);
    let last = size - 1;
    let source = |i: usize, align_corners: bool| {
        if align_corners {
            if out > 1 { i as f64 * (last as f64 / (out - 1) as f64) } else { 0.0 }
        } else {
            (i as f64 + 0.5) * scale - 0.5
        }
    };
    let row = |i: usize| match mode {
        // As in PyTorch, whatever the factor was that gave these sizes.
        Interpolation::Nearest if out == size || out == 2 * size => vec![(i * size / out, 1.0)],
        Interpolation::Nearest => vec![(((i as f64 * scale) as usize).min(last), 1.0)],
        Interpolation::NearestExact => vec![((((i as f64 + 0.5) * scale) as usize).min(last), 1.0)],
        Interpolation::Bilinear { .. } if size == out => vec![(i, 1.0)],
        Interpolation::Bilinear { align_corners } => {
            let x = source(i, align_corners).max(0.0);
            let first = (x as usize).min(last);
            let t = (x - first as f64).min(1.0);
            vec![(first, 1.0 - t), ((first + 1).min(last), t)]
        }
        Interpolation::Bicubic { align_corners } => {
            let x = source(i, align_corners);
            let first = x.floor().min(last as f64);
            let weights = cubic((x - first).min(1.0));
            (0..4).map(|k| ((first as isize - 1 + k).clamp(0, last as isize) as usize, weights[k as usize])).collect()
        }
    };
    Taps::new(size, (0..out).map(row))
}

/// A sparse matrix for each of some dimensions.
pub type Steps = Vec<(usize, Taps)>;

/// Applies each matrix along its dimension, one after the other.
pub fn resampled(x: Array, steps: &[(usize, Taps)]) -> Array {
    fn run<T: Stored + Float>(x: Array, steps: &[(usize, Taps)]) -> Array {
        steps.iter().fold(x, |x, (dim, taps)| along::<T>(&x, *dim, taps))
    }
    by_float!(x, "resample", |T| run::<T>(x, steps))
}

pub fn transposed(steps: Steps) -> Steps {
    steps.into_iter().rev().map(|(d, taps)| (d, taps.transposed())).collect()
}

fn along<T: Stored + Float>(x: &Array, dim: usize, taps: &Taps) -> Array {
    let order = memory_order(x.shape.rank());
    let at = order.iter().position(|&d| d == dim).expect("every dimension lies in memory");
    let memory = x.shape.permuted(order);
    let (outer, inner) = (memory[..at].iter().product(), memory[at + 1..].iter().product());
    let shape = x.shape.with(dim, taps.outputs());
    let mut out = AlignedVec::unspecified(shape.numel());
    kernel::resample(outer, inner, taps, &x.packed_default::<T>(), &mut out);
    Array::from_buffer(out, shape)
}

/// Padding goes from the last dimension to the first, as PyTorch lists it.
fn padding_steps(shape: Shape, padding: &[[usize; 2]], mode: PaddingMode) -> Steps {
    let wanted = padding.iter().enumerate().rev().filter(|(_, p)| **p != [0; 2]);
    let step = |(d, &[before, after]): (usize, &[usize; 2])| {
        let size = shape[d];
        let rows = (0..before + size + after).map(|i| [(outside(mode, i as isize - before as isize, size), 1.0)]);
        (d, Taps::new(size, rows))
    };
    wanted.map(step).collect()
}

/// Padding in another mode than `Zeros`.
pub fn pad(x: Array, padding: &[[usize; 2]], mode: PaddingMode) -> Array {
    let steps = padding_steps(x.shape, padding, mode);
    resampled(x, &steps)
}

pub fn pad_grad(g: Array, padding: &[[usize; 2]], mode: PaddingMode, input: Shape) -> Array {
    resampled(g, &transposed(padding_steps(input, padding, mode)))
}

fn interpolation_steps(input: Shape, size: [usize; 2], scale_factor: Option<[f64; 2]>, mode: Interpolation) -> Steps {
    let step = |d: usize| (2 + d, interpolation(mode, input[2 + d], size[d], scale_factor.map(|f| f[d])));
    vec![step(0), step(1)]
}

fn interpolate(x: Array, output: Shape, scale_factor: Option<[f64; 2]>, mode: Interpolation) -> Array {
    let steps = interpolation_steps(x.shape, [output[2], output[3]], scale_factor, mode);
    resampled(x, &steps)
}

fn interpolate_grad(g: Array, input: Shape, scale_factor: Option<[f64; 2]>, mode: Interpolation) -> Array {
    let steps = interpolation_steps(input, [g.shape[2], g.shape[3]], scale_factor, mode);
    resampled(g, &transposed(steps))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lies_outside() {
        let row = |mode| (-2..5).map(|i| outside(mode, i, 3)).collect::<Vec<_>>();
        assert_eq!(row(PaddingMode::Reflect), [2, 1, 0, 1, 2, 1, 0]);
        assert_eq!(row(PaddingMode::Replicate), [0, 0, 0, 1, 2, 2, 2]);
        assert_eq!(row(PaddingMode::Circular), [1, 2, 0, 1, 2, 0, 1]);
    }
}
