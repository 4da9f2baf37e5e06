//! Activation functions whose gradient is computed from their input, in one pass each way.

use super::joined::apply;
use crate::array::Array;
use crate::autograd::record;
use crate::deferred::Input;
use crate::op::{Activation, Binary, Compare, Formula, Op, Reduce, Spec, Unary, ensure, same_dtype};
use crate::shape::Shape;
use crate::tensor::Tensor;
use std::f64::consts::{FRAC_1_SQRT_2, PI};

/// An activation with its record.
pub(crate) fn activation_of(activation: Activation, mut inputs: Vec<Input>) -> Tensor {
    let Input { array: x, node } = inputs.swap_remove(0);
    let saved = node.is_some().then(|| x.clone());
    record(activation.name(), x.unary(Unary::Activation(activation)), [node], move |_| {
        move |g: Array, _| [saved.map(|x| x.binary(Binary::ActivationGrad(activation), g))]
    })
}

impl Formula {
    /// An activation made of other functions.
    pub fn of(activation: Activation) -> Formula {
        let x = || Formula::X;
        let clamp = |y: Formula, low, high| y.then(Unary::Activation(Activation::Hardtanh(low, high)));
        match activation {
            Activation::Hardtanh(low, high) => x().then(Unary::ClampMin(low)).then(Unary::ClampMax(high)),
            Activation::Elu(alpha) => x().then(Unary::Relu) + x().then(Unary::ClampMax(0.0)).then(Unary::Expm1) * alpha,
            Activation::Gelu => x() * ((x() * FRAC_1_SQRT_2).then(Unary::Erf) + 1.0) * 0.5,
            Activation::GeluTanh => {
                let inner = (x() + x().then(Unary::PowScalar(3.0)) * 0.044715) * (2.0 / PI).sqrt();
                x() * (inner.then(Unary::Tanh) + 1.0) * 0.5
            }
            Activation::Silu => x() * x().then(Unary::Sigmoid),
            Activation::Hardswish => x() * clamp(x() + 3.0, 0.0, 6.0) / 6.0,
            Activation::Hardsigmoid => clamp(x() + 3.0, 0.0, 6.0) / 6.0,
            Activation::Softplus { beta, .. } => {
                let y = || x() * beta;
                let small = y().then(Unary::Abs).then(Unary::Neg).then(Unary::Exp).then(Unary::Log1p);
                (y().then(Unary::Relu) + small) / beta
            }
            Activation::Mish => {
                let softplus = Activation::Softplus { beta: 1.0, threshold: f64::INFINITY };
                x() * x().then(Unary::Activation(softplus)).then(Unary::Tanh)
            }
            Activation::Hardshrink(lambda) => x() * (x().then(Unary::Abs) - lambda).then(Unary::Relu).then(Unary::Sign),
            Activation::Softshrink(lambda) => x() - clamp(x(), -lambda, lambda),
        }
    }
}

/// Shape and type of `prelu`'s result.
pub(crate) fn prelu_rule(x: &Spec, weight: &Spec) -> Result<Spec, String> {
    same_dtype("prelu", x, weight)?;
    let (shape, w) = (x.shape, weight.shape);
    let channels = if shape.rank() >= 2 { shape[1] } else { 1 };
    ensure!(
        w.rank() == 1 && (w[0] == 1 || w[0] == channels),
        "prelu: an input of shape {shape} takes a weight [1] or [{channels}], got {w}"
    );
    crate::op::hints::is_float("prelu", x)?;
    Ok(*x)
}

impl Tensor {
    fn activation(self, activation: Activation) -> Tensor {
        apply(Op::Unary(Unary::Activation(activation)), vec![self])
    }

    /// The nearest number from `min_val` to `max_val`; the gradient flows strictly between them
    /// (`torch.nn.functional.hardtanh`).
    ///
    /// # Panics
    /// If `min_val` is larger than `max_val`.
    pub fn hardtanh(self, min_val: f64, max_val: f64) -> Tensor {
        assert!(min_val <= max_val, "hardtanh: min_val {min_val} is larger than max_val {max_val}");
        self.activation(Activation::Hardtanh(min_val, max_val))
    }

    /// min(max(x, 0), 6) (`torch.nn.functional.relu6`).
    pub fn relu6(self) -> Tensor {
        self.hardtanh(0.0, 6.0)
    }

    /// x where x > 0, else `alpha` · (eˣ − 1) (`torch.nn.functional.elu`; Clevert et al., 2016).
    pub fn elu(self, alpha: f64) -> Tensor {
        self.activation(Activation::Elu(alpha))
    }

    /// x · Φ(x) with the standard normal distribution Φ (`torch.nn.functional.gelu`; Hendrycks and Gimpel, 2016).
    pub fn gelu(self) -> Tensor {
        self.activation(Activation::Gelu)
    }

    /// The approximation of [`Tensor::gelu`] by a hyperbolic tangent (`torch.nn.functional.gelu(approximate='tanh')`).
    pub fn gelu_tanh(self) -> Tensor {
        self.activation(Activation::GeluTanh)
    }

    /// x / (1 + e⁻ˣ), also called swish (`torch.nn.functional.silu`).
    pub fn silu(self) -> Tensor {
        self.activation(Activation::Silu)
    }

    /// x · min(max(x + 3, 0), 6) / 6 (`torch.nn.functional.hardswish`; Howard et al., 2019).
    pub fn hardswish(self) -> Tensor {
        self.activation(Activation::Hardswish)
    }

    /// min(max(x + 3, 0), 6) / 6 (`torch.nn.functional.hardsigmoid`).
    pub fn hardsigmoid(self) -> Tensor {
        self.activation(Activation::Hardsigmoid)
    }

    /// ln(1 + e^(`beta` · x)) / `beta`, and x itself where `beta` · x is above `threshold`
    /// (`torch.nn.functional.softplus`, whose defaults are 1 and 20).
    pub fn softplus(self, beta: f64, threshold: f64) -> Tensor {
        self.activation(Activation::Softplus { beta, threshold })
    }

    /// x · tanh(ln(1 + eˣ)) (`torch.nn.functional.mish`; Misra, 2019).
    pub fn mish(self) -> Tensor {
        self.activation(Activation::Mish)
    }

    /// x, but 0 from −`lambd` to `lambd` (`torch.nn.functional.hardshrink`, whose default is 0.5).
    ///
    /// # Panics
    /// If the elements are not floating-point.
    pub fn hardshrink(self, lambd: f64) -> Tensor {
        self.activation(Activation::Hardshrink(lambd))
    }

    /// x moved towards 0 by `lambd`, and 0 from −`lambd` to `lambd` (`torch.nn.functional.softshrink`, whose default is 0.5).
    ///
    /// ```
    /// use striate_tensor::Tensor;
    /// let x = Tensor::from_vec(vec![-2f32, -0.5, 0.25, 3.0], [4]);
    /// assert_eq!(x.softshrink(0.5).to_vec::<f32>(), [-1.5, 0.0, 0.0, 2.5]);
    /// ```
    ///
    /// # Panics
    /// If the elements are not floating-point, or `lambd` is below 0.
    pub fn softshrink(self, lambd: f64) -> Tensor {
        assert!(lambd >= 0.0, "softshrink: lambd {lambd} is below 0");
        self.activation(Activation::Softshrink(lambd))
    }

    /// x where x > 0, else `weight` · x, with a weight for each channel (dimension 1) or one for all
    /// (`torch.nn.functional.prelu`; He et al., 2015).
    ///
    /// # Panics
    /// If `weight` is neither `[1]` nor has an element for each channel, or the types differ.
    pub fn prelu(self, weight: &Tensor) -> Tensor {
        let (shape, w) = (self.shape_value(), weight.shape_value());
        let ((x, xn), (weight, wn)) = (self.into_parts(), weight.clone().into_parts());
        let saved = (xn.is_some() || wn.is_some()).then(|| (x.clone(), weight.clone()));
        let y = Op::Prelu.run1([x, weight]);
        record("prelu", y, [xn, wn], move |_| {
            move |g: Array, [wants_x, wants_w]| {
                let (x, weight) = saved.expect("kept when a gradient is wanted");
                let wide: Shape = (0..shape.rank()).map(|d| if d == 1 { w[0] } else { 1 }).collect();
                let (mask, weight) = (x.clone().compare(Compare::Gt, x.like(0.0)), weight.reshape(wide));
                let to_x = wants_x.then(|| mask.clone().select(g.clone(), g.clone().binary(Binary::Mul, weight)));
                let to_w = wants_w.then(|| {
                    let zero = g.like(0.0);
                    let slopes = mask.select(zero, x.binary(Binary::Mul, g));
                    let dims: Vec<usize> = (0..shape.rank()).filter(|&d| wide[d] == 1).collect();
                    slopes.reduce(Reduce::Sum, &dims).reshape(w)
                });
                [to_x, to_w]
            }
        })
    }
}
