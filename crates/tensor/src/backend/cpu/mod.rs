//! The CPU's side of the seam: each op calls a kernel.

mod group_norm;
mod image;
mod index;
mod matrix;
mod views;

use super::{
    Backend, Binary, Clamp, Compare, Conv2dOptions, GroupNormed, Input, Pool2dOptions, Reduce, Statistics, Taps, Unary,
    Update,
};
use crate::array::{Array, memory_order};
use crate::device::Device;
use crate::dtype::{DType, Element};
use crate::shape::Shape;
use striate_kernels::batch_norm::{BatchNorm, GradPlace};
use striate_kernels::elementwise::{self as ew, Operand};
use striate_kernels::{Buffer, batch_norm, optim, reduce, scan, softmax, sort};

/// Computes on this machine's processor.
#[derive(Clone, Copy, Debug)]
pub struct Cpu;

/// Calls `$f::<T>($args)` with the Rust type of a floating-point array.
macro_rules! by_float {
    ($x:expr, $op:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
            other => panic!("{}: needs a floating-point tensor, got {other}", $op),
        }
    };
}

/// As `by_float`, for every element type.
macro_rules! by_type {
    ($x:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            DType::F32 => {
                type $t = f32;
                $body
            }
            DType::F64 => {
                type $t = f64;
                $body
            }
            DType::I64 => {
                type $t = i64;
                $body
            }
            DType::U8 => {
                type $t = u8;
                $body
            }
        }
    };
}

/// As `by_float`, for `i64` too.
macro_rules! by_number {
    ($x:expr, $op:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            DType::I64 => {
                type $t = i64;
                $body
            }
            _ => by_float!($x, $op, |$t| $body),
        }
    };
}

pub(crate) use by_type;

/// Two or three arrays seen through one broadcast shape, in the memory order of the result.
struct Aligned<const N: usize> {
    shape: Shape,
    memory_shape: Shape,
    strides: [Shape; N],
}

impl<const N: usize> Aligned<N> {
    fn new(arrays: [&Array; N]) -> Self {
        let shape = arrays[1..].iter().fold(arrays[0].shape, |s, a| Shape::broadcast("broadcast", &s, &a.shape));
        let order = memory_order(shape.rank());
        let strides = arrays.map(|a| views::expanded_strides(a, shape).permuted(order));
        Aligned { shape, memory_shape: shape.permuted(order), strides }
    }
}

/// `x`, packed if reading it in the order of `shape` would hop through memory: neighbours of a slice of channels, say, lie side by side.
fn packed_first(x: Array, shape: Shape) -> Array {
    let inner = memory_order(shape.rank()).last().copied();
    let runs = |d: usize| x.strides[d] == 1 && x.shape[d] >= 16;
    if x.shape != shape || inner.is_some_and(runs) { x } else { x.dense() }
}

fn binary<T: Element + striate_kernels::Float>(op: Binary, a: Array, b: Array) -> Array {
    let shape = Shape::broadcast("broadcast", &a.shape, &b.shape);
    let (mut a, mut b) = (packed_first(a, shape), packed_first(b, shape));
    let v = Aligned::new([&a, &b]);
    let (ms, [sa, sb]) = (v.memory_shape, v.strides);
    if a.shape == shape
        && let Some(out) = a.exclusive::<T>()
    {
        ew::binary_assign(op, &ms, out, Operand { data: b.data(), strides: &sb }, false);
        return a;
    }
    if b.shape == shape
        && let Some(out) = b.exclusive::<T>()
    {
        ew::binary_assign(op, &ms, out, Operand { data: a.data(), strides: &sa }, true);
        return b;
    }
    let mut out = Buffer::unspecified(shape.numel());
    let (a, b) = (Operand { data: a.data::<T>(), strides: &sa }, Operand { data: b.data::<T>(), strides: &sb });
    ew::binary(op, &ms, a, b, &mut out);
    Array::from_buffer(out, v.shape)
}

fn channels_last(x: &Array) -> (usize, usize) {
    let c = x.shape[1];
    (x.shape.numel().checked_div(c).unwrap_or(0), c)
}

/// What `f(rows, n, x, out)` makes of the elements along `dim`, which then has size `size`.
fn along_last<T: Element>(x: &Array, dim: usize, size: usize, f: impl FnOnce(usize, usize, &[T], &mut [i64])) -> Array {
    let order = dim_last(x.shape.rank(), dim);
    let shape = x.shape.with(dim, size);
    let mut out = Buffer::unspecified(shape.numel());
    f(x.shape.without(dim).numel(), x.shape[dim], &x.packed::<T>(&order), &mut out);
    Array::in_order(out, shape, &order)
}

fn reduce_i64(op: Reduce, x: &Array, dims: &[usize], shape: Shape) -> Array {
    let kept = (0..x.shape.rank()).filter(|d| !dims.contains(d));
    let order: Vec<usize> = kept.chain(dims.iter().copied()).collect();
    let n = dims.iter().map(|&d| x.shape[d]).product();
    let mut out = Buffer::unspecified(shape.numel());
    reduce::reduce_i64(op, n, &x.packed(&order), &mut out);
    Array::in_order(out, shape, &(0..shape.rank()).collect::<Vec<_>>())
}

/// Dimension `dim` last, the others in order.
fn dim_last(rank: usize, dim: usize) -> Vec<usize> {
    (0..rank).filter(|&d| d != dim).chain([dim]).collect()
}

impl Backend for Cpu {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn upload(&self, x: &Array, _tag: Option<u64>) -> Array {
        x.clone()
    }

    fn reshape(&self, x: Array, shape: Shape) -> Array {
        views::reshape(x, shape)
    }
    fn permute(&self, x: Array, order: &[usize]) -> Array {
        views::permute(x, order)
    }
    fn expand(&self, x: Array, shape: Shape) -> Array {
        views::expand(x, shape)
    }
    fn narrow(&self, x: Array, dim: usize, start: usize, len: usize) -> Array {
        views::narrow(x, dim, start, len)
    }
    fn cat(&self, xs: &[Array], dim: usize) -> Array {
        by_type!(xs[0], |T| views::cat::<T>(xs, dim))
    }
    fn pad(&self, x: Array, padding: &[[usize; 2]], value: f64) -> Array {
        by_type!(x, |T| views::pad::<T>(&x, padding, value))
    }
    fn cast(&self, x: Array, dtype: DType) -> Array {
        fn cast<A: Element + ew::CastTo<B>, B: Element>(x: &Array) -> Array {
            let mut out = Buffer::unspecified(x.shape.numel());
            ew::cast::<A, B>(&x.packed_default::<A>(), &mut out);
            Array::from_buffer(out, x.shape)
        }
        by_type!(x, |A| match dtype {
            DType::F32 => cast::<A, f32>(&x),
            DType::F64 => cast::<A, f64>(&x),
            DType::I64 => cast::<A, i64>(&x),
            DType::U8 => cast::<A, u8>(&x),
        })
    }

    fn unary(&self, op: Unary, x: Array) -> Array {
        let mut x = x.dense();
        by_float!(x, "elementwise function", |T| {
            if let Some(values) = x.exclusive::<T>() {
                ew::unary_assign(op, values);
                return x;
            }
            let mut out = Buffer::unspecified(x.shape.numel());
            ew::unary(op, &x.packed_default::<T>(), &mut out);
            Array::from_buffer(out, x.shape)
        })
    }
    fn binary(&self, op: Binary, a: Array, b: Array) -> Array {
        if a.dtype() == DType::I64 {
            let v = Aligned::new([&a, &b]);
            let mut out = Buffer::unspecified(v.shape.numel());
            let (a, b) = (a.data::<i64>(), b.data::<i64>());
            let (a, b) = (Operand { data: a, strides: &v.strides[0] }, Operand { data: b, strides: &v.strides[1] });
            ew::binary_i64(op, &v.memory_shape, a, b, &mut out);
            return Array::from_buffer(out, v.shape);
        }
        by_float!(a, "elementwise function", |T| binary::<T>(op, a, b))
    }
    fn compare(&self, op: Compare, a: Array, b: Array) -> Array {
        let v = Aligned::new([&a, &b]);
        let mut out = Buffer::unspecified(v.shape.numel());
        by_type!(a, |T| {
            let a = Operand { data: a.data::<T>(), strides: &v.strides[0] };
            let b = Operand { data: b.data::<T>(), strides: &v.strides[1] };
            ew::compare(op, &v.memory_shape, a, b, &mut out)
        });
        Array::from_buffer(out, v.shape)
    }
    fn select(&self, condition: Array, a: Array, b: Array) -> Array {
        let v = Aligned::new([&condition, &a, &b]);
        let condition = Operand { data: condition.data::<u8>(), strides: &v.strides[0] };
        by_type!(a, |T| {
            let mut out = Buffer::unspecified(v.shape.numel());
            let a = Operand { data: a.data::<T>(), strides: &v.strides[1] };
            let b = Operand { data: b.data::<T>(), strides: &v.strides[2] };
            ew::select(&v.memory_shape, condition, a, b, &mut out);
            Array::from_buffer(out, v.shape)
        })
    }

    fn reduce(&self, op: Reduce, x: Array, dims: &[usize]) -> Array {
        let order = memory_order(x.shape.rank());
        let reduced: Vec<bool> = order.iter().map(|d| dims.contains(d)).collect();
        let shape = dims.iter().fold(x.shape, |s, &d| s.with(d, 1));
        if x.dtype() == DType::I64 {
            return reduce_i64(op, &x, dims, shape);
        }
        by_float!(x, "reduction", |T| {
            let mut out = Buffer::unspecified(shape.numel());
            let (xs, strides) = (x.shape.permuted(order), x.strides.permuted(order));
            reduce::reduce(op, &xs, &strides, x.data::<T>(), &reduced, &mut out);
            Array::from_buffer(out, shape)
        })
    }
    fn argmax(&self, x: Array, dim: usize) -> Array {
        by_type!(x, |T| along_last(&x, dim, 1, |rows, n, x, out| reduce::argmax::<T>(rows, n, 1, x, out)))
    }
    fn argmin(&self, x: Array, dim: usize) -> Array {
        by_type!(x, |T| along_last(&x, dim, 1, |rows, n, x, out| reduce::argmin::<T>(rows, n, 1, x, out)))
    }
    fn argsort(&self, x: Array, dim: usize, descending: bool) -> Array {
        let n = x.shape[dim];
        by_type!(x, |T| along_last(&x, dim, n, |_, n, x, out| sort::argsort::<T>(n, descending, x, out)))
    }
    fn cumsum(&self, x: Array, dim: usize, reverse: bool) -> Array {
        let order = memory_order(x.shape.rank());
        let at = order.iter().position(|&d| d == dim).expect("a dimension of the array");
        let sizes = x.shape.permuted(order);
        let [outer, n, inner] = [sizes[..at].iter().product(), sizes[at], sizes[at + 1..].iter().product()];
        if x.dtype() == DType::I64 {
            let mut out = Buffer::unspecified(x.shape.numel());
            scan::cumsum_i64(outer, n, inner, reverse, &x.packed_default(), &mut out);
            return Array::from_buffer(out, x.shape);
        }
        by_float!(x, "cumsum", |T| {
            let mut out = Buffer::unspecified(x.shape.numel());
            scan::cumsum::<T>(outer, n, inner, reverse, &x.packed_default(), &mut out);
            Array::from_buffer(out, x.shape)
        })
    }
    fn matmul(&self, a: Array, b: Array) -> Array {
        by_float!(a, "matmul", |T| matrix::matmul::<T>(a, b))
    }
    fn linear(&self, x: Array, weight: Array, bias: Option<Array>) -> Array {
        let y = by_float!(x, "linear", |T| matrix::linear::<T>(x, weight));
        match bias {
            Some(bias) => self.binary(Binary::Add, y, bias),
            None => y,
        }
    }

    fn gather(&self, x: Array, dim: usize, index: Array) -> Array {
        by_type!(x, |T| index::gather::<T>(&x, dim, &index))
    }
    fn scatter_add(&self, grad: Array, dim: usize, index: Array, shape: Shape) -> Array {
        by_number!(grad, "scatter_add", |T| index::scatter_add::<T>(&grad, dim, &index, shape))
    }
    fn index_select(&self, x: Array, dim: usize, index: Array) -> Array {
        by_type!(x, |T| index::index_select::<T>(&x, dim, &index))
    }
    fn index_add(&self, grad: Array, dim: usize, index: Array, shape: Shape) -> Array {
        by_number!(grad, "index_add", |T| index::index_add::<T>(&grad, dim, &index, shape))
    }

    fn conv2d(&self, x: Input, weight: Array, bias: Option<Array>, options: &Conv2dOptions) -> Array {
        self.conv2d_finished(x, weight, bias, options, None, None)
    }
    fn conv2d_finished(
        &self,
        x: Input,
        weight: Array,
        bias: Option<Array>,
        options: &Conv2dOptions,
        norm: Option<Statistics>,
        clamp: Option<Clamp>,
    ) -> Array {
        by_float!(x.array, "conv2d", |T| image::conv2d::<T>(&x, &weight, bias.as_ref(), options, norm, clamp))
    }
    fn conv2d_max_pool2(
        &self,
        x: Input,
        weight: Array,
        bias: Option<Array>,
        options: &Conv2dOptions,
        clamp: Option<Clamp>,
    ) -> Array {
        by_float!(x.array, "conv2d", |T| image::conv2d_max_pool2::<T>(x, weight, bias, options, clamp))
    }
    fn conv2d_input_grad(
        &self,
        grad: Array,
        weight: Array,
        before_relu: Option<Array>,
        input: Shape,
        options: &Conv2dOptions,
    ) -> Array {
        by_float!(grad, "conv2d", |T| image::conv2d_input_grad::<T>(
            &grad,
            &weight,
            before_relu.as_ref(),
            input,
            options
        ))
    }
    fn conv2d_weight_grad(&self, x: Input, grad: Array, weight: Shape, options: &Conv2dOptions) -> Array {
        by_float!(x.array, "conv2d", |T| image::conv2d_weight_grad::<T>(&x, &grad, weight, options))
    }
    fn max_pool2d(&self, x: Input, options: &Pool2dOptions) -> (Array, Array) {
        by_float!(x.array, "max_pool2d", |T| image::max_pool2d::<T>(&x, options))
    }
    fn max_pool2d_grad(&self, grad: Array, position: Array, input: Shape, options: &Pool2dOptions) -> Array {
        by_float!(grad, "max_pool2d", |T| image::max_pool2d_grad::<T>(&grad, &position, input, options))
    }
    fn avg_pool2d(&self, x: Array, options: &Pool2dOptions) -> Array {
        by_float!(x, "avg_pool2d", |T| image::avg_pool2d::<T>(&x, options))
    }
    fn avg_pool2d_grad(&self, grad: Array, input: Shape, options: &Pool2dOptions) -> Array {
        by_float!(grad, "avg_pool2d", |T| image::avg_pool2d_grad::<T>(&grad, input, options))
    }

    fn batch_norm_stats(&self, x: &Array) -> [Array; 2] {
        let (rows, c) = channels_last(x);
        let shape = Shape::from([c]);
        by_float!(x, "batch_norm", |T| {
            let (mut mean, mut var) = (Buffer::unspecified(c), Buffer::unspecified(c));
            batch_norm::batch_norm_stats(rows, c, &x.packed_default::<T>(), &mut mean, &mut var);
            [Array::from_buffer(mean, shape), Array::from_buffer(var, shape)]
        })
    }
    fn batch_norm_fixed(&self, x: Array, statistics: Statistics, added: Option<Array>, clamp: Option<Clamp>) -> Array {
        let (rows, c) = channels_last(&x);
        let Statistics { mean, var, weight, bias, eps } = statistics;
        by_float!(x, "batch_norm", |T| {
            let mut out = Buffer::unspecified(x.shape.numel());
            let inv_std = inverse_std::<T>(&var, eps);
            let (weight, bias) = (weight.map(Array::dense), bias.map(Array::dense));
            let norm = BatchNorm {
                rows,
                channels: c,
                mean: &mean.packed_default(),
                inv_std: &inv_std,
                weight: weight.as_ref().map(|w| &w.data::<T>()[..c]),
                bias: bias.as_ref().map(|b| &b.data::<T>()[..c]),
                clamp,
            };
            let added = added.as_ref().map(|a| a.packed_default::<T>());
            batch_norm::batch_norm_apply(&norm, &x.packed_default::<T>(), added.as_deref(), &mut out);
            Array::from_buffer(out, x.shape)
        })
    }
    fn batch_norm_grad(
        &self,
        grad: Array,
        x: Array,
        statistics: Statistics,
        clamp: Option<Clamp>,
        own: bool,
    ) -> [Array; 3] {
        let (rows, c) = channels_last(&x);
        let (mut grad, mut x) = (grad.dense(), x.dense());
        let Statistics { mean, var, weight, bias, eps } = statistics;
        by_float!(x, "batch_norm", |T| {
            let (mut grad_weight, mut grad_bias) = (Buffer::unspecified(c), Buffer::unspecified(c));
            let inv_std = inverse_std::<T>(&var, eps);
            let (weight, bias) = (weight.map(Array::dense), bias.map(Array::dense));
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
                weight: weight.as_ref().map(|w| &w.data::<T>()[..c]),
                bias: bias.as_ref().map(|b| &b.data::<T>()[..c]),
                clamp,
            };
            batch_norm::batch_norm_grad(&norm, place, own, &mut grad_weight, &mut grad_bias);
            let per_channel = Shape::from([c]);
            [
                if over_grad { grad } else { x },
                Array::from_buffer(grad_weight, per_channel),
                Array::from_buffer(grad_bias, per_channel),
            ]
        })
    }

    fn group_norm(&self, x: Array, groups: usize, weight: Option<Array>, bias: Option<Array>, eps: f64) -> GroupNormed {
        by_float!(x, "group_norm", |T| group_norm::group_norm::<T>(&x, groups, weight, bias, eps))
    }
    fn group_norm_grad(
        &self,
        grad: Array,
        x: Array,
        mean: Array,
        var: Array,
        weight: Option<Array>,
        eps: f64,
    ) -> [Array; 3] {
        by_float!(x, "group_norm", |T| group_norm::group_norm_grad::<T>(&grad, &x, &mean, &var, weight, eps))
    }
    fn resample(&self, op: &'static str, x: Array, steps: &[(usize, Taps)]) -> Array {
        by_float!(x, op, |T| steps.iter().fold(x, |x, (dim, taps)| image::resample::<T>(&x, *dim, taps)))
    }

    fn softmax(&self, x: Array, dim: usize, log: bool) -> Array {
        let order = dim_last(x.shape.rank(), dim);
        let (rows, cols) = (x.shape.without(dim).numel(), x.shape[dim]);
        by_float!(x, "softmax", |T| {
            let mut out = Buffer::unspecified(rows * cols);
            let f = if log { softmax::log_softmax } else { softmax::softmax };
            f(rows, cols, &x.packed::<T>(&order), &mut out);
            Array::in_order(out, x.shape, &order)
        })
    }
    fn softmax_grad(&self, y: Array, grad: Array, dim: usize, log: bool) -> Array {
        let order = dim_last(y.shape.rank(), dim);
        let (rows, cols) = (y.shape.without(dim).numel(), y.shape[dim]);
        by_float!(y, "softmax", |T| {
            let mut out = Buffer::unspecified(rows * cols);
            let f = if log { softmax::log_softmax_grad } else { softmax::softmax_grad };
            f(rows, cols, &y.packed::<T>(&order), &grad.packed::<T>(&order), &mut out);
            Array::in_order(out, y.shape, &order)
        })
    }
    fn cross_entropy(&self, logits: Array, target: Array) -> (Array, Array) {
        let [rows, cols] = [logits.shape[0], logits.shape[1]];
        by_float!(logits, "cross_entropy", |T| {
            let (mut losses, mut log_probs) = (Buffer::unspecified(rows), Buffer::unspecified(rows * cols));
            softmax::cross_entropy(
                rows,
                cols,
                &logits.packed_default::<T>(),
                &target.packed_default(),
                &mut losses,
                &mut log_probs,
            );
            (Array::from_buffer(losses, Shape::from([rows])), Array::from_buffer(log_probs, logits.shape))
        })
    }
    fn cross_entropy_grad(&self, log_probs: Array, target: Array, grad: Array) -> Array {
        let [rows, cols] = [log_probs.shape[0], log_probs.shape[1]];
        by_float!(log_probs, "cross_entropy", |T| {
            let mut out = Buffer::unspecified(rows * cols);
            softmax::cross_entropy_grad(
                rows,
                cols,
                &log_probs.packed_default::<T>(),
                &target.packed_default(),
                &grad.packed_default(),
                &mut out,
            );
            Array::from_buffer(out, log_probs.shape)
        })
    }

    fn update(&self, step: &Update, param: &mut Array, grad: &Array, state: &mut [Array]) {
        by_float!(grad, step.name(), |T| {
            let state = state.iter_mut().map(|s| s.make_mut::<T>()).collect();
            optim::update(step, param.make_mut::<T>(), &grad.packed_default(), state)
        })
    }
    fn is_finite(&self, x: &Array) -> bool {
        by_float!(x, "is_finite", |T| ew::first_non_finite(&x.packed_default::<T>()).is_none())
    }
}

fn inverse_std<T: Element + striate_kernels::Float>(var: &Array, eps: f64) -> Vec<T> {
    var.packed_default::<T>()
        .iter()
        .map(|&v| <T as Element>::from_f64(1.0 / (Element::to_f64(v) + eps).sqrt()))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn memory_that_nobody_else_holds_is_reused() {
        let x = Tensor::ones([1000], DType::F32);
        let place = x.data::<f32>().as_ptr();
        let y = (x.relu() + 1.0) * Tensor::ones([1000], DType::F32);
        assert_eq!(y.data::<f32>().as_ptr(), place);
        let kept = y.clone();
        assert_ne!(y.neg().data::<f32>().as_ptr(), place);
        assert_eq!(kept.to_vec::<f32>(), vec![2.0; 1000]);
    }
}
