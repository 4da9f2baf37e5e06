//! Losses.

use crate::array::Array;
use crate::autograd::record;
use crate::dtype::DType;
use crate::op::Op;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// What a loss gives of the losses of all elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Reduction {
    /// All of them.
    None,
    /// Their mean.
    #[default]
    Mean,
    /// Their sum.
    Sum,
}

impl Reduction {
    /// What this gives of `losses`: the tensor itself, or a scalar.
    pub fn apply(self, losses: Tensor) -> Tensor {
        match self {
            Reduction::None => losses,
            Reduction::Mean => losses.mean_all(),
            Reduction::Sum => losses.sum_all(),
        }
    }
}

/// Checks that `target` (`i64`) holds a class, or `ignore_index`, for each sample of an input of shape `x [n, classes, ..]`, and says
/// whether any is ignored.
///
/// # Panics
/// If it does not; the message starts with `name`.
pub fn check_classes(name: &str, x: Shape, target: &Tensor, ignore_index: Option<i64>) -> bool {
    let t = target.shape_value();
    let per_class =
        if t == x && t.rank() >= 2 { "; it has a number for each class: give the classes, argmax(1)" } else { "" };
    let convert = if per_class.is_empty() { "; convert it with to_dtype(DType::I64)" } else { per_class };
    assert!(
        target.dtype() == DType::I64,
        "{name}: the target must hold classes as i64, got {} {t}{convert}",
        target.dtype()
    );
    let single = match (x.rank(), t.rank()) {
        (1, 1) => "; it needs one number for each class, not one for each sample",
        (1, 0) => "; for a single sample add the batch dimension to both with unsqueeze(0)",
        _ => "",
    };
    assert!(x.rank() >= 2, "{name}: the input must be [n, classes, ..], got {x} with a target of shape {t}{single}");
    let (expected, classes) = (x.without(1), x[1]);
    let hint = match t.rank() {
        1 if x.rank() > 2 && t[0] == x[0] => {
            "; for one class per image bring the input to [n, classes] with flatten or a mean"
        }
        2 if t == expected.inserted(1, 1) => "; squeeze(1) it",
        _ => per_class,
    };
    assert!(t == expected, "{name}: an input of shape {x} takes a target of shape {expected}, got {t}{hint}");
    if target.device() != crate::Device::Cpu {
        return false;
    }
    let targets = target.to_vec::<i64>();
    let is_ignored = |c: &i64| Some(*c) == ignore_index;
    if let Some(bad) = targets.iter().find(|c| !(0..classes as i64).contains(*c) && !is_ignored(c)) {
        let last = classes as i64 - 1;
        panic!("{name}: the target holds class {bad}, the input has {classes} classes, 0 to {last}: labels start at 0");
    }
    targets.iter().any(is_ignored)
}

impl Tensor {
    /// Classes in the last dimension and one row per sample or pixel, with the shape that the losses have.
    fn by_class(self, name: &str, target: &Tensor) -> (Tensor, Shape) {
        let x = self.shape_value();
        check_classes(name, x, target, None);
        let (expected, classes) = (x.without(1), x[1]);
        let order: Vec<isize> = [0].into_iter().chain(2..x.rank() as isize).chain([1]).collect();
        let rows = if x.rank() == 2 { self } else { self.permute(&order).reshape([expected.numel(), classes]) };
        (rows, expected)
    }

    /// The cross-entropy of logits `[n, classes, ..]` against classes `[n, ..]` (`i64`)
    /// (`torch.nn.functional.cross_entropy`).
    ///
    /// # Panics
    /// If shapes do not fit, or a target is not a class.
    pub fn cross_entropy(self, target: &Tensor, reduction: Reduction) -> Tensor {
        let (logits, shape) = self.by_class("cross_entropy", target);
        let target = target.array().clone().reshape(Shape::from([shape.numel()]));
        let (x, node) = logits.into_parts();
        let [losses, log_probs] = Op::CrossEntropy.run_many(vec![x, target.clone()]);
        let losses = record("cross_entropy", losses, [node], move |_| {
            move |g: Array, _| [Some(Op::CrossEntropyGrad.run1([log_probs, target, g]))]
        });
        reduction.apply(if losses.shape_value() == shape { losses } else { losses.reshape(shape) })
    }

    /// The negative log-likelihood of classes `[n, ..]` (`i64`) under log-probabilities `[n, classes, ..]`
    /// (`torch.nn.functional.nll_loss`).
    ///
    /// # Panics
    /// If shapes do not fit, or a target is not a class.
    pub fn nll_loss(self, target: &Tensor, reduction: Reduction) -> Tensor {
        let (log_probs, shape) = self.by_class("nll_loss", target);
        let index = target.clone().reshape([shape.numel(), 1]);
        reduction.apply(log_probs.gather(1, &index).neg().reshape(shape))
    }

    /// The squared difference (`torch.nn.functional.mse_loss`).
    ///
    /// # Panics
    /// If the shapes differ (they are not broadcast, which is rarely meant here) or the types do.
    pub fn mse_loss(self, target: &Tensor, reduction: Reduction) -> Tensor {
        let (a, b) = (self.shape_value(), target.shape_value());
        let hint = if a.numel() == b.numel() { "; they have as many elements, so reshape or squeeze one" } else { "" };
        assert!(a == b, "mse_loss: the input has shape {a}, the target {b}{hint}");
        reduction.apply((self - target).square())
    }
}
