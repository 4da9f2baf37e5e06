//! Losses, under PyTorch's names. Each is a value with a `forward`; those that have settings take them as builder methods.
//!
//! Where PyTorch has a loss on probabilities and one on logits, the one on logits is here: it keeps its precision.
//!
//! ```
//! use striate_nn::CrossEntropyLoss;
//! use striate_tensor::{DType, Tensor};
//! let logits = Tensor::zeros([2, 4], DType::F32);
//! let loss = CrossEntropyLoss::new().label_smoothing(0.1).forward(logits, &Tensor::from_vec(vec![0i64, 3], [2]));
//! assert!((loss.item::<f32>() - 4f32.ln()).abs() < 1e-6);
//! ```

mod binary;
mod boxes;
mod cross_entropy;
mod dice;
mod divergence;
mod embedding;
mod focal;
mod hinge;
mod lovasz;
mod regression;

pub use binary::BCEWithLogitsLoss;
pub use boxes::{CIoULoss, DIoULoss, GIoULoss};
pub use cross_entropy::{CrossEntropyLoss, NLLLoss};
pub use dice::DiceLoss;
pub use divergence::KLDivLoss;
pub use embedding::{CosineEmbeddingLoss, TripletMarginLoss};
pub use focal::{FocalLoss, SigmoidFocalLoss};
pub use hinge::{HingeEmbeddingLoss, MultiMarginLoss};
pub use lovasz::LovaszSoftmaxLoss;
pub use regression::{HuberLoss, L1Loss, MSELoss, SmoothL1Loss};

use crate::notice;
use std::sync::atomic::AtomicBool;
use striate_tensor::Tensor;

/// The builder method that every loss has.
macro_rules! reduction {
    () => {
        /// With this of the losses of all elements.
        pub fn reduction(mut self, reduction: Reduction) -> Self {
            self.reduction = reduction;
            self
        }
    };
}
use reduction;

/// Stops unless both have one shape. They are not broadcast, which is rarely meant here.
fn same_shape(op: &str, input: &Tensor, target: &Tensor) {
    let (a, b) = (input.shape_value(), target.shape_value());
    assert!(
        a == b,
        "{op}: the input has shape {a}, the target {b}; give them one shape (reshape or unsqueeze one of them)"
    );
}

/// Says once, in training, that what the loss got has been normalized already.
fn note_normalized(input: &Tensor) {
    static LOG_SOFTMAX: AtomicBool = AtomicBool::new(false);
    static SOFTMAX: AtomicBool = AtomicBool::new(false);
    match input.op_name() {
        Some("log_softmax") => notice::once(
            &LOG_SOFTMAX,
            "cross-entropy got the output of log_softmax, which it takes itself: one of them is redundant. The result is right; \
             leave log_softmax out, or use NLLLoss",
        ),
        Some("softmax") => notice::once(
            &SOFTMAX,
            "cross-entropy got the output of softmax, but it takes softmax itself: taken twice, the loss cannot come near 0 and \
             training is slow. Give it the logits: leave softmax out of the network",
        ),
        _ => {}
    }
}

/// As [`note_normalized`], for losses of independent yes-or-no answers.
fn note_sigmoid(input: &Tensor) {
    static SIGMOID: AtomicBool = AtomicBool::new(false);
    if input.op_name() == Some("sigmoid") {
        notice::once(
            &SIGMOID,
            "binary cross-entropy with logits got the output of sigmoid, but it takes sigmoid itself: leave sigmoid out of the network",
        );
    }
}

/// Says once, in training, that a loss of segmentations got probabilities.
fn note_probabilities(op: &str, input: &Tensor) {
    static PROBABILITIES: AtomicBool = AtomicBool::new(false);
    if let Some(name @ ("softmax" | "sigmoid")) = input.op_name() {
        let text = format!(
            "{op} got the output of {name}, but it makes probabilities itself: leave {name} out of the network"
        );
        notice::once(&PROBABILITIES, &text);
    }
}
