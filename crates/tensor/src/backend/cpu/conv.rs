//! Convolution.

use super::weights::Weight;
use super::{TRAINING, by_float, no_such_op, pool, take, take_more};
use crate::array::Array;
use crate::element::Stored;
use crate::op::{Conv2dOptions, FusedConv2d, Op, Pool2dOptions, as_clamp};
use crate::shape::Shape;
use striate_kernels::conv2d::{self as conv, Conv2dShape, Epilogue};
use striate_kernels::elementwise::Clamp;
use striate_kernels::{AlignedVec, Float, PackedWeight};

/// The results of an op of this family.
pub fn run(op: &Op, packed: Option<&PackedWeight>, inputs: Vec<Array>) -> Vec<Array> {
    let one = match op {
        Op::Conv2d { options, input_relu } => {
            let ([x, weight], bias) = take_more(inputs);
            by_float!(x, "conv2d", |T| conv2d::<T>(
                &x,
                *input_relu,
                Weight { array: &weight, packed },
                bias.as_ref(),
                options,
                Epilogue::NONE
            ))
        }
        Op::FusedConv2d(f) => by_float!(inputs[0], "conv2d", |T| fused_conv2d::<T>(f, packed, inputs)),
        Op::Conv2dInputGrad { options, input } if TRAINING => {
            let ([g, weight], mask) = take_more(inputs);
            by_float!(g, "conv2d", |T| conv2d_input_grad::<T>(&g, &weight, mask.as_ref(), *input, options))
        }
        Op::Conv2dWeightGrad { options, input_relu, weight } if TRAINING => {
            let [x, g] = take(inputs);
            by_float!(x, "conv2d", |T| conv2d_weight_grad::<T>(&x, *input_relu, &g, *weight, options))
        }
        _ => no_such_op(op, "convolution"),
    };
    vec![one]
}

pub(super) fn conv_shape(input: Shape, weight: Shape, o: &Conv2dOptions) -> Conv2dShape {
    Conv2dShape {
        batch: input[0],
        in_channels: input[1],
        in_size: [input[2], input[3]],
        out_channels: weight[0],
        kernel: [weight[2], weight[3]],
        stride: o.stride,
        padding: o.padding,
        dilation: o.dilation,
        groups: o.groups,
    }
}

/// A convolution with its epilogue, but for a pooling.
fn conv2d<T: Stored + Float>(
    x: &Array,
    relu: bool,
    weight: Weight,
    bias: Option<&Array>,
    o: &Conv2dOptions,
    epilogue: Epilogue<T>,
) -> Array {
    let s = conv_shape(x.shape, weight.array.shape, o);
    let [h, w] = s.out_size();
    let mut out = AlignedVec::unspecified(s.output_len());
    let bias = bias.map(|b| b.packed_default::<T>());
    let values = x.packed_default::<T>();
    let input = conv::Input { values: &values, relu };
    conv::conv2d_fused(&s, input, weight.of_values(&weight.values::<T>()), bias.as_deref(), epilogue, &mut out);
    Array::from_buffer(out, Shape::from([s.batch, s.out_channels, h, w]))
}

/// `inputs` are input, weight, perhaps bias, and perhaps those of a normalization.
pub(super) fn fused_conv2d<T: Stored + Float>(
    f: &FusedConv2d,
    packed: Option<&PackedWeight>,
    inputs: Vec<Array>,
) -> Array {
    let mut inputs = inputs.into_iter();
    let (x, weight) = (inputs.next().expect("an input"), inputs.next().expect("a weight"));
    let weight = Weight { array: &weight, packed };
    let bias = f.bias.then(|| inputs.next().expect("a bias"));
    let residual = f.residual.then(|| inputs.next().expect("a residual"));
    let residual = residual.as_ref().map(|x| x.packed_default::<T>());
    let clamp = f.activation.and_then(as_clamp);
    let activation = f.activation.filter(|_| clamp.is_none());
    if f.max_pool2 {
        return conv2d_max_pool2::<T>(&x, f.input_relu, weight, bias.as_ref(), &f.options, clamp);
    }
    let epilogue = Epilogue { residual: residual.as_deref(), clamp, activation };
    conv2d::<T>(&x, f.input_relu, weight, bias.as_ref(), &f.options, epilogue)
}

fn conv2d_max_pool2<T: Stored + Float>(
    x: &Array,
    relu: bool,
    weight: Weight,
    bias: Option<&Array>,
    o: &Conv2dOptions,
    clamp: Option<Clamp>,
) -> Array {
    let s = conv_shape(x.shape, weight.array.shape, o);
    if !conv::pools::<T>(&s) {
        let y = conv2d::<T>(x, relu, weight, bias, o, Epilogue { clamp, ..Epilogue::NONE });
        return pool::max_pool2d::<T>(&y, false, &Pool2dOptions::new([2; 2])).0;
    }
    let shape = Shape::from([s.batch, s.out_channels, s.out_size()[0] / 2, s.out_size()[1] / 2]);
    let mut out = AlignedVec::unspecified(shape.numel());
    let bias = bias.map(|b| b.packed_default::<T>());
    let values = x.packed_default::<T>();
    let input = conv::Input { values: &values, relu };
    conv::conv2d_max_pool2(&s, input, weight.of_values(&weight.values::<T>()), bias.as_deref(), clamp, &mut out);
    Array::from_buffer(out, shape)
}

pub(super) fn conv2d_input_grad<T: Stored + Float>(
    grad: &Array,
    weight: &Array,
    before_relu: Option<&Array>,
    input: Shape,
    o: &Conv2dOptions,
) -> Array {
    let s = conv_shape(input, weight.shape, o);
    let mut out = AlignedVec::unspecified(s.input_len());
    let mask = before_relu.map(|x| x.packed_default::<T>());
    conv::conv2d_input_grad(&s, &grad.packed_default::<T>(), &weight.packed_default(), mask.as_deref(), &mut out);
    Array::from_buffer(out, input)
}

fn conv2d_weight_grad<T: Stored + Float>(
    x: &Array,
    relu: bool,
    grad: &Array,
    weight: Shape,
    o: &Conv2dOptions,
) -> Array {
    let s = conv_shape(x.shape, weight, o);
    let mut out = AlignedVec::unspecified(s.weight_len());
    let values = x.packed_default::<T>();
    conv::conv2d_weight_grad(&s, conv::Input { values: &values, relu }, &grad.packed_default(), &mut out);
    Array::from_buffer(out, weight)
}
