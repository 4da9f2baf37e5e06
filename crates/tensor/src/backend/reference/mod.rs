//! A device that computes every op in plain loops, written from its definition: the measure for the other backends.
//!
//! Numbers of all types are held as `f64`, and sums run in `f64`; each result is rounded to its type. Integers beyond 2⁵³ are therefore
//! not exact here.

mod conv;
mod elementwise;
mod grid;
mod loss;
mod norm;
mod pool;
mod reduce;
mod resample;
mod shape;
#[cfg(test)]
mod tests;
mod update;

use super::{Backend, Update};
use crate::array::{Array, Remote};
use crate::device::Device;
use crate::dtype::{DType, Element, by_type};
use crate::op::{Op, Spec};
use crate::ops::pool2d::position_dtype;
use crate::ops::resample::longest_windows;
use crate::shape::Shape;
use elementwise::round;
use grid::Grid;
use norm::Normalization;
use pool::Windows;
use std::any::Any;
use std::sync::Arc;

/// Computes every op in plain loops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

/// The elements of an array on this device, in row-major order of its shape.
#[derive(Clone, Debug)]
pub struct Plain {
    values: Vec<f64>,
    dtype: DType,
}

impl Remote for Plain {
    fn backend(&self) -> Arc<dyn Backend> {
        Reference::shared()
    }
    fn dtype(&self) -> DType {
        self.dtype
    }
    fn download(&self, shape: Shape) -> Array {
        fn typed<T: Element>(values: &[f64], shape: Shape) -> Array {
            Array::from_slice(&values.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>(), shape)
        }
        by_type!(self.dtype, |T| typed::<T>(&self.values, shape))
    }
}

/// The elements of an array that this backend keeps.
fn numbers(x: &Array) -> Grid {
    let remote: Option<&dyn Any> = x.as_remote().map(|r| &**r as &dyn Any);
    let plain = remote.and_then(|r| r.downcast_ref::<Plain>());
    let Some(plain) = plain else { panic!("expected an array on the reference device, got one on {}", x.device()) };
    Grid { shape: x.shape(), values: plain.values.clone() }
}

/// An array of what was computed, rounded to its type.
fn array(numbers: Grid, spec: Spec) -> Array {
    let values = numbers.reshaped(spec.shape).values.into_iter().map(|x| round(x, spec.dtype)).collect();
    Array::remote(Arc::new(Plain { values, dtype: spec.dtype }), spec.shape)
}

impl Reference {
    /// The one that all share.
    pub fn shared() -> Arc<Reference> {
        Arc::new(Reference)
    }
}

impl Backend for Reference {
    fn device(&self) -> Device {
        Device::Reference
    }
    fn upload(&self, x: &Array, _tag: Option<u64>) -> Array {
        fn all<T: Element>(x: &Array) -> Vec<f64> {
            x.to_vec::<T>().into_iter().map(T::to_f64).collect()
        }
        let values = by_type!(x.dtype(), |T| all::<T>(x));
        Array::remote(Arc::new(Plain { values, dtype: x.dtype() }), x.shape())
    }
    fn run(&self, op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
        let operands: Vec<Grid> = inputs.iter().map(numbers).collect();
        let results = compute(op, &operands, inputs[0].dtype(), outputs[0].shape);
        // Poolings give positions even if nobody asked for them.
        results.into_iter().zip(outputs).map(|(y, spec)| array(y, *spec)).collect()
    }
    fn update(&self, step: &Update, param: &mut Array, grad: &Array, state: &mut [Array]) {
        let (mut p, g) = (numbers(param), numbers(grad));
        let mut s: Vec<Grid> = state.iter().map(numbers).collect();
        update::update(step, &mut p, &g, &mut s);
        *param = array(p, param.spec());
        for (old, new) in state.iter_mut().zip(s) {
            *old = array(new, old.spec());
        }
    }
}

/// The results of `op`, the first of which has the shape `shape`, for operands `x` of which the first has the type `dtype`.
fn compute(op: &Op, x: &[Grid], dtype: DType, shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::Reshape { .. } | Op::Flatten { .. } | Op::Cast { .. } => x[0].clone().reshaped(shape),
        Op::Permute { dims } => shape::permute(&x[0], dims),
        Op::Expand { .. } => Grid::from_fn(shape, |i| x[0].at_broadcast(&i)),
        Op::Narrow { dim, start, .. } => Grid::from_fn(shape, |i| x[0].at(&i.with(*dim, start + i[*dim]))),
        Op::Cat { dim } => shape::cat(x, *dim, shape),
        Op::Pad { padding, mode, value } => shape::pad(&x[0], padding, *mode, *value, shape),
        Op::PadGrad { padding, mode } => shape::pad_grad(&x[0], padding, *mode, shape),

        Op::Unary(f) => x[0].map(|x| elementwise::unary(*f, dtype, x)),
        Op::Binary(f) => {
            Grid::from_fn(shape, |i| elementwise::binary(*f, dtype, x[0].at_broadcast(&i), x[1].at_broadcast(&i)))
        }
        Op::Compare(f) => {
            Grid::from_fn(shape, |i| elementwise::compare(*f, x[0].at_broadcast(&i), x[1].at_broadcast(&i)))
        }
        Op::Where => Grid::from_fn(shape, |i| {
            if x[0].at_broadcast(&i) != 0.0 { x[1].at_broadcast(&i) } else { x[2].at_broadcast(&i) }
        }),
        Op::Prelu => elementwise::prelu(&x[0], &x[1]),
        Op::IsFinite => Grid::from_fn([], |_| f64::from(x[0].values.iter().all(|x| x.is_finite()))),

        Op::Reduce { op, dims, .. } => reduce::reduce(*op, &x[0], dims),
        Op::ArgMax { dim, .. } => reduce::first_of(&x[0], *dim, |a, b| a > b),
        Op::ArgMin { dim, .. } => reduce::first_of(&x[0], *dim, |a, b| a < b),
        Op::ArgSort { dim, descending } => reduce::argsort(&x[0], *dim, *descending),
        Op::CumSum { dim, reverse } => reduce::cumsum(&x[0], *dim, *reverse),
        Op::MatMul => reduce::matmul(&x[0], &x[1], shape),
        Op::Linear => reduce::linear(&x[0], &x[1], x.get(2), shape),

        Op::Gather { dim } => shape::gather(&x[0], &x[1], *dim),
        Op::ScatterAdd { dim, .. } => shape::scatter_add(&x[0], &x[1], *dim, shape),
        Op::IndexSelect { dim } => shape::index_select(&x[0], &x[1], *dim, shape),
        Op::IndexAdd { dim, .. } => shape::index_add(&x[0], &x[1], *dim, shape),

        Op::Conv2d { options, input_relu } => {
            conv::conv2d(&conv::input(&x[0], *input_relu), &x[1], x.get(2), options, shape)
        }
        Op::FusedConv2d(f) => conv::fused_conv2d(f, x, dtype),
        Op::Conv2dInputGrad { options, .. } => conv::input_grad(&x[0], &x[1], x.get(2), options, shape),
        Op::Conv2dWeightGrad { options, input_relu, .. } => {
            conv::weight_grad(&conv::input(&x[0], *input_relu), &x[1], options, shape)
        }
        Op::ConvTranspose2d { options } => conv::conv_transpose2d(&x[0], &x[1], x.get(2), options, shape),

        Op::MaxPool2d { options, input_relu, .. } => {
            let windows = Windows::sliding(x[0].shape, shape, options);
            return pool::max_pool(&x[0], &windows, *input_relu, no_position(options.kernel_size)).into();
        }
        Op::MaxPool2dGrad { options, input } => {
            pool::max_pool_grad(&x[0], &x[1], &Windows::sliding(*input, x[0].shape, options), shape)
        }
        Op::AvgPool2d { options } => pool::avg_pool(&x[0], &Windows::sliding(x[0].shape, shape, options)),
        Op::AvgPool2dGrad { options, input } => {
            pool::avg_pool_grad(&x[0], &Windows::sliding(*input, x[0].shape, options), shape)
        }
        Op::AdaptiveAvgPool { .. } => {
            let image = pool::as_image(&x[0]);
            pool::avg_pool(&image, &Windows::adaptive(image.shape, pool::image_shape(shape)))
        }
        Op::AdaptiveAvgPoolGrad { input } => {
            let (g, input) = (pool::as_image(&x[0]), pool::image_shape(*input));
            pool::avg_pool_grad(&g, &Windows::adaptive(input, g.shape), input)
        }
        Op::AdaptiveMaxPool2d { output_size, .. } => {
            let none = no_position(longest_windows(x[0].shape, *output_size));
            return pool::max_pool(&x[0], &Windows::adaptive(x[0].shape, shape), false, none).into();
        }
        Op::AdaptiveMaxPool2dGrad { input } => {
            pool::max_pool_grad(&x[0], &x[1], &Windows::adaptive(*input, x[0].shape), shape)
        }
        Op::Interpolate { size, scale_factor, mode } => resample::interpolate(&x[0], *size, *scale_factor, *mode),
        Op::InterpolateGrad { input, scale_factor, mode } => {
            resample::interpolate_grad(&x[0], *input, *scale_factor, *mode)
        }

        Op::BatchNormStats => return Normalization::batch(x[0].shape).statistics(&x[0]).map(Grid::list).into(),
        Op::BatchNorm { eps, activation, .. } => {
            let mut y = Normalization::batch(shape).apply(&x[0], &x[1], &x[2], &x[3], &x[4], *eps);
            if let Some(residual) = x.get(5) {
                y = norm::sum(&y, residual);
            }
            if let Some(f) = activation {
                y = y.map(|y| elementwise::unary(*f, dtype, y));
            }
            y
        }
        Op::BatchNormGrad { eps, training, activation } => {
            let [grad, x, mean, var, weight, bias] = x else { unreachable!("six operands") };
            let by = Normalization::batch(x.shape);
            let before = by.apply(x, mean, var, weight, bias, *eps);
            let grad = activation.map_or(grad.clone(), |f| elementwise::clamp_grad(f, dtype, &before, grad));
            return by.gradients(&grad, x, mean, var, weight, *eps, *training).into();
        }
        Op::GroupNorm { groups, eps } => {
            return Normalization::group(x[0].shape, *groups).normalize(&x[0], &x[1], &x[2], *eps).into();
        }
        Op::GroupNormGrad { eps } => {
            let [grad, x, mean, var, weight] = x else { unreachable!("five operands") };
            let by = Normalization::group(x.shape, mean.shape[1]);
            return by.gradients(grad, x, mean, var, weight, *eps, true).into();
        }
        Op::LayerNorm { eps } => {
            return Normalization::layer(x[0].shape, x[1].shape).normalize(&x[0], &x[1], &x[2], *eps).into();
        }
        Op::LayerNormGrad { eps } => {
            let [grad, x, mean, var, weight] = x else { unreachable!("five operands") };
            let by = Normalization::layer(x.shape, weight.shape);
            return by.gradients(grad, x, mean, var, weight, *eps, true).into();
        }
        Op::LocalResponseNorm { size, alpha, beta, k } => {
            norm::LocalResponse { size: *size, alpha: *alpha, beta: *beta, k: *k }.apply(&x[0])
        }
        Op::LocalResponseNormGrad { size, alpha, beta, k } => {
            norm::LocalResponse { size: *size, alpha: *alpha, beta: *beta, k: *k }.gradient(&x[0], &x[1])
        }

        Op::Softmax { dim } => loss::softmax(&x[0], *dim),
        Op::LogSoftmax { dim } => loss::log_softmax(&x[0], *dim),
        Op::SoftmaxGrad { dim } => loss::softmax_grad(&x[0], &x[1], *dim),
        Op::LogSoftmaxGrad { dim } => loss::log_softmax_grad(&x[0], &x[1], *dim),
        Op::CrossEntropy => return loss::cross_entropy(&x[0], &x[1]).into(),
        Op::CrossEntropyGrad => loss::cross_entropy_grad(&x[0], &x[1], &x[2]),
    };
    vec![one]
}

/// What stands for no position in a window of this size.
fn no_position(kernel: [usize; 2]) -> f64 {
    match position_dtype(kernel) {
        DType::U8 => f64::from(u8::MAX),
        _ => f64::from(i32::MAX),
    }
}
