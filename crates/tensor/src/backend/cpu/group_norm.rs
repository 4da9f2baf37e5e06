//! Normalization within samples.

use crate::array::Array;
use crate::backend::GroupNormed;
use crate::dtype::Element;
use crate::shape::Shape;
use striate_kernels::group_norm::{self as kernel, GroupNormShape};
use striate_kernels::{Buffer, Float};

fn sizes(x: Shape, groups: usize) -> GroupNormShape {
    GroupNormShape { samples: x[0], pixels: x[2] * x[3], channels: x[1], groups }
}

pub fn group_norm<T: Element + Float>(
    x: &Array,
    groups: usize,
    weight: Option<Array>,
    bias: Option<Array>,
    eps: f64,
) -> GroupNormed {
    let s = sizes(x.shape, groups);
    let statistics = Shape::from([s.samples, groups]);
    let mut out = Buffer::unspecified(x.shape.numel());
    let (mut mean, mut var) = (Buffer::unspecified(statistics.numel()), Buffer::unspecified(statistics.numel()));
    let (weight, bias) =
        (weight.as_ref().map(Array::packed_default::<T>), bias.as_ref().map(Array::packed_default::<T>));
    let x_values = x.packed_default::<T>();
    kernel::group_norm(&s, &x_values, weight.as_deref(), bias.as_deref(), eps, &mut out, &mut mean, &mut var);
    GroupNormed {
        output: Array::from_buffer(out, x.shape),
        mean: Array::from_buffer(mean, statistics),
        var: Array::from_buffer(var, statistics),
    }
}

pub fn group_norm_grad<T: Element + Float>(
    grad: &Array,
    x: &Array,
    mean: &Array,
    var: &Array,
    weight: Option<Array>,
    eps: f64,
) -> [Array; 3] {
    let s = sizes(x.shape, mean.shape[1]);
    let per_channel = Shape::from([s.channels]);
    let mut grad_x = Buffer::unspecified(x.shape.numel());
    let (mut grad_weight, mut grad_bias) = (Buffer::unspecified(s.channels), Buffer::unspecified(s.channels));
    let weight = weight.as_ref().map(Array::packed_default::<T>);
    kernel::group_norm_grad(
        &s,
        &x.packed_default::<T>(),
        &grad.packed_default(),
        &mean.packed_default(),
        &var.packed_default(),
        weight.as_deref(),
        eps,
        &mut grad_x,
        &mut grad_weight,
        &mut grad_bias,
    );
    [
        Array::from_buffer(grad_x, x.shape),
        Array::from_buffer(grad_weight, per_channel),
        Array::from_buffer(grad_bias, per_channel),
    ]
}
