//! The distance of one distribution from another.

use super::{reduction, same_shape};
use crate::setters::setters;
use striate_tensor::{Reduction, Tensor};

/// The Kullback–Leibler divergence of the target from log-probabilities, t·(log t − x) (`torch.nn.KLDivLoss`).
#[derive(Clone, Copy, Debug, Default)]
pub struct KLDivLoss {
    /// What is given of the terms of all elements.
    pub reduction: Reduction,
    /// Whether to give the sum divided by the size of dimension 0 instead: the divergence of a batch by its definition.
    pub batchmean: bool,
    /// Whether the target holds log-probabilities too.
    pub log_target: bool,
}

impl KLDivLoss {
    /// The mean over all elements, as in PyTorch; [`KLDivLoss::batchmean`] is what is usually meant.
    pub fn new() -> Self {
        Self::default()
    }

    /// The sum divided by the size of dimension 0.
    pub fn batchmean(mut self) -> Self {
        self.batchmean = true;
        self
    }

    setters! {
        log_target: bool, "With a target of log-probabilities.";
    }

    reduction!();

    /// The divergence of `target` from the log-probabilities `input`, both of one shape.
    ///
    /// # Panics
    /// If shapes or types differ, or a mean over a batch is asked of a tensor of no dimensions.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        same_shape("kl_div", &input, target);
        let batch = input.shape().first().copied();
        let terms = if self.log_target {
            target.clone().exp() * (target - input)
        } else {
            // t·log t is 0 at 0.
            let is_zero = target.eq(0.0);
            let log = is_zero.where_(1.0, target.clone()).log();
            target * log - target * input
        };
        if self.batchmean {
            let n = batch.expect("kl_div: batchmean divides by the size of dimension 0, the input has no dimensions");
            return terms.sum_all() * (1.0 / n as f64);
        }
        self.reduction.apply(terms)
    }
}
