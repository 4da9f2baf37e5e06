//! Cases of convolutions and of resizing.

use super::{Case, numbers, positive, with_specials};
use crate::array::Array;
use crate::op::{Activation, Conv2dOptions, ConvTranspose2dOptions, FusedConv2d, Interpolation, Op, Unary, as_clamp};
use crate::ops::conv2d::out_size;
use crate::shape::Shape;

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

pub fn conv2d() -> Vec<Case> {
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

pub fn fused_conv2d() -> Vec<Case> {
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
            for (bias, norm, residual, max_pool2) in [
                (false, None, false, false),
                (true, None, false, false),
                (true, Some(1e-5), false, false),
                (false, Some(0.1), true, false),
                (true, None, true, false),
                (true, None, false, true),
            ] {
                let is_clamp = activation.is_none_or(|f| as_clamp(f).is_some());
                if max_pool2 && (h < 2 || w < 2 || !is_clamp) {
                    continue;
                }
                let input_relu = i % 2 == 0;
                let f = FusedConv2d { options, input_relu, bias, norm, residual, activation, max_pool2 };
                let mut inputs = vec![numbers(x, 1), numbers(weight, 2)];
                if bias {
                    inputs.push(numbers([c], 3));
                }
                if norm.is_some() {
                    inputs.extend([numbers([c], 4), positive([c], 5), numbers([c], 6), numbers([c], 7)]);
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

pub fn conv2d_input_grad() -> Vec<Case> {
    let case = |(x, weight, options): ([usize; 4], [usize; 4], Conv2dOptions)| {
        let op = Op::Conv2dInputGrad { options, input: x.into() };
        let inputs = vec![numbers(output(x, weight, &options), 1), numbers(weight, 2)];
        let with_mask = inputs.iter().cloned().chain([numbers(x, 3)]).collect();
        [Case::largest(op.clone(), inputs), Case::largest(op, with_mask)]
    };
    convolutions().into_iter().flat_map(case).collect()
}

pub fn conv2d_weight_grad() -> Vec<Case> {
    let case = |(x, weight, options): ([usize; 4], [usize; 4], Conv2dOptions)| {
        [false, true].map(|input_relu| {
            let op = Op::Conv2dWeightGrad { options, input_relu, weight: weight.into() };
            Case::largest(op, vec![numbers(x, 1), numbers(output(x, weight, &options), 2)])
        })
    };
    convolutions().into_iter().flat_map(case).collect()
}

pub fn conv_transpose2d() -> Vec<Case> {
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

const MODES: [Interpolation; 6] = [
    Interpolation::Nearest,
    Interpolation::NearestExact,
    Interpolation::Bilinear { align_corners: false },
    Interpolation::Bilinear { align_corners: true },
    Interpolation::Bicubic { align_corners: false },
    Interpolation::Bicubic { align_corners: true },
];

/// Shapes, sizes, and the factors that gave these.
type Resizing = ([usize; 4], [usize; 2], Option<[f64; 2]>);

fn resizings() -> Vec<Resizing> {
    let by = |x: [usize; 4], f: [f64; 2]| (x, [0, 1].map(|d| (x[2 + d] as f64 * f[d]) as usize), Some(f));
    vec![
        ([1, 1, 1, 1], [3, 1], None),
        ([2, 3, 4, 5], [8, 10], None),
        ([2, 3, 5, 7], [3, 17], None),
        ([1, 17, 6, 3], [6, 2], None),
        ([1, 3, 4, 4], [1, 1], None),
        ([0, 3, 4, 4], [2, 7], None),
        by([2, 3, 5, 7], [2.0, 2.0]),
        by([2, 3, 5, 7], [1.5, 0.4]),
        by([1, 2, 9, 11], [0.3, 2.7]),
        // The factor is not quite the sizes' ratio.
        by([1, 2, 3, 3], [1.2, 1.3]),
    ]
}

pub fn interpolate() -> Vec<Case> {
    let mut cases = Vec::new();
    for (x, size, scale_factor) in resizings() {
        for mode in MODES {
            let op = Op::Interpolate { size, scale_factor, mode };
            cases.push(Case::largest(op.clone(), vec![numbers(x, 1)]));
            if matches!(mode, Interpolation::Nearest | Interpolation::NearestExact) {
                cases.push(Case::exact(op, vec![with_specials(&numbers(x, 1))]));
            }
        }
    }
    cases
}

pub fn interpolate_grad() -> Vec<Case> {
    let case = |(x, size, scale_factor): ([usize; 4], [usize; 2], Option<[f64; 2]>)| {
        let grad: Array = numbers([x[0], x[1], size[0], size[1]], 1);
        MODES.map(|mode| {
            let op = Op::InterpolateGrad { input: x.into(), scale_factor, mode };
            Case::largest(op, vec![grad.clone()])
        })
    };
    resizings().into_iter().flat_map(case).collect()
}
