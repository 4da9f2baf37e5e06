//! Batch normalization.

use super::{by_float, take, views};
use crate::array::Array;
use crate::dtype::{Element, Stored};
use crate::op::Unary;
use crate::op::as_clamp;
use crate::shape::Shape;
use striate_kernels::Buffer;
use striate_kernels::batch_norm::{self as kernel, BatchNorm, GradPlace};

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

/// `[n, c, ..]` as an image, whose channels lie side by side in memory.
fn as_image(x: Array) -> Array {
    let s = x.shape;
    match s.rank() {
        2 | 4 => x,
        _ => views::reshape(x, Shape::from([s[0], s[1], s[2..].iter().product(), 1])),
    }
}

pub fn stats(x: Array) -> Vec<Array> {
    let x = as_image(x);
    let (rows, c) = channels_last(&x);
    let shape = Shape::from([c]);
    by_float!(x, "batch_norm", |T| {
        let (mut mean, mut var) = (Buffer::unspecified(c), Buffer::unspecified(c));
        kernel::batch_norm_stats(rows, c, &x.packed_default::<T>(), &mut mean, &mut var);
        vec![Array::from_buffer(mean, shape), Array::from_buffer(var, shape)]
    })
}

/// `inputs` are input, mean, variance, weight, bias and perhaps residual.
pub fn apply(eps: f64, activation: Option<Unary>, inputs: Vec<Array>) -> Array {
    let shape = inputs[0].shape;
    let mut inputs = inputs.into_iter();
    let mut next = || inputs.next();
    let (x, mean, var) = (next(), next(), next());
    let (weight, bias, residual) = (next(), next(), next());
    let [x, mean, var, weight, bias] = [x, mean, var, weight, bias].map(|a| a.expect("five operands"));
    let (x, residual) = (as_image(x), residual.map(as_image));
    let (rows, c) = channels_last(&x);
    by_float!(x, "batch_norm", |T| {
        let mut out = Buffer::unspecified(x.shape.numel());
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
        kernel::batch_norm_apply(&norm, &x.packed_default(), residual.as_deref(), &mut out);
        views::reshape(Array::from_buffer(out, x.shape), shape)
    })
}

/// `inputs` are gradient, input, mean, variance, weight and bias.
pub fn gradients(eps: f64, training: bool, activation: Option<Unary>, inputs: Vec<Array>) -> Vec<Array> {
    let [grad, x, mean, var, weight, bias] = take(inputs);
    let shape = x.shape;
    let (mut grad, mut x) = (as_image(grad).dense(), as_image(x).dense());
    let (rows, c) = channels_last(&x);
    by_float!(x, "batch_norm", |T| {
        let (mut grad_weight, mut grad_bias) = (Buffer::unspecified(c), Buffer::unspecified(c));
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
        kernel::batch_norm_grad(&norm, place, training, &mut grad_weight, &mut grad_bias);
        let per_channel = Shape::from([c]);
        vec![
            views::reshape(if over_grad { grad } else { x }, shape),
            Array::from_buffer(grad_weight, per_channel),
            Array::from_buffer(grad_bias, per_channel),
        ]
    })
}
