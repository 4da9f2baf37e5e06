//! More functions of each element.

use crate::op::{Binary, Unary};
use crate::tensor::Tensor;

impl Tensor {
    fn rounded(self, name: &'static str, op: Unary) -> Tensor {
        if !self.dtype().is_float() {
            return self;
        }
        self.unary_by_output(name, op, |_, g| g.scale(0.0))
    }

    /// The largest whole number that is not above each element; its gradient is 0 everywhere.
    pub fn floor(self) -> Tensor {
        self.rounded("floor", Unary::Floor)
    }

    /// The smallest whole number that is not below each element; its gradient is 0 everywhere.
    pub fn ceil(self) -> Tensor {
        self.rounded("ceil", Unary::Ceil)
    }

    /// The nearest whole number, of two the even one (`torch.round`); its gradient is 0 everywhere.
    pub fn round(self) -> Tensor {
        self.rounded("round", Unary::Round)
    }

    /// 1 / √x.
    pub fn rsqrt(self) -> Tensor {
        self.unary_by_output("rsqrt", Unary::Rsqrt, |y, g| {
            y.clone().unary(Unary::Square).binary(Binary::Mul, y).scale(-0.5).binary(Binary::Mul, g)
        })
    }

    /// The natural logarithm of 1 + x, exact near 0.
    pub fn log1p(self) -> Tensor {
        self.unary_by_input("log1p", Unary::Log1p, |x, g| g.binary(Binary::Div, x.unary(Unary::AddScalar(1.0))))
    }

    /// eˣ − 1, exact near 0.
    pub fn expm1(self) -> Tensor {
        self.unary_by_output("expm1", Unary::Expm1, |y, g| y.unary(Unary::AddScalar(1.0)).binary(Binary::Mul, g))
    }

    /// The error function, 2/√π times the integral of e^(−t²) from 0 to x.
    pub fn erf(self) -> Tensor {
        self.unary_by_input("erf", Unary::Erf, |x, g| {
            let bell = x.unary(Unary::Square).unary(Unary::Neg).unary(Unary::Exp);
            bell.scale(std::f64::consts::FRAC_2_SQRT_PI).binary(Binary::Mul, g)
        })
    }
}
