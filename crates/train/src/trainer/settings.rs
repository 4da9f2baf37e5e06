//! [`LoopSettings`].

use std::time::Duration;
use striate_imaging::Split;
use striate_nn::Statistics;

/// What the loop is told.
#[derive(Clone, Debug)]
pub(crate) struct LoopSettings {
    /// Epochs in all.
    pub epochs: usize,
    /// The epochs to have done at the end: all, or fewer where another stage follows.
    pub until: usize,
    /// Batches in a step.
    pub accumulate: usize,
    pub clip_norm: Option<f64>,
    /// Steps between lines of progress.
    pub log_every: usize,
    /// Steps between checkpoints, besides the one after each epoch.
    pub checkpoint_every: Option<u64>,
    /// Epochs without a better one that end the stage.
    pub patience: Option<usize>,
    /// By how much an epoch must be better to count as that.
    pub min_delta: f64,
    /// The metric by which the best epoch is chosen.
    pub monitor: String,
    /// What the network's own dropout rates are multiplied with.
    pub dropout_scale: f64,
    /// What batch normalization does in training.
    pub statistics: Statistics,
    /// Whether a batch of one sample has nothing to normalize by: such a batch is left out.
    pub needs_two: bool,
    /// What the samples are for that are measured on.
    pub measured: Split,
    pub time_budget: Option<Duration>,
    /// Batches after which an epoch ends, of training and of measuring.
    pub max_batches: Option<usize>,
}

impl LoopSettings {
    /// Whether an epoch ends after this many batches.
    pub fn is_full(&self, batches: usize) -> bool {
        self.max_batches.is_some_and(|most| batches >= most)
    }

    /// How many steps an epoch of this many batches has.
    pub fn steps_of(&self, batches: usize) -> usize {
        batches.min(self.max_batches.unwrap_or(usize::MAX)).div_ceil(self.accumulate)
    }
}
