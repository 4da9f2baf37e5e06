//! The ops as data: what a tensor op does, with all its attributes, apart from where it runs.
//!
//! An [`Op`] knows its name, the shapes of its results ([`Op::outputs`], the only shape rule), and its cost. A
//! [`Backend`](crate::backend::Backend) computes it; a profile, a recorded graph or an exporter reads it.
//!
//! To add an op: a variant and its row here, its shape rule, meaning and gradient in `ops/`, its arithmetic in the
//! backends.

mod family;
mod formula;
mod fused;
pub mod hints;
mod join;
mod options;
mod rule;
mod spec;

pub use family::Family;
pub use formula::Formula;
pub use fused::FusedConv2d;
pub(crate) use fused::{count_of_chain, operands_of_chain};
pub(crate) use join::join;
pub use options::{Conv2dOptions, ConvTranspose2dOptions, Interpolation, PaddingMode, Pool2dOptions, Resize};
pub(crate) use rule::{
    as_clamp, ensure, flattened, has_dim, index_list, must, needs_index, needs_number, reduced, same_dtype,
};
pub use spec::Spec;
pub use striate_kernels::elementwise::{Activation, Binary, Compare, Unary};
pub use striate_kernels::grid_sample::{GridSampleMode, GridSamplePadding};
pub use striate_kernels::reduce::Reduce;

use crate::dtype::DType;
use crate::shape::Shape;
use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// One op with its attributes. The operands come with each call, in the order given here; a bias may be left out.
///
/// Dimensions count from the first. Unless said otherwise all operands have one floating-point type, and the results have it
/// too. Ops named `…Grad` are the gradients that training needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Any type. The elements of `x` in row-major order under another shape.
    Reshape {
        /// The shape of the result.
        shape: Shape,
    },
    /// Any type. Dimensions `start_dim` to `end_dim` of `x` as one.
    Flatten {
        /// The first dimension.
        start_dim: usize,
        /// The last dimension.
        end_dim: usize,
    },
    /// Any type. Dimension `i` of the result is dimension `dims[i]` of `x`.
    Permute {
        /// Every dimension once.
        dims: Vec<usize>,
    },
    /// Any type. Repeats dimensions of `x` of size 1; new ones stand in front.
    Expand {
        /// The shape of the result.
        shape: Shape,
    },
    /// Any type. A range of dimension `dim` of `x`.
    Narrow {
        /// The dimension.
        dim: usize,
        /// The first element.
        start: usize,
        /// How many.
        length: usize,
    },
    /// Any type. Joins the operands along `dim`.
    Cat {
        /// The dimension.
        dim: usize,
    },
    /// Any type with `PaddingMode::Zeros`. Adds elements before and after each dimension of `x`.
    Pad {
        /// Elements before and after, for each dimension.
        padding: Vec<[usize; 2]>,
        /// What they are.
        mode: PaddingMode,
        /// Their value, where the mode is `Zeros`.
        #[serde(with = "striate_kernels::number")]
        value: f64,
    },
    /// The gradient of `Pad` in another mode than `Zeros`: `grad`.
    #[serde(skip)]
    PadGrad {
        /// As for `Pad`.
        padding: Vec<[usize; 2]>,
        /// As for `Pad`.
        mode: PaddingMode,
    },
    /// Any type. Converts the elements of `x` as Rust's `as` does.
    Cast {
        /// The type of the result.
        dtype: DType,
    },

    /// A function of each element of `x`.
    Unary(Unary),
    /// Also `i64`, but for quotients, powers and gradients. A function of pairs of elements of `a` and `b`, which broadcast.
    Binary(Binary),
    /// Any type. Compares `a` and `b`, which broadcast; the result is `u8`, 1 for true.
    Compare(Compare),
    /// `condition` (`u8`), and `a` and `b` of any one type, which all broadcast: `a` where the condition is not 0, else `b`.
    Where,
    /// `x [n, c, ..]` and `weight`, `[1]` or `[c]`: x where it is above 0, else the weight times x.
    Prelu,
    /// Whether every element of `x` is finite: `u8`, a scalar.
    IsFinite,

    /// Also `i64`, but for the mean. Reduces dimensions of `x`.
    Reduce {
        /// The sum, mean, …
        op: Reduce,
        /// The dimensions, in ascending order.
        dims: Vec<usize>,
        /// Whether they stay, with size 1.
        keepdim: bool,
    },
    /// Any type. The position (`i64`) of the maximum of `x` along `dim`; the first of several.
    ArgMax {
        /// The dimension.
        dim: usize,
        /// Whether it stays, with size 1.
        keepdim: bool,
    },
    /// As `ArgMax`, of the minimum.
    ArgMin {
        /// The dimension.
        dim: usize,
        /// Whether it stays, with size 1.
        keepdim: bool,
    },
    /// Any type. The positions (`i64`) that sort `x` along `dim`; equal elements keep their order, NaN is the largest.
    ArgSort {
        /// The dimension.
        dim: usize,
        /// Whether the largest comes first.
        descending: bool,
    },
    /// Also `i64`. Running sums of `x` along `dim`.
    CumSum {
        /// The dimension.
        dim: usize,
        /// Whether they run from the end.
        reverse: bool,
    },

    /// `a [.., m, k]` × `b [.., k, n]` with equal leading dimensions.
    MatMul,
    /// `x [.., in]`, `weight [out, in]`, `bias [out]`: x · weightᵀ + bias.
    Linear,

    /// Any type. `torch.gather`: `x` and `index` (`i64`) of one rank.
    Gather {
        /// The dimension along which `index` picks.
        dim: usize,
    },
    /// Also `i64`. `grad` and `index` (`i64`): zeros of `shape` with `grad` added at the places that `index` names along `dim`.
    ScatterAdd {
        /// The dimension.
        dim: usize,
        /// The shape of the result.
        shape: Shape,
    },
    /// Any type. `x` and `index` (`i64`, one-dimensional): the slices of `x` along `dim` that `index` names.
    IndexSelect {
        /// The dimension.
        dim: usize,
    },
    /// Also `i64`. `grad` and `index`: zeros, `size` along `dim`, with the slices of `grad` added where `index` says.
    IndexAdd {
        /// The dimension.
        dim: usize,
        /// Its size in the result.
        size: usize,
    },

    /// `x [n, c, h, w]`, `weight [out, c/groups, kh, kw]`, `bias [out]`.
    Conv2d {
        /// Stride, padding, dilation, groups.
        options: Conv2dOptions,
        /// Whether max(x, 0) stands for x.
        input_relu: bool,
    },
    /// A convolution with what follows it, in one pass; see [`FusedConv2d`] for the operands.
    #[serde(skip)]
    FusedConv2d(FusedConv2d),
    /// Convolutions of which each takes the result of the one before. Operands: `x`, then those of each, as in `FusedConv2d`, without its `x`.
    #[serde(skip)]
    ConvChain(Vec<FusedConv2d>),
    /// The gradient of `Conv2d` for its input: `grad`, `weight`, and, if the convolution applied a ReLU to its input, that input before it.
    #[serde(skip)]
    Conv2dInputGrad {
        /// As for `Conv2d`.
        options: Conv2dOptions,
        /// The shape of the input.
        input: Shape,
    },
    /// The gradient of `Conv2d` for its weight: `x`, `grad`.
    #[serde(skip)]
    Conv2dWeightGrad {
        /// As for `Conv2d`.
        options: Conv2dOptions,
        /// Whether max(x, 0) stands for x.
        input_relu: bool,
        /// The shape of the weight.
        weight: Shape,
    },
    /// `x [n, in, h, w]`, `weight [in, out/groups, kh, kw]`, `bias [out]`.
    ConvTranspose2d {
        /// Stride, padding, dilation, groups.
        options: ConvTranspose2dOptions,
    },

    /// `x [n, c, h, w]`: the maxima of windows, and, if asked for, where in its window each was found (`u8` or `i64`).
    MaxPool2d {
        /// The windows.
        options: Pool2dOptions,
        /// Whether max(x, 0) stands for x. A window without anything above 0 then has no position.
        input_relu: bool,
        /// Whether there is a second result, the positions that `MaxPool2dGrad` needs.
        with_positions: bool,
    },
    /// The gradient of `MaxPool2d`: `grad`, `positions`.
    #[serde(skip)]
    MaxPool2dGrad {
        /// The windows.
        options: Pool2dOptions,
        /// The shape of the input.
        input: Shape,
    },
    /// `x [n, c, h, w]`: the means of windows.
    AvgPool2d {
        /// The windows.
        options: Pool2dOptions,
    },
    /// The gradient of `AvgPool2d`: `grad`.
    #[serde(skip)]
    AvgPool2dGrad {
        /// The windows.
        options: Pool2dOptions,
        /// The shape of the input.
        input: Shape,
    },
    /// `x [n, c, ..]`: the means of windows that cover the last dimensions evenly.
    AdaptiveAvgPool {
        /// Windows along each of the last dimensions.
        output_size: Vec<usize>,
    },
    /// The gradient of `AdaptiveAvgPool`: `grad`.
    #[serde(skip)]
    AdaptiveAvgPoolGrad {
        /// The shape of the input.
        input: Shape,
    },
    /// `x [n, c, h, w]`: the maxima of windows that cover it evenly, and, if asked for, their positions.
    AdaptiveMaxPool2d {
        /// Windows along height and width.
        output_size: [usize; 2],
        /// As for `MaxPool2d`.
        with_positions: bool,
    },
    /// The gradient of `AdaptiveMaxPool2d`: `grad`, `positions`.
    #[serde(skip)]
    AdaptiveMaxPool2dGrad {
        /// The shape of the input.
        input: Shape,
    },
    /// `x [n, c, h, w]` in another size (`torch.nn.functional.interpolate`).
    Interpolate {
        /// Height and width of the result.
        size: [usize; 2],
        /// The scale factors that gave the size, if it was given by them.
        scale_factor: Option<[f64; 2]>,
        /// How.
        mode: Interpolation,
    },
    /// The gradient of `Interpolate`: `grad`.
    #[serde(skip)]
    InterpolateGrad {
        /// The shape of the input.
        input: Shape,
        /// As for `Interpolate`.
        scale_factor: Option<[f64; 2]>,
        /// As for `Interpolate`.
        mode: Interpolation,
    },

    /// `x [n, c, h, w]` and `grid [n, rows, columns, 2]`: the images at the places of the grid (`torch.nn.functional.grid_sample`).
    GridSample {
        /// How values between pixels are made up.
        mode: GridSampleMode,
        /// What places outside the image show.
        padding_mode: GridSamplePadding,
        /// Whether −1 and 1 are the centres of the outermost pixels, rather than their edges.
        align_corners: bool,
    },
    /// The gradients of `GridSample` for `x` and `grid`: `grad`, `x`, `grid`.
    #[serde(skip)]
    GridSampleGrad {
        /// As for `GridSample`.
        mode: GridSampleMode,
        /// As for `GridSample`.
        padding_mode: GridSamplePadding,
        /// As for `GridSample`.
        align_corners: bool,
    },

    /// `x [n, c, ..]`: the mean and the biased variance of each channel, `[c]`.
    BatchNormStats,
    /// `x [n, c, ..]`, `mean`, `var`, `weight`, `bias`, all `[c]`, and, if asked for, a `residual` of the shape of `x`:
    /// (x − mean) / √(var + eps) · weight + bias, plus the residual, then the activation.
    BatchNorm {
        /// Added to the variance.
        eps: f64,
        /// Whether the statistics are those of `x` itself, so that they change with it.
        training: bool,
        /// Whether there is a residual.
        residual: bool,
        /// `Relu` or `Hardtanh`.
        activation: Option<Unary>,
    },
    /// The gradients of `BatchNorm` without residual for `x`, `weight` and `bias`: `grad`, `x`, `mean`, `var`, `weight`, `bias`.
    #[serde(skip)]
    BatchNormGrad {
        /// Added to the variance.
        eps: f64,
        /// As for `BatchNorm`.
        training: bool,
        /// As for `BatchNorm`.
        activation: Option<Unary>,
    },
    /// `x [n, c, ..]`, `weight [c]`, `bias [c]`: groups of channels of each sample normalized; and their means and biased variances, `[n, groups]`.
    GroupNorm {
        /// How many groups.
        groups: usize,
        /// Added to the variances.
        eps: f64,
    },
    /// The gradients of `GroupNorm` for `x`, `weight` and `bias`: `grad`, `x`, `mean`, `var`, `weight`.
    #[serde(skip)]
    GroupNormGrad {
        /// Added to the variances.
        eps: f64,
    },
    /// `x`, `weight`, `bias`, of which the latter have the shape of the last dimensions of `x`, over which it is normalized; and the means and biased
    /// variances, `[rows, 1]`.
    LayerNorm {
        /// Added to the variances.
        eps: f64,
    },
    /// The gradients of `LayerNorm` for `x`, `weight` and `bias`: `grad`, `x`, `mean`, `var`, `weight`.
    #[serde(skip)]
    LayerNormGrad {
        /// Added to the variances.
        eps: f64,
    },
    /// `x [n, c, ..]`, each element divided by (`k` + `alpha` · mean of the squares of `size` neighbouring channels)^`beta`.
    LocalResponseNorm {
        /// How many channels.
        size: usize,
        /// The factor of the mean.
        alpha: f64,
        /// The exponent.
        beta: f64,
        /// Added to the mean.
        k: f64,
    },
    /// The gradient of `LocalResponseNorm`: `grad`, `x`.
    #[serde(skip)]
    LocalResponseNormGrad {
        /// As for `LocalResponseNorm`.
        size: usize,
        /// As for `LocalResponseNorm`.
        alpha: f64,
        /// As for `LocalResponseNorm`.
        beta: f64,
        /// As for `LocalResponseNorm`.
        k: f64,
    },

    /// Softmax of `x` along `dim`.
    Softmax {
        /// The dimension.
        dim: usize,
    },
    /// The logarithm of `Softmax`.
    LogSoftmax {
        /// The dimension.
        dim: usize,
    },
    /// The gradient of `Softmax`, from its result: `y`, `grad`.
    #[serde(skip)]
    SoftmaxGrad {
        /// The dimension.
        dim: usize,
    },
    /// The gradient of `LogSoftmax`, from its result: `y`, `grad`.
    #[serde(skip)]
    LogSoftmaxGrad {
        /// The dimension.
        dim: usize,
    },
    /// `logits [n, c]` and `target [n]` (`i64`): the cross-entropy of each row, `[n]`, and the log-probabilities.
    CrossEntropy,
    /// The gradient of `CrossEntropy`: `log_probs`, `target`, `grad [n]`.
    #[serde(skip)]
    CrossEntropyGrad,
}

macro_rules! ops {
    ($($pattern:pat => $name:expr, $family:ident, $operands:expr;)*) => {
        #[allow(unused_variables)]
        impl Op {
            /// Every variant, as its pattern, and its family.
            pub const VARIANTS: &[(&str, Family)] = &[$((stringify!($pattern), Family::$family)),*];

            /// Which of [`Op::VARIANTS`] it is.
            pub fn variant(&self) -> &'static str {
                match self {
                    $($pattern => stringify!($pattern),)*
                }
            }

            /// PyTorch's name of the function, in lower case; of a gradient its function's with `_grad`.
            pub fn name(&self) -> &'static str {
                match self {
                    $($pattern => $name,)*
                }
            }

            /// With which others it is computed.
            pub fn family(&self) -> Family {
                match self {
                    $($pattern => Family::$family,)*
                }
            }

            /// The fewest and the most operands it takes.
            pub(crate) fn operands(&self) -> RangeInclusive<usize> {
                match self {
                    $($pattern => $operands,)*
                }
            }
        }
    };
}

// Name, family, number of operands.
ops! {
    Op::Reshape { .. } => "reshape", Shape, 1..=1;
    Op::Flatten { .. } => "flatten", Shape, 1..=1;
    Op::Permute { .. } => "permute", Shape, 1..=1;
    Op::Expand { .. } => "expand", Shape, 1..=1;
    Op::Narrow { .. } => "narrow", Shape, 1..=1;
    Op::Cat { .. } => "cat", Concatenation, 1..=usize::MAX;
    Op::Pad { .. } => "pad", Concatenation, 1..=1;
    Op::PadGrad { .. } => "pad_grad", Concatenation, 1..=1;
    Op::Cast { .. } => "to_dtype", Conversion, 1..=1;
    Op::Unary(f) => f.name(), Unary, 1..=1;
    Op::Binary(f) => f.name(), Elementwise, 2..=2;
    Op::Compare(f) => f.name(), Elementwise, 2..=2;
    Op::Where => "where", Elementwise, 3..=3;
    Op::Prelu => "prelu", Elementwise, 2..=2;
    Op::IsFinite => "is_finite", Unary, 1..=1;
    Op::Reduce { op, .. } => op.name(), Reduction, 1..=1;
    Op::ArgMax { .. } => "argmax", Reduction, 1..=1;
    Op::ArgMin { .. } => "argmin", Reduction, 1..=1;
    Op::ArgSort { .. } => "argsort", Reduction, 1..=1;
    Op::CumSum { .. } => "cumsum", Reduction, 1..=1;
    Op::MatMul => "matmul", Matrix, 2..=2;
    Op::Linear => "linear", Matrix, 2..=3;
    Op::Gather { .. } => "gather", Indexing, 2..=2;
    Op::ScatterAdd { .. } => "scatter_add", Indexing, 2..=2;
    Op::IndexSelect { .. } => "index_select", Indexing, 2..=2;
    Op::IndexAdd { .. } => "index_add", Indexing, 2..=2;
    Op::Conv2d { .. } => "conv2d", Convolution, 2..=3;
    Op::FusedConv2d(f) => "fused_conv2d", Convolution, f.operands()..=f.operands();
    Op::ConvChain(chain) => "conv_chain", Convolution, count_of_chain(chain)..=count_of_chain(chain);
    Op::Conv2dInputGrad { .. } => "conv2d_input_grad", Convolution, 2..=3;
    Op::Conv2dWeightGrad { .. } => "conv2d_weight_grad", Convolution, 2..=2;
    Op::ConvTranspose2d { .. } => "conv_transpose2d", TransposedConvolution, 2..=3;
    Op::MaxPool2d { .. } => "max_pool2d", Pooling, 1..=1;
    Op::MaxPool2dGrad { .. } => "max_pool2d_grad", Pooling, 2..=2;
    Op::AvgPool2d { .. } => "avg_pool2d", Pooling, 1..=1;
    Op::AvgPool2dGrad { .. } => "avg_pool2d_grad", Pooling, 1..=1;
    Op::AdaptiveAvgPool { output_size } => adaptive_avg_pool(output_size), AdaptivePooling, 1..=1;
    Op::AdaptiveAvgPoolGrad { .. } => "adaptive_avg_pool_grad", AdaptivePooling, 1..=1;
    Op::AdaptiveMaxPool2d { .. } => "adaptive_max_pool2d", AdaptivePooling, 1..=1;
    Op::AdaptiveMaxPool2dGrad { .. } => "adaptive_max_pool2d_grad", AdaptivePooling, 2..=2;
    Op::Interpolate { .. } => "interpolate", Resampling, 1..=1;
    Op::InterpolateGrad { .. } => "interpolate_grad", Resampling, 1..=1;
    Op::GridSample { .. } => "grid_sample", Resampling, 2..=2;
    Op::GridSampleGrad { .. } => "grid_sample_grad", Resampling, 3..=3;
    Op::BatchNormStats => "batch_norm_stats", Normalization, 1..=1;
    Op::BatchNorm { residual, .. } => "batch_norm", Normalization, 5 + usize::from(*residual)..=5 + usize::from(*residual);
    Op::BatchNormGrad { .. } => "batch_norm_grad", Normalization, 6..=6;
    Op::GroupNorm { .. } => "group_norm", Normalization, 3..=3;
    Op::GroupNormGrad { .. } => "group_norm_grad", Normalization, 5..=5;
    Op::LayerNorm { .. } => "layer_norm", Normalization, 3..=3;
    Op::LayerNormGrad { .. } => "layer_norm_grad", Normalization, 5..=5;
    Op::LocalResponseNorm { .. } => "local_response_norm", Normalization, 1..=1;
    Op::LocalResponseNormGrad { .. } => "local_response_norm_grad", Normalization, 2..=2;
    Op::Softmax { .. } => "softmax", Softmax, 1..=1;
    Op::LogSoftmax { .. } => "log_softmax", Softmax, 1..=1;
    Op::SoftmaxGrad { .. } => "softmax_grad", Softmax, 2..=2;
    Op::LogSoftmaxGrad { .. } => "log_softmax_grad", Softmax, 2..=2;
    Op::CrossEntropy => "cross_entropy", Softmax, 2..=2;
    Op::CrossEntropyGrad => "cross_entropy_grad", Softmax, 3..=3;
}

fn adaptive_avg_pool(output_size: &[usize]) -> &'static str {
    if output_size.len() == 1 { "adaptive_avg_pool1d" } else { "adaptive_avg_pool2d" }
}

impl Op {
    /// Whether the result is the operand's elements under another shape, so that no arithmetic is needed and often no copy.
    pub fn is_view(&self) -> bool {
        matches!(
            self,
            Op::Reshape { .. } | Op::Flatten { .. } | Op::Permute { .. } | Op::Expand { .. } | Op::Narrow { .. }
        )
    }

    /// Multiply-adds by the plain algorithm; ops that do little to each element count none.
    ///
    /// # Panics
    /// As [`Op::outputs`].
    pub fn macs(&self, inputs: &[Spec]) -> u64 {
        let numel = |shape: Shape| shape.numel() as u64;
        let rest = |shape: Shape| shape[1..].iter().product::<usize>() as u64;
        match self {
            Op::MatMul => numel(self.outputs(inputs)[0].shape) * inputs[0].shape.last().map_or(1, |&k| k as u64),
            Op::Linear => numel(self.outputs(inputs)[0].shape) * inputs[1].shape[1] as u64,
            Op::Conv2d { .. } => numel(self.outputs(inputs)[0].shape) * rest(inputs[1].shape),
            Op::FusedConv2d(f) => {
                let pixels = if f.max_pool2 { 4 } else { 1 };
                numel(self.outputs(inputs)[0].shape) * pixels * rest(inputs[1].shape)
            }
            Op::ConvChain(chain) => {
                let (mut x, mut sum) = (inputs[0], 0);
                for (f, rest) in chain.iter().zip(operands_of_chain(chain, inputs)) {
                    let op = Op::FusedConv2d(*f);
                    let inputs = [&[x], rest].concat();
                    sum += op.macs(&inputs);
                    x = op.outputs(&inputs)[0];
                }
                sum
            }
            Op::ConvTranspose2d { .. } | Op::Conv2dInputGrad { .. } => numel(inputs[0].shape) * rest(inputs[1].shape),
            Op::Conv2dWeightGrad { weight, .. } => numel(inputs[1].shape) * rest(*weight),
            Op::GridSample { mode, .. } => numel(self.outputs(inputs)[0].shape) * mode.pixels() as u64,
            Op::BatchNorm { .. } | Op::GroupNorm { .. } | Op::LayerNorm { .. } => numel(inputs[0].shape),
            _ => 0,
        }
    }
}
