//! Instance normalization.

use super::group_norm::affine;
use super::norm::blend;
use crate::module::Forward;
use crate::parameter::{Buffer, Parameter};
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::{DType, Tensor};

/// Normalizes each channel of each sample of `[n, c, h, w]` (`torch.nn.InstanceNorm2d`; Ulyanov et al., 2016). By default it has neither
/// parameters nor running statistics.
#[derive(Debug, Module)]
pub struct InstanceNorm2d {
    /// The scale of each channel, `[c]`.
    pub weight: Option<Parameter>,
    /// The shift of each channel, `[c]`.
    pub bias: Option<Parameter>,
    /// Mean of each channel over past batches, which evaluation then goes by.
    pub running_mean: Option<Buffer>,
    /// Unbiased variance of each channel over past batches.
    pub running_var: Option<Buffer>,
    /// Always 0, as in PyTorch, which keeps it for its state dict alone (`i64`).
    pub num_batches_tracked: Option<Buffer>,
    /// The number of channels.
    pub num_features: usize,
    /// What is added to the variance.
    pub eps: f64,
    /// The weight of the newest batch in the running statistics.
    pub momentum: f64,
}

impl InstanceNorm2d {
    /// Without scale, shift and running statistics; `eps` 10⁻⁵ and momentum 0.1, as in PyTorch.
    pub fn new(num_features: usize) -> Self {
        InstanceNorm2d {
            weight: None,
            bias: None,
            running_mean: None,
            running_var: None,
            num_batches_tracked: None,
            num_features,
            eps: 1e-5,
            momentum: 0.1,
        }
    }

    /// With a scale and a shift for each channel.
    pub fn affine(mut self) -> Self {
        [self.weight, self.bias] = affine([self.num_features]);
        self
    }

    /// With running statistics.
    pub fn track_running_stats(mut self) -> Self {
        let filled = |value| Some(Buffer::new(Tensor::full(value, [self.num_features], DType::F32)));
        (self.running_mean, self.running_var) = (filled(0.0), filled(1.0));
        self.num_batches_tracked = Some(Buffer::new(Tensor::zeros([], DType::I64)));
        self
    }
}

impl Forward for InstanceNorm2d {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let s = x.shape_value();
        assert!(
            s.rank() == 4 && s[1] == self.num_features,
            "InstanceNorm2d: the input must be [n, {}, h, w], got {s}",
            self.num_features
        );
        let weight = self.weight.as_ref().map(|p| p.tensor(pass));
        let bias = self.bias.as_ref().map(|p| p.tensor(pass));
        let (weight, bias) = (weight.as_ref(), bias.as_ref());
        let running = self.running_mean.as_ref().zip(self.running_var.as_ref());
        if let (Some((mean, var)), false) = (running, pass.is_train()) {
            let (mean, var) = (pass.buffer(mean), pass.buffer(var));
            return pass.observe(self, x.batch_norm_fixed(&mean, &var, weight, bias, self.eps));
        }
        let pixels = (s[2] * s[3]) as f64;
        assert!(pixels > 1.0, "InstanceNorm2d: needs more than one pixel, got an input of shape {s}");
        let normed = x.group_norm(self.num_features, weight, bias, self.eps);
        if let Some((mean, var)) = running {
            blend(mean, normed.mean.mean(&[0], false), self.momentum);
            blend(var, normed.var.mean(&[0], false) * (pixels / (pixels - 1.0)), self.momentum);
        }
        pass.observe(self, normed.output)
    }
}
