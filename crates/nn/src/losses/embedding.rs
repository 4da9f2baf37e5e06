//! Losses of vectors that should be near to each other, or far.

use super::reduction;
use crate::setters::setters;
use striate_tensor::{Reduction, Tensor};

/// max(d(a, p) − d(a, n) + margin, 0): the anchor should be nearer to the positive than to the negative example, by the margin
/// (`torch.nn.TripletMarginLoss`; Balntas et al., 2016). d is the norm of the difference plus `eps`, along the last dimension.
#[derive(Clone, Copy, Debug)]
pub struct TripletMarginLoss {
    /// By how much the negative example should be farther away.
    pub margin: f64,
    /// The norm: 1, 2, another positive number, or infinity.
    pub p: f64,
    /// What is added to each element of a difference, so that its norm has a gradient.
    pub eps: f64,
    /// Whether the distance of the positive from the negative example counts where it is smaller than the anchor's.
    pub swap: bool,
    /// What is given of the losses of all triplets.
    pub reduction: Reduction,
}

impl Default for TripletMarginLoss {
    fn default() -> Self {
        TripletMarginLoss { margin: 1.0, p: 2.0, eps: 1e-6, swap: false, reduction: Reduction::default() }
    }
}

impl TripletMarginLoss {
    /// The mean over all triplets, with margin 1 and the Euclidean norm.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        margin: f64, "With another margin.";
        p: f64, "With another norm.";
        swap: bool, "With the distance of the positive from the negative example where it is smaller than the anchor's.";
    }

    reduction!();

    /// The loss of vectors `[.., d]`, one triplet for each of the other dimensions. `Reduction::None` gives `[..]`.
    ///
    /// # Panics
    /// If shapes or types differ, there is no dimension, or the margin or p is not positive.
    pub fn forward(&self, anchor: Tensor, positive: &Tensor, negative: &Tensor) -> Tensor {
        const OP: &str = "triplet_margin_loss";
        let (a, p, n) = (anchor.shape_value(), positive.shape_value(), negative.shape_value());
        assert!(
            a == p && a == n && a.rank() > 0,
            "{OP}: the anchor has shape {a}, the positive example {p}, the negative {n}; they must have one, [.., d]"
        );
        assert!(self.margin > 0.0, "{OP}: the margin is {}, it must be positive", self.margin);
        assert!(self.p > 0.0, "{OP}: p is {}, it must be positive", self.p);
        let distance = |x: &Tensor, y: &Tensor| (x - y + self.eps).norm(self.p, &[-1], false);
        let near = distance(&anchor, positive);
        let mut far = distance(&anchor, negative);
        if self.swap {
            far = far.minimum(distance(positive, negative));
        }
        self.reduction.apply((near - far + self.margin).clamp_min(0.0))
    }
}

/// 1 − cos for pairs that belong together, max(0, cos − margin) for those that do not (`torch.nn.CosineEmbeddingLoss`).
#[derive(Clone, Copy, Debug, Default)]
pub struct CosineEmbeddingLoss {
    /// The cosine that pairs which do not belong together may have, from −1 to 1.
    pub margin: f64,
    /// What is given of the losses of all pairs.
    pub reduction: Reduction,
}

impl CosineEmbeddingLoss {
    /// The mean over all pairs, with margin 0.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        margin: f64, "With another margin.";
    }

    reduction!();

    /// The loss of pairs of vectors `[n, d]` against `target` `[n]` of any type: 1 where they belong together, −1 where they do not.
    /// Single vectors `[d]` take a target of no dimensions.
    ///
    /// # Panics
    /// If shapes or types do not fit.
    pub fn forward(&self, input1: Tensor, input2: &Tensor, target: &Tensor) -> Tensor {
        const SQUARED_EPS: f64 = 1e-12;
        let (a, b, t) = (input1.shape_value(), input2.shape_value(), target.shape_value());
        assert!(
            a == b && (a.rank() == 1 || a.rank() == 2) && t == a.without(a.rank() - 1),
            "cosine_embedding_loss: vectors of shapes {a} and {b} with a target of shape {t}; it takes [n, d], [n, d] and [n]"
        );
        let target = target.clone().to_dtype(input1.dtype());
        let dot = |x: &Tensor, y: &Tensor| (x * y).sum(&[-1]);
        let lengths = (dot(&input1, &input1) + SQUARED_EPS) * (dot(input2, input2) + SQUARED_EPS);
        let cosine = dot(&input1, input2) / lengths.sqrt();
        let together = target.eq(1.0).where_(cosine.clone() * -1.0 + 1.0, 0.0);
        let apart = target.eq(-1.0).where_((cosine - self.margin).clamp_min(0.0), 0.0);
        self.reduction.apply(together + apart)
    }
}
