//! Functions of elements.

use super::grid::{Grid, indices};
use crate::dtype::DType;
use crate::op::{Binary, Compare, Op, Unary};
use crate::shape::Shape;
use std::f64::consts::PI;

/// The results of an op of this family for operands `x`; see [`super::compute`].
pub fn compute(op: &Op, x: &[Grid], dtype: DType, shape: Shape) -> Vec<Grid> {
    let one = match op {
        Op::Unary(f) => x[0].map(|x| unary(*f, dtype, x)),
        Op::Binary(f) => Grid::from_fn(shape, |i| binary(*f, dtype, x[0].at_broadcast(&i), x[1].at_broadcast(&i))),
        Op::Compare(f) => Grid::from_fn(shape, |i| compare(*f, x[0].at_broadcast(&i), x[1].at_broadcast(&i))),
        Op::Where => Grid::from_fn(shape, |i| {
            if x[0].at_broadcast(&i) != 0.0 { x[1].at_broadcast(&i) } else { x[2].at_broadcast(&i) }
        }),
        Op::Prelu => prelu(&x[0], &x[1]),
        Op::IsFinite => Grid::from_fn([], |_| f64::from(x[0].values.iter().all(|x| x.is_finite()))),
        _ => unreachable!("{} is no function of elements", op.name()),
    };
    vec![one]
}

/// The number of type `dtype` that stands for `x`, as Rust's `as` has it; as a truth value, whether it is not 0.
pub fn round(x: f64, dtype: DType) -> f64 {
    match dtype {
        DType::F32 => x as f32 as f64,
        DType::F64 => x,
        DType::F16 => to_precision(x, 11, -14, 65504.0),
        DType::BF16 => to_precision(x, 8, -126, (2.0 - 2f64.powi(-7)) * 2f64.powi(127)),
        DType::I64 => x as i64 as f64,
        DType::I32 => x as i32 as f64,
        DType::I8 => x as i8 as f64,
        DType::U8 => x as u8 as f64,
        DType::Bool => f64::from(x != 0.0),
    }
}

/// The nearest number of this many binary digits, the even one of two, of which the smallest normal one is 2 to the power of `least`.
fn to_precision(x: f64, digits: i32, least: i32, largest: f64) -> f64 {
    if x == 0.0 || !x.is_finite() {
        return x;
    }
    let exponent = ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023;
    let step = 2f64.powi(exponent.max(least) + 1 - digits);
    let rounded = (x / step).round_ties_even() * step;
    if rounded.abs() > largest { f64::INFINITY.copysign(x) } else { rounded }
}

/// `f` of a number of type `dtype`, to which the constants of `f` are rounded first.
pub fn unary(f: Unary, dtype: DType, x: f64) -> f64 {
    let constant = |s: f64| round(s, dtype);
    match f {
        Unary::Neg => -x,
        Unary::Abs => x.abs(),
        Unary::Sign if x > 0.0 => 1.0,
        Unary::Sign if x < 0.0 => -1.0,
        Unary::Sign => 0.0,
        Unary::Exp => x.exp(),
        Unary::Log => x.ln(),
        Unary::Log1p => x.ln_1p(),
        Unary::Expm1 => x.exp_m1(),
        Unary::Erf => erf(x),
        Unary::Sqrt => x.sqrt(),
        Unary::Rsqrt => 1.0 / x.sqrt(),
        Unary::Floor => x.floor(),
        Unary::Ceil => x.ceil(),
        Unary::Round => x.round_ties_even(),
        Unary::Square => x * x,
        Unary::Recip => 1.0 / x,
        Unary::Sin => x.sin(),
        Unary::Cos => x.cos(),
        Unary::Tanh => x.tanh(),
        Unary::Sigmoid => sigmoid(x),
        Unary::Relu => relu(x),
        Unary::LeakyRelu(slope) => {
            if x > 0.0 {
                x
            } else {
                x * constant(slope)
            }
        }
        Unary::AddScalar(s) => x + constant(s),
        Unary::MulScalar(s) => x * constant(s),
        // PyTorch computes these powers so: the root of −∞ is NaN, its power of a half would be ∞.
        Unary::PowScalar(0.5) => x.sqrt(),
        Unary::PowScalar(2.0) => x * x,
        Unary::PowScalar(3.0) => x * x * x,
        Unary::PowScalar(-1.0) => 1.0 / x,
        Unary::PowScalar(s) => x.powf(constant(s)),
        Unary::ClampMin(low) => clamp(x, constant(low), f64::INFINITY),
        Unary::ClampMax(high) => clamp(x, f64::NEG_INFINITY, constant(high)),
        Unary::Activation(f) => f.plain(x, constant),
    }
}

/// max(x, 0); NaN stays.
pub fn relu(x: f64) -> f64 {
    if x <= 0.0 { 0.0 } else { x }
}

/// NaN stays; what equals a bound becomes it, so that of a bound of 0 −0 becomes 0.
fn clamp(x: f64, low: f64, high: f64) -> f64 {
    if x <= low {
        low
    } else if x >= high {
        high
    } else {
        x
    }
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// The error function, 2/√π · ∫₀ˣ e^(−t²) dt.
fn erf(x: f64) -> f64 {
    if x.abs() < 2.0 {
        // 2/√π · e^(−x²) · Σ 2ⁿ x²ⁿ⁺¹ / (1 · 3 · … · (2n+1)): of one sign, so that nothing cancels (Abramowitz and Stegun, 7.1.6).
        let (mut term, mut sum) = (x, x);
        for n in 1..100 {
            term *= 2.0 * x * x / (2 * n + 1) as f64;
            sum += term;
        }
        2.0 / PI.sqrt() * (-x * x).exp() * sum
    } else if x > 0.0 {
        1.0 - erfc(x)
    } else {
        erfc(-x) - 1.0
    }
}

/// 1 − erf(x), with all digits where that is small.
fn erfc(x: f64) -> f64 {
    if x < 0.0 {
        2.0 - erfc(-x)
    } else if x < 2.0 {
        1.0 - erf(x)
    } else {
        // The continued fraction 1 / (x + ½ / (x + 1 / (x + 3/2 / (x + …)))) (Abramowitz and Stegun, 7.1.14).
        let below = (1..=100).rev().fold(x, |below, k| x + k as f64 / 2.0 / below);
        (-x * x).exp() / PI.sqrt() / below
    }
}

/// `f` of two numbers of type `dtype`.
pub fn binary(f: Binary, dtype: DType, a: f64, b: f64) -> f64 {
    let is_for_integers = matches!(f, Binary::Add | Binary::Sub | Binary::Mul | Binary::Maximum | Binary::Minimum);
    assert!(
        dtype.is_float() || is_for_integers,
        "{f:?}: not there for integers, which have Add, Sub, Mul, Maximum and Minimum"
    );
    // Of the gradients the operands are y, or for an activation its input, and the gradient.
    let (y, grad) = (a, b);
    match f {
        Binary::Add => a + b,
        Binary::Sub => a - b,
        Binary::Mul => a * b,
        Binary::Div => a / b,
        Binary::Pow => a.powf(b),
        Binary::Maximum | Binary::Minimum if a.is_nan() || b.is_nan() => f64::NAN,
        Binary::Maximum => a.max(b),
        Binary::Minimum => a.min(b),
        Binary::ReluGrad => {
            if y <= 0.0 {
                0.0
            } else {
                grad
            }
        }
        Binary::LeakyReluGrad(slope) => {
            if y > 0.0 {
                grad
            } else {
                grad * round(slope, dtype)
            }
        }
        Binary::TanhGrad => grad * (1.0 - y * y),
        Binary::SigmoidGrad => grad * y * (1.0 - y),
        Binary::ActivationGrad(f) => f.plain_grad(y, grad, |s| round(s, dtype)),
    }
}

/// 1 if the comparison is true, else 0.
pub fn compare(f: Compare, a: f64, b: f64) -> f64 {
    f64::from(match f {
        Compare::Eq => a == b,
        Compare::Ne => a != b,
        Compare::Lt => a < b,
        Compare::Le => a <= b,
        Compare::Gt => a > b,
        Compare::Ge => a >= b,
    })
}

/// `weight` has one number, or one for each place in dimension 1.
pub fn prelu(x: &Grid, weight: &Grid) -> Grid {
    let weight_at = |i: &[usize]| if weight.values.len() == 1 { weight.values[0] } else { weight.values[i[1]] };
    Grid::from_fn(x.shape, |i| if x.at(&i) > 0.0 { x.at(&i) } else { weight_at(&i) * x.at(&i) })
}

/// The gradient of a ReLU or a Hardtanh at `x`.
pub fn clamp_grad(f: Unary, dtype: DType, x: &Grid, grad: &Grid) -> Grid {
    let by = match f {
        Unary::Relu => Binary::ReluGrad,
        Unary::Activation(f) => Binary::ActivationGrad(f),
        _ => panic!("{f:?} is no clamp"),
    };
    let values = indices(x.shape).map(|i| binary(by, dtype, x.at(&i), grad.at(&i)));
    Grid { shape: x.shape, values: values.collect() }
}

#[cfg(test)]
pub mod cases {
    use crate::array::Array;
    use crate::backend::reference::tests::{Case, integers, numbers, of_each_type, shapes, with_specials};
    use crate::dtype::DType;
    use crate::op::{Activation, Binary, Compare, Op, Unary};
    use crate::shape::Shape;

    pub fn all() -> Vec<Case> {
        let all = [unary(), binary(), compare(), select(), prelu(), is_finite()];
        all.into_iter().flatten().collect()
    }

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

    fn unary() -> Vec<Case> {
        let mut cases = Vec::new();
        for f in unaries() {
            let case =
                |x| if is_exact(f) { Case::exact(Op::Unary(f), vec![x]) } else { Case::each(Op::Unary(f), vec![x]) };
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

    fn binary() -> Vec<Case> {
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

    fn compare() -> Vec<Case> {
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

    fn select() -> Vec<Case> {
        let case = |[a, b]: [Shape; 2]| {
            let condition = |shape: Shape, dtype| integers(shape, 3, 0, 3).cast(dtype);
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

    fn prelu() -> Vec<Case> {
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

    fn is_finite() -> Vec<Case> {
        let one = |bad: f64| Array::from_slice(&[1.0, bad, 0.0], Shape::from([3]));
        let mut inputs = vec![one(f64::NAN), one(f64::INFINITY), one(f64::NEG_INFINITY)];
        inputs.extend(shapes().into_iter().map(|shape| numbers(shape, 1)));
        let of = |x: Array| [x.clone(), x.clone().cast(DType::F16), x.cast(DType::BF16)];
        inputs.into_iter().flat_map(of).map(|x| Case::exact(Op::IsFinite, vec![x])).collect()
    }
}
