//! Cases of normalizations, softmax and cross-entropy.

use super::{Case, integers, numbers, positive, with_specials};
use crate::array::Array;
use crate::op::{Activation, Op, Unary};
use crate::shape::Shape;

/// `[n, c, ..]` of ranks 2 to 5.
fn batches() -> Vec<Shape> {
    let shapes: [&[usize]; 9] = [
        &[4, 1],
        &[3, 17],
        &[2, 3, 5],
        &[2, 3, 4, 5],
        &[1, 4, 3, 3],
        &[3, 18, 5, 4],
        &[700, 6, 2, 1],
        &[2, 6, 2, 1, 3],
        &[1, 2, 3],
    ];
    shapes.into_iter().map(Shape::from).collect()
}

/// As [`batches`], and empty ones.
fn batches_or_none() -> Vec<Shape> {
    batches().into_iter().chain([[0, 3, 4, 5], [2, 4, 0, 3]].map(Shape::from)).collect()
}

fn clamps() -> [Option<Unary>; 3] {
    [None, Some(Unary::Relu), Some(Unary::Activation(Activation::Hardtanh(-0.7, 0.9)))]
}

/// Mean, variance, weight and bias of `c` channels.
fn per_channel(c: usize) -> [Array; 4] {
    [numbers([c], 11), positive([c], 12), numbers([c], 13), numbers([c], 14)]
}

pub fn batch_norm_stats() -> Vec<Case> {
    let far = |shape| numbers(shape, 1).unary(Unary::AddScalar(100.0));
    let near = batches_or_none().into_iter().map(|shape| numbers(shape, 1));
    near.chain(batches().into_iter().map(far)).map(|x| Case::largest(Op::BatchNormStats, vec![x])).collect()
}

pub fn batch_norm() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in batches_or_none() {
        for activation in clamps() {
            for (training, residual) in [(true, false), (false, false), (true, true), (false, true)] {
                let op = Op::BatchNorm { eps: 1e-3, training, residual, activation };
                let mut inputs = vec![numbers(shape, 1)];
                inputs.extend(per_channel(shape[1]));
                if residual {
                    inputs.push(numbers(shape, 2));
                }
                cases.push(Case::largest(op, inputs));
            }
        }
    }
    cases
}

pub fn batch_norm_grad() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in batches_or_none() {
        for activation in clamps() {
            for training in [true, false] {
                let op = Op::BatchNormGrad { eps: 1e-3, training, activation };
                let inputs = [numbers(shape, 1), numbers(shape, 2)].into_iter().chain(per_channel(shape[1]));
                cases.push(Case::largest(op, inputs.collect()));
            }
        }
    }
    cases
}

/// The numbers of groups that divide the channels.
fn groups(shape: Shape) -> Vec<usize> {
    (1..=shape[1]).filter(|&g| shape[1].is_multiple_of(g)).collect()
}

pub fn group_norm() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in batches_or_none() {
        for groups in groups(shape) {
            let inputs = vec![numbers(shape, 1), numbers([shape[1]], 2), numbers([shape[1]], 3)];
            cases.push(Case::largest(Op::GroupNorm { groups, eps: 1e-2 }, inputs));
        }
    }
    cases
}

pub fn group_norm_grad() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in batches_or_none() {
        for groups in groups(shape) {
            let statistics = [numbers([shape[0], groups], 3), positive([shape[0], groups], 4)];
            let inputs = [numbers(shape, 1), numbers(shape, 2)].into_iter().chain(statistics);
            let inputs = inputs.chain([numbers([shape[1]], 5)]).collect();
            cases.push(Case::largest(Op::GroupNormGrad { eps: 1e-2 }, inputs));
        }
    }
    cases
}

/// Shapes, each with those of its last dimensions, and the number of rows of these.
fn layers() -> Vec<(Shape, Shape, usize)> {
    let all = batches_or_none().into_iter().chain([Shape::from([17])]);
    all.flat_map(|shape| (0..shape.rank()).map(move |d| (shape, Shape::from(&shape[d..]), shape[..d].iter().product())))
        .collect()
}

pub fn layer_norm() -> Vec<Case> {
    let case = |(shape, last, _): (Shape, Shape, usize)| {
        Case::largest(Op::LayerNorm { eps: 1e-2 }, vec![numbers(shape, 1), numbers(last, 2), numbers(last, 3)])
    };
    layers().into_iter().map(case).collect()
}

pub fn layer_norm_grad() -> Vec<Case> {
    let case = |(shape, last, rows): (Shape, Shape, usize)| {
        let statistics = [numbers([rows, 1], 3), positive([rows, 1], 4)];
        let inputs = [numbers(shape, 1), numbers(shape, 2)].into_iter().chain(statistics).chain([numbers(last, 5)]);
        Case::largest(Op::LayerNormGrad { eps: 1e-2 }, inputs.collect())
    };
    layers().into_iter().map(case).collect()
}

/// Size, alpha, beta and k.
const RESPONSES: [(usize, f64, f64, f64); 5] =
    [(1, 0.5, 0.75, 1.0), (2, 0.9, 0.5, 2.0), (5, 1e-2, 0.75, 1.0), (4, 0.3, 2.0, 0.5), (9, 1.0, 1.0, 1.0)];

pub fn local_response_norm() -> Vec<Case> {
    let case = |shape: Shape| {
        RESPONSES.map(|(size, alpha, beta, k)| {
            Case::largest(Op::LocalResponseNorm { size, alpha, beta, k }, vec![numbers(shape, 1)])
        })
    };
    batches_or_none().into_iter().flat_map(case).collect()
}

pub fn local_response_norm_grad() -> Vec<Case> {
    let case = |shape: Shape| {
        RESPONSES.map(|(size, alpha, beta, k)| {
            let op = Op::LocalResponseNormGrad { size, alpha, beta, k };
            Case::largest(op, vec![numbers(shape, 1), numbers(shape, 2)])
        })
    };
    batches_or_none().into_iter().flat_map(case).collect()
}

/// Cases along every dimension.
fn along_each(case: impl Fn(usize, Shape) -> Vec<Case>) -> Vec<Case> {
    let shapes = super::shapes().into_iter().chain([Shape::from([3, 1000])]);
    shapes.flat_map(|shape| (0..shape.rank()).flat_map(|d| case(d, shape)).collect::<Vec<_>>()).collect()
}

fn softmaxes(op: impl Fn(usize) -> Op) -> Vec<Case> {
    along_each(|dim, shape| {
        let x = numbers(shape, 1);
        let large = x.clone().unary(Unary::MulScalar(500.0));
        [with_specials(&x), x, large].map(|x| Case::largest(op(dim), vec![x])).into()
    })
}

pub fn softmax() -> Vec<Case> {
    softmaxes(|dim| Op::Softmax { dim })
}

pub fn log_softmax() -> Vec<Case> {
    softmaxes(|dim| Op::LogSoftmax { dim })
}

pub fn softmax_grad() -> Vec<Case> {
    along_each(|dim, shape| {
        let y = Op::Softmax { dim }.run1([numbers(shape, 1)]);
        vec![Case::largest(Op::SoftmaxGrad { dim }, vec![y, numbers(shape, 2)])]
    })
}

pub fn log_softmax_grad() -> Vec<Case> {
    along_each(|dim, shape| {
        let y = Op::LogSoftmax { dim }.run1([numbers(shape, 1)]);
        vec![Case::largest(Op::LogSoftmaxGrad { dim }, vec![y, numbers(shape, 2)])]
    })
}

const CLASSES: [[usize; 2]; 5] = [[1, 1], [3, 1], [3, 17], [0, 3], [70, 10]];

pub fn cross_entropy() -> Vec<Case> {
    let case = |[n, c]: [usize; 2]| {
        let x = numbers([n, c], 1);
        let large = x.clone().unary(Unary::MulScalar(500.0));
        [x, large].map(|x| Case::largest(Op::CrossEntropy, vec![x, integers([n], 2, 0, c as i64)]))
    };
    CLASSES.into_iter().flat_map(case).collect()
}

pub fn cross_entropy_grad() -> Vec<Case> {
    let case = |[n, c]: [usize; 2]| {
        let log_probs = Op::LogSoftmax { dim: 1 }.run1([numbers([n, c], 1)]);
        let inputs = vec![log_probs, integers([n], 2, 0, c as i64), numbers([n], 3)];
        Case::largest(Op::CrossEntropyGrad, inputs)
    };
    CLASSES.into_iter().map(case).collect()
}
