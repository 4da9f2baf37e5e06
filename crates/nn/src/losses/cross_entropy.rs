//! Losses of classes.

use super::{note_normalized, reduction};
use crate::setters::setters;
use striate_tensor::ops::loss::check_classes;
use striate_tensor::{DType, Reduction, Shape, Tensor};

/// The target that PyTorch ignores unless told otherwise.
pub(super) const IGNORE_INDEX: i64 = -100;

/// Cross-entropy of logits against classes or class probabilities (`torch.nn.CrossEntropyLoss`).
///
/// With class weights the mean over classes divides by the sum of the targets' weights, and against class probabilities by the number
/// of samples, as in PyTorch. Where that sum is 0, as if all targets are ignored, the mean is 0 and has no slope; PyTorch's is NaN.
#[derive(Clone, Debug)]
pub struct CrossEntropyLoss {
    /// A weight for each class, `[classes]`.
    pub weight: Option<Tensor>,
    /// Targets of this class count for nothing. It need not be a class.
    pub ignore_index: i64,
    /// The fraction of the target that is spread evenly over all classes, from 0 to 1 (Szegedy et al., 2016).
    pub label_smoothing: f64,
    /// What is given of the losses of all samples.
    pub reduction: Reduction,
}

impl Default for CrossEntropyLoss {
    fn default() -> Self {
        CrossEntropyLoss {
            weight: None,
            ignore_index: IGNORE_INDEX,
            label_smoothing: 0.0,
            reduction: Reduction::default(),
        }
    }
}

/// The builder methods that both losses of classes have.
macro_rules! class_options {
    () => {
        /// With a weight for each class, `[classes]`.
        pub fn weight(mut self, weight: Tensor) -> Self {
            self.weight = Some(weight);
            self
        }

        /// With another target that counts for nothing.
        pub fn ignore_index(mut self, class: i64) -> Self {
            self.ignore_index = class;
            self
        }

        reduction!();
    };
}

impl CrossEntropyLoss {
    /// The mean over all samples. Targets of −100 are ignored.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        label_smoothing: f64, "With a fraction of the target spread evenly over all classes.";
    }

    class_options!();

    /// The loss of logits `[n, classes, ..]` against classes `[n, ..]` (`i64`) or against probabilities of the logits' own shape.
    /// `Reduction::None` gives `[n, ..]`.
    ///
    /// # Panics
    /// If shapes or types do not fit, a target is neither a class nor ignored, or the label smoothing is not from 0 to 1.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        note_normalized(&input);
        let smoothing = self.label_smoothing;
        assert!(
            (0.0..=1.0).contains(&smoothing),
            "cross_entropy: the label smoothing is {smoothing}, it must be from 0 to 1"
        );
        let weight = class_weight("cross_entropy", &self.weight, &input);
        if target.dtype().is_float() {
            return soft(input, target, weight, smoothing, self.reduction);
        }
        let ignores = check_classes("cross_entropy", input.shape_value(), target, Some(self.ignore_index));
        if weight.is_none() && smoothing == 0.0 && !ignores {
            return input.cross_entropy(target, self.reduction);
        }
        let counted = Counted::of(target, weight.as_ref(), self.ignore_index, input.dtype());
        if smoothing == 0.0 {
            let losses = input.cross_entropy(&counted.class, Reduction::None);
            return counted.reduce(losses, None, self.reduction);
        }
        let classes = input.shape()[1] as f64;
        let log_probs = input.log_softmax(1);
        let losses = of_target(log_probs.clone(), &counted.class) * (smoothing - 1.0);
        let of_all = of_all(log_probs, weight) * (smoothing / classes);
        counted.reduce(losses, Some(of_all), self.reduction)
    }
}

/// Negative log-likelihood of classes under log-probabilities (`torch.nn.NLLLoss`). The mean of none is 0, as of [`CrossEntropyLoss`].
#[derive(Clone, Debug)]
pub struct NLLLoss {
    /// A weight for each class, `[classes]`.
    pub weight: Option<Tensor>,
    /// Targets of this class count for nothing. It need not be a class.
    pub ignore_index: i64,
    /// What is given of the losses of all samples.
    pub reduction: Reduction,
}

impl Default for NLLLoss {
    fn default() -> Self {
        NLLLoss { weight: None, ignore_index: IGNORE_INDEX, reduction: Reduction::default() }
    }
}

impl NLLLoss {
    /// The mean over all samples. Targets of −100 are ignored.
    pub fn new() -> Self {
        Self::default()
    }

    class_options!();

    /// The loss of log-probabilities `[n, classes, ..]` against classes `[n, ..]` (`i64`). `Reduction::None` gives `[n, ..]`.
    ///
    /// # Panics
    /// If shapes or types do not fit, or a target is neither a class nor ignored.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        let weight = class_weight("nll_loss", &self.weight, &input);
        let ignores = check_classes("nll_loss", input.shape_value(), target, Some(self.ignore_index));
        if weight.is_none() && !ignores {
            return input.nll_loss(target, self.reduction);
        }
        let counted = Counted::of(target, weight.as_ref(), self.ignore_index, input.dtype());
        let losses = of_target(input, &counted.class).neg();
        counted.reduce(losses, None, self.reduction)
    }
}

/// The weights in the input's type.
pub(super) fn class_weight(op: &str, weight: &Option<Tensor>, input: &Tensor) -> Option<Tensor> {
    let weight = weight.as_ref()?;
    assert!(input.rank() >= 2, "{op}: the input must be [n, classes, ..], got {}", input.shape_value());
    let classes = input.shape()[1];
    assert!(
        weight.shape() == [classes],
        "{op}: an input of shape {} takes weights of shape [{classes}], got {}",
        input.shape_value(),
        weight.shape_value()
    );
    Some(weight.clone().to_dtype(input.dtype()))
}

/// Weights of a channel, to be multiplied with `[n, classes, ..]`.
fn along_classes(weight: Tensor, rank: usize) -> Tensor {
    let shape: Shape = (0..rank).map(|d| if d == 1 { weight.numel() } else { 1 }).collect();
    weight.reshape(shape)
}

/// The log-probability of each target's class, `[n, ..]`; that of the first class where `target` is not a class.
pub(super) fn of_target(log_probs: Tensor, target: &Tensor) -> Tensor {
    log_probs.gather(1, &target.clone().unsqueeze(1)).squeeze(1)
}

/// Which targets count, and how much.
struct Counted {
    /// The targets, with the first class in the place of those that are ignored.
    class: Tensor,
    /// Where targets are ignored.
    ignored: Tensor,
    /// The weight of each target, 0 where it is ignored.
    weights: Tensor,
}

impl Counted {
    fn of(target: &Tensor, weight: Option<&Tensor>, ignore_index: i64, dtype: DType) -> Counted {
        let shape = target.shape_value();
        let ignored = target.eq(ignore_index);
        let class = target.clone().masked_fill(&ignored, 0.0);
        let weights = match weight {
            Some(weight) => {
                let of_class = weight.clone().index_select(0, &class.clone().reshape([shape.numel()])).reshape(shape);
                of_class.masked_fill(&ignored, 0.0)
            }
            None => ignored.logical_not().to_dtype(dtype),
        };
        Counted { class, ignored, weights }
    }

    /// What `reduction` gives of the losses of targets and, with label smoothing, of the losses of all classes, which have their weights already.
    fn reduce(self, of_target: Tensor, of_all: Option<Tensor>, reduction: Reduction) -> Tensor {
        let weighted = of_target * &self.weights;
        let losses = match of_all {
            Some(of_all) => weighted + of_all,
            None => weighted,
        };
        // Chosen, not multiplied with 0: the loss may be infinite.
        let losses = losses.masked_fill(&self.ignored, 0.0);
        match reduction {
            Reduction::Mean => {
                let whole = self.weights.sum_all();
                let nothing = whole.eq(0.0);
                losses.sum_all() / whole.masked_fill(&nothing, 1.0)
            }
            other => other.apply(losses),
        }
    }
}

/// The loss of all classes, each weighted, for label smoothing.
fn of_all(log_probs: Tensor, weight: Option<Tensor>) -> Tensor {
    let rank = log_probs.rank();
    let weighted = match weight {
        Some(weight) => log_probs * along_classes(weight, rank),
        None => log_probs,
    };
    weighted.sum(&[1]).neg()
}

fn soft(input: Tensor, target: &Tensor, weight: Option<Tensor>, smoothing: f64, reduction: Reduction) -> Tensor {
    let (x, t) = (input.shape_value(), target.shape_value());
    assert!(
        x == t,
        "cross_entropy: the input has shape {x}, the target's probabilities {t}; for classes give the target as i64"
    );
    assert!(x.rank() >= 2, "cross_entropy: the input must be [n, classes, ..], got {x}");
    let (rank, classes) = (x.rank(), x[1]);
    let mut target = target.clone();
    if smoothing > 0.0 {
        target = target * (1.0 - smoothing) + smoothing / classes as f64;
    }
    let mut terms = input.log_softmax(1) * target;
    if let Some(weight) = weight {
        terms = terms * along_classes(weight, rank);
    }
    reduction.apply(terms.sum(&[1]).neg())
}
