//! Losses of numbers.

use super::{reduction, same_shape};
use crate::setters::setters;
use striate_tensor::{Reduction, Tensor};

/// The squared difference (`torch.nn.MSELoss`): see [`Tensor::mse_loss`].
#[derive(Clone, Copy, Debug, Default)]
pub struct MSELoss {
    /// What is given of the losses of all elements.
    pub reduction: Reduction,
}

impl MSELoss {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }

    reduction!();

    /// The loss of `input` against `target`, both of one shape.
    ///
    /// # Panics
    /// If shapes or types differ.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        input.mse_loss(target, self.reduction)
    }
}

/// The absolute difference (`torch.nn.L1Loss`).
#[derive(Clone, Copy, Debug, Default)]
pub struct L1Loss {
    /// What is given of the losses of all elements.
    pub reduction: Reduction,
}

impl L1Loss {
    /// The mean over all elements.
    pub fn new() -> Self {
        Self::default()
    }

    reduction!();

    /// The loss of `input` against `target`, both of one shape.
    ///
    /// # Panics
    /// If shapes or types differ.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        same_shape("l1_loss", &input, target);
        self.reduction.apply((input - target).abs())
    }
}

/// ½d² up to a difference of `delta`, beyond it delta·(d − ½·delta): a parabola with straight arms.
fn huber(difference: Tensor, delta: f64) -> Tensor {
    let d = difference.abs();
    let inner = d.clone().clamp_max(delta);
    let slope = d - &inner * 0.5;
    inner * slope
}

/// ½d²/beta for differences below `beta`, else |d| − ½·beta (`torch.nn.SmoothL1Loss`; Girshick, 2015).
#[derive(Clone, Copy, Debug)]
pub struct SmoothL1Loss {
    /// Where the parabola becomes straight; 0 makes it [`L1Loss`].
    pub beta: f64,
    /// What is given of the losses of all elements.
    pub reduction: Reduction,
}

impl Default for SmoothL1Loss {
    fn default() -> Self {
        SmoothL1Loss { beta: 1.0, reduction: Reduction::default() }
    }
}

impl SmoothL1Loss {
    /// The mean over all elements, with a beta of 1.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        beta: f64, "With another beta.";
    }

    reduction!();

    /// The loss of `input` against `target`, both of one shape.
    ///
    /// # Panics
    /// If shapes or types differ, or beta is negative.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        same_shape("smooth_l1_loss", &input, target);
        assert!(self.beta >= 0.0, "smooth_l1_loss: beta is {}, it must be 0 or more", self.beta);
        let difference = input - target;
        self.reduction.apply(match self.beta {
            0.0 => difference.abs(),
            beta => huber(difference, beta) * (1.0 / beta),
        })
    }
}

/// ½d² for differences up to `delta`, else delta·(|d| − ½·delta) (`torch.nn.HuberLoss`; Huber, 1964).
#[derive(Clone, Copy, Debug)]
pub struct HuberLoss {
    /// Where the parabola becomes straight.
    pub delta: f64,
    /// What is given of the losses of all elements.
    pub reduction: Reduction,
}

impl Default for HuberLoss {
    fn default() -> Self {
        HuberLoss { delta: 1.0, reduction: Reduction::default() }
    }
}

impl HuberLoss {
    /// The mean over all elements, with a delta of 1.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        delta: f64, "With another delta.";
    }

    reduction!();

    /// The loss of `input` against `target`, both of one shape.
    ///
    /// # Panics
    /// If shapes or types differ, or delta is not positive.
    pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
        same_shape("huber_loss", &input, target);
        assert!(self.delta > 0.0, "huber_loss: delta is {}, it must be positive", self.delta);
        self.reduction.apply(huber(input - target, self.delta))
    }
}
