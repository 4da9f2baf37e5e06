//! The ops: each file has the shape rule, the forward and the backward side of what it defines; here is the way from an op as data to them.

pub mod activation;
pub mod batch_norm;
pub mod compare;
pub mod conv1d;
pub mod conv2d;
pub mod conv_transpose;
pub mod convert;
pub mod custom;
pub mod einsum;
pub mod elementwise;
pub mod embedding;
pub mod functions;
pub mod grid_sample;
pub mod group_norm;
pub mod index;
mod joined;
pub mod log_sigmoid;
pub mod loss;
pub mod matmul;
pub mod ordering;
pub mod pool2d;
pub mod rearrange;
pub mod reduce;
pub mod resample;
pub mod scatter;
pub mod shape;
pub mod slicing;
pub mod softmax;
pub mod statistics;
pub mod unfold;
mod update;

use crate::array::Array;
use crate::dtype::DType;
use crate::op::{
    Activation, Binary, Compare, Op, PaddingMode, Reduce, Resize, Spec, Unary, ensure, flattened, has_dim, hints,
    index_list, must, needs_index, needs_number, operands_of_chain, reduced, same_dtype,
};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The shape rule of an op: what its results are for operands of these shapes and types, or what does not fit.
pub(crate) fn rule(op: &Op, inputs: &[Spec]) -> Result<Vec<Spec>, String> {
    let name = op.name();
    let x = &inputs[0];
    let one = match op {
        Op::Reshape { shape } => {
            let from = x.shape;
            let fits = from.numel() == shape.numel();
            ensure!(fits, "reshape: {from} has {} elements, {shape} {}", from.numel(), shape.numel());
            x.reshaped(*shape)
        }
        Op::Flatten { start_dim, end_dim } => {
            has_dim(name, x.shape, *end_dim)?;
            ensure!(start_dim <= end_dim, "flatten: dimension {end_dim} comes before {start_dim} in shape {}", x.shape);
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
        Op::Cat { dim } => shape::cat_rule(inputs, *dim)?,
        Op::Pad { padding, mode, .. } => shape::pad_rule(x, padding, *mode)?,
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
                Binary::Add | Binary::Sub | Binary::Mul | Binary::Maximum | Binary::Minimum => needs_number(name, x)?,
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
                Reduce::Mean => hints::is_float(name, x)?,
                _ => needs_number(name, x)?,
            }
            dims.iter().try_for_each(|&d| has_dim(name, x.shape, d))?;
            ensure!(dims.is_sorted_by(|a, b| a < b), "{name}: dimensions {dims:?} are not in ascending order");
            let chooses = matches!(op, Reduce::Max | Reduce::Min) && !dims.is_empty();
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
        Op::Gather { dim } => index::gather_rule(x, &inputs[1], *dim)?,
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
        Op::ConvChain(chain) => {
            let mut y = *x;
            for (f, rest) in chain.iter().zip(operands_of_chain(chain, inputs)) {
                y = rule(&Op::FusedConv2d(*f), &[&[y], rest].concat())?[0];
            }
            y
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
        Op::GridSample { .. } => grid_sample::grid_sample_rule(x, &inputs[1])?,
        Op::GridSampleGrad { .. } => return Ok(vec![inputs[1], inputs[2]]),
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
        let (name, operands) = (self.name(), self.operands());
        let (least, most) = (operands.start(), operands.end());
        ensure!(operands.contains(&inputs.len()), "{name}: takes {least} to {most} operands, got {}", inputs.len());
        rule(self, inputs)
    }

    /// The results of this op on tensors, with their gradients recorded where an operand has one. Results that only a gradient needs, such as the
    /// positions of max pooling, are left out; so is the gradient of what is a gradient itself.
    ///
    /// # Panics
    /// If the operands do not fit ([`Op::outputs`]) or are on two devices, or if one has a gradient and the op belongs to inference
    /// ([`Op::FusedConv2d`], [`Op::ConvChain`]).
    pub fn apply(&self, operands: Vec<Tensor>) -> Vec<Tensor> {
        let specs: Vec<_> = operands.iter().map(Tensor::spec).collect();
        self.outputs(&specs);
        let rest = operands;
        let mut operands = rest.clone().into_iter();
        let x = operands.next().expect("every op has an operand");
        let mut next = || operands.next().expect("as many as were checked");
        let one = match self {
            Op::Reshape { shape } => x.reshape(*shape),
            Op::Flatten { start_dim, end_dim } => x.flatten(*start_dim as isize, *end_dim as isize),
            Op::Permute { dims } => x.permute(&dims.iter().map(|&d| d as isize).collect::<Vec<_>>()),
            Op::Expand { shape } => x.expand(*shape),
            Op::Narrow { dim, start, length } => x.narrow(*dim as isize, *start, *length),
            Op::Cat { dim } => Tensor::cat(&rest, *dim as isize),
            Op::Pad { padding, mode, value } => {
                let from_last: Vec<_> = padding.iter().rev().copied().collect();
                match mode {
                    PaddingMode::Zeros => x.pad(&from_last, *value),
                    _ => x.pad_mode(&from_last, *mode),
                }
            }
            Op::Cast { dtype } => x.to_dtype(*dtype),
            Op::Unary(f) => unary(*f, x),
            Op::Binary(f) => match f {
                Binary::Add => x + next(),
                Binary::Sub => x - next(),
                Binary::Mul => x * next(),
                Binary::Div => x / next(),
                Binary::Pow => x.pow(next()),
                Binary::Maximum => x.maximum(next()),
                Binary::Minimum => x.minimum(next()),
                _ => return self.without_gradient(rest),
            },
            Op::Compare(c) => match c {
                Compare::Eq => x.eq(next()),
                Compare::Ne => x.ne(next()),
                Compare::Lt => x.lt(next()),
                Compare::Le => x.le(next()),
                Compare::Gt => x.gt(next()),
                Compare::Ge => x.ge(next()),
            },
            Op::Where => {
                let a = next();
                x.where_(a, next())
            }
            Op::Prelu => x.prelu(&next()),
            Op::Reduce { op, dims, keepdim } => {
                if dims.is_empty() {
                    return vec![x];
                }
                let dims: Vec<isize> = dims.iter().map(|&d| d as isize).collect();
                match op {
                    Reduce::Sum => x.sum_by(&dims, *keepdim),
                    Reduce::Mean => x.mean_by(&dims, *keepdim),
                    Reduce::Max => x.max_by(&dims, *keepdim),
                    Reduce::Min => x.min_by(&dims, *keepdim),
                    Reduce::Prod => x.prod_by(&dims, *keepdim),
                }
            }
            Op::CumSum { dim, reverse: false } => x.cumsum(*dim as isize),
            Op::MatMul => x.matmul(&next()),
            Op::Linear => {
                let weight = next();
                x.linear(&weight, rest.get(2))
            }
            Op::Gather { dim } => x.gather(*dim as isize, &next()),
            Op::ScatterAdd { dim, shape } => {
                let zeros: Tensor = x.array().filled_like(0.0, *shape).into();
                zeros.scatter_add(*dim as isize, &next(), x)
            }
            Op::IndexSelect { dim } => x.index_select(*dim as isize, &next()),
            Op::IndexAdd { dim, size } => {
                let zeros: Tensor = x.array().filled_like(0.0, x.shape_value().with(*dim, *size)).into();
                zeros.index_add(*dim as isize, &next(), x)
            }
            Op::Conv2d { options, input_relu } => {
                let weight = next();
                let x = if *input_relu { x.relu() } else { x };
                x.conv2d(&weight, rest.get(2), options)
            }
            Op::ConvTranspose2d { options } => {
                let weight = next();
                x.conv_transpose2d(&weight, rest.get(2), options)
            }
            Op::MaxPool2d { options, input_relu, .. } => {
                let x = if *input_relu { x.relu() } else { x };
                x.max_pool2d(*options)
            }
            Op::AvgPool2d { options } => x.avg_pool2d(*options),
            Op::AdaptiveAvgPool { output_size } => match output_size[..] {
                [l] => x.adaptive_avg_pool1d(l),
                [h, w] => x.adaptive_avg_pool2d([h, w]),
                _ => unreachable!("the rule takes one and two dimensions"),
            },
            Op::AdaptiveMaxPool2d { output_size, .. } => x.adaptive_max_pool2d(*output_size),
            Op::Interpolate { size, scale_factor, mode } => {
                x.interpolate(scale_factor.map_or(Resize::Size(*size), Resize::ScaleFactor), *mode)
            }
            Op::GridSample { mode, padding_mode, align_corners } => {
                x.grid_sample(&next(), *mode, *padding_mode, *align_corners)
            }
            Op::BatchNorm { eps, activation, residual, training: _ } => {
                let (mean, var, weight, bias) = (next(), next(), next(), next());
                let y = x.batch_norm_inference(&mean, &var, Some(&weight), Some(&bias), *eps);
                let y = if *residual { y + next() } else { y };
                activation.map_or(y.clone(), |f| unary(f, y))
            }
            Op::GroupNorm { groups, eps } => {
                let normed = x.group_norm(*groups, Some(&next()), rest.get(2), *eps);
                return vec![normed.output, normed.mean, normed.var];
            }
            Op::LayerNorm { eps } => {
                let weight = next();
                x.layer_norm(weight.shape(), Some(&weight), rest.get(2), *eps)
            }
            Op::LocalResponseNorm { size, alpha, beta, k } => x.local_response_norm(*size, *alpha, *beta, *k),
            Op::Softmax { dim } => x.softmax(*dim as isize),
            Op::LogSoftmax { dim } => x.log_softmax(*dim as isize),
            Op::FusedConv2d(_) | Op::ConvChain(_) => {
                assert!(!rest.iter().any(Tensor::has_grad), "{}: has no gradient: it is for inference", self.name());
                return self.without_gradient(rest);
            }
            _ => return self.without_gradient(rest),
        };
        vec![one]
    }

    fn without_gradient(&self, operands: Vec<Tensor>) -> Vec<Tensor> {
        let arrays: Vec<Array> = operands.into_iter().map(Tensor::into_array).collect();
        self.run_all(arrays).into_iter().map(Tensor::from).collect()
    }
}

fn unary(f: Unary, x: Tensor) -> Tensor {
    match f {
        Unary::Neg => x.neg(),
        Unary::Abs => x.abs(),
        Unary::Sign => x.sign(),
        Unary::Exp => x.exp(),
        Unary::Log => x.log(),
        Unary::Log1p => x.log1p(),
        Unary::Expm1 => x.expm1(),
        Unary::Erf => x.erf(),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => x.rsqrt(),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round(),
        Unary::Square => x.square(),
        Unary::Recip => x.reciprocal(),
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => x.sigmoid(),
        Unary::Relu => x.relu(),
        Unary::LeakyRelu(slope) => x.leaky_relu(slope),
        Unary::AddScalar(number) => x + number,
        Unary::MulScalar(number) => x * number,
        Unary::PowScalar(exponent) => x.powf(exponent),
        Unary::ClampMin(min) => x.clamp_min(min),
        Unary::ClampMax(max) => x.clamp_max(max),
        Unary::Activation(a) => activation(a, x),
    }
}

fn activation(a: Activation, x: Tensor) -> Tensor {
    joined::apply(Op::Unary(Unary::Activation(a)), vec![x])
}
