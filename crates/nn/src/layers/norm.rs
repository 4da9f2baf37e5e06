//! Batch normalization.

use crate::module::Forward;
use crate::parameter::{Buffer, Parameter};
use crate::pass::Pass;
use striate_nn_derive::Module;
use striate_tensor::ops::hints::check_images;
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
                    return pass.observe(self, x.batch_norm_fixed(&mean, &var, weight, bias, self.eps));
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
pub(super) fn blend(running: &Buffer, newest: Tensor, momentum: f64) {
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
