//! The CPU's side of the seam: each op calls a kernel, or is lowered to some.

mod batch_norm;
mod elementwise;
mod group_norm;
mod image;
mod index;
mod lower;
mod matrix;
mod softmax;
mod views;

use super::{Backend, Packed};
use crate::array::Array;
use crate::device::Device;
use crate::dtype::{DType, by_type};
use crate::op::{Binary, Op, Spec};
use striate_kernels::PackedWeight;
use striate_kernels::conv2d::Epilogue;
use striate_kernels::elementwise::first_non_finite;
use striate_kernels::optim::{self, Update};

/// Computes on this machine's processor.
#[derive(Clone, Copy, Debug)]
pub struct Cpu;

/// Calls `$f::<T>($args)` with the Rust type of a floating-point array.
macro_rules! by_float {
    ($x:expr, $op:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            $crate::DType::F32 => {
                type $t = f32;
                $body
            }
            $crate::DType::F64 => {
                type $t = f64;
                $body
            }
            other => panic!("{}: needs a floating-point tensor, got {other}", $op),
        }
    };
}

/// As `by_float`, for `i64` too.
macro_rules! by_number {
    ($x:expr, $op:expr, |$t:ident| $body:expr) => {
        match $x.dtype() {
            $crate::DType::I64 => {
                type $t = i64;
                $body
            }
            _ => by_float!($x, $op, |$t| $body),
        }
    };
}

pub(crate) use by_float;

/// Dimension `dim` last, the others in order.
fn dim_last(rank: usize, dim: usize) -> Vec<usize> {
    (0..rank).filter(|&d| d != dim).chain([dim]).collect()
}

/// The operands of an op that takes `N`.
fn take<const N: usize>(inputs: Vec<Array>) -> [Array; N] {
    let n = inputs.len();
    inputs.try_into().unwrap_or_else(|_| panic!("{N} operands expected, got {n}"))
}

/// The operands of an op that takes `N`, and perhaps one more.
fn take_more<const N: usize>(mut inputs: Vec<Array>) -> ([Array; N], Option<Array>) {
    let more = (inputs.len() > N).then(|| inputs.pop()).flatten();
    (take(inputs), more)
}

fn with_bias(y: Array, bias: Option<Array>) -> Array {
    match bias {
        Some(bias) => elementwise::binary(Binary::Add, y, bias),
        None => y,
    }
}

impl Cpu {
    /// The results of ops that have one.
    fn one(&self, op: &Op, packed: Option<&PackedWeight>, inputs: Vec<Array>, output: &Spec) -> Array {
        let shape = output.shape;
        match op {
            Op::Reshape { .. } | Op::Flatten { .. } => {
                let [x] = take(inputs);
                views::reshape(x, shape)
            }
            Op::Permute { dims } => {
                let [x] = take(inputs);
                views::permute(x, dims)
            }
            Op::Expand { .. } => {
                let [x] = take(inputs);
                views::expand(x, shape)
            }
            Op::Narrow { dim, start, length } => {
                let [x] = take(inputs);
                views::narrow(x, *dim, *start, *length)
            }
            Op::Cat { dim } => by_type!(inputs[0].dtype(), |T| views::cat::<T>(&inputs, *dim)),
            Op::Pad { padding, mode, value } => {
                let [x] = take(inputs);
                lower::pad(x, padding, *mode, *value)
            }
            Op::PadGrad { padding, mode } => {
                let [g] = take(inputs);
                lower::pad_grad(g, padding, *mode, shape)
            }
            Op::Cast { dtype } => {
                let [x] = take(inputs);
                elementwise::cast(x, *dtype)
            }
            Op::Unary(f) => {
                let [x] = take(inputs);
                elementwise::unary(*f, x)
            }
            Op::Binary(f) => {
                let [a, b] = take(inputs);
                elementwise::binary(*f, a, b)
            }
            Op::Compare(c) => {
                let [a, b] = take(inputs);
                elementwise::compare(*c, a, b)
            }
            Op::Where => {
                let [condition, a, b] = take(inputs);
                elementwise::select(condition, a, b)
            }
            Op::Prelu => {
                let [x, weight] = take(inputs);
                lower::prelu(x, weight)
            }
            Op::IsFinite => {
                let [x] = take(inputs);
                let x = if x.dtype().is_half() { elementwise::cast(x, DType::F32) } else { x };
                let finite = by_float!(x, "is_finite", |T| first_non_finite(&x.packed_default::<T>()).is_none());
                Array::full(f64::from(finite), shape, DType::U8)
            }
            Op::Reduce { op, dims, .. } => {
                let [x] = take(inputs);
                views::reshape(elementwise::reduce(*op, x, dims), shape)
            }
            Op::ArgMax { dim, .. } => {
                let [x] = take(inputs);
                views::reshape(elementwise::argmax(x, *dim), shape)
            }
            Op::ArgMin { dim, .. } => {
                let [x] = take(inputs);
                views::reshape(elementwise::argmin(x, *dim), shape)
            }
            Op::ArgSort { dim, descending } => {
                let [x] = take(inputs);
                elementwise::argsort(x, *dim, *descending)
            }
            Op::CumSum { dim, reverse } => {
                let [x] = take(inputs);
                elementwise::cumsum(x, *dim, *reverse)
            }
            Op::MatMul => {
                let [a, b] = take(inputs);
                by_float!(a, "matmul", |T| matrix::matmul::<T>(a, b))
            }
            Op::Linear => {
                let ([x, weight], bias) = take_more(inputs);
                let x = lower::as_rows(x);
                let y = by_float!(x, "linear", |T| matrix::linear::<T>(x, weight, packed));
                views::reshape(with_bias(y, bias), shape)
            }
            Op::Gather { dim } => {
                let [x, index] = take(inputs);
                by_type!(x.dtype(), |T| index::gather::<T>(&x, *dim, &index))
            }
            Op::ScatterAdd { dim, .. } => {
                let [g, index] = take(inputs);
                by_number!(g, "scatter_add", |T| index::scatter_add::<T>(&g, *dim, &index, shape))
            }
            Op::IndexSelect { dim } => {
                let [x, index] = take(inputs);
                by_type!(x.dtype(), |T| index::index_select::<T>(&x, *dim, &index))
            }
            Op::IndexAdd { dim, .. } => {
                let [g, index] = take(inputs);
                by_number!(g, "index_add", |T| index::index_add::<T>(&g, *dim, &index, shape))
            }
            Op::Conv2d { options, input_relu } => {
                let ([x, weight], bias) = take_more(inputs);
                by_float!(x, "conv2d", |T| image::conv2d::<T>(
                    &x,
                    *input_relu,
                    image::Weight { array: &weight, packed },
                    bias.as_ref(),
                    options,
                    Epilogue::NONE
                ))
            }
            Op::FusedConv2d(f) => by_float!(inputs[0], "conv2d", |T| image::fused_conv2d::<T>(f, packed, inputs)),
            Op::Conv2dInputGrad { options, input } => {
                let ([g, weight], mask) = take_more(inputs);
                by_float!(g, "conv2d", |T| image::conv2d_input_grad::<T>(&g, &weight, mask.as_ref(), *input, options))
            }
            Op::Conv2dWeightGrad { options, input_relu, weight } => {
                let [x, g] = take(inputs);
                by_float!(x, "conv2d", |T| image::conv2d_weight_grad::<T>(&x, *input_relu, &g, *weight, options))
            }
            Op::ConvTranspose2d { options } => {
                let ([x, weight], bias) = take_more(inputs);
                lower::conv_transpose2d(x, weight, bias, options, shape)
            }
            Op::MaxPool2dGrad { options, input } => {
                let [g, positions] = take(inputs);
                by_float!(g, "max_pool2d", |T| image::max_pool2d_grad::<T>(&g, &positions, *input, options))
            }
            Op::AvgPool2d { options } => {
                let [x] = take(inputs);
                by_float!(x, "avg_pool2d", |T| image::avg_pool2d::<T>(&x, options))
            }
            Op::AvgPool2dGrad { options, input } => {
                let [g] = take(inputs);
                by_float!(g, "avg_pool2d", |T| image::avg_pool2d_grad::<T>(&g, *input, options))
            }
            Op::AdaptiveAvgPool { .. } => {
                let [x] = take(inputs);
                lower::adaptive_avg_pool(x, shape)
            }
            Op::AdaptiveAvgPoolGrad { input } => {
                let [g] = take(inputs);
                lower::adaptive_avg_pool_grad(g, *input)
            }
            Op::AdaptiveMaxPool2dGrad { input } => {
                let [g, positions] = take(inputs);
                lower::adaptive_max_pool2d_grad(g, positions, *input)
            }
            Op::Interpolate { scale_factor, mode, .. } => {
                let [x] = take(inputs);
                lower::interpolate(x, shape, *scale_factor, *mode)
            }
            Op::InterpolateGrad { input, scale_factor, mode } => {
                let [g] = take(inputs);
                lower::interpolate_grad(g, *input, *scale_factor, *mode)
            }
            Op::BatchNorm { eps, activation, .. } => batch_norm::apply(*eps, *activation, inputs),
            Op::LocalResponseNorm { size, alpha, beta, k } => {
                let [x] = take(inputs);
                lower::LocalResponseNorm { size: *size, alpha: *alpha, beta: *beta, k: *k }.apply(x)
            }
            Op::LocalResponseNormGrad { size, alpha, beta, k } => {
                let [g, x] = take(inputs);
                lower::LocalResponseNorm { size: *size, alpha: *alpha, beta: *beta, k: *k }.gradient(g, x)
            }
            Op::Softmax { dim } | Op::LogSoftmax { dim } => {
                let [x] = take(inputs);
                softmax::softmax(x, *dim, matches!(op, Op::LogSoftmax { .. }))
            }
            Op::SoftmaxGrad { dim } | Op::LogSoftmaxGrad { dim } => {
                let [y, g] = take(inputs);
                softmax::softmax_grad(y, g, *dim, matches!(op, Op::LogSoftmaxGrad { .. }))
            }
            Op::CrossEntropyGrad => {
                let [log_probs, target, g] = take(inputs);
                softmax::cross_entropy_grad(log_probs, target, g)
            }
            Op::MaxPool2d { .. }
            | Op::AdaptiveMaxPool2d { .. }
            | Op::BatchNormStats
            | Op::BatchNormGrad { .. }
            | Op::GroupNorm { .. }
            | Op::GroupNormGrad { .. }
            | Op::LayerNorm { .. }
            | Op::LayerNormGrad { .. }
            | Op::CrossEntropy => unreachable!("{} has several results", op.name()),
        }
    }
}

impl Backend for Cpu {
    fn device(&self) -> Device {
        Device::Cpu
    }
    fn upload(&self, x: &Array, _tag: Option<u64>) -> Array {
        x.clone()
    }
    fn has_fused_ops(&self) -> bool {
        true
    }
    fn run(&self, op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
        match op {
            Op::MaxPool2d { options, input_relu, with_positions } => {
                let [x] = take(inputs);
                let (y, positions) = by_float!(x, "max_pool2d", |T| image::max_pool2d::<T>(&x, *input_relu, options));
                if *with_positions { vec![y, positions] } else { vec![y] }
            }
            Op::AdaptiveMaxPool2d { with_positions, .. } => {
                let [x] = take(inputs);
                let (y, positions) = lower::adaptive_max_pool2d(x, outputs[0].shape);
                if *with_positions { vec![y, positions] } else { vec![y] }
            }
            Op::BatchNormStats => {
                let [x] = take(inputs);
                batch_norm::stats(x)
            }
            Op::BatchNormGrad { eps, training, activation } => {
                batch_norm::gradients(*eps, *training, *activation, inputs)
            }
            Op::GroupNorm { groups, eps } => group_norm::group_norm(inputs, *groups, *eps),
            Op::GroupNormGrad { eps } => group_norm::group_norm_grad(inputs, *eps),
            Op::LayerNorm { eps } => lower::layer_norm(inputs, *eps),
            Op::LayerNormGrad { eps } => lower::layer_norm_grad(inputs, *eps),
            Op::CrossEntropy => {
                let [logits, target] = take(inputs);
                softmax::cross_entropy(logits, target).into()
            }
            _ => vec![self.one(op, None, inputs, &outputs[0])],
        }
    }
    fn run_packed(&self, op: &Op, packed: &Packed, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
        match op {
            Op::Conv2d { .. } | Op::FusedConv2d(_) | Op::Linear => {
                vec![self.one(op, Some(&packed.0), inputs, &outputs[0])]
            }
            _ => self.run(op, inputs, outputs),
        }
    }
    fn update(&self, step: &Update, param: &mut Array, grad: &Array, state: &mut [Array]) {
        by_float!(grad, step.name(), |T| {
            let state = state.iter_mut().map(|s| s.make_mut::<T>()).collect();
            optim::update(step, param.make_mut::<T>(), &grad.packed_default(), state)
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::{DType, Tensor};

    #[test]
    fn memory_that_nobody_else_holds_is_reused() {
        let x = Tensor::ones([1000], DType::F32);
        let place = x.array().data::<f32>().as_ptr();
        let y = (x.relu() + 1.0) * Tensor::ones([1000], DType::F32);
        assert_eq!(y.array().data::<f32>().as_ptr(), place);
        let kept = y.clone();
        assert_ne!(y.neg().array().data::<f32>().as_ptr(), place);
        assert_eq!(kept.to_vec::<f32>(), vec![2.0; 1000]);
    }
}
