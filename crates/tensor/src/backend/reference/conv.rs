//! Convolutions.

use super::elementwise::{relu, unary};
use super::grid::{Grid, indices};
use super::pool::{Windows, max_pool};
use crate::dtype::DType;
use crate::op::{Conv2dOptions, ConvTranspose2dOptions, FusedConv2d, Op, Pool2dOptions, operands_of_chain};
use crate::ops::conv2d::out_size;
use crate::ops::pool2d;
use crate::shape::Shape;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], dtype: DType, shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::Conv2d { options, input_relu } => conv2d(&input(&x[0], *input_relu), &x[1], x.get(2), options, shape),
        Op::FusedConv2d(f) => fused_conv2d(f, x, dtype),
        Op::ConvChain(chain) => {
            let step = |y: Grid, (f, rest): (&FusedConv2d, &[Grid])| fused_conv2d(f, &[&[y], rest].concat(), dtype);
            chain.iter().zip(operands_of_chain(chain, x)).fold(x[0].clone(), step)
        }
        Op::Conv2dInputGrad { options, .. } => input_grad(&x[0], &x[1], x.get(2), options, shape),
        Op::Conv2dWeightGrad { options, input_relu, .. } => {
            weight_grad(&input(&x[0], *input_relu), &x[1], options, shape)
        }
        Op::ConvTranspose2d { options } => conv_transpose2d(&x[0], &x[1], x.get(2), options, shape),
        _ => unreachable!("{} is no convolution", op.name()),
    };
    vec![one]
}

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

#[cfg(test)]
pub mod cases {
    use crate::backend::reference::tests::{Case, numbers};
    use crate::op::{Activation, Conv2dOptions, ConvTranspose2dOptions, FusedConv2d, Op, Unary, as_clamp};
    use crate::ops::conv2d::out_size;
    use crate::shape::Shape;

    pub fn all() -> Vec<Case> {
        let all =
            [conv2d(), fused_conv2d(), conv_chain(), conv2d_input_grad(), conv2d_weight_grad(), conv_transpose2d()];
        all.into_iter().flatten().collect()
    }

    /// Shapes of input and weight, and the rest.
    fn convolutions() -> Vec<([usize; 4], [usize; 4], Conv2dOptions)> {
        let options = |stride, padding, dilation, groups| Conv2dOptions { stride, padding, dilation, groups };
        let same = |p| [[p, p], [p, p]];
        vec![
            ([1, 1, 1, 1], [1, 1, 1, 1], Conv2dOptions::default()),
            ([2, 3, 5, 7], [4, 3, 3, 3], Conv2dOptions::default()),
            ([2, 3, 5, 7], [4, 3, 3, 2], options([1, 1], [[1, 2], [0, 3]], [1, 1], 1)),
            // More stride than kernel.
            ([1, 3, 9, 11], [5, 3, 2, 2], options([3, 4], same(1), [1, 1], 1)),
            ([2, 4, 9, 8], [6, 2, 3, 3], options([2, 1], same(2), [2, 3], 2)),
            ([1, 17, 3, 3], [3, 17, 1, 1], Conv2dOptions::default()),
            ([0, 3, 5, 5], [4, 3, 3, 3], Conv2dOptions::default()),
            // Every channel by itself, once with one output for each, once with two.
            ([2, 17, 6, 5], [17, 1, 3, 3], options([1, 1], same(1), [1, 1], 17)),
            ([1, 3, 8, 8], [6, 1, 3, 3], options([2, 2], same(1), [1, 1], 3)),
            // Large enough for Winograd's algorithm, also with an odd size.
            ([2, 16, 12, 12], [16, 16, 3, 3], options([1, 1], same(1), [1, 1], 1)),
            ([1, 17, 9, 7], [18, 17, 3, 3], options([1, 1], [[1, 0], [2, 1]], [1, 1], 1)),
            ([1, 32, 10, 10], [32, 16, 3, 3], options([1, 1], same(1), [1, 1], 2)),
            // A kernel most of which sees nothing but padding.
            ([2, 3, 1, 1], [4, 3, 3, 3], options([1, 1], same(1), [1, 1], 1)),
            ([1, 2, 2, 3], [3, 2, 5, 5], options([1, 1], same(6), [3, 3], 1)),
            ([1, 3, 11, 11], [4, 3, 7, 7], options([2, 2], same(3), [1, 1], 1)),
        ]
    }

    fn output(x: [usize; 4], weight: [usize; 4], o: &Conv2dOptions) -> Shape {
        let size = |d: usize| out_size(x[2 + d], weight[2 + d], o, d).expect("the kernel fits");
        Shape::from([x[0], weight[0], size(0), size(1)])
    }

    fn conv2d() -> Vec<Case> {
        let mut cases = Vec::new();
        for (x, weight, options) in convolutions() {
            for input_relu in [false, true] {
                let op = Op::Conv2d { options, input_relu };
                let inputs = vec![numbers(x, 1), numbers(weight, 2)];
                let with_bias = inputs.iter().cloned().chain([numbers([weight[0]], 3)]).collect();
                cases.extend([inputs, with_bias].map(|inputs| Case::largest(op.clone(), inputs)));
            }
        }
        cases
    }

    fn fused_conv2d() -> Vec<Case> {
        let activations = [
            None,
            Some(Unary::Relu),
            Some(Unary::Activation(Activation::Hardtanh(-2.0, 9.0))),
            Some(Unary::Activation(Activation::Silu)),
        ];
        let mut cases = Vec::new();
        for (i, (x, weight, options)) in convolutions().into_iter().enumerate() {
            let [_, c, h, w] = output(x, weight, &options)[..] else { unreachable!("an image") };
            for activation in activations {
                for (bias, residual, max_pool2) in [
                    (false, false, false),
                    (true, false, false),
                    (false, true, false),
                    (true, true, false),
                    (true, false, true),
                ] {
                    let is_clamp = activation.is_none_or(|f| as_clamp(f).is_some());
                    if max_pool2 && (h < 2 || w < 2 || !is_clamp) {
                        continue;
                    }
                    let input_relu = i % 2 == 0;
                    let f = FusedConv2d { options, input_relu, bias, residual, activation, max_pool2 };
                    let mut inputs = vec![numbers(x, 1), numbers(weight, 2)];
                    if bias {
                        inputs.push(numbers([c], 3));
                    }
                    if residual {
                        inputs.push(numbers(output(x, weight, &options), 8));
                    }
                    cases.push(Case::largest(Op::FusedConv2d(f), inputs));
                }
            }
        }
        cases
    }

    /// Depthwise convolutions with pointwise ones before and after them.
    fn conv_chain() -> Vec<Case> {
        let part = |options, bias, activation| FusedConv2d { activation, ..FusedConv2d::new(options, false, bias) };
        let relu6 = Some(Unary::Activation(Activation::Hardtanh(0.0, 6.0)));
        let silu = Some(Unary::Activation(Activation::Silu));
        let mut cases = Vec::new();
        // Batch, input channels, channels between, output channels, height and width, kernel, stride, padding.
        for (i, [n, ci, c, co, h, w, k, stride, p]) in [
            [1, 16, 96, 24, 28, 28, 3, 2, 1],
            [2, 24, 40, 24, 15, 17, 3, 1, 1],
            [3, 3, 33, 5, 9, 31, 5, 1, 2],
            [1, 8, 48, 8, 31, 30, 5, 2, 2],
            [1, 5, 17, 7, 16, 16, 3, 1, 0],
            [0, 4, 8, 4, 16, 16, 3, 1, 1],
            [2, 8, 32, 8, 7, 7, 3, 1, 1],
        ]
        .into_iter()
        .enumerate()
        {
            let padding = [[p, p], [p, p]];
            let options = Conv2dOptions { stride: [stride; 2], padding, dilation: [1; 2], groups: c };
            let plain = Conv2dOptions::default();
            let size = |size: usize| (size + 2 * p - k) / stride + 1;
            for (expands, projects, residual) in
                [(true, true, false), (true, true, true), (false, true, true), (true, false, false)]
            {
                let (bias, activation) = (i % 2 == 0, [relu6, silu, Some(Unary::Relu), None][i % 4]);
                let from = if expands { ci } else { c };
                let (mut chain, mut inputs) = (Vec::new(), vec![numbers([n, from, h, w], 1)]);
                let mut add = |f: FusedConv2d, weight: [usize; 4], seed| {
                    inputs.push(numbers(weight, seed));
                    if f.bias {
                        inputs.push(numbers([weight[0]], seed + 1));
                    }
                    chain.push(f);
                };
                if expands {
                    add(part(plain, bias, activation), [c, ci, 1, 1], 2);
                }
                add(part(options, true, activation), [c, 1, k, k], 4);
                if projects {
                    add(FusedConv2d { residual, ..part(plain, bias, None) }, [co, c, 1, 1], 6);
                    if residual {
                        inputs.push(numbers([n, co, size(h), size(w)], 8));
                    }
                }
                cases.push(Case::largest(Op::ConvChain(chain), inputs));
            }
        }
        cases
    }

    fn conv2d_input_grad() -> Vec<Case> {
        let case = |(x, weight, options): ([usize; 4], [usize; 4], Conv2dOptions)| {
            let op = Op::Conv2dInputGrad { options, input: x.into() };
            let inputs = vec![numbers(output(x, weight, &options), 1), numbers(weight, 2)];
            let with_mask = inputs.iter().cloned().chain([numbers(x, 3)]).collect();
            [Case::largest(op.clone(), inputs), Case::largest(op, with_mask)]
        };
        convolutions().into_iter().flat_map(case).collect()
    }

    fn conv2d_weight_grad() -> Vec<Case> {
        let case = |(x, weight, options): ([usize; 4], [usize; 4], Conv2dOptions)| {
            [false, true].map(|input_relu| {
                let op = Op::Conv2dWeightGrad { options, input_relu, weight: weight.into() };
                Case::largest(op, vec![numbers(x, 1), numbers(output(x, weight, &options), 2)])
            })
        };
        convolutions().into_iter().flat_map(case).collect()
    }

    fn conv_transpose2d() -> Vec<Case> {
        let options = |stride, padding, output_padding, dilation, groups| ConvTranspose2dOptions {
            stride,
            padding,
            output_padding,
            dilation,
            groups,
        };
        let all = [
            ([1, 1, 1, 1], [1, 1, 1, 1], ConvTranspose2dOptions::default()),
            ([2, 3, 4, 5], [3, 2, 3, 2], ConvTranspose2dOptions::default()),
            ([2, 3, 4, 5], [3, 2, 3, 3], options([2, 3], [1, 0], [1, 2], [1, 1], 1)),
            ([1, 4, 3, 3], [4, 3, 3, 3], options([2, 2], [1, 1], [0, 1], [2, 2], 2)),
            // More stride than kernel, and an output padding that only the dilation allows.
            ([1, 3, 3, 4], [3, 2, 2, 2], options([4, 3], [0, 1], [3, 0], [1, 1], 1)),
            ([1, 2, 3, 4], [2, 2, 3, 3], options([1, 1], [0, 1], [2, 1], [3, 2], 1)),
            ([2, 17, 4, 3], [17, 1, 3, 3], options([2, 2], [1, 1], [1, 1], [1, 1], 17)),
            ([1, 16, 6, 6], [16, 16, 3, 3], options([1, 1], [1, 1], [0, 0], [1, 1], 1)),
            ([0, 3, 4, 4], [3, 2, 2, 2], options([2, 2], [0, 0], [0, 0], [1, 1], 1)),
        ];
        let case = |(x, weight, options): ([usize; 4], [usize; 4], ConvTranspose2dOptions)| {
            let op = Op::ConvTranspose2d { options };
            let inputs = vec![numbers(x, 1), numbers(weight, 2)];
            let with_bias = inputs.iter().cloned().chain([numbers([weight[1] * options.groups], 3)]).collect();
            [Case::largest(op.clone(), inputs), Case::largest(op, with_bias)]
        };
        all.into_iter().flat_map(case).collect()
    }
}
