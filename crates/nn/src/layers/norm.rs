//! Normalization: of batches, and within samples.

use crate::module::Forward;
use crate::parameter::{Buffer, Parameter};
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::op::hints::check_images;
use striate_tensor::{DType, Shape, Tensor};

macro_rules! batch_norm {
    ($name:ident, $check:expr, $doc:literal) => {
        #[doc = $doc]
        #[derive(Debug, Module)]
        pub struct $name {
            /// The scale of each channel, `[c]`.
            pub weight: Option<Parameter>,
            /// The shift of each channel, `[c]`.
            pub bias: Option<Parameter>,
            /// Mean of each channel over past batches.
            pub running_mean: Buffer,
            /// Unbiased variance of each channel over past batches.
            pub running_var: Buffer,
            /// How many batches the running statistics have seen (`i64`).
            pub num_batches_tracked: Buffer,
            /// What is added to the variance.
            pub eps: f64,
            /// The weight of the newest batch in the running statistics.
            pub momentum: f64,
        }

        impl $name {
            /// Scale 1, shift 0, `eps` 10⁻⁵ and momentum 0.1, as in PyTorch.
            pub fn new(num_features: usize) -> Self {
                let filled = |value| Tensor::full(value, [num_features], DType::F32);
                $name {
                    weight: Some(Parameter::new(filled(1.0))),
                    bias: Some(Parameter::new(filled(0.0))),
                    running_mean: Buffer::new(filled(0.0)),
                    running_var: Buffer::new(filled(1.0)),
                    num_batches_tracked: Buffer::new(Tensor::zeros([], DType::I64)),
                    eps: 1e-5,
                    momentum: 0.1,
                }
            }
        }

        impl Forward for $name {
            fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
                let check: fn(Shape) = $check;
                check(x.shape_value());
                let weight = self.weight.as_ref().map(|p| p.tensor(pass));
                let bias = self.bias.as_ref().map(|p| p.tensor(pass));
                let (weight, bias) = (weight.as_ref(), bias.as_ref());
                if !pass.uses_batch_statistics() {
                    let mean = pass.buffer(&self.running_mean);
                    let var = pass.buffer(&self.running_var);
                    return pass.observe(self, x.batch_norm_inference(&mean, &var, weight, bias, self.eps));
                }
                let n = (x.numel() / x.size(1)) as f64;
                let normed = x.batch_norm(weight, bias, self.eps);
                blend(&self.running_mean, normed.mean, self.momentum);
                blend(&self.running_var, normed.var * (n / (n - 1.0)), self.momentum);
                let batches = self.num_batches_tracked.value();
                self.num_batches_tracked.set(batches + 1.0);
                pass.observe(self, normed.output)
            }
        }
    };
}

/// Moves a running statistic towards the newest one.
fn blend(running: &Buffer, newest: Tensor, momentum: f64) {
    running.set(running.value() * (1.0 - momentum) + newest * momentum);
}

batch_norm!(
    BatchNorm1d,
    |shape| assert!(
        matches!(shape.rank(), 2 | 3),
        "BatchNorm1d: the input must be [n, c] or [n, c, l], got {shape} (BatchNorm2d takes images)"
    ),
    "Normalizes each channel of `[n, c]` or `[n, c, l]` over the batch, or by running statistics in evaluation \
     (`torch.nn.BatchNorm1d`; Ioffe and Szegedy, 2015)."
);
batch_norm!(
    BatchNorm2d,
    |shape| check_images("BatchNorm2d", shape),
    "Normalizes each channel of `[n, c, h, w]` over the batch, or by running statistics in evaluation \
     (`torch.nn.BatchNorm2d`; Ioffe and Szegedy, 2015)."
);

/// Scale 1 and shift 0, of a shape.
fn affine(shape: impl Into<Shape>) -> [Option<Parameter>; 2] {
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
            return pass.observe(self, x.batch_norm_inference(&mean, &var, weight, bias, self.eps));
        }
        let pixels = (s[2] * s[3]) as f64;
        assert!(pixels > 1.0, "InstanceNorm2d: needs more than one pixel, got an input of shape {s}");
        let normed = x.group_norm(self.num_features, weight, bias, self.eps);
        if let Some((mean, var)) = running {
            blend(mean, normed.mean.mean(&[0]), self.momentum);
            blend(var, normed.var.mean(&[0]) * (pixels / (pixels - 1.0)), self.momentum);
        }
        pass.observe(self, normed.output)
    }
}
