//! The shape rule of each op: what its results are for these operands, or what does not fit.

use super::{Activation, Binary, Op, PaddingMode, Spec, Unary};
use crate::dtype::DType;
use crate::ops::{activation, batch_norm, conv_transpose, conv2d, group_norm, hints, matmul, pool2d, resample};
use crate::shape::Shape;

/// Returns an error with this message unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        let holds: bool = $condition;
        if !holds {
            return Err(format!($($message)+));
        }
    };
}
pub(crate) use ensure;

/// The result, or a panic with the message.
#[track_caller]
pub(crate) fn must<T>(result: Result<T, String>) -> T {
    result.unwrap_or_else(|message| panic!("{message}"))
}

/// That two operands have one type.
pub(crate) fn same_dtype(op: &str, a: &Spec, b: &Spec) -> Result<(), String> {
    let (a, b) = (a.dtype, b.dtype);
    ensure!(a == b, "{op}: needs tensors of one type, got {a} and {b} (convert one with to_dtype)");
    Ok(())
}

fn needs_number(op: &str, x: &Spec) -> Result<(), String> {
    hints::has_kernel(op, x)?;
    ensure!(
        x.dtype.is_float() || x.dtype == DType::I64,
        "{op}: needs a tensor of floating-point numbers or i64, got {} (convert it with to_dtype)",
        x.dtype
    );
    Ok(())
}

fn needs_index(op: &str, index: &Spec) -> Result<(), String> {
    ensure!(index.dtype == DType::I64, "{op}: the index must be i64, got {} (convert it with to_dtype)", index.dtype);
    Ok(())
}

fn has_dim(op: &str, x: Shape, dim: usize) -> Result<(), String> {
    ensure!(dim < x.rank(), "{op}: dimension {dim} is out of range for shape {x}");
    Ok(())
}

/// The shape after `dims` are gone, or kept with size 1.
pub(crate) fn reduced(shape: Shape, dims: &[usize], keepdim: bool) -> Shape {
    if keepdim {
        dims.iter().fold(shape, |s, &d| s.with(d, 1))
    } else {
        (0..shape.rank()).filter(|d| !dims.contains(d)).map(|d| shape[d]).collect()
    }
}

fn flattened(x: Shape, start: usize, end: usize) -> Shape {
    let middle = x[start..=end].iter().product();
    x[..start].iter().copied().chain([middle]).chain(x[end + 1..].iter().copied()).collect()
}

fn cat(inputs: &[Spec], dim: usize) -> Result<Spec, String> {
    let first = inputs[0].shape;
    has_dim("cat", first, dim)?;
    for x in inputs {
        same_dtype("cat", &inputs[0], x)?;
        let fits = x.shape.rank() == first.rank() && x.shape.with(dim, 0) == first.with(dim, 0);
        ensure!(fits, "cat: shapes {first} and {} differ in more than dimension {dim}", x.shape);
    }
    Ok(inputs[0].reshaped(first.with(dim, inputs.iter().map(|x| x.shape[dim]).sum())))
}

fn pad(x: &Spec, padding: &[[usize; 2]], mode: PaddingMode) -> Result<Spec, String> {
    let shape = x.shape;
    ensure!(padding.len() == shape.rank(), "pad: {} pairs for shape {shape}", padding.len());
    for (d, &[before, after]) in padding.iter().enumerate().rev().filter(|(_, p)| **p != [0; 2]) {
        let most = match mode {
            PaddingMode::Reflect => shape[d].saturating_sub(1),
            PaddingMode::Circular => shape[d],
            PaddingMode::Replicate if shape[d] == 0 => 0,
            PaddingMode::Replicate | PaddingMode::Zeros => usize::MAX,
        };
        ensure!(
            before.max(after) <= most,
            "pad: mode {mode:?} can add at most {most} to dimension {d} of shape {shape}, got {before} and {after}"
        );
    }
    if mode != PaddingMode::Zeros {
        hints::is_float("pad", x)?;
    }
    Ok(x.reshaped(shape.iter().zip(padding).map(|(n, p)| n + p[0] + p[1]).collect::<Shape>()))
}

fn gather(x: &Spec, index: &Spec, dim: usize) -> Result<Spec, String> {
    let (shape, by) = (x.shape, index.shape);
    has_dim("gather", shape, dim)?;
    needs_index("gather", index)?;
    let fits = by.rank() == shape.rank() && (0..by.rank()).all(|i| i == dim || by[i] <= shape[i]);
    ensure!(fits, "gather: an index of shape {by} does not fit a tensor of shape {shape} along dimension {dim}");
    Ok(x.reshaped(by))
}

fn index_list(op: &str, index: &Spec) -> Result<usize, String> {
    ensure!(index.dtype == DType::I64 && index.shape.rank() == 1, "{op}: the index must be a list of i64, got {index}");
    Ok(index.shape[0])
}

impl Op {
    /// Shape and type of each result for operands of these shapes and types.
    ///
    /// # Panics
    /// If the operands do not fit; the message says which, and the likely mistake.
    pub fn outputs(&self, inputs: &[Spec]) -> Vec<Spec> {
        must(self.try_outputs(inputs))
    }

    /// As [`Op::outputs`], or the message that it panics with. Sizes below 2³¹ do not overflow.
    pub fn try_outputs(&self, inputs: &[Spec]) -> Result<Vec<Spec>, String> {
        let name = self.name();
        let (least, most) = self.operands();
        ensure!(
            (least..=most).contains(&inputs.len()),
            "{name}: takes {least} to {most} operands, got {}",
            inputs.len()
        );
        let x = &inputs[0];
        let one = match self {
            Op::Reshape { shape } => {
                let from = x.shape;
                let fits = from.numel() == shape.numel();
                ensure!(fits, "reshape: {from} has {} elements, {shape} {}", from.numel(), shape.numel());
                x.reshaped(*shape)
            }
            Op::Flatten { start_dim, end_dim } => {
                has_dim(name, x.shape, *end_dim)?;
                ensure!(
                    start_dim <= end_dim,
                    "flatten: dimension {end_dim} comes before {start_dim} in shape {}",
                    x.shape
                );
                x.reshaped(flattened(x.shape, *start_dim, *end_dim))
            }
            Op::Permute { dims } => {
                let named = (0..x.shape.rank()).all(|d| dims.contains(&d)) && dims.len() == x.shape.rank();
                ensure!(named, "permute: {dims:?} does not name every dimension of shape {} once", x.shape);
                x.reshaped(x.shape.permuted(dims))
            }
            Op::Expand { shape } => {
                let from = x.shape;
                let fits = from.rank() <= shape.rank() && Shape::try_broadcast("expand", &from, shape)? == *shape;
                ensure!(fits, "expand: shape {from} does not broadcast to {shape}");
                x.reshaped(*shape)
            }
            Op::Narrow { dim, start, length } => {
                has_dim(name, x.shape, *dim)?;
                ensure!(
                    start.checked_add(*length).is_some_and(|end| end <= x.shape[*dim]),
                    "narrow: {start} and {length} more do not lie in dimension {dim} of shape {}",
                    x.shape
                );
                x.reshaped(x.shape.with(*dim, *length))
            }
            Op::Cat { dim } => cat(inputs, *dim)?,
            Op::Pad { padding, mode, .. } => pad(x, padding, *mode)?,
            Op::PadGrad { padding, .. } => {
                x.reshaped(x.shape.iter().zip(padding).map(|(n, p)| n - p[0] - p[1]).collect::<Shape>())
            }
            Op::Cast { dtype } => Spec::new(x.shape, *dtype),
            Op::Unary(f) => {
                hints::is_float(name, x)?;
                if let Unary::Activation(Activation::Hardtanh(low, high)) = f {
                    ensure!(low <= high, "hardtanh: min_val {low} is larger than max_val {high}");
                }
                *x
            }
            Op::Binary(f) => {
                same_dtype(name, x, &inputs[1])?;
                match f {
                    Binary::Add | Binary::Sub | Binary::Mul | Binary::Maximum | Binary::Minimum => {
                        needs_number(name, x)?
                    }
                    _ => hints::is_float(name, x)?,
                }
                x.reshaped(Shape::try_broadcast(name, &x.shape, &inputs[1].shape)?)
            }
            Op::Compare(_) => {
                same_dtype(name, x, &inputs[1])?;
                Spec::new(Shape::try_broadcast(name, &x.shape, &inputs[1].shape)?, DType::U8)
            }
            Op::Where => {
                let (a, b) = (&inputs[1], &inputs[2]);
                hints::is_mask(name, x)?;
                same_dtype(name, a, b)?;
                let values = Shape::try_broadcast(name, &a.shape, &b.shape)?;
                a.reshaped(Shape::try_broadcast(name, &x.shape, &values)?)
            }
            Op::Prelu => activation::prelu_rule(x, &inputs[1])?,
            Op::IsFinite => {
                if !x.dtype.is_half() {
                    hints::is_float(name, x)?;
                }
                Spec::new([], DType::U8)
            }
            Op::Reduce { op, dims, keepdim } => {
                match op {
                    super::Reduce::Mean => hints::is_float(name, x)?,
                    _ => needs_number(name, x)?,
                }
                dims.iter().try_for_each(|&d| has_dim(name, x.shape, d))?;
                ensure!(dims.is_sorted_by(|a, b| a < b), "{name}: dimensions {dims:?} are not in ascending order");
                let chooses = matches!(op, super::Reduce::Max | super::Reduce::Min) && !dims.is_empty();
                ensure!(
                    !chooses || dims.iter().all(|&d| x.shape[d] > 0),
                    "{name}: there is nothing to choose from over dimensions {dims:?} of shape {}",
                    x.shape
                );
                x.reshaped(reduced(x.shape, dims, *keepdim))
            }
            Op::ArgMax { dim, keepdim } | Op::ArgMin { dim, keepdim } => {
                has_dim(name, x.shape, *dim)?;
                ensure!(x.shape[*dim] > 0, "{name}: dimension {dim} of shape {} is empty", x.shape);
                Spec::new(reduced(x.shape, &[*dim], *keepdim), DType::I64)
            }
            Op::ArgSort { dim, .. } => {
                has_dim(name, x.shape, *dim)?;
                Spec::new(x.shape, DType::I64)
            }
            Op::CumSum { dim, .. } => {
                needs_number(name, x)?;
                has_dim(name, x.shape, *dim)?;
                *x
            }
            Op::MatMul => matmul::matmul_rule(x, &inputs[1])?,
            Op::Linear => matmul::linear_rule(inputs)?,
            Op::Gather { dim } => gather(x, &inputs[1], *dim)?,
            Op::ScatterAdd { dim, shape } => {
                needs_number(name, x)?;
                needs_index(name, &inputs[1])?;
                has_dim(name, *shape, *dim)?;
                let (by, from) = (inputs[1].shape, x.shape);
                let fits =
                    by == from && by.rank() == shape.rank() && (0..by.rank()).all(|i| i == *dim || by[i] <= shape[i]);
                ensure!(
                    fits,
                    "scatter_add: an index of shape {by} does not fit a source of shape {from} and a tensor of shape {shape} along \
                     dimension {dim}"
                );
                x.reshaped(*shape)
            }
            Op::IndexSelect { dim } => {
                has_dim(name, x.shape, *dim)?;
                x.reshaped(x.shape.with(*dim, index_list(name, &inputs[1])?))
            }
            Op::IndexAdd { dim, size } => {
                needs_number(name, x)?;
                has_dim(name, x.shape, *dim)?;
                let n = index_list(name, &inputs[1])?;
                ensure!(
                    x.shape[*dim] == n,
                    "index_add: {n} indices along dimension {dim} take {n} slices, got shape {}",
                    x.shape
                );
                x.reshaped(x.shape.with(*dim, *size))
            }
            Op::Conv2d { options, .. } => conv2d::rule(inputs, options)?,
            Op::FusedConv2d(f) => {
                let y = conv2d::rule(&inputs[..2 + f.bias as usize], &f.options)?;
                if let Some(residual) = inputs.last().filter(|_| f.residual) {
                    ensure!(*residual == y, "{name}: the residual is {residual}, the convolution {y}");
                }
                if f.max_pool2 { y.reshaped(pool2d::rule("max_pool2d", &y, &2.into())?.shape) } else { y }
            }
            Op::Conv2dInputGrad { input, .. } => x.reshaped(*input),
            Op::Conv2dWeightGrad { weight, .. } => x.reshaped(*weight),
            Op::ConvTranspose2d { options } => conv_transpose::rule("conv_transpose2d", inputs, options)?,
            Op::MaxPool2d { options, with_positions, .. } => {
                let y = pool2d::rule("max_pool2d", x, options)?;
                if *with_positions {
                    return Ok(vec![y, Spec::new(y.shape, pool2d::position_dtype(options.kernel_size))]);
                }
                y
            }
            Op::AvgPool2d { options } => pool2d::rule("avg_pool2d", x, options)?,
            Op::MaxPool2dGrad { input, .. }
            | Op::AvgPool2dGrad { input, .. }
            | Op::AdaptiveAvgPoolGrad { input }
            | Op::AdaptiveMaxPool2dGrad { input }
            | Op::InterpolateGrad { input, .. } => x.reshaped(*input),
            Op::AdaptiveAvgPool { output_size } => resample::adaptive_rule(name, x, output_size)?,
            Op::AdaptiveMaxPool2d { output_size, with_positions } => {
                let y = resample::adaptive_rule(name, x, output_size)?;
                if *with_positions {
                    let kernel = resample::longest_windows(x.shape, *output_size);
                    return Ok(vec![y, Spec::new(y.shape, pool2d::position_dtype(kernel))]);
                }
                y
            }
            Op::Interpolate { size, scale_factor, .. } => resample::interpolate_rule(x, *size, *scale_factor)?,
            Op::BatchNormStats => {
                batch_norm::check(x, &[])?;
                let channel = x.reshaped([x.shape[1]]);
                return Ok(vec![channel, channel]);
            }
            Op::BatchNorm { residual, .. } => batch_norm::rule(inputs, *residual)?,
            Op::BatchNormGrad { .. } => return Ok(vec![*x, inputs[2], inputs[2]]),
            Op::GroupNorm { groups, .. } => return group_norm::group_norm_rule(inputs, *groups),
            Op::LayerNorm { .. } => return group_norm::layer_norm_rule(inputs),
            Op::GroupNormGrad { .. } | Op::LayerNormGrad { .. } => return Ok(vec![*x, inputs[4], inputs[4]]),
            Op::LocalResponseNorm { size, .. } => resample::local_response_norm_rule(x, *size)?,
            Op::LocalResponseNormGrad { .. } => *x,
            Op::Softmax { dim } | Op::LogSoftmax { dim } => {
                hints::is_float(name, x)?;
                has_dim(name, x.shape, *dim)?;
                *x
            }
            Op::SoftmaxGrad { .. } | Op::LogSoftmaxGrad { .. } => *x,
            Op::CrossEntropy => {
                hints::is_float(name, x)?;
                hints::has_target(name, x, &inputs[1])?;
                return Ok(vec![x.reshaped([x.shape[0]]), *x]);
            }
            Op::CrossEntropyGrad => *x,
        };
        Ok(vec![one])
    }

    /// The fewest and the most operands it takes.
    fn operands(&self) -> (usize, usize) {
        match self {
            Op::Cat { .. } => (1, usize::MAX),
            Op::Binary(_) | Op::Compare(_) | Op::Prelu | Op::MatMul => (2, 2),
            Op::Where => (3, 3),
            Op::Linear | Op::Conv2d { .. } | Op::ConvTranspose2d { .. } | Op::Conv2dInputGrad { .. } => (2, 3),
            Op::FusedConv2d(f) => {
                let n = 2 + f.bias as usize + f.residual as usize;
                (n, n)
            }
            Op::Gather { .. } | Op::ScatterAdd { .. } | Op::IndexSelect { .. } | Op::IndexAdd { .. } => (2, 2),
            Op::Conv2dWeightGrad { .. } | Op::MaxPool2dGrad { .. } | Op::AdaptiveMaxPool2dGrad { .. } => (2, 2),
            Op::BatchNorm { residual, .. } => (5 + *residual as usize, 5 + *residual as usize),
            Op::BatchNormGrad { .. } => (6, 6),
            Op::GroupNorm { .. } | Op::LayerNorm { .. } | Op::CrossEntropyGrad => (3, 3),
            Op::GroupNormGrad { .. } | Op::LayerNormGrad { .. } => (5, 5),
            Op::LocalResponseNormGrad { .. } | Op::SoftmaxGrad { .. } | Op::LogSoftmaxGrad { .. } => (2, 2),
            Op::CrossEntropy => (2, 2),
            _ => (1, 1),
        }
    }
}

/// Whether a function of one number is a clamp, and its bounds; NaN is a bound that nothing reaches.
pub(crate) fn as_clamp(f: Unary) -> Option<[f64; 2]> {
    match f {
        Unary::Relu => Some([0.0, f64::NAN]),
        Unary::Activation(super::Activation::Hardtanh(low, high)) => Some([low, high]),
        _ => None,
    }
}
