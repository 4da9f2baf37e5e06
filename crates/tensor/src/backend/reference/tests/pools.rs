//! Cases of poolings.

use super::{Case, numbers, poolings, with_specials};
use crate::array::Array;
use crate::dtype::DType;
use crate::op::{Op, Pool2dOptions, Spec};
use crate::shape::Shape;

/// The shape that a pooling gives.
fn pooled(op: &Op, x: impl Into<Shape>) -> Shape {
    op.outputs(&[Spec::new(x, DType::F64)])[0].shape
}

/// The gradient of a max pooling, of which each backend has the positions from itself.
fn max_grad(op: Op, pooling: Op, x: Array) -> Case {
    let grad = numbers(pooled(&pooling, x.shape()), 7);
    Case { pooling: Some((pooling, x)), ..Case::largest(op, vec![grad]) }
}

fn inputs(shape: impl Into<Shape>) -> [Array; 3] {
    let x = numbers(shape, 1);
    let below_zero = x.clone().unary(crate::op::Unary::AddScalar(-1.5));
    [with_specials(&x), below_zero, x]
}

pub fn max_pool2d() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, options) in poolings() {
        for input_relu in [false, true] {
            for with_positions in [false, true] {
                let op = Op::MaxPool2d { options, input_relu, with_positions };
                cases.extend(inputs(shape).map(|x| Case::each(op.clone(), vec![x])));
            }
        }
    }
    cases
}

pub fn max_pool2d_grad() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, options) in poolings() {
        for input_relu in [false, true] {
            let pooling = Op::MaxPool2d { options, input_relu, with_positions: true };
            let op = Op::MaxPool2dGrad { options, input: shape.into() };
            cases.extend(inputs(shape).map(|x| max_grad(op.clone(), pooling.clone(), x)));
        }
    }
    cases
}

/// Those without dilation, which has no meaning for a mean, counting the padding and not.
fn mean_poolings() -> Vec<([usize; 4], Pool2dOptions)> {
    let both = |(shape, options): ([usize; 4], Pool2dOptions)| {
        [true, false].map(|count_include_pad| (shape, Pool2dOptions { count_include_pad, ..options }))
    };
    poolings().into_iter().filter(|(_, options)| options.dilation == [1, 1]).flat_map(both).collect()
}

pub fn avg_pool2d() -> Vec<Case> {
    let case = |(shape, options): ([usize; 4], Pool2dOptions)| {
        inputs(shape).map(|x| Case::largest(Op::AvgPool2d { options }, vec![x]))
    };
    mean_poolings().into_iter().flat_map(case).collect()
}

pub fn avg_pool2d_grad() -> Vec<Case> {
    let case = |(shape, options): ([usize; 4], Pool2dOptions)| {
        let grad = numbers(pooled(&Op::AvgPool2d { options }, shape), 1);
        Case::largest(Op::AvgPool2dGrad { options, input: shape.into() }, vec![grad])
    };
    mean_poolings().into_iter().map(case).collect()
}

const ADAPTIVE: [([usize; 4], [usize; 2]); 8] = [
    ([1, 1, 1, 1], [1, 1]),
    ([2, 3, 7, 5], [3, 2]),
    ([2, 3, 7, 5], [1, 1]),
    ([2, 3, 7, 5], [7, 5]),
    ([1, 17, 4, 3], [9, 11]),
    ([2, 3, 8, 6], [4, 5]),
    ([0, 3, 4, 4], [2, 2]),
    // Windows with more positions than a byte can tell apart.
    ([1, 2, 35, 34], [2, 2]),
];

pub fn adaptive_avg_pool() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, size) in ADAPTIVE {
        let op = Op::AdaptiveAvgPool { output_size: size.to_vec() };
        cases.extend(inputs(shape).map(|x| Case::largest(op.clone(), vec![x])));
        let op = Op::AdaptiveAvgPool { output_size: size[1..].to_vec() };
        cases.extend(inputs([shape[0], shape[1], shape[3]]).map(|x| Case::largest(op.clone(), vec![x])));
    }
    cases
}

pub fn adaptive_avg_pool_grad() -> Vec<Case> {
    let case = |(shape, size): ([usize; 4], [usize; 2])| {
        let (image, row) = (Shape::from(shape), Shape::from([shape[0], shape[1], shape[3]]));
        [(image, numbers([shape[0], shape[1], size[0], size[1]], 1)), (row, numbers([shape[0], shape[1], size[1]], 1))]
            .map(|(input, grad)| Case::largest(Op::AdaptiveAvgPoolGrad { input }, vec![grad]))
    };
    ADAPTIVE.into_iter().flat_map(case).collect()
}

pub fn adaptive_max_pool2d() -> Vec<Case> {
    let mut cases = Vec::new();
    for (shape, output_size) in ADAPTIVE {
        for with_positions in [false, true] {
            let op = Op::AdaptiveMaxPool2d { output_size, with_positions };
            cases.extend(inputs(shape).map(|x| Case::each(op.clone(), vec![x])));
        }
    }
    cases
}

pub fn adaptive_max_pool2d_grad() -> Vec<Case> {
    let case = |(shape, output_size): ([usize; 4], [usize; 2])| {
        let pooling = Op::AdaptiveMaxPool2d { output_size, with_positions: true };
        let op = Op::AdaptiveMaxPool2dGrad { input: shape.into() };
        inputs(shape).map(|x| max_grad(op.clone(), pooling.clone(), x))
    };
    ADAPTIVE.into_iter().flat_map(case).collect()
}
