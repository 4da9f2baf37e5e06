//! Cases of functions of elements.

use super::{Case, numbers, of_each_type, shapes, with_specials};
use crate::array::Array;
use crate::dtype::DType;
use crate::op::{Activation, Binary, Compare, Op, Unary};
use crate::shape::Shape;

/// Whether its results are those of exact arithmetic, rounded once, so that they are alike to the bit.
fn is_exact(f: Unary) -> bool {
    matches!(
        f,
        Unary::Neg
            | Unary::Abs
            | Unary::Sign
            | Unary::Sqrt
            | Unary::Floor
            | Unary::Ceil
            | Unary::Round
            | Unary::Square
            | Unary::Recip
            | Unary::Relu
            | Unary::LeakyRelu(_)
            | Unary::AddScalar(_)
            | Unary::MulScalar(_)
            | Unary::ClampMin(_)
            | Unary::ClampMax(_)
            | Unary::PowScalar(0.5 | 2.0 | -1.0)
    )
}

fn unaries() -> Vec<Unary> {
    let plain = [
        Unary::Neg,
        Unary::Abs,
        Unary::Sign,
        Unary::Exp,
        Unary::Log,
        Unary::Log1p,
        Unary::Expm1,
        Unary::Erf,
        Unary::Sqrt,
        Unary::Rsqrt,
        Unary::Floor,
        Unary::Ceil,
        Unary::Round,
        Unary::Square,
        Unary::Recip,
        Unary::Sin,
        Unary::Cos,
        Unary::Tanh,
        Unary::Sigmoid,
        Unary::Relu,
        Unary::LeakyRelu(0.01),
        Unary::AddScalar(0.1),
        Unary::MulScalar(-2.3),
        Unary::ClampMin(-0.1),
        Unary::ClampMax(0.1),
    ];
    let powers = [0.0, 0.5, 1.0, 2.0, 3.0, -1.0, 1.75, -0.5].map(Unary::PowScalar);
    plain.into_iter().chain(powers).chain(Activation::SAMPLES.iter().copied().map(Unary::Activation)).collect()
}

/// Zeros, infinities, NaN, halves, the corners of functions, and large numbers.
fn specials() -> Array {
    let values = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        1.0,
        -1.0,
        0.5,
        -0.5,
        2.5,
        -1.5,
        3.0,
        -3.0,
        20.0,
        -20.0,
        88.5,
        -86.0,
        1e-7,
        -1e-7,
        0.1f32 as f64,
        -0.1f32 as f64,
        0.3f32 as f64,
    ];
    Array::from_slice(&values, Shape::from([values.len()]))
}

/// From −20 to 20.
fn wide() -> Array {
    numbers([4001], 3).unary(Unary::MulScalar(10.0))
}

pub fn unary() -> Vec<Case> {
    let mut cases = Vec::new();
    for f in unaries() {
        let case = |x| if is_exact(f) { Case::exact(Op::Unary(f), vec![x]) } else { Case::each(Op::Unary(f), vec![x]) };
        cases.extend([specials(), wide()].map(case));
        cases.extend(shapes().into_iter().map(|shape| case(numbers(shape, 1))));
    }
    cases
}

fn binaries() -> Vec<Binary> {
    let plain = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Pow,
        Binary::Maximum,
        Binary::Minimum,
        Binary::ReluGrad,
        Binary::LeakyReluGrad(0.01),
        Binary::TanhGrad,
        Binary::SigmoidGrad,
    ];
    plain.into_iter().chain(Activation::SAMPLES.iter().copied().map(Binary::ActivationGrad)).collect()
}

/// Pairs of shapes that broadcast.
fn broadcasts() -> Vec<[Shape; 2]> {
    let pairs: [[&[usize]; 2]; 10] = [
        [&[], &[]],
        [&[17], &[1]],
        [&[], &[3, 17]],
        [&[3, 1], &[17]],
        [&[2, 3, 5], &[2, 3, 5]],
        [&[2, 3, 4, 5], &[1, 3, 1, 1]],
        [&[1, 17, 1, 1], &[2, 17, 3, 2]],
        [&[2, 3, 4, 5], &[2, 3, 4, 5]],
        [&[2, 3, 1, 4, 2], &[3, 5, 1, 2]],
        [&[0, 3], &[3]],
    ];
    pairs.iter().map(|pair| pair.map(Shape::from)).collect()
}

pub fn binary() -> Vec<Case> {
    let mut cases = Vec::new();
    for f in binaries() {
        let exact = matches!(f, Binary::Add | Binary::Sub | Binary::Mul | Binary::Div | Binary::ReluGrad);
        let case = |a: Array, b: Array| match f {
            _ if exact => Case::exact(Op::Binary(f), vec![a, b]),
            // Parts of a slope cancel.
            Binary::ActivationGrad(_) => Case::largest(Op::Binary(f), vec![a, b]),
            _ => Case::each(Op::Binary(f), vec![a, b]),
        };
        cases.extend(broadcasts().into_iter().map(|[a, b]| case(numbers(a, 1), numbers(b, 2))));
        let n = specials().shape().numel();
        // An infinite gradient times a slope that rounds to 0 in `f32` is another matter than in `f64`.
        let second = match f {
            Binary::ActivationGrad(_) => Array::from_slice(&[f64::NAN, 0.0, -0.0, 1.0, -2.5], Shape::from([5])),
            _ => specials(),
        };
        cases.push(case(specials().reshape(Shape::from([n, 1])), second));
        cases.push(case(wide(), numbers([4001], 5)));
        if matches!(f, Binary::Add | Binary::Sub | Binary::Mul | Binary::Maximum | Binary::Minimum) {
            for [a, b] in broadcasts() {
                let [[_, a, ..], [_, b, ..]] = [of_each_type(a, 1), of_each_type(b, 2)];
                cases.push(Case::exact(Op::Binary(f), vec![a, b]));
            }
        }
    }
    cases
}

pub fn compare() -> Vec<Case> {
    let mut cases = Vec::new();
    for f in [Compare::Eq, Compare::Ne, Compare::Lt, Compare::Le, Compare::Gt, Compare::Ge] {
        let n = specials().shape().numel();
        let pair = vec![specials().reshape(Shape::from([n, 1])), specials()];
        for dtype in [DType::F16, DType::BF16, DType::I32, DType::I8, DType::Bool] {
            cases.push(Case::exact(Op::Compare(f), pair.iter().map(|x| x.clone().cast(dtype)).collect()));
        }
        cases.push(Case::exact(Op::Compare(f), pair));
        for [a, b] in broadcasts() {
            let pairs = of_each_type(a, 1).into_iter().zip(of_each_type(b, 2));
            cases.extend(pairs.map(|(a, b)| Case::exact(Op::Compare(f), vec![a, b])));
        }
    }
    cases
}

pub fn select() -> Vec<Case> {
    let case = |[a, b]: [Shape; 2]| {
        let condition = |shape: Shape, dtype| super::integers(shape, 3, 0, 3).cast(dtype);
        let pairs = of_each_type(a, 1).into_iter().zip(of_each_type(b, 2));
        let of = pairs.flat_map(|(a, b)| {
            [DType::U8, DType::Bool].map(|dtype| {
                let by = [&a, &b].map(|x| condition(x.shape(), dtype));
                by.map(|condition| vec![condition, a.clone(), b.clone()])
            })
        });
        of.flatten().map(|inputs| Case::exact(Op::Where, inputs)).collect::<Vec<_>>()
    };
    broadcasts().into_iter().flat_map(case).collect()
}

pub fn prelu() -> Vec<Case> {
    let mut cases = Vec::new();
    for shape in shapes() {
        let channels = if shape.rank() >= 2 { shape[1] } else { 1 };
        for weights in [1, channels] {
            let x = numbers(shape, 1);
            cases.push(Case::exact(Op::Prelu, vec![x.clone(), numbers([weights], 2)]));
            cases.push(Case::exact(Op::Prelu, vec![with_specials(&x), numbers([weights], 2)]));
        }
    }
    cases
}

pub fn is_finite() -> Vec<Case> {
    let one = |bad: f64| Array::from_slice(&[1.0, bad, 0.0], Shape::from([3]));
    let mut inputs = vec![one(f64::NAN), one(f64::INFINITY), one(f64::NEG_INFINITY)];
    inputs.extend(shapes().into_iter().map(|shape| numbers(shape, 1)));
    let of = |x: Array| [x.clone(), x.clone().cast(DType::F16), x.cast(DType::BF16)];
    inputs.into_iter().flat_map(of).map(|x| Case::exact(Op::IsFinite, vec![x])).collect()
}
