//! [`Overfit`]: whether a network can memorize one batch, the first thing to see of a training that does not learn.

use crate::batches::{Again, Batches};
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::metrics::Detail;
use crate::task::Task;
use crate::trainer::{Halt, LoopSettings, Taken, Trial};
use serde::Serialize;
use striate_nn::{Module, Pass};
use striate_tensor::Tensor;

/// A batch is memorized once its loss is below this fraction of the first one.
pub const MEMORIZED_FRACTION: f64 = 0.01;
/// It is memorized, too, once every answer is right and the loss is below this.
pub const MEMORIZED_LOSS: f64 = 0.01;
/// How many lines of progress there are.
const LINES: usize = 20;
/// A loss that moves by less than this fraction of itself stays where it is.
const STILL: f64 = 0.01;
/// The last losses, of which the mean is compared with that of as many before, are this part of all.
const RECENT: usize = 5;
/// A mean that is this much of the one before is still falling.
const FALLING: f64 = 0.95;
/// A mean that is this many times the best loss before has come up again.
const RISEN: f64 = 1.5;

/// What became of the loss of one batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OverfitVerdict {
    /// It is below 1% of the first one; or below 0.01, and every answer is right.
    Memorized,
    /// It is not finite any more: the learning rate is too large.
    NotFinite,
    /// No gradient reaches the weights: a layer is dead, or cut off.
    NoGradient,
    /// It stays as it was in the first step: the learning rate is too small, or a layer is dead.
    Flat,
    /// It rises, or jumps: the learning rate is too large.
    Unstable,
    /// It falls, and still fell at the end: there were too few steps, or the learning rate is too small.
    Slow,
    /// It fell, and then stayed: what the network gives cannot be what the samples ask for.
    Stuck,
    /// It was asked to stop.
    Stopped,
}

/// What came of training on one batch alone. The network and the optimizer are as before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Overfit {
    /// What became of the loss.
    pub verdict: OverfitVerdict,
    /// Samples in the batch.
    pub samples: usize,
    /// Steps that were taken.
    pub steps: usize,
    /// The learning rate.
    pub lr: f64,
    /// The loss of the first step.
    pub first_loss: f64,
    /// The least one.
    pub best_loss: f64,
    /// That of the last step.
    pub last_loss: f64,
    /// The fraction of right answers in the last step, where the task measures that.
    pub accuracy: Option<f64>,
}

impl Overfit {
    /// Stopped before the first step.
    pub(crate) fn stopped(lr: f64) -> Overfit {
        Overfit::of(&[], Halt::Stopped, 0, lr)
    }

    fn of(taken: &[Taken], halt: Halt, samples: usize, lr: f64) -> Overfit {
        let losses: Vec<f64> = taken.iter().map(Taken::loss).collect();
        let verdict = match (halt, taken.last()) {
            (Halt::Stopped, _) => OverfitVerdict::Stopped,
            (Halt::NotFinite, _) => OverfitVerdict::NotFinite,
            (Halt::Enough, Some(last)) if is_memorized(losses[0], last) => OverfitVerdict::Memorized,
            (Halt::Enough, _) if taken.iter().all(|step| step.grad_norm == 0.0) => OverfitVerdict::NoGradient,
            (Halt::Enough, _) => judged(&losses),
        };
        let at = |loss: Option<&f64>| loss.copied().unwrap_or(f64::NAN);
        Overfit {
            verdict,
            samples,
            steps: losses.len(),
            lr,
            first_loss: at(losses.first()),
            best_loss: losses.iter().copied().fold(f64::NAN, f64::min),
            last_loss: at(losses.last()),
            accuracy: taken.last().and_then(|last| last.value(ACCURACY)),
        }
    }
}

/// The metric that is 1 if every answer is right.
const ACCURACY: &str = "accuracy";

fn is_memorized(first: f64, last: &Taken) -> bool {
    let all_right = last.value(ACCURACY) == Some(1.0);
    last.loss() < MEMORIZED_FRACTION * first || all_right && last.loss() < MEMORIZED_LOSS
}

/// What became of a loss that is finite and has not come near 0.
fn judged(losses: &[f64]) -> OverfitVerdict {
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let first = losses[0];
    let recent = (losses.len() / RECENT).max(1);
    let (earlier, last) = losses.split_at(losses.len() - recent);
    let best = earlier.iter().copied().fold(f64::INFINITY, f64::min);
    if losses.iter().all(|loss| (loss - first).abs() <= STILL * first.abs()) {
        OverfitVerdict::Flat
    } else if mean(last) > RISEN * best || mean(last) > (1.0 + STILL) * first {
        OverfitVerdict::Unstable
    } else if mean(last) < FALLING * mean(&earlier[earlier.len().saturating_sub(recent)..]) {
        OverfitVerdict::Slow
    } else {
        OverfitVerdict::Stuck
    }
}

/// Trains on the first batch of `train` alone until it is memorized, for `steps` steps at most, on the task's plain loss and without dropout.
pub(crate) fn overfit<N: Module, T: Task<N, Batch: Clone>>(
    trial: Trial<N, T>,
    train: &dyn Batches<Batch = T::Batch>,
    steps: usize,
    sink: &mut dyn Sink,
) -> Result<Overfit, TrainError> {
    let Trial { task, network, optimizer, settings, seed, stop } = trial;
    let least = if settings.needs_two { 2 } else { 1 };
    let again = Again::first_of(train, |batch| task.samples(batch) >= least)?;
    let (samples, lr) = (task.samples(&again.batch), optimizer.lr());
    let settings = LoopSettings { accumulate: 1, dropout_scale: 0.0, max_batches: None, ..settings };
    let every = (steps / LINES).max(1);
    let mut next = |taken: &[Taken]| {
        let Some(last) = taken.last() else { return Some(lr) };
        let step = taken.len();
        let is_over = step == steps || is_memorized(taken[0].loss(), last);
        if step == 1 || step.is_multiple_of(every) || is_over {
            let (steps_done, grad_norm, metrics) = (step as u64, last.grad_norm, last.metrics.clone());
            let steps = Some(steps);
            sink.event(&Event::Progress { epoch: 1, epochs: 1, step, steps, steps_done, metrics, lr, grad_norm });
        }
        (!is_over).then_some(lr)
    };
    let trial = Trial { task: &Plain(task), network, optimizer, settings, seed, stop };
    let (taken, halt) = trial.run(&again, &mut next)?;
    Ok(Overfit::of(&taken, halt, samples, lr))
}

/// A task that is trained on the loss it is measured by.
struct Plain<'a, T>(&'a T);

impl<N: Module, T: Task<N>> Task<N> for Plain<'_, T> {
    type Sample = T::Sample;
    type Batch = T::Batch;
    type Output = T::Output;
    type Metrics = T::Metrics;

    fn name(&self) -> &str {
        self.0.name()
    }
    fn samples(&self, batch: &T::Batch) -> usize {
        self.0.samples(batch)
    }
    fn inputs(&self, batch: &T::Batch) -> Vec<Tensor> {
        self.0.inputs(batch)
    }
    fn forward(&self, network: &N, batch: &T::Batch, pass: &Pass) -> T::Output {
        self.0.forward(network, batch, pass)
    }
    fn loss(&self, output: T::Output, batch: &T::Batch) -> Tensor {
        self.0.loss(output, batch)
    }
    fn metrics(&self, detail: Detail) -> T::Metrics {
        self.0.metrics(detail)
    }
    fn measure(&self, output: &T::Output, batch: &T::Batch, metrics: &mut T::Metrics) {
        self.0.measure(output, batch, metrics);
    }
    fn monitor(&self) -> &str {
        self.0.monitor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_judged_by_their_course() {
        let of = |loss: fn(f64) -> f64| judged(&(0..100).map(|i| loss(i as f64)).collect::<Vec<_>>());
        assert_eq!(of(|_| 2.3), OverfitVerdict::Flat);
        assert_eq!(of(|i| 2.3 - 0.0001 * i), OverfitVerdict::Flat);
        assert_eq!(of(|i| 2.3 - 0.01 * i), OverfitVerdict::Slow);
        assert_eq!(of(|i| 0.7 + 1.6 * (-i / 5.0).exp()), OverfitVerdict::Stuck);
        assert_eq!(of(|i| 2.3 + 0.1 * i), OverfitVerdict::Unstable);
        assert_eq!(of(|i| if i % 3.0 == 0.0 { 0.3 } else { 2.0 }), OverfitVerdict::Unstable);
        for losses in [&[1.0][..], &[1.0, 0.5], &[0.0, 0.0]] {
            judged(losses);
        }
    }
}
