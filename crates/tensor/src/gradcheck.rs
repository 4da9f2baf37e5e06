//! Gradients checked against differences.

use crate::dtype::DType;
use crate::random::Generator;
use crate::tensor::Tensor;
use std::fmt;

/// A gradient that differs from the slope of the function.
#[derive(Clone, Debug, PartialEq)]
pub struct GradcheckError {
    /// Which of the inputs.
    pub input: usize,
    /// Which of its elements, in row-major order.
    pub element: usize,
    /// What backward gave.
    pub gradient: f64,
    /// What the difference quotient gave.
    pub slope: f64,
}

impl fmt::Display for GradcheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "gradient {} of element {} of input {} differs from the slope {}",
            self.gradient, self.element, self.input, self.slope
        )
    }
}

impl std::error::Error for GradcheckError {}

/// Compares the gradients of `f` at `inputs` with central differences (`torch.autograd.gradcheck`): step 10⁻⁶,
/// relative tolerance 10⁻³, absolute tolerance 10⁻⁵. The output of `f` is weighted with fixed random numbers, so that no
/// element goes unseen.
///
/// # Panics
/// If an input is not `f64`, or `f` gives another type.
pub fn gradcheck(f: impl Fn(&[Tensor]) -> Tensor, inputs: &[Tensor]) -> Result<(), GradcheckError> {
    const STEP: f64 = 1e-6;
    let mut weights = None;
    let mut weighted = |inputs: &[Tensor]| {
        let y = f(inputs);
        assert!(y.dtype() == DType::F64, "gradcheck: needs f64, the function gave {}", y.dtype());
        let w = weights.get_or_insert_with(|| Tensor::randn(y.shape(), DType::F64, &mut Generator::new(42)));
        (y * &*w).sum_all()
    };
    let leaves: Vec<Tensor> = inputs
        .iter()
        .map(|x| {
            assert!(x.dtype() == DType::F64, "gradcheck: needs f64, got {}", x.dtype());
            x.detach().requires_grad()
        })
        .collect();
    let gradients = weighted(&leaves).backward();
    for (i, leaf) in leaves.iter().enumerate() {
        let gradient = gradients.get(leaf).map_or_else(|| vec![0.0; leaf.numel()], |g| g.to_vec::<f64>());
        let values = leaf.to_vec::<f64>();
        for element in 0..values.len() {
            let mut at = |delta: f64| {
                let mut moved = values.clone();
                moved[element] += delta;
                let mut all: Vec<Tensor> = inputs.iter().map(Tensor::detach).collect();
                all[i] = Tensor::from_vec(moved, leaf.shape());
                weighted(&all).item::<f64>()
            };
            let slope = (at(STEP) - at(-STEP)) / (2.0 * STEP);
            let gradient = gradient[element];
            let close = (gradient - slope).abs() <= 1e-5 + 1e-3 * slope.abs();
            if !close {
                return Err(GradcheckError { input: i, element, gradient, slope });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_right_gradient_passes_and_a_wrong_one_does_not() {
        let x = Tensor::from_vec(vec![0.5, -1.5, 2.0], [3]);
        gradcheck(|x| x[0].clone().square(), std::slice::from_ref(&x)).unwrap();
        // A function that hides part of its dependence from autograd.
        let wrong = gradcheck(|x| &x[0] * &x[0].detach(), &[x]).unwrap_err();
        assert_eq!((wrong.input, wrong.element), (0, 0));
        assert!((wrong.slope - 2.0 * wrong.gradient).abs() < 1e-6);
    }
}
