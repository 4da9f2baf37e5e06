//! Functions that are made of others.

use super::{Binary, Unary};
use std::ops::{Add, Div, Mul, Sub};

/// A function of `x`, made of others: for what has no op of its own for it.
#[derive(Clone, Debug, PartialEq)]
pub enum Formula {
    /// x itself.
    X,
    /// A number.
    Number(f64),
    /// A function of what a formula gives.
    Unary(Unary, Box<Formula>),
    /// A function of what two formulas give.
    Binary(Binary, Box<[Formula; 2]>),
}

impl Formula {
    /// A function of what this gives.
    pub(crate) fn then(self, f: Unary) -> Formula {
        Formula::Unary(f, Box::new(self))
    }
}

impl From<f64> for Formula {
    fn from(number: f64) -> Formula {
        Formula::Number(number)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident) => {
        impl<F: Into<Formula>> $trait<F> for Formula {
            type Output = Formula;
            fn $method(self, other: F) -> Formula {
                Formula::Binary(Binary::$trait, Box::new([self, other.into()]))
            }
        }
    };
}

operator!(Add, add);
operator!(Sub, sub);
operator!(Mul, mul);
operator!(Div, div);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DType;
    use crate::op::{Activation, Op};
    use crate::tensor::Tensor;

    fn at(formula: &Formula, x: &Tensor) -> Tensor {
        let (op, operands) = match formula {
            Formula::X => return x.clone(),
            Formula::Number(number) => return Tensor::full(*number, [], DType::F64),
            Formula::Unary(f, of) => (Op::Unary(*f), vec![at(of, x)]),
            Formula::Binary(f, of) => (Op::Binary(*f), vec![at(&of[0], x), at(&of[1], x)]),
        };
        op.apply(operands).swap_remove(0)
    }

    #[test]
    fn formulas_are_the_activations() {
        let x: Vec<f64> = (-4000..=4000).map(|i| i as f64 * 5.03e-3).collect();
        let input = Tensor::from_vec(x.clone(), [x.len()]);
        for &activation in Activation::SAMPLES {
            let want = Op::Unary(Unary::Activation(activation)).apply(vec![input.clone()]).swap_remove(0);
            let got = at(&Formula::of(activation), &input);
            for ((x, want), got) in x.iter().zip(want.to_vec::<f64>()).zip(got.to_vec::<f64>()) {
                // Above its threshold softplus is taken for linear.
                let linear = match activation {
                    Activation::Softplus { threshold, beta } => (-threshold).exp().ln_1p() / beta,
                    _ => 0.0,
                };
                let allowed = linear + 1e-13 * (1.0 + x.abs());
                assert!((got - want).abs() <= allowed, "{activation:?}({x}) = {want}, its formula {got}");
            }
        }
    }
}
