//! Ops that the kernels do not have as such, made of those that they have: many are sparse matrices along dimensions.

use super::{by_float, elementwise, group_norm, image, take, views};
use crate::array::Array;
use crate::dtype::{Stored, by_type};
use crate::op::{Binary, Compare, ConvTranspose2dOptions, Interpolation, PaddingMode, Pool2dOptions, Reduce, Unary};
use crate::ops::conv_transpose::convolution;
use crate::ops::resample::{longest_windows, window};
use crate::shape::Shape;
use striate_kernels::Float;
use striate_kernels::resample::Taps;

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
type Steps = Vec<(usize, Taps)>;

/// Applies each matrix along its dimension, one after the other.
fn resampled(x: Array, steps: &[(usize, Taps)]) -> Array {
    fn run<T: Stored + Float>(x: Array, steps: &[(usize, Taps)]) -> Array {
        steps.iter().fold(x, |x, (dim, taps)| image::resample::<T>(&x, *dim, taps))
    }
    by_float!(x, "resample", |T| run::<T>(x, steps))
}

fn transposed(steps: Steps) -> Steps {
    steps.into_iter().rev().map(|(d, taps)| (d, taps.transposed())).collect()
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

pub fn pad(x: Array, padding: &[[usize; 2]], mode: PaddingMode, value: f64) -> Array {
    if mode == PaddingMode::Zeros {
        return by_type!(x.dtype(), |T| views::pad::<T>(&x, padding, value));
    }
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

pub fn interpolate(x: Array, output: Shape, scale_factor: Option<[f64; 2]>, mode: Interpolation) -> Array {
    let steps = interpolation_steps(x.shape, [output[2], output[3]], scale_factor, mode);
    resampled(x, &steps)
}

pub fn interpolate_grad(g: Array, input: Shape, scale_factor: Option<[f64; 2]>, mode: Interpolation) -> Array {
    let steps = interpolation_steps(input, [g.shape[2], g.shape[3]], scale_factor, mode);
    resampled(g, &transposed(steps))
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

pub fn adaptive_avg_pool(x: Array, output: Shape) -> Array {
    match is_global(output) {
        Some(dims) => elementwise::reduce(Reduce::Mean, x, &dims),
        None => {
            let steps = adaptive_steps(x.shape, output);
            resampled(x, &steps)
        }
    }
}

pub fn adaptive_avg_pool_grad(g: Array, input: Shape) -> Array {
    match is_global(g.shape) {
        Some(dims) => {
            let pixels: usize = dims.iter().map(|&d| input[d]).product();
            views::expand(elementwise::unary(Unary::MulScalar(1.0 / pixels as f64), g), input)
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

pub fn adaptive_max_pool2d(x: Array, output: Shape) -> (Array, Array) {
    let size = [output[2], output[3]];
    let kernel = longest_windows(x.shape, size);
    let steps = side_by_side(x.shape, size, kernel);
    let x = resampled(x, &steps);
    by_float!(x, "adaptive_max_pool2d", |T| image::max_pool2d::<T>(&x, false, &Pool2dOptions::new(kernel)))
}

pub fn adaptive_max_pool2d_grad(g: Array, positions: Array, input: Shape) -> Array {
    let size = [g.shape[2], g.shape[3]];
    let kernel = longest_windows(input, size);
    let steps = side_by_side(input, size, kernel);
    let pooled = input.with(2, size[0] * kernel[0]).with(3, size[1] * kernel[1]);
    let options = Pool2dOptions::new(kernel);
    let pooled =
        (0..2).fold(pooled, |s, d| if steps.iter().any(|s| s.0 == 2 + d) { s } else { s.with(2 + d, input[2 + d]) });
    let g = by_float!(g, "adaptive_max_pool2d", |T| image::max_pool2d_grad::<T>(&g, &positions, pooled, &options));
    resampled(g, &transposed(steps))
}

pub fn prelu(x: Array, weight: Array) -> Array {
    let wide = (0..x.shape.rank()).map(|d| if d == 1 { weight.shape[0] } else { 1 }).collect();
    let scaled = elementwise::binary(Binary::Mul, x.clone(), views::reshape(weight, wide));
    let zero = Array::full(0.0, Shape::from([]), x.dtype());
    elementwise::select(elementwise::compare(Compare::Gt, x.clone(), zero), x, scaled)
}

/// `[.., features]` as rows.
pub fn as_rows(x: Array) -> Array {
    let (rank, shape) = (x.shape.rank(), x.shape);
    if rank == 2 {
        return x;
    }
    let rows = shape[..rank - 1].iter().product();
    views::reshape(x, Shape::from([rows, shape[rank - 1]]))
}

pub fn conv_transpose2d(
    x: Array,
    weight: Array,
    bias: Option<Array>,
    options: &ConvTranspose2dOptions,
    output: Shape,
) -> Array {
    let (o, beyond) = convolution(options);
    let reached = output.with(2, output[2] - beyond[0]).with(3, output[3] - beyond[1]);
    let mut y = by_float!(x, "conv_transpose2d", |T| image::conv2d_input_grad::<T>(&x, &weight, None, reached, &o));
    if beyond != [0; 2] {
        y = pad(y, &[[0; 2], [0; 2], [0, beyond[0]], [0, beyond[1]]], PaddingMode::Zeros, 0.0);
    }
    match bias {
        Some(b) => elementwise::binary(Binary::Add, y, views::reshape(b, Shape::from([1, output[1], 1, 1]))),
        None => y,
    }
}

/// `[.., normalized]` as rows that are one group each.
fn as_groups(x: Array, normalized: Shape) -> Array {
    let rows = x.shape[..x.shape.rank() - normalized.rank()].iter().product();
    views::reshape(x, Shape::from([rows, normalized.numel(), 1, 1]))
}

/// `inputs` are input, weight and bias; the results are output, means and variances.
pub fn layer_norm(inputs: Vec<Array>, eps: f64) -> Vec<Array> {
    let [x, weight, bias] = take(inputs);
    let (shape, normalized) = (x.shape, weight.shape);
    let flat = |w: Array| views::reshape(w, Shape::from([normalized.numel()]));
    let mut results = group_norm::group_norm(vec![as_groups(x, normalized), flat(weight), flat(bias)], 1, eps);
    results[0] = views::reshape(results[0].clone(), shape);
    results
}

/// `inputs` are gradient, input, means, variances and weight.
pub fn layer_norm_grad(inputs: Vec<Array>, eps: f64) -> Vec<Array> {
    let [g, x, mean, var, weight] = take(inputs);
    let (shape, normalized) = (x.shape, weight.shape);
    let flat = views::reshape(weight, Shape::from([normalized.numel()]));
    let (g, x) = (as_groups(g, normalized), as_groups(x, normalized));
    let all = group_norm::group_norm_grad(vec![g, x, mean, var, flat], eps);
    let [to_x, to_w, to_b] = take(all);
    vec![views::reshape(to_x, shape), views::reshape(to_w, normalized), views::reshape(to_b, normalized)]
}

/// The settings of `torch.nn.functional.local_response_norm`.
pub struct LocalResponseNorm {
    pub size: usize,
    pub alpha: f64,
    pub beta: f64,
    pub k: f64,
}

impl LocalResponseNorm {
    /// Sums `alpha / size` times the neighbouring channels.
    fn window(&self, channels: usize) -> Taps {
        let row = |j: usize| {
            let window = j.saturating_sub(self.size / 2)..channels.min(j + self.size.div_ceil(2));
            window.map(|i| (i, self.alpha / self.size as f64))
        };
        Taps::new(channels, (0..channels).map(row))
    }

    /// k + alpha · mean of the squares.
    fn base(&self, x: Array) -> Array {
        let steps = [(1, self.window(x.shape[1]))];
        let means = resampled(elementwise::unary(Unary::Square, x), &steps);
        elementwise::unary(Unary::AddScalar(self.k), means)
    }

    pub fn apply(&self, x: Array) -> Array {
        let divisor = elementwise::unary(Unary::PowScalar(self.beta), self.base(x.clone()));
        elementwise::binary(Binary::Div, x, divisor)
    }

    /// g / d^β − 2 · x · windows(β · g · x / d^(β + 1)), d being the base, the windows being those that an element lies in.
    pub fn gradient(&self, g: Array, x: Array) -> Array {
        let mul = |a: Array, b: Array| elementwise::binary(Binary::Mul, a, b);
        let base = self.base(x.clone());
        let direct = mul(g, elementwise::unary(Unary::PowScalar(-self.beta), base.clone()));
        let inner = elementwise::binary(Binary::Div, mul(direct.clone(), x.clone()), base);
        let inner = elementwise::unary(Unary::MulScalar(-2.0 * self.beta), inner);
        let steps = vec![(1, self.window(x.shape[1]))];
        elementwise::binary(Binary::Add, direct, mul(x, resampled(inner, &transposed(steps))))
    }
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
