//! Normalization that does not look at other samples.

use crate::module::Forward;
use crate::parameter::Parameter;
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{DType, Shape, Tensor};

/// Scale 1 and shift 0, of a shape.
pub(super) fn affine(shape: impl Into<Shape>) -> [Option<Parameter>; 2] {
    let shape = shape.into();
    [1.0, 0.0].map(|value| Some(Parameter::new(Tensor::full(value, shape, DType::F32))))
}

/// Normalizes groups of channels of each sample (`torch.nn.GroupNorm`; Wu and He, 2018).
#[derive(Debug, Module)]
pub struct GroupNorm {
    /// The scale of each channel, `[c]`.
    pub weight: Option<Parameter>,
    /// The shift of each channel, `[c]`.
    pub bias: Option<Parameter>,
    /// How many groups the channels are split into.
    pub num_groups: usize,
    /// What is added to the variance.
    pub eps: f64,
}

impl GroupNorm {
    /// Scale 1, shift 0 and `eps` 10⁻⁵, as in PyTorch.
    ///
    /// # Panics
    /// If `num_groups` does not divide `num_channels`.
    pub fn new(num_groups: usize, num_channels: usize) -> Self {
        assert!(
            num_groups > 0 && num_channels.is_multiple_of(num_groups),
            "GroupNorm: {num_groups} groups do not divide {num_channels} channels"
        );
        let [weight, bias] = affine([num_channels]);
        GroupNorm { weight, bias, num_groups, eps: 1e-5 }
    }

    /// Without scale and shift.
    pub fn without_affine(mut self) -> Self {
        (self.weight, self.bias) = (None, None);
        self
    }
}

impl Forward for GroupNorm {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let weight = self.weight.as_ref().map(|p| p.tensor(pass));
        let bias = self.bias.as_ref().map(|p| p.tensor(pass));
        pass.observe(self, x.group_norm(self.num_groups, weight.as_ref(), bias.as_ref(), self.eps).output)
    }
}

/// Normalizes the last dimensions (`torch.nn.LayerNorm`; Ba et al., 2016).
#[derive(Debug, Module)]
pub struct LayerNorm {
    /// The scale of each place, of shape `normalized_shape`.
    pub weight: Option<Parameter>,
    /// The shift of each place, of shape `normalized_shape`.
    pub bias: Option<Parameter>,
    /// The sizes of the dimensions that are normalized.
    #[module(skip)]
    pub normalized_shape: Vec<usize>,
    /// What is added to the variance.
    pub eps: f64,
}

impl LayerNorm {
    /// Over the last dimensions, of the sizes given: scale 1, shift 0 and `eps` 10⁻⁵, as in PyTorch.
    pub fn new(normalized_shape: impl Into<Shape>) -> Self {
        let shape = normalized_shape.into();
        let [weight, bias] = affine(shape);
        LayerNorm { weight, bias, normalized_shape: shape.to_vec(), eps: 1e-5 }
    }

    /// Without scale and shift.
    pub fn without_affine(mut self) -> Self {
        (self.weight, self.bias) = (None, None);
        self
    }
}

impl Forward for LayerNorm {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let weight = self.weight.as_ref().map(|p| p.tensor(pass));
        let bias = self.bias.as_ref().map(|p| p.tensor(pass));
        pass.observe(self, x.layer_norm(&self.normalized_shape, weight.as_ref(), bias.as_ref(), self.eps))
    }
}

/// Divides each element by a power of the squares of its neighbouring channels: see [`Tensor::local_response_norm`]
/// (`torch.nn.LocalResponseNorm`; Krizhevsky et al., 2012).
#[derive(Clone, Debug, Module)]
pub struct LocalResponseNorm {
    /// How many channels count as neighbours.
    pub size: usize,
    /// The weight of their squares.
    pub alpha: f64,
    /// The power.
    pub beta: f64,
    /// What is added to the squares.
    pub k: f64,
}

impl LocalResponseNorm {
    /// `alpha` 10⁻⁴, `beta` 0.75 and `k` 1, as in PyTorch.
    pub fn new(size: usize) -> Self {
        LocalResponseNorm { size, alpha: 1e-4, beta: 0.75, k: 1.0 }
    }
}

impl Forward for LocalResponseNorm {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        x.local_response_norm(self.size, self.alpha, self.beta, self.k)
    }
}
