//! Pooling.

use super::{TRAINING, by_float, no_such_op, take};
use crate::array::Array;
use crate::dtype::DType;
use crate::element::Stored;
use crate::op::{Op, Pool2dOptions, Spec};
use crate::shape::Shape;
use striate_kernels::pool2d::{self as pool, Pool2dShape};
use striate_kernels::{AlignedVec, Float};

/// The results of an op of this family.
pub fn run(op: &Op, inputs: Vec<Array>, _outputs: &[Spec]) -> Vec<Array> {
    let one = match op {
        Op::MaxPool2d { options, input_relu, with_positions } => {
            let [x] = take(inputs);
            let (y, positions) = by_float!(x, "max_pool2d", |T| max_pool2d::<T>(&x, *input_relu, options));
            if *with_positions {
                return vec![y, positions];
            }
            y
        }
        Op::MaxPool2dGrad { options, input } if TRAINING => {
            let [g, positions] = take(inputs);
            by_float!(g, "max_pool2d", |T| max_pool2d_grad::<T>(&g, &positions, *input, options))
        }
        Op::AvgPool2d { options } => {
            let [x] = take(inputs);
            by_float!(x, "avg_pool2d", |T| avg_pool2d::<T>(&x, options))
        }
        Op::AvgPool2dGrad { options, input } if TRAINING => {
            let [g] = take(inputs);
            by_float!(g, "avg_pool2d", |T| avg_pool2d_grad::<T>(&g, *input, options))
        }
        _ => no_such_op(op, "pooling"),
    };
    vec![one]
}

fn pool_shape(input: Shape, o: &Pool2dOptions) -> Pool2dShape {
    Pool2dShape {
        batch: input[0],
        channels: input[1],
        in_size: [input[2], input[3]],
        kernel: o.kernel_size,
        stride: o.stride,
        padding: o.padding,
        dilation: o.dilation,
        ceil_mode: o.ceil_mode,
    }
}

fn pooled(s: &Pool2dShape) -> Shape {
    let [h, w] = s.out_size();
    Shape::from([s.batch, s.channels, h, w])
}

pub fn max_pool2d<T: Stored + Float>(x: &Array, relu: bool, o: &Pool2dOptions) -> (Array, Array) {
    fn run<T: Stored + Float, I: Stored + pool::WindowIndex>(x: &Array, relu: bool, s: &Pool2dShape) -> (Array, Array) {
        let shape = pooled(s);
        let (mut out, mut position) =
            (AlignedVec::unspecified(shape.numel()), AlignedVec::<I>::unspecified(shape.numel()));
        pool::max_pool2d(s, &x.packed_default::<T>(), relu, &mut out, &mut position);
        (Array::from_buffer(out, shape), Array::from_buffer(position, shape))
    }
    let s = pool_shape(x.shape, o);
    if s.kernel[0] * s.kernel[1] <= <u8 as pool::WindowIndex>::LIMIT {
        run::<T, u8>(x, relu, &s)
    } else {
        run::<T, i64>(x, relu, &s)
    }
}

pub fn max_pool2d_grad<T: Stored + Float>(grad: &Array, position: &Array, input: Shape, o: &Pool2dOptions) -> Array {
    let s = pool_shape(input, o);
    let mut out = AlignedVec::unspecified(input.numel());
    let grad = grad.packed_default::<T>();
    if position.dtype() == DType::U8 {
        pool::max_pool2d_grad(&s, &grad, &position.packed_default::<u8>(), &mut out);
    } else {
        pool::max_pool2d_grad(&s, &grad, &position.packed_default::<i64>(), &mut out);
    }
    Array::from_buffer(out, input)
}

fn avg_pool2d<T: Stored + Float>(x: &Array, o: &Pool2dOptions) -> Array {
    let s = pool_shape(x.shape, o);
    let shape = pooled(&s);
    let mut out = AlignedVec::unspecified(shape.numel());
    pool::avg_pool2d(&s, o.count_include_pad, &x.packed_default::<T>(), &mut out);
    Array::from_buffer(out, shape)
}

fn avg_pool2d_grad<T: Stored + Float>(grad: &Array, input: Shape, o: &Pool2dOptions) -> Array {
    let s = pool_shape(input, o);
    let mut out = AlignedVec::unspecified(input.numel());
    pool::avg_pool2d_grad(&s, o.count_include_pad, &grad.packed_default::<T>(), &mut out);
    Array::from_buffer(out, input)
}
