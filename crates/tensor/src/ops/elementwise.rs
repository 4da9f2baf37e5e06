//! Functions of each element, and of pairs of elements with broadcasting.

use super::joined::apply;
use crate::array::Array;
use crate::autograd::{record, record_deferred};
use crate::deferred::{Deferred, Input, Value, is_deferred, result_spec};
use crate::dtype::DType;
use crate::op::{Binary, Compare, Op, Unary};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// A ReLU with its record, computed or deferred.
pub(crate) fn relu_of(mut inputs: Vec<Input>) -> Tensor {
    let op = Op::Unary(Unary::Relu);
    if is_deferred(&op, &inputs) {
        let (spec, node) = (result_spec(&op, &inputs), inputs[0].node.clone());
        let deferred = Deferred::new(op, inputs, spec);
        let saved = deferred.clone();
        let node = record_deferred("relu", spec.shape, [node], move |g: Array, _| {
            [Some(saved.positive_where_result_is().binary(Binary::ReluGrad, g))]
        });
        return Tensor { value: Value::Deferred(deferred), node };
    }
    let Input { array: x, node } = inputs.swap_remove(0);
    Tensor { value: x.into(), node }.unary_by_output("relu", Unary::Relu, |y, g| y.binary(Binary::ReluGrad, g))
}

/// A sum with its record.
pub(crate) fn sum_of(inputs: Vec<Input>) -> Tensor {
    let [a, b]: [Input; 2] = inputs.try_into().unwrap_or_else(|_| unreachable!("two summands"));
    let (sa, sb) = (a.array.shape(), b.array.shape());
    record("add", a.array.binary(Binary::Add, b.array), [a.node, b.node], move |_| {
        move |g: Array, [wa, wb]| [wa.then(|| g.clone().unbroadcast(sa)), wb.then(|| g.unbroadcast(sb))]
    })
}

impl Tensor {
    /// A function whose gradient is computed from its output `y`.
    pub(super) fn unary_by_output(self, name: &'static str, op: Unary, grad: fn(Array, Array) -> Array) -> Tensor {
        let (x, node) = self.into_parts();
        record(name, x.unary(op), [node], |y| {
            let y = y.clone();
            move |g, _| [Some(grad(y, g))]
        })
    }

    /// A function whose gradient is computed from its input `x`.
    pub(super) fn unary_by_input(
        self,
        name: &'static str,
        op: Unary,
        grad: impl FnOnce(Array, Array) -> Array + Send + 'static,
    ) -> Tensor {
        let (x, node) = self.into_parts();
        let saved = node.is_some().then(|| x.clone());
        record(name, x.unary(op), [node], |_| move |g, _| [saved.map(|x| grad(x, g))])
    }

    /// The negative, also written `-x`.
    #[allow(clippy::should_implement_trait)]
    pub fn neg(self) -> Tensor {
        if self.dtype() == DType::I64 {
            return self.mul_scalar(-1.0);
        }
        let (x, node) = self.into_parts();
        record("neg", x.unary(Unary::Neg), [node], |_| |g: Array, _| [Some(g.unary(Unary::Neg))])
    }

    /// The absolute value; its gradient at 0 is 0 (`torch.abs`).
    pub fn abs(self) -> Tensor {
        if self.dtype() == DType::I64 {
            return self.clone().neg().maximum(self);
        }
        self.unary_by_input("abs", Unary::Abs, |x, g| x.unary(Unary::Sign).binary(Binary::Mul, g))
    }

    /// −1, 0 or 1; its gradient is 0 everywhere.
    pub fn sign(self) -> Tensor {
        self.unary_by_input("sign", Unary::Sign, |_, g| g.scale(0.0))
    }

    /// e to the power of each element.
    pub fn exp(self) -> Tensor {
        self.unary_by_output("exp", Unary::Exp, |y, g| y.binary(Binary::Mul, g))
    }

    /// The natural logarithm.
    pub fn log(self) -> Tensor {
        self.unary_by_input("log", Unary::Log, |x, g| g.binary(Binary::Div, x))
    }

    /// The square root.
    pub fn sqrt(self) -> Tensor {
        self.unary_by_output("sqrt", Unary::Sqrt, |y, g| g.scale(0.5).binary(Binary::Div, y))
    }

    /// Each element times itself.
    pub fn square(self) -> Tensor {
        self.unary_by_input("square", Unary::Square, |x, g| x.scale(2.0).binary(Binary::Mul, g))
    }

    /// 1 / x.
    pub fn reciprocal(self) -> Tensor {
        self.unary_by_output("reciprocal", Unary::Recip, |y, g| {
            y.unary(Unary::Square).unary(Unary::Neg).binary(Binary::Mul, g)
        })
    }

    /// The sine of each element, in radians.
    pub fn sin(self) -> Tensor {
        self.unary_by_input("sin", Unary::Sin, |x, g| x.unary(Unary::Cos).binary(Binary::Mul, g))
    }

    /// The cosine of each element, in radians.
    pub fn cos(self) -> Tensor {
        self.unary_by_input("cos", Unary::Cos, |x, g| x.unary(Unary::Sin).unary(Unary::Neg).binary(Binary::Mul, g))
    }

    /// The hyperbolic tangent.
    pub fn tanh(self) -> Tensor {
        self.unary_by_output("tanh", Unary::Tanh, |y, g| y.binary(Binary::TanhGrad, g))
    }

    /// 1 / (1 + e⁻ˣ).
    pub fn sigmoid(self) -> Tensor {
        self.unary_by_output("sigmoid", Unary::Sigmoid, |y, g| y.binary(Binary::SigmoidGrad, g))
    }

    /// max(x, 0); its gradient at 0 is 0. NaN stays NaN.
    pub fn relu(self) -> Tensor {
        apply(Op::Unary(Unary::Relu), vec![self])
    }

    /// x where x > 0, else `negative_slope` · x.
    pub fn leaky_relu(self, negative_slope: f64) -> Tensor {
        // The sign of the output tells the sign of the input only for a positive slope.
        self.unary_by_input("leaky_relu", Unary::LeakyRelu(negative_slope), move |x, g| {
            x.binary(Binary::LeakyReluGrad(negative_slope), g)
        })
    }

    /// Each element to the power of `exponent`.
    pub fn powf(self, exponent: f64) -> Tensor {
        self.unary_by_input("pow", Unary::PowScalar(exponent), move |x, g| {
            if exponent == 0.0 {
                return g.scale(0.0);
            }
            x.unary(Unary::PowScalar(exponent - 1.0)).scale(exponent).binary(Binary::Mul, g)
        })
    }

    /// Each element, but at least `min`. The gradient flows where the element lies above it.
    pub fn clamp_min(self, min: f64) -> Tensor {
        if !self.dtype().is_float() {
            return self.lt(min).where_(min, self);
        }
        self.unary_by_input("clamp", Unary::ClampMin(min), move |x, g| {
            let limit = x.like(min);
            let zero = g.like(0.0);
            x.compare(Compare::Gt, limit).select(g, zero)
        })
    }

    /// Each element, but at most `max`. The gradient flows where the element lies below it.
    pub fn clamp_max(self, max: f64) -> Tensor {
        if !self.dtype().is_float() {
            return self.gt(max).where_(max, self);
        }
        self.unary_by_input("clamp", Unary::ClampMax(max), move |x, g| {
            let limit = x.like(max);
            let zero = g.like(0.0);
            x.compare(Compare::Lt, limit).select(g, zero)
        })
    }

    /// Each element, but at least `min` and at most `max` (`torch.clamp`). For limits that differ from element to element see
    /// [`Tensor::maximum`] and [`Tensor::minimum`].
    pub fn clamp(self, min: f64, max: f64) -> Tensor {
        self.clamp_min(min).clamp_max(max)
    }

    fn add_scalar(self, value: f64) -> Tensor {
        if self.dtype() == DType::I64 {
            let number = self.number("add", value);
            return self.add_tensor(number);
        }
        let (x, node) = self.into_parts();
        record("add", x.unary(Unary::AddScalar(value)), [node], |_| |g, _| [Some(g)])
    }

    fn mul_scalar(self, value: f64) -> Tensor {
        if self.dtype() == DType::I64 {
            let number = self.number("mul", value);
            return self.mul_tensor(number);
        }
        let (x, node) = self.into_parts();
        record("mul", x.unary(Unary::MulScalar(value)), [node], move |_| move |g: Array, _| [Some(g.scale(value))])
    }

    pub(super) fn check_pair(&self, op: &str, other: &Tensor) -> Shape {
        self.same_dtype(op, other);
        Shape::broadcast(op, &self.shape_value(), &other.shape_value())
    }

    fn add_tensor(self, other: Tensor) -> Tensor {
        apply(Op::Binary(Binary::Add), vec![self, other])
    }

    fn sub_tensor(self, other: Tensor) -> Tensor {
        self.check_pair("sub", &other);
        let ((a, an), (b, bn)) = (self.into_parts(), other.into_parts());
        let (sa, sb) = (a.shape(), b.shape());
        record("sub", a.binary(Binary::Sub, b), [an, bn], move |_| {
            move |g: Array, [wa, wb]| {
                [wa.then(|| g.clone().unbroadcast(sa)), wb.then(|| g.unbroadcast(sb).unary(Unary::Neg))]
            }
        })
    }

    fn mul_tensor(self, other: Tensor) -> Tensor {
        self.check_pair("mul", &other);
        let ((a, an), (b, bn)) = (self.into_parts(), other.into_parts());
        let (sa, sb) = (a.shape(), b.shape());
        let saved_a = bn.is_some().then(|| a.clone());
        let saved_b = an.is_some().then(|| b.clone());
        record("mul", a.binary(Binary::Mul, b), [an, bn], move |_| {
            move |g: Array, _| {
                let to_b = saved_a.map(|a| a.binary(Binary::Mul, g.clone()).unbroadcast(sb));
                [saved_b.map(|b| g.binary(Binary::Mul, b).unbroadcast(sa)), to_b]
            }
        })
    }

    fn div_tensor(self, other: Tensor) -> Tensor {
        self.check_pair("div", &other);
        let ((a, an), (b, bn)) = (self.into_parts(), other.into_parts());
        let (sa, sb) = (a.shape(), b.shape());
        let saved_b = (an.is_some() || bn.is_some()).then(|| b.clone());
        let wants_b = bn.is_some();
        record("div", a.binary(Binary::Div, b), [an, bn], move |y| {
            let saved_y = wants_b.then(|| y.clone());
            move |g: Array, [wa, _]| {
                let by_a = saved_b.map(|b| g.binary(Binary::Div, b));
                let to_b =
                    saved_y.zip(by_a.clone()).map(|(y, g)| y.binary(Binary::Mul, g).unary(Unary::Neg).unbroadcast(sb));
                [by_a.filter(|_| wa).map(|g| g.unbroadcast(sa)), to_b]
            }
        })
    }

    /// Each element to the power of the matching element of `exponent`, with broadcasting.
    ///
    /// # Panics
    /// If the shapes do not broadcast or the types differ.
    pub fn pow(self, exponent: Tensor) -> Tensor {
        self.check_pair("pow", &exponent);
        let ((a, an), (b, bn)) = (self.into_parts(), exponent.into_parts());
        let (sa, sb) = (a.shape(), b.shape());
        let saved = (an.is_some() || bn.is_some()).then(|| (a.clone(), b.clone()));
        record("pow", a.binary(Binary::Pow, b), [an, bn], move |y| {
            let y = y.clone();
            move |g: Array, [wa, wb]| {
                let (a, b) = saved.expect("kept when a gradient is wanted");
                let to_a = wa.then(|| {
                    // b·a^(b−1), which is 0 for b = 0 whatever a is.
                    let power = a.clone().binary(Binary::Pow, b.clone().unary(Unary::AddScalar(-1.0)));
                    let slope = power.binary(Binary::Mul, b.clone());
                    let (zero, nought) = (b.like(0.0), slope.like(0.0));
                    let slope = b.compare(Compare::Eq, zero).select(nought, slope);
                    slope.binary(Binary::Mul, g.clone()).unbroadcast(sa)
                });
                let to_b = wb.then(|| {
                    // a^b·ln a, which is 0 for a = 0 (where the logarithm is infinite) as in PyTorch.
                    let slope = y.binary(Binary::Mul, a.clone().unary(Unary::Log));
                    let (zero, nought) = (a.like(0.0), slope.like(0.0));
                    let slope = a.compare(Compare::Eq, zero).select(nought, slope);
                    slope.binary(Binary::Mul, g).unbroadcast(sb)
                });
                [to_a, to_b]
            }
        })
    }

    fn extremum(self, name: &'static str, op: Binary, wins: Compare, other: Tensor) -> Tensor {
        self.check_pair(name, &other);
        let ((a, an), (b, bn)) = (self.into_parts(), other.into_parts());
        let (sa, sb) = (a.shape(), b.shape());
        let saved = (an.is_some() || bn.is_some()).then(|| (a.clone(), b.clone()));
        record(name, a.binary(op, b), [an, bn], move |_| {
            move |g: Array, [wa, wb]| {
                let (a, b) = saved.expect("kept when a gradient is wanted");
                // Equal elements share the gradient.
                let half = a.clone().compare(Compare::Eq, b.clone()).cast(g.dtype()).scale(0.5);
                let part = |x: Array, y: Array, half: Array, g: Array| {
                    x.compare(wins, y).cast(g.dtype()).binary(Binary::Add, half).binary(Binary::Mul, g)
                };
                let to_a = wa.then(|| part(a.clone(), b.clone(), half.clone(), g.clone()).unbroadcast(sa));
                [to_a, wb.then(|| part(b, a, half, g).unbroadcast(sb))]
            }
        })
    }

    /// The larger of two elements, with broadcasting; NaN if either is. Equal ones share the gradient.
    ///
    /// # Panics
    /// If the shapes do not broadcast or the types differ.
    pub fn maximum(self, other: Tensor) -> Tensor {
        self.extremum("maximum", Binary::Maximum, Compare::Gt, other)
    }

    /// The smaller of two elements, with broadcasting; NaN if either is. Equal ones share the gradient.
    ///
    /// # Panics
    /// If the shapes do not broadcast or the types differ.
    pub fn minimum(self, other: Tensor) -> Tensor {
        self.extremum("minimum", Binary::Minimum, Compare::Lt, other)
    }
}

macro_rules! operator {
    ($trait:ident, $method:ident, $tensor:ident, |$x:ident, $s:ident| $scalar:expr) => {
        impl $trait<Tensor> for Tensor {
            type Output = Tensor;
            fn $method(self, other: Tensor) -> Tensor {
                self.$tensor(other)
            }
        }
        impl $trait<&Tensor> for Tensor {
            type Output = Tensor;
            fn $method(self, other: &Tensor) -> Tensor {
                self.$tensor(other.clone())
            }
        }
        impl $trait<Tensor> for &Tensor {
            type Output = Tensor;
            fn $method(self, other: Tensor) -> Tensor {
                self.clone().$tensor(other)
            }
        }
        impl $trait<&Tensor> for &Tensor {
            type Output = Tensor;
            fn $method(self, other: &Tensor) -> Tensor {
                self.clone().$tensor(other.clone())
            }
        }
        impl $trait<f64> for Tensor {
            type Output = Tensor;
            fn $method(self, $s: f64) -> Tensor {
                let $x = self;
                $scalar
            }
        }
        impl $trait<f64> for &Tensor {
            type Output = Tensor;
            fn $method(self, $s: f64) -> Tensor {
                let $x = self.clone();
                $scalar
            }
        }
    };
}

operator!(Add, add, add_tensor, |x, s| x.add_scalar(s));
operator!(Sub, sub, sub_tensor, |x, s| x.add_scalar(-s));
operator!(Mul, mul, mul_tensor, |x, s| x.mul_scalar(s));
operator!(Div, div, div_tensor, |x, s| {
    let divisor = Tensor::from(x.array().like(s));
    x.div_tensor(divisor)
});

macro_rules! number_first {
    ($trait:ident, $method:ident, |$x:ident, $s:ident| $result:expr) => {
        impl $trait<Tensor> for f64 {
            type Output = Tensor;
            fn $method(self, $x: Tensor) -> Tensor {
                let $s = self;
                $result
            }
        }
        impl $trait<&Tensor> for f64 {
            type Output = Tensor;
            fn $method(self, x: &Tensor) -> Tensor {
                self.$method(x.clone())
            }
        }
    };
}

number_first!(Add, add, |x, s| x.add_scalar(s));
number_first!(Mul, mul, |x, s| x.mul_scalar(s));
number_first!(Sub, sub, |x, s| x.number("sub", s).sub_tensor(x));
number_first!(Div, div, |x, s| x.number("div", s).div_tensor(x));

impl Neg for Tensor {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        Tensor::neg(self)
    }
}

impl Neg for &Tensor {
    type Output = Tensor;
    fn neg(self) -> Tensor {
        self.clone().neg()
    }
}
