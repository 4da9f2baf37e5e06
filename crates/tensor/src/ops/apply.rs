//! Any op on tensors: the way from an op as data to the function that records its gradient.

use crate::array::Array;
use crate::deferred;
use crate::op::{Activation, Binary, Compare, Op, PaddingMode, Reduce, Resize, Unary};
use crate::tensor::Tensor;

impl Op {
    /// The results of this op on tensors, with their gradients recorded where an operand has one. Results that only a gradient needs, such as the
    /// positions of max pooling, are left out; so is the gradient of what is a gradient itself.
    ///
    /// # Panics
    /// If the operands do not fit ([`Op::outputs`]) or are on two devices, or if one has a gradient and the op belongs to inference
    /// ([`Op::FusedConv2d`]).
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
                    Reduce::Sum => x.sum(&dims, *keepdim),
                    Reduce::Mean => x.mean(&dims, *keepdim),
                    Reduce::Max => x.max(&dims, *keepdim),
                    Reduce::Min => x.min(&dims, *keepdim),
                    Reduce::Prod => x.prod(&dims, *keepdim),
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
            Op::BatchNorm { eps, activation, residual, training: _ } => {
                let (mean, var, weight, bias) = (next(), next(), next(), next());
                let y = x.batch_norm_fixed(&mean, &var, Some(&weight), Some(&bias), *eps);
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
            Op::FusedConv2d(_) => {
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
    deferred::apply(Op::Unary(Unary::Activation(a)), vec![x])
}
