//! Convolutions.

use super::elementwise::{relu, unary};
use super::grid::{Grid, indices};
use super::pool::{Windows, max_pool};
use crate::dtype::DType;
use crate::op::{Conv2dOptions, ConvTranspose2dOptions, FusedConv2d, Pool2dOptions};
use crate::ops::conv2d::out_size;
use crate::ops::pool2d;
use crate::shape::Shape;

/// What is convolved: `x` or its ReLU.
pub fn input(x: &Grid, with_relu: bool) -> Grid {
    if with_relu { x.map(relu) } else { x.clone() }
}

/// Calls `f` for every product that a convolution sums up, with the places of the input's and the weight's element and of the sum.
/// Output pixel `y` sees input pixel `y · stride + k · dilation − padding` through element `k` of the kernel.
fn for_each_product(
    input: Shape,
    weight: Shape,
    output: Shape,
    o: &Conv2dOptions,
    mut f: impl FnMut([usize; 4], [usize; 4], [usize; 4]),
) {
    let pixel = |d: usize, out: usize, k: usize| {
        let at = out * o.stride[d] + k * o.dilation[d];
        at.checked_sub(o.padding[d][0]).filter(|&at| at < input[2 + d])
    };
    let (in_of_group, out_of_group) = (weight[1], weight[0] / o.groups);
    for n in 0..output[0] {
        for out in 0..output[1] {
            let group = out / out_of_group;
            for y in 0..output[2] {
                for x in 0..output[3] {
                    for c in 0..in_of_group {
                        for ky in 0..weight[2] {
                            for kx in 0..weight[3] {
                                let (Some(iy), Some(ix)) = (pixel(0, y, ky), pixel(1, x, kx)) else { continue };
                                f([n, group * in_of_group + c, iy, ix], [out, c, ky, kx], [n, out, y, x]);
                            }
                        }
                    }
                }
            }
        }
    }
}

fn add_bias(y: &mut Grid, bias: Option<&Grid>) {
    let Some(bias) = bias else { return };
    for i in indices(y.shape) {
        *y.at_mut(&i) += bias.values[i[1]];
    }
}

pub fn conv2d(x: &Grid, weight: &Grid, bias: Option<&Grid>, o: &Conv2dOptions, output: Shape) -> Grid {
    let mut y = Grid::zeros(output);
    for_each_product(x.shape, weight.shape, output, o, |from, w, to| *y.at_mut(&to) += x.at(&from) * weight.at(&w));
    add_bias(&mut y, bias);
    y
}

/// `before_relu` is the input whose ReLU was convolved, if that was.
pub fn input_grad(grad: &Grid, weight: &Grid, before_relu: Option<&Grid>, o: &Conv2dOptions, input: Shape) -> Grid {
    let mut to_x = Grid::zeros(input);
    for_each_product(input, weight.shape, grad.shape, o, |from, w, to| {
        *to_x.at_mut(&from) += grad.at(&to) * weight.at(&w);
    });
    if let Some(x) = before_relu {
        for i in indices(input) {
            if x.at(&i) <= 0.0 {
                *to_x.at_mut(&i) = 0.0;
            }
        }
    }
    to_x
}

pub fn weight_grad(x: &Grid, grad: &Grid, o: &Conv2dOptions, weight: Shape) -> Grid {
    let mut to_weight = Grid::zeros(weight);
    for_each_product(x.shape, weight, grad.shape, o, |from, w, to| {
        *to_weight.at_mut(&w) += x.at(&from) * grad.at(&to);
    });
    to_weight
}

/// Each input pixel is spread over the pixels that a convolution would have made it from.
pub fn conv_transpose2d(
    x: &Grid,
    weight: &Grid,
    bias: Option<&Grid>,
    o: &ConvTranspose2dOptions,
    output: Shape,
) -> Grid {
    let convolution =
        Conv2dOptions { stride: o.stride, padding: o.padding.map(|p| [p, p]), dilation: o.dilation, groups: o.groups };
    let mut y = Grid::zeros(output);
    for_each_product(output, weight.shape, x.shape, &convolution, |to, w, from| {
        *y.at_mut(&to) += x.at(&from) * weight.at(&w);
    });
    add_bias(&mut y, bias);
    y
}

/// A convolution, then what is asked for of a normalization, an activation and a pooling.
pub fn fused_conv2d(f: &FusedConv2d, operands: &[Grid], dtype: DType) -> Grid {
    let (x, weight) = (input(&operands[0], f.input_relu), &operands[1]);
    let (bias, rest) = operands[2..].split_at(usize::from(f.bias));
    let size = |d: usize| out_size(x.shape[2 + d], weight.shape[2 + d], &f.options, d).expect("checked");
    let shape = Shape::from([x.shape[0], weight.shape[0], size(0), size(1)]);
    let mut y = conv2d(&x, weight, bias.first(), &f.options, shape);
    if let [residual] = rest {
        y = Grid { values: y.values.iter().zip(&residual.values).map(|(a, b)| a + b).collect(), ..y };
    }
    if let Some(activation) = f.activation {
        y = y.map(|y| unary(activation, dtype, y));
    }
    if f.max_pool2 {
        let by = Pool2dOptions::new([2, 2]);
        let size = |d: usize| pool2d::out_size(shape[2 + d], &by, d).expect("checked");
        let windows = Windows::sliding(shape, shape.with(2, size(0)).with(3, size(1)), &by);
        [y, _] = max_pool(&y, &windows, false, 0.0);
    }
    y
}
