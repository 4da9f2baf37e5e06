//! Normalization within samples.

use super::{by_float, take, views};
use crate::array::Array;
use crate::shape::Shape;
use striate_kernels::Buffer;
use striate_kernels::group_norm::{self as kernel, GroupNormShape};

fn sizes(x: Shape, groups: usize) -> GroupNormShape {
    GroupNormShape { samples: x[0], pixels: x[2] * x[3], channels: x[1], groups }
}

/// `[n, c, ..]` as an image.
fn as_image(x: Array) -> Array {
    let s = x.shape;
    if s.rank() == 4 { x } else { views::reshape(x, Shape::from([s[0], s[1], s[2..].iter().product(), 1])) }
}

/// `inputs` are input, weight and bias; the results are output, means and variances.
pub fn group_norm(inputs: Vec<Array>, groups: usize, eps: f64) -> Vec<Array> {
    let [x, weight, bias] = take(inputs);
    let (shape, x) = (x.shape, as_image(x));
    let s = sizes(x.shape, groups);
    let statistics = Shape::from([s.samples, groups]);
    by_float!(x, "group_norm", |T| {
        let mut out = Buffer::unspecified(x.shape.numel());
        let (mut mean, mut var) = (Buffer::unspecified(statistics.numel()), Buffer::unspecified(statistics.numel()));
        let (weight, bias) = (weight.packed_default::<T>(), bias.packed_default::<T>());
        kernel::group_norm(&s, &x.packed_default(), Some(&weight), Some(&bias), eps, &mut out, &mut mean, &mut var);
        vec![
            views::reshape(Array::from_buffer(out, x.shape), shape),
            Array::from_buffer(mean, statistics),
            Array::from_buffer(var, statistics),
        ]
    })
}

/// `inputs` are gradient, input, means, variances and weight.
pub fn group_norm_grad(inputs: Vec<Array>, eps: f64) -> Vec<Array> {
    let [grad, x, mean, var, weight] = take(inputs);
    let shape = x.shape;
    let (grad, x) = (as_image(grad), as_image(x));
    let s = sizes(x.shape, mean.shape[1]);
    let per_channel = Shape::from([s.channels]);
    by_float!(x, "group_norm", |T| {
        let mut grad_x = Buffer::unspecified(x.shape.numel());
        let (mut grad_weight, mut grad_bias) = (Buffer::unspecified(s.channels), Buffer::unspecified(s.channels));
        kernel::group_norm_grad(
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
