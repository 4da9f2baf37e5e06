//! A learning rate that falls when progress stops.

use crate::setters::setters;

/// Whether a metric should become small or large.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Mode {
    /// Small, as a loss.
    #[default]
    Min,
    /// Large, as an accuracy.
    Max,
}

/// What a threshold is a fraction of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ThresholdMode {
    /// Of the best value so far.
    #[default]
    Rel,
    /// Of nothing: it is a difference.
    Abs,
}

/// What [`ReduceOnPlateau`] remembers.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct PlateauState {
    /// The best value so far; none before the first.
    pub best: Option<f64>,
    /// Values since then that were no better.
    pub num_bad_epochs: u64,
    /// Values still to come that are not counted.
    pub cooldown_counter: u64,
}

/// Takes the learning rate times a factor when a metric has not become better for a while
/// (`torch.optim.lr_scheduler.ReduceLROnPlateau`).
///
/// ```
/// use striate_nn::ReduceOnPlateau;
/// let mut plateau = ReduceOnPlateau::new().patience(1);
/// let mut lr = 0.1;
/// for loss in [1.0, 0.5, 0.6, 0.7, 0.8] {
///     lr = plateau.step(loss, lr);
/// }
/// assert!((lr - 0.01).abs() < 1e-12);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ReduceOnPlateau {
    /// Whether the metric should become small or large.
    pub mode: Mode,
    /// What the learning rate is multiplied with.
    pub factor: f64,
    /// How many values in a row that are no better are borne.
    pub patience: u64,
    /// By how much a value must be better to count.
    pub threshold: f64,
    /// What that is a fraction of.
    pub threshold_mode: ThresholdMode,
    /// Values that are not counted after a change.
    pub cooldown: u64,
    /// The learning rate does not fall below this.
    pub min_lr: f64,
    /// Smaller changes of the learning rate are not made.
    pub eps: f64,
    /// What it remembers.
    pub state: PlateauState,
}

impl Default for ReduceOnPlateau {
    fn default() -> Self {
        ReduceOnPlateau {
            mode: Mode::Min,
            factor: 0.1,
            patience: 10,
            threshold: 1e-4,
            threshold_mode: ThresholdMode::Rel,
            cooldown: 0,
            min_lr: 0.0,
            eps: 1e-8,
            state: PlateauState::default(),
        }
    }
}

impl ReduceOnPlateau {
    /// PyTorch's defaults: a loss, a tenth of the learning rate after more than 10 values that are not better by 0.01 %.
    pub fn new() -> Self {
        Self::default()
    }

    setters! {
        mode: Mode, "For a metric that should become small or large.";
        factor: f64, "With another factor.";
        patience: u64, "With another patience.";
    }

    /// With another threshold.
    pub fn threshold(mut self, threshold: f64, mode: ThresholdMode) -> Self {
        self.threshold = threshold;
        self.threshold_mode = mode;
        self
    }

    setters! {
        cooldown: u64, "With values that are not counted after a change.";
        min_lr: f64, "With a smallest learning rate.";
    }

    fn is_better(&self, metric: f64, best: f64) -> bool {
        let (relative, by) = (self.threshold_mode == ThresholdMode::Rel, self.threshold);
        match self.mode {
            Mode::Min => metric < if relative { best * (1.0 - by) } else { best - by },
            Mode::Max => metric > if relative { best * (1.0 + by) } else { best + by },
        }
    }

    /// Takes in a value of the metric, and gives the learning rate to go on with in the place of `lr`.
    pub fn step(&mut self, metric: f64, lr: f64) -> f64 {
        let state = self.state;
        let better = match state.best {
            None => !metric.is_nan(),
            Some(best) => self.is_better(metric, best),
        };
        let state = &mut self.state;
        if better {
            state.best = Some(metric);
            state.num_bad_epochs = 0;
        } else {
            state.num_bad_epochs += 1;
        }
        if state.cooldown_counter > 0 {
            state.cooldown_counter -= 1;
            state.num_bad_epochs = 0;
        }
        if state.num_bad_epochs <= self.patience {
            return lr;
        }
        state.cooldown_counter = self.cooldown;
        state.num_bad_epochs = 0;
        let reduced = (lr * self.factor).max(self.min_lr);
        if lr - reduced > self.eps { reduced } else { lr }
    }
}
