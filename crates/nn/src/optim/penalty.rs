//! Penalties on the size of parameters, to be added to a loss.

use crate::parameter::Parameter;
use crate::pass::Pass;
use striate_tensor::Tensor;

fn total<'a>(
    op: &str,
    parameters: impl IntoIterator<Item = &'a Parameter>,
    pass: &Pass,
    f: fn(Tensor) -> Tensor,
) -> Tensor {
    let terms = parameters.into_iter().map(|p| f(p.tensor(pass)).sum_all());
    terms.reduce(|a, b| a + b).unwrap_or_else(|| panic!("{op}: there are no parameters"))
}

/// The sum of the absolute values of `parameters`, a scalar. It drives what is of little use to exactly 0 or near it.
///
/// ```
/// use striate_nn::{Linear, Module, Pass, optim::l1_penalty};
/// use striate_tensor::Generator;
/// let net = Linear::new(3, 2, &mut Generator::new(0));
/// let weights = net.named_parameters().into_iter().filter(|(name, _)| name.ends_with("weight")).map(|(_, p)| p);
/// let penalty = l1_penalty(weights, &Pass::train(0)) * 1e-4;
/// assert!(penalty.item::<f32>() > 0.0);
/// ```
///
/// # Panics
/// If there are no parameters.
pub fn l1_penalty<'a>(parameters: impl IntoIterator<Item = &'a Parameter>, pass: &Pass) -> Tensor {
    total("l1_penalty", parameters, pass, Tensor::abs)
}

/// The sum of the squares of `parameters`, a scalar. Half of it times λ acts on [`super::Sgd`] as a weight decay of λ.
///
/// # Panics
/// If there are no parameters.
pub fn l2_penalty<'a>(parameters: impl IntoIterator<Item = &'a Parameter>, pass: &Pass) -> Tensor {
    total("l2_penalty", parameters, pass, Tensor::square)
}
