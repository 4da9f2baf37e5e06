//! Focal losses: what is right already counts for little.

use super::binary::bce_with_logits;
use super::cross_entropy::{IGNORE_INDEX, class_weight, of_target};
use super::{note_normalized, note_sigmoid, reduction};
use crate::setters::setters;
use striate_tensor::ops::loss::check_classes;
use striate_tensor::{Reduction, Tensor};

/// The focal loss of yes-or-no answers (Lin et al., 2017), as `torchvision.ops.sigmoid_focal_loss` computes it; that one gives all
/// elements by default, this one their mean.
#[derive(Clone, Copy, Debug)]
pub struct SigmoidFocalLoss {
    /// The weight of positive answers, from 0 to 1; negative ones get the rest. A negative number switches it off.
    pub alpha: f64,
    /// How much less what is right already counts.
    pub gamma: f64,
    /// What is given of the losses of all elements.
    pub reduction: Reduction,
}

impl Default for SigmoidFocalLoss {
    fn default() -> Self {
        SigmoidFocalLoss { alpha: 0.25, gamma: 2.0, reduction: Reduction::default() }
    }
}

impl SigmoidFocalLoss {
    /// The mean over all elements, with alpha 0.25 and gamma 2.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        alpha: f64, "With another weight of positive answers.";
        gamma: f64, "With another gamma.";
    }

    reduction!();

    /// The loss of logits against `target`, numbers from 0 (no) to 1 (yes) of the same shape and type.
    ///
    /// # Panics
    /// If shapes or types differ.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        note_sigmoid(&input);
        let losses = bce_with_logits(input.clone(), target, None);
        // 1 − pₜ, where pₜ is the probability given to the right answer.
        let p = input.sigmoid();
        let missing = p.clone() + target - (p * target) * 2.0;
        let mut losses = losses * missing.powf(self.gamma);
        if self.alpha >= 0.0 {
            losses = losses * (target * (2.0 * self.alpha - 1.0) + (1.0 - self.alpha));
        }
        self.reduction.apply(losses)
    }
}

/// The focal loss of classes, −(1 − p)^gamma · log p with p the probability given to the right class (Lin et al., 2017, with softmax in
/// the place of sigmoid). The mean is over the number of samples that are not ignored, whatever their weights; of none it is 0 and has no slope.
#[derive(Clone, Debug)]
pub struct FocalLoss {
    /// How much less what is right already counts; 0 makes it cross-entropy.
    pub gamma: f64,
    /// A weight for each class, `[classes]` (the paper's alpha).
    pub weight: Option<Tensor>,
    /// Targets of this class count for nothing. It need not be a class.
    pub ignore_index: i64,
    /// What is given of the losses of all samples.
    pub reduction: Reduction,
}

impl Default for FocalLoss {
    fn default() -> Self {
        FocalLoss { gamma: 2.0, weight: None, ignore_index: IGNORE_INDEX, reduction: Reduction::default() }
    }
}

impl FocalLoss {
    /// The mean over all samples, with gamma 2. Targets of −100 are ignored.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        gamma: f64, "With another gamma.";
        ignore_index: i64, "With another target that counts for nothing.";
    }

    /// With a weight for each class, `[classes]`.
    pub fn weight(mut self, weight: Tensor) -> Self {
        self.weight = Some(weight);
        self
    }

    reduction!();

    /// The loss of logits `[n, classes, ..]` against classes `[n, ..]` (`i64`). `Reduction::None` gives `[n, ..]`.
    ///
    /// # Panics
    /// If shapes or types do not fit, or a target is neither a class nor ignored.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        note_normalized(&input);
        let weight = class_weight("focal_loss", &self.weight, &input);
        let ignores = check_classes("focal_loss", input.shape_value(), target, Some(self.ignore_index));
        let ignored = target.eq(self.ignore_index);
        let class = if ignores { target.clone().masked_fill(&ignored, 0.0) } else { target.clone() };
        let log_p = of_target(input.log_softmax(1), &class);
        let missing = log_p.clone().exp() * -1.0 + 1.0;
        let mut losses = missing.powf(self.gamma) * log_p.neg();
        if let Some(weight) = weight {
            let shape = class.shape_value();
            losses = losses * weight.index_select(0, &class.reshape([shape.numel()])).reshape(shape);
        }
        if !ignores {
            return self.reduction.apply(losses);
        }
        let losses = losses.masked_fill(&ignored, 0.0);
        match self.reduction {
            Reduction::Mean => {
                let counted = ignored.logical_not().to_dtype(losses.dtype()).sum_all().clamp_min(1.0);
                losses.sum_all() / counted
            }
            other => other.apply(losses),
        }
    }
}
