//! Where a training stands, and what has been measured.

use crate::learning_rate::PlateauPosition;
use crate::metrics::Metrics;
use crate::spikes::LossHistory;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use striate_model::{Direction, Metric};

/// Where a training stands. Epochs and batches count from 0 here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TrainState {
    /// The epoch under way.
    pub epoch: usize,
    /// The next batch of it.
    pub batch: usize,
    /// Steps in all so far.
    pub steps: u64,
    /// Steps before the stage under way, from which the learning rate's schedule counts.
    #[serde(default)]
    pub stage_start: u64,
    /// The metric accumulator of the next line of progress.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub(crate) running: Value,
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
    /// Seconds of training so far, in all processes, where a time budget counts them.
    #[serde(default)]
    pub(crate) seconds: f64,
    /// Why the training is to end early: after the step under way and the measuring that follows it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ending: Option<String>,
    /// What the losses of steps have been like.
    #[serde(default)]
    pub(crate) losses: LossHistory,
    /// What callbacks keep, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) callbacks: Vec<Value>,
}

/// The loss and the metrics of some samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "M: Metrics")]
pub(crate) struct Tally<M> {
    /// The sum of the samples' losses.
    loss: f64,
    pub samples: usize,
    pub metrics: M,
}

impl<M: Metrics> Tally<M> {
    pub fn new(metrics: M) -> Self {
        Tally { loss: 0.0, samples: 0, metrics }
    }

    /// Counts `samples` samples of this mean loss.
    pub fn add_loss(&mut self, loss: f64, samples: usize) {
        self.loss += loss * samples as f64;
        self.samples += samples;
    }

    pub fn merge(&mut self, other: &Self) {
        self.loss += other.loss;
        self.samples += other.samples;
        self.metrics.merge(&other.metrics);
    }

    /// The mean loss; NaN of no samples.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.samples as f64
    }

    /// The loss, and then the metrics.
    pub fn finish(&self) -> Vec<Metric> {
        let mut all = vec![Metric::number(LOSS, self.mean_loss(), Direction::Minimize)];
        all.extend(self.metrics.finish());
        all
    }
}

/// The name of the loss among the metrics.
pub(crate) const LOSS: &str = "loss";

/// What an epoch's weights gave on samples held out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// The epoch, from 1.
    pub epoch: usize,
    /// How many samples were measured on.
    pub samples: usize,
    /// The loss, and then the task's metrics.
    pub metrics: Vec<Metric>,
    /// What [`Task::calibrate`](crate::Task::calibrate) gave.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub calibration: Value,
}

impl Measured {
    /// The metric of this name.
    pub fn get(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// The value of the metric of this name; NaN if there is none.
    pub fn value(&self, name: &str) -> f64 {
        self.get(name).map_or(f64::NAN, |metric| metric.value)
    }

    /// The mean loss.
    pub fn loss(&self) -> f64 {
        self.value(LOSS)
    }

    /// Whether its weights are taken rather than those of an `earlier` epoch: if the metric `monitor` is as good at least. Few samples tell few values
    /// apart, and of equal ones the later has learnt more, at a smaller rate where that falls.
    pub(crate) fn replaces(&self, earlier: &Measured, monitor: &str) -> bool {
        let before = earlier.value(monitor);
        self.improves(earlier, monitor, 0.0) || self.value(monitor) == before
    }

    /// Whether the metric `monitor` is better than that of an `earlier` epoch by more than `min_delta`.
    pub(crate) fn improves(&self, earlier: &Measured, monitor: &str, min_delta: f64) -> bool {
        let (Some(now), before) = (self.get(monitor), earlier.value(monitor)) else { return false };
        match now.direction {
            Direction::Maximize => now.is_better(before + min_delta),
            Direction::Minimize => now.is_better(before - min_delta),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_monitor_decides_and_then_the_later() {
        let of = |accuracy, loss| Measured {
            epoch: 1,
            samples: 10,
            metrics: vec![Metric::number(LOSS, loss, Direction::Minimize), Metric::fraction("accuracy", accuracy)],
            calibration: Value::Null,
        };
        assert!(of(0.8, 9.0).replaces(&of(0.7, 1.0), "accuracy"));
        assert!(of(0.8, 1.5).replaces(&of(0.8, 1.0), "accuracy"));
        assert!(!of(0.7, 0.1).replaces(&of(0.8, 9.0), "accuracy"));
        assert!(of(0.7, 0.1).replaces(&of(0.8, 9.0), "loss"));
        assert!(!of(f64::NAN, 1.0).replaces(&of(0.1, 1.0), "accuracy"));
        assert!(of(0.1, 1.0).replaces(&of(f64::NAN, 1.0), "accuracy"));
        assert!(!of(0.75, 1.0).improves(&of(0.7, 1.0), "accuracy", 0.1));
        assert!(of(0.75, 0.8).improves(&of(0.7, 1.0), "loss", 0.1));
    }
}
