//! Pooling to a size. Windows that cover an image evenly are made of those that the kernels have.

use super::pool::{max_pool2d, max_pool2d_grad};
use super::resample::{Steps, resampled, transposed};
use super::{TRAINING, by_float, no_such_op, reduction, take, unary, views};
use crate::array::Array;
use crate::op::{Op, Pool2dOptions, Reduce, Spec, Unary};
use crate::ops::resample::{longest_windows, window};
use crate::shape::Shape;
use striate_kernels::resample::Taps;

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let shape = outputs[0].shape;
    let one = match op {
        Op::AdaptiveMaxPool2d { with_positions, .. } => {
            let [x] = take(inputs);
            let (y, positions) = adaptive_max_pool2d(x, shape);
            if *with_positions {
                return vec![y, positions];
            }
            y
        }
        Op::AdaptiveAvgPool { .. } => {
            let [x] = take(inputs);
            adaptive_avg_pool(x, shape)
        }
        Op::AdaptiveAvgPoolGrad { input } if TRAINING => {
            let [g] = take(inputs);
            adaptive_avg_pool_grad(g, *input)
        }
        Op::AdaptiveMaxPool2dGrad { input } if TRAINING => {
            let [g, positions] = take(inputs);
            adaptive_max_pool2d_grad(g, positions, *input)
        }
        _ => no_such_op(op, "pooling to a size"),
    };
    vec![one]
}

/// Whether adaptive pooling is a mean over all pixels, and the dimensions of these.
fn is_global(output: Shape) -> Option<Vec<usize>> {
    output[2..].iter().all(|&n| n == 1).then(|| (2..output.rank()).collect())
}

fn adaptive_steps(input: Shape, output: Shape) -> Steps {
    let changed = (2..input.rank()).filter(|&d| input[d] != output[d]);
    let step = |d: usize| {
        let row = |o: usize| {
            let window = window(o, input[d], output[d]);
            let weight = 1.0 / window.len() as f64;
            window.map(move |i| (i, weight))
        };
        (d, Taps::new(input[d], (0..output[d]).map(row)))
    };
    changed.map(step).collect()
}

fn adaptive_avg_pool(x: Array, output: Shape) -> Array {
    match is_global(output) {
        Some(dims) => reduction::reduce(Reduce::Mean, x, &dims),
        None => {
            let steps = adaptive_steps(x.shape, output);
            resampled(x, &steps)
        }
    }
}

fn adaptive_avg_pool_grad(g: Array, input: Shape) -> Array {
    match is_global(g.shape) {
        Some(dims) => {
            let pixels: usize = dims.iter().map(|&d| input[d]).product();
            views::expand(unary::unary(Unary::MulScalar(1.0 / pixels as f64), g), input)
        }
        None => {
            let steps = adaptive_steps(input, g.shape);
            resampled(g, &transposed(steps))
        }
    }
}

/// Makes windows that overlap ones side by side, all as long as the longest: the last pixel again changes no maximum.
fn side_by_side(input: Shape, output_size: [usize; 2], kernel: [usize; 2]) -> Steps {
    let uneven = (0..2).filter(|&d| !input[2 + d].is_multiple_of(output_size[d]));
    let step = |d: usize| {
        let (size, out, long) = (input[2 + d], output_size[d], kernel[d]);
        let windows = (0..out).map(|i| window(i, size, out));
        let rows = windows.flat_map(|w| (0..long).map(move |k| [((w.start + k).min(w.end - 1), 1.0)]));
        (2 + d, Taps::new(size, rows))
    };
    uneven.map(step).collect()
}

fn adaptive_max_pool2d(x: Array, output: Shape) -> (Array, Array) {
    let size = [output[2], output[3]];
    let kernel = longest_windows(x.shape, size);
    let steps = side_by_side(x.shape, size, kernel);
    let x = resampled(x, &steps);
    by_float!(x, "adaptive_max_pool2d", |T| max_pool2d::<T>(&x, false, &Pool2dOptions::new(kernel)))
}

fn adaptive_max_pool2d_grad(g: Array, positions: Array, input: Shape) -> Array {
    let size = [g.shape[2], g.shape[3]];
    let kernel = longest_windows(input, size);
    let steps = side_by_side(input, size, kernel);
    let pooled = input.with(2, size[0] * kernel[0]).with(3, size[1] * kernel[1]);
    let options = Pool2dOptions::new(kernel);
    let pooled =
        (0..2).fold(pooled, |s, d| if steps.iter().any(|s| s.0 == 2 + d) { s } else { s.with(2 + d, input[2 + d]) });
    let g = by_float!(g, "adaptive_max_pool2d", |T| max_pool2d_grad::<T>(&g, &positions, pooled, &options));
    resampled(g, &transposed(steps))
}
