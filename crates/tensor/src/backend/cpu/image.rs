//! Convolution, pooling and resampling.

use crate::array::{Array, memory_order};
use crate::dtype::{DType, Stored};
use crate::op::{Conv2dOptions, FusedConv2d, Pool2dOptions, as_clamp};
use crate::shape::Shape;
use striate_kernels::conv2d::{self as conv, Conv2dShape, Epilogue};
use striate_kernels::elementwise::Clamp;
use striate_kernels::pool2d::{self as pool, Pool2dShape};
use striate_kernels::resample::{self as sparse, Taps};
use striate_kernels::{Buffer, Float, PackedWeight, Weights};

/// A weight, and where its packed form is kept, if it is.
#[derive(Clone, Copy)]
pub struct Weight<'a> {
    pub array: &'a Array,
    pub packed: Option<&'a PackedWeight>,
}

impl<'a> Weight<'a> {
    fn kernels<T: Stored>(&self, values: &'a [T]) -> Weights<'a, T> {
        self.packed.map_or(values.into(), |packed| Weights::packed(values, packed))
    }
}

fn conv_shape(input: Shape, weight: Shape, o: &Conv2dOptions) -> Conv2dShape {
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
pub fn conv2d<T: Stored + Float>(
    x: &Array,
    relu: bool,
    weight: Weight,
    bias: Option<&Array>,
    o: &Conv2dOptions,
    epilogue: Epilogue<T>,
) -> Array {
    let s = conv_shape(x.shape, weight.array.shape, o);
    let [h, w] = s.out_size();
    let mut out = Buffer::unspecified(s.output_len());
    let bias = bias.map(|b| b.packed_default::<T>());
    let values = x.packed_default::<T>();
    let input = conv::Input { values: &values, relu };
    conv::conv2d_fused(
        &s,
        input,
        weight.kernels(&weight.array.packed_default::<T>()),
        bias.as_deref(),
        epilogue,
        &mut out,
    );
    Array::from_buffer(out, Shape::from([s.batch, s.out_channels, h, w]))
}

/// `inputs` are input, weight, perhaps bias, and perhaps those of a normalization.
pub fn fused_conv2d<T: Stored + Float>(f: &FusedConv2d, packed: Option<&PackedWeight>, inputs: Vec<Array>) -> Array {
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
        return max_pool2d::<T>(&y, false, &Pool2dOptions::new([2; 2])).0;
    }
    let shape = Shape::from([s.batch, s.out_channels, s.out_size()[0] / 2, s.out_size()[1] / 2]);
    let mut out = Buffer::unspecified(shape.numel());
    let bias = bias.map(|b| b.packed_default::<T>());
    let values = x.packed_default::<T>();
    let input = conv::Input { values: &values, relu };
    conv::conv2d_max_pool2(
        &s,
        input,
        weight.kernels(&weight.array.packed_default::<T>()),
        bias.as_deref(),
        clamp,
        &mut out,
    );
    Array::from_buffer(out, shape)
}

pub fn conv2d_input_grad<T: Stored + Float>(
    grad: &Array,
    weight: &Array,
    before_relu: Option<&Array>,
    input: Shape,
    o: &Conv2dOptions,
) -> Array {
    let s = conv_shape(input, weight.shape, o);
    let mut out = Buffer::unspecified(s.input_len());
    let mask = before_relu.map(|x| x.packed_default::<T>());
    conv::conv2d_input_grad(&s, &grad.packed_default::<T>(), &weight.packed_default(), mask.as_deref(), &mut out);
    Array::from_buffer(out, input)
}

pub fn conv2d_weight_grad<T: Stored + Float>(
    x: &Array,
    relu: bool,
    grad: &Array,
    weight: Shape,
    o: &Conv2dOptions,
) -> Array {
    let s = conv_shape(x.shape, weight, o);
    let mut out = Buffer::unspecified(s.weight_len());
    let values = x.packed_default::<T>();
    conv::conv2d_weight_grad(&s, conv::Input { values: &values, relu }, &grad.packed_default(), &mut out);
    Array::from_buffer(out, weight)
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
        let (mut out, mut position) = (Buffer::unspecified(shape.numel()), Buffer::<I>::unspecified(shape.numel()));
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
    let mut out = Buffer::unspecified(input.numel());
    let grad = grad.packed_default::<T>();
    if position.dtype() == DType::U8 {
        pool::max_pool2d_grad(&s, &grad, &position.packed_default::<u8>(), &mut out);
    } else {
        pool::max_pool2d_grad(&s, &grad, &position.packed_default::<i64>(), &mut out);
    }
    Array::from_buffer(out, input)
}

pub fn avg_pool2d<T: Stored + Float>(x: &Array, o: &Pool2dOptions) -> Array {
    let s = pool_shape(x.shape, o);
    let shape = pooled(&s);
    let mut out = Buffer::unspecified(shape.numel());
    pool::avg_pool2d(&s, o.count_include_pad, &x.packed_default::<T>(), &mut out);
    Array::from_buffer(out, shape)
}

pub fn avg_pool2d_grad<T: Stored + Float>(grad: &Array, input: Shape, o: &Pool2dOptions) -> Array {
    let s = pool_shape(input, o);
    let mut out = Buffer::unspecified(input.numel());
    pool::avg_pool2d_grad(&s, o.count_include_pad, &grad.packed_default::<T>(), &mut out);
    Array::from_buffer(out, input)
}

pub fn resample<T: Stored + Float>(x: &Array, dim: usize, taps: &Taps) -> Array {
    let order = memory_order(x.shape.rank());
    let at = order.iter().position(|&d| d == dim).expect("every dimension lies in memory");
    let memory = x.shape.permuted(order);
    let (outer, inner) = (memory[..at].iter().product(), memory[at + 1..].iter().product());
    let shape = x.shape.with(dim, taps.outputs());
    let mut out = Buffer::unspecified(shape.numel());
    sparse::resample(outer, inner, taps, &x.packed_default::<T>(), &mut out);
    Array::from_buffer(out, shape)
}
