//! Normalization.

use super::resample::{resampled, transposed};
use super::{TRAINING, by_float, elementwise, no_such_op, take, unary, views};
use crate::array::Array;
use crate::element::{Element, Stored};
use crate::op::{Binary, Op, Spec, Unary, as_clamp};
use crate::shape::Shape;
use striate_kernels::AlignedVec;
use striate_kernels::batch_norm::{self as batch, BatchNorm, GradPlace};
use striate_kernels::group_norm::{self as group, GroupNormShape};
use striate_kernels::resample::Taps;

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, _outputs: &[Spec]) -> Vec<Array> {
    let one = match op {
        Op::BatchNormStats if TRAINING => {
            let [x] = take(inputs);
            return stats(x);
        }
        Op::BatchNormGrad { eps, training, activation } if TRAINING => {
            return gradients(*eps, *training, *activation, inputs);
        }
        Op::GroupNorm { groups, eps } => return group_norm(inputs, *groups, *eps),
        Op::GroupNormGrad { eps } if TRAINING => return group_norm_grad(inputs, *eps),
        Op::LayerNorm { eps } => return layer_norm(inputs, *eps),
        Op::LayerNormGrad { eps } if TRAINING => return layer_norm_grad(inputs, *eps),
        Op::BatchNorm { eps, activation, .. } => batch_norm(*eps, *activation, inputs),
        Op::LocalResponseNorm { size, alpha, beta, k } => {
            let [x] = take(inputs);
            LocalResponseNorm { size: *size, alpha: *alpha, beta: *beta, k: *k }.apply(x)
        }
        Op::LocalResponseNormGrad { size, alpha, beta, k } if TRAINING => {
            let [g, x] = take(inputs);
            LocalResponseNorm { size: *size, alpha: *alpha, beta: *beta, k: *k }.gradient(g, x)
        }
        _ => no_such_op(op, "normalization"),
    };
    vec![one]
}

fn channels_last(x: &Array) -> (usize, usize) {
    let c = x.shape[1];
    (x.shape.numel().checked_div(c).unwrap_or(0), c)
}

fn inverse_std<T: Stored + striate_kernels::Float>(var: &Array, eps: f64) -> Vec<T> {
    var.packed_default::<T>()
        .iter()
        .map(|&v| <T as Element>::from_f64(1.0 / (Element::to_f64(v) + eps).sqrt()))
        .collect()
}

/// `[n, c, ..]` with two or four dimensions, whose channels lie side by side in memory.
fn as_channels(x: Array) -> Array {
    let s = x.shape;
    match s.rank() {
        2 | 4 => x,
        _ => views::reshape(x, Shape::from([s[0], s[1], s[2..].iter().product(), 1])),
    }
}

fn stats(x: Array) -> Vec<Array> {
    let x = as_channels(x);
    let (rows, c) = channels_last(&x);
    let shape = Shape::from([c]);
    by_float!(x, "batch_norm", |T| {
        let (mut mean, mut var) = (AlignedVec::unspecified(c), AlignedVec::unspecified(c));
        batch::batch_norm_stats(rows, c, &x.packed_default::<T>(), &mut mean, &mut var);
        vec![Array::from_buffer(mean, shape), Array::from_buffer(var, shape)]
    })
}

/// `inputs` are input, mean, variance, weight, bias and perhaps residual.
fn batch_norm(eps: f64, activation: Option<Unary>, inputs: Vec<Array>) -> Array {
    let shape = inputs[0].shape;
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next();
    let (x, mean, var) = (next(), next(), next());
    let (weight, bias, residual) = (next(), next(), next());
    let [x, mean, var, weight, bias] = [x, mean, var, weight, bias].map(|a| a.expect("five operands"));
    let (x, residual) = (as_channels(x), residual.map(as_channels));
    let (rows, c) = channels_last(&x);
    by_float!(x, "batch_norm", |T| {
        let mut out = AlignedVec::unspecified(x.shape.numel());
        let inv_std = inverse_std::<T>(&var, eps);
        let norm = BatchNorm {
            rows,
            channels: c,
            mean: &mean.packed_default(),
            inv_std: &inv_std,
            weight: Some(&weight.packed_default()),
            bias: Some(&bias.packed_default()),
            clamp: activation.and_then(as_clamp),
        };
        let residual = residual.as_ref().map(|r| r.packed_default::<T>());
        batch::batch_norm_apply(&norm, &x.packed_default(), residual.as_deref(), &mut out);
        views::reshape(Array::from_buffer(out, x.shape), shape)
    })
}

/// `inputs` are gradient, input, mean, variance, weight and bias.
fn gradients(eps: f64, training: bool, activation: Option<Unary>, inputs: Vec<Array>) -> Vec<Array> {
    let [grad, x, mean, var, weight, bias] = take(inputs);
    let shape = x.shape;
    let (mut grad, mut x) = (as_channels(grad).dense(), as_channels(x).dense());
    let (rows, c) = channels_last(&x);
    by_float!(x, "batch_norm", |T| {
        let (mut grad_weight, mut grad_bias) = (AlignedVec::unspecified(c), AlignedVec::unspecified(c));
        let inv_std = inverse_std::<T>(&var, eps);
        let over_grad = grad.exclusive::<T>().is_some();
        let place = if over_grad {
            GradPlace::Grad { x: &x.packed_default(), grad: grad.make_mut() }
        } else {
            GradPlace::Input { x: x.make_mut(), grad: &grad.packed_default() }
        };
        let norm = BatchNorm {
            rows,
            channels: c,
            mean: &mean.packed_default(),
            inv_std: &inv_std,
            weight: Some(&weight.packed_default()),
            bias: Some(&bias.packed_default()),
            clamp: activation.and_then(as_clamp),
        };
        batch::batch_norm_grad(&norm, place, training, &mut grad_weight, &mut grad_bias);
        let per_channel = Shape::from([c]);
        vec![
            views::reshape(if over_grad { grad } else { x }, shape),
            Array::from_buffer(grad_weight, per_channel),
            Array::from_buffer(grad_bias, per_channel),
        ]
    })
}

/// `[n, c, ..]` as an image.
fn as_image(x: Array) -> Array {
    let s = x.shape;
    if s.rank() == 4 { x } else { views::reshape(x, Shape::from([s[0], s[1], s[2..].iter().product(), 1])) }
}

fn sizes(x: Shape, groups: usize) -> GroupNormShape {
    GroupNormShape { samples: x[0], pixels: x[2] * x[3], channels: x[1], groups }
}

/// `inputs` are input, weight and bias; the results are output, means and variances.
fn group_norm(inputs: Vec<Array>, groups: usize, eps: f64) -> Vec<Array> {
    let [x, weight, bias] = take(inputs);
    let (shape, x) = (x.shape, as_image(x));
    let s = sizes(x.shape, groups);
    let statistics = Shape::from([s.samples, groups]);
    by_float!(x, "group_norm", |T| {
        let mut out = AlignedVec::unspecified(x.shape.numel());
        let (mut mean, mut var) =
            (AlignedVec::unspecified(statistics.numel()), AlignedVec::unspecified(statistics.numel()));
        let (weight, bias) = (weight.packed_default::<T>(), bias.packed_default::<T>());
        group::group_norm(&s, &x.packed_default(), Some(&weight), Some(&bias), eps, &mut out, &mut mean, &mut var);
        vec![
            views::reshape(Array::from_buffer(out, x.shape), shape),
            Array::from_buffer(mean, statistics),
            Array::from_buffer(var, statistics),
        ]
    })
}

/// `inputs` are gradient, input, means, variances and weight.
fn group_norm_grad(inputs: Vec<Array>, eps: f64) -> Vec<Array> {
    let [grad, x, mean, var, weight] = take(inputs);
    let shape = x.shape;
    let (grad, x) = (as_image(grad), as_image(x));
    let s = sizes(x.shape, mean.shape[1]);
    let per_channel = Shape::from([s.channels]);
    by_float!(x, "group_norm", |T| {
        let mut grad_x = AlignedVec::unspecified(x.shape.numel());
        let (mut grad_weight, mut grad_bias) =
            (AlignedVec::unspecified(s.channels), AlignedVec::unspecified(s.channels));
        group::group_norm_grad(
            &s,
            &x.packed_default::<T>(),
            &grad.packed_default(),
            &mean.packed_default(),
            &var.packed_default(),
            Some(&weight.packed_default()),
            eps,
            &mut grad_x,
            &mut grad_weight,
            &mut grad_bias,
        );
        vec![
            views::reshape(Array::from_buffer(grad_x, x.shape), shape),
            Array::from_buffer(grad_weight, per_channel),
            Array::from_buffer(grad_bias, per_channel),
        ]
    })
}

/// `[.., normalized]` as rows that are one group each.
fn as_groups(x: Array, normalized: Shape) -> Array {
    let rows = x.shape[..x.shape.rank() - normalized.rank()].iter().product();
    views::reshape(x, Shape::from([rows, normalized.numel(), 1, 1]))
}

/// `inputs` are input, weight and bias; the results are output, means and variances.
fn layer_norm(inputs: Vec<Array>, eps: f64) -> Vec<Array> {
    let [x, weight, bias] = take(inputs);
    let (shape, normalized) = (x.shape, weight.shape);
    let flat = |w: Array| views::reshape(w, Shape::from([normalized.numel()]));
    let mut results = group_norm(vec![as_groups(x, normalized), flat(weight), flat(bias)], 1, eps);
    results[0] = views::reshape(results[0].clone(), shape);
    results
}

/// `inputs` are gradient, input, means, variances and weight.
fn layer_norm_grad(inputs: Vec<Array>, eps: f64) -> Vec<Array> {
    let [g, x, mean, var, weight] = take(inputs);
    let (shape, normalized) = (x.shape, weight.shape);
    let flat = views::reshape(weight, Shape::from([normalized.numel()]));
    let (g, x) = (as_groups(g, normalized), as_groups(x, normalized));
    let all = group_norm_grad(vec![g, x, mean, var, flat], eps);
    let [to_x, to_w, to_b] = take(all);
    vec![views::reshape(to_x, shape), views::reshape(to_w, normalized), views::reshape(to_b, normalized)]
}

/// The settings of `torch.nn.functional.local_response_norm`.
struct LocalResponseNorm {
    size: usize,
    alpha: f64,
    beta: f64,
    k: f64,
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
        let means = resampled(unary::unary(Unary::Square, x), &steps);
        unary::unary(Unary::AddScalar(self.k), means)
    }

    fn apply(&self, x: Array) -> Array {
        let divisor = unary::unary(Unary::PowScalar(self.beta), self.base(x.clone()));
        elementwise::binary(Binary::Div, x, divisor)
    }

    /// g / d^β − 2 · x · windows(β · g · x / d^(β + 1)), d being the base, the windows being those that an element lies in.
    fn gradient(&self, g: Array, x: Array) -> Array {
        let mul = |a: Array, b: Array| elementwise::binary(Binary::Mul, a, b);
        let base = self.base(x.clone());
        let direct = mul(g, unary::unary(Unary::PowScalar(-self.beta), base.clone()));
        let inner = elementwise::binary(Binary::Div, mul(direct.clone(), x.clone()), base);
        let inner = unary::unary(Unary::MulScalar(-2.0 * self.beta), inner);
        let steps = vec![(1, self.window(x.shape[1]))];
        elementwise::binary(Binary::Add, direct, mul(x, resampled(inner, &transposed(steps))))
    }
}
