//! Losses that are 0 beyond a margin.

use super::cross_entropy::class_weight;
use super::{reduction, same_shape};
use crate::setters::setters;
use striate_tensor::ops::loss::check_classes;
use striate_tensor::{Reduction, Tensor};

/// x where the target is 1, max(0, margin − x) where it is −1 (`torch.nn.HingeEmbeddingLoss`): x is a distance, such as between two
/// embeddings.
#[derive(Clone, Copy, Debug)]
pub struct HingeEmbeddingLoss {
    /// The distance from which on what does not belong together costs nothing.
    pub margin: f64,
    /// What is given of the losses of all elements.
    pub reduction: Reduction,
}

impl Default for HingeEmbeddingLoss {
    fn default() -> Self {
        HingeEmbeddingLoss { margin: 1.0, reduction: Reduction::default() }
    }
}

impl HingeEmbeddingLoss {
    /// The mean over all elements, with margin 1.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        margin: f64, "With another margin.";
    }

    reduction!();

    /// The loss of distances against `target` of the same shape and any type, which holds 1 and −1.
    ///
    /// # Panics
    /// If the shapes differ.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        same_shape("hinge_embedding_loss", &input, target);
        let target = target.clone().to_dtype(input.dtype());
        let (is_near, is_far) = (target.eq(1.0), target.eq(-1.0));
        let far = (input.clone() * -1.0 + self.margin).clamp_min(0.0);
        // As PyTorch does, what is neither 1 nor −1 counts as both.
        let far = is_near.where_(0.0, far);
        self.reduction.apply(far + is_far.where_(0.0, input))
    }
}

/// The sum over all wrong classes of `max(0, margin − x[right] + x[wrong])^p`, divided by the number of classes
/// (`torch.nn.MultiMarginLoss`).
#[derive(Clone, Debug)]
pub struct MultiMarginLoss {
    /// The power: 1 or 2.
    pub p: u32,
    /// By how much the right class should lead.
    pub margin: f64,
    /// A weight for each class, `[classes]`.
    pub weight: Option<Tensor>,
    /// What is given of the losses of all samples.
    pub reduction: Reduction,
}

impl Default for MultiMarginLoss {
    fn default() -> Self {
        MultiMarginLoss { p: 1, margin: 1.0, weight: None, reduction: Reduction::default() }
    }
}

impl MultiMarginLoss {
    /// The mean over all samples, with margin 1 and power 1.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        p: u32, "With another power: 1 or 2.";
        margin: f64, "With another margin.";
    }

    /// With a weight for each class, `[classes]`.
    pub fn weight(mut self, weight: Tensor) -> Self {
        self.weight = Some(weight);
        self
    }

    reduction!();

    /// The loss of scores `[n, classes]` against classes `[n]` (`i64`). `Reduction::None` gives `[n]`.
    ///
    /// # Panics
    /// If shapes or types do not fit, a target is not a class, or the power is neither 1 nor 2.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        const OP: &str = "multi_margin_loss";
        assert!(input.rank() == 2, "{OP}: the input must be [n, classes], got {}", input.shape_value());
        assert!(self.p == 1 || self.p == 2, "{OP}: p is {}, it must be 1 or 2", self.p);
        let weight = class_weight(OP, &self.weight, &input);
        check_classes(OP, input.shape_value(), target, None);
        let [n, classes] = [input.shape()[0], input.shape()[1]];
        let index = target.clone().unsqueeze(1);
        let right = input.clone().gather(1, &index);
        let lead = (input - right + self.margin).clamp_min(0.0);
        let terms = if self.p == 1 { lead } else { lead.square() };
        let is_right = Tensor::arange(classes).reshape([1, classes]).to(index.device()).eq(&index);
        let mut losses = is_right.where_(0.0, terms).sum(&[1]) * (1.0 / classes as f64);
        if let Some(weight) = weight {
            losses = losses * weight.index_select(0, target).reshape([n]);
        }
        self.reduction.apply(losses)
    }
}
