//! Yes-or-no losses.

use super::{note_sigmoid, reduction, same_shape};
use striate_tensor::{Reduction, Tensor};

/// Binary cross-entropy of logits (`torch.nn.BCEWithLogitsLoss`).
#[derive(Clone, Debug, Default)]
pub struct BCEWithLogitsLoss {
    /// A weight for the loss of each element, broadcast to the input.
    pub weight: Option<Tensor>,
    /// A weight for the positive answers, broadcast to the input: above 1 it favours recall, below 1 precision.
    pub pos_weight: Option<Tensor>,
    /// What is given of the losses of all elements.
    pub reduction: Reduction,
}

impl BCEWithLogitsLoss {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }

    /// With a weight for the loss of each element, broadcast to the input.
    pub fn weight(mut self, weight: Tensor) -> Self {
        self.weight = Some(weight);
        self
    }

    /// With a weight for the positive answers, broadcast to the input.
    pub fn pos_weight(mut self, pos_weight: Tensor) -> Self {
        self.pos_weight = Some(pos_weight);
        self
    }

    reduction!();

    /// The loss of logits against `target`, numbers from 0 (no) to 1 (yes) of the same shape and type.
    ///
    /// # Panics
    /// If shapes or types differ, or the weights do not broadcast to the input.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        note_sigmoid(&input);
        let mut losses = bce_with_logits(input, target, self.pos_weight.as_ref());
        if let Some(weight) = &self.weight {
            let shape = losses.shape_value();
            losses = losses * weight;
            let got = weight.shape_value();
            assert!(
                losses.shape_value() == shape,
                "binary_cross_entropy_with_logits: a weight of shape {got} does not broadcast to the input's {shape}"
            );
        }
        self.reduction.apply(losses)
    }
}

/// −pos_weight·t·log σ(x) − (1 − t)·log σ(−x) of each element.
pub(super) fn bce_with_logits(input: Tensor, target: &Tensor, pos_weight: Option<&Tensor>) -> Tensor {
    const OP: &str = "binary_cross_entropy_with_logits";
    same_shape(OP, &input, target);
    let shape = input.shape_value();
    let mut yes = target.clone() * input.clone().log_sigmoid();
    if let Some(pos_weight) = pos_weight {
        let got = pos_weight.shape_value();
        yes = yes * pos_weight;
        assert!(
            yes.shape_value() == shape,
            "{OP}: a pos_weight of shape {got} does not broadcast to the input's {shape}"
        );
    }
    let no = (target.clone() * -1.0 + 1.0) * input.neg().log_sigmoid();
    (yes + no).neg()
}
