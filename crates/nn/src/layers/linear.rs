//! Linear layers.

use crate::init;
use crate::module::Forward;
use crate::parameter::Parameter;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{Generator, Tensor};

/// `x · weightᵀ + bias` over the last dimension (`torch.nn.Linear`).
#[derive(Debug, Module)]
pub struct Linear {
    /// `[out, in]`
    pub weight: Parameter,
    /// `[out]`
    pub bias: Option<Parameter>,
}

impl Linear {
    /// With a bias; PyTorch's default initial values.
    pub fn new(in_features: usize, out_features: usize, rng: &mut Generator) -> Self {
        let mut layer = Linear::without_bias(in_features, out_features, rng);
        layer.bias = Some(Parameter::new(init::default_bias(out_features, in_features, rng)));
        layer
    }

    /// Without a bias; PyTorch's default initial values.
    pub fn without_bias(in_features: usize, out_features: usize, rng: &mut Generator) -> Self {
        Linear { weight: Parameter::new(init::default_weight([out_features, in_features], rng)), bias: None }
    }
}

impl Forward for Linear {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let bias = self.bias.as_ref().map(|b| b.tensor(pass));
        pass.observe(self, x.linear(&self.weight.tensor(pass), bias.as_ref()))
    }
}
