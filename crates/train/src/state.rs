//! Where a run stands, and what has been measured.

use crate::learning_rate::PlateauPosition;
use serde::{Deserialize, Serialize};

/// Where a run stands. Epochs and batches count from 0 here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The epoch under way.
    pub epoch: usize,
    /// The next batch of it.
    pub batch: usize,
    /// Steps in all so far.
    pub steps: u64,
    /// Steps before the stage under way, from which the learning rate's schedule counts.
    #[serde(default)]
    pub before: u64,
    /// What the next line of progress sums up.
    pub running: Running,
    /// Where a learning rate that falls on a plateau has come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plateau: Option<PlateauPosition>,
    /// The best epoch so far, whose weights are the model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best: Option<Measured>,
    /// The last epoch that was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<Measured>,
    /// Epochs of the stage under way since one was better than all before.
    #[serde(default)]
    pub stale: usize,
}

/// Losses and right answers of some samples.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The sum of the samples' losses.
    pub loss: f64,
    /// Right answers.
    pub correct: usize,
    /// Samples.
    pub samples: usize,
}

impl Running {
    /// Counts `samples` samples of this mean loss.
    pub(crate) fn add(&mut self, loss: f64, correct: usize, samples: usize) {
        self.loss += loss * samples as f64;
        self.correct += correct;
        self.samples += samples;
    }

    /// Counts those of `other`.
    pub(crate) fn merge(&mut self, other: &Running) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.samples += other.samples;
    }

    /// The mean loss; 0 of no samples.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.samples.max(1) as f64
    }

    /// The fraction of right answers; 0 of no samples.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples.max(1) as f64
    }
}

/// What an epoch's weights gave on the images to measure on.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Losses and right answers.
    #[serde(flatten)]
    pub result: Running,
}

impl Measured {
    /// Whether its weights are taken rather than those of an `earlier` epoch: if it has the accuracy at least. Few images tell few accuracies apart, and
    /// of equal ones the later has learnt more, at a smaller rate where that falls.
    pub fn replaces(&self, earlier: &Measured) -> bool {
        self.result.accuracy() >= earlier.result.accuracy()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accuracy_decides_and_then_the_later() {
        let of = |correct, loss| Measured { epoch: 1, result: Running { loss, correct, samples: 10 } };
        assert!(of(8, 9.0).replaces(&of(7, 1.0)));
        assert!(of(8, 1.5).replaces(&of(8, 1.0)));
        assert!(!of(7, 0.1).replaces(&of(8, 9.0)));
    }
}
