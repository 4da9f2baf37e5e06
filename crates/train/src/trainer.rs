//! The training loop.

use crate::checkpoint::{self, Identity};
use crate::config::Config;
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::learning_rate::{LearningRate, PlateauPosition};
use crate::metrics_csv::MetricsCsv;
use crate::run_dir::RunDir;
use crate::task::Task;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use striate_data::DataError;
use striate_data::images::Split;
use striate_nn::optim::{Accumulator, clip_grad_norm};
use striate_nn::{Ema, Module, Optimizer, Pass, Statistics};
use striate_tensor::autograd::find_non_finite;
use striate_tensor::{Leaf, profile};

/// Where a run stands. Epochs and batches count from 0 here.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Position {
    /// The epoch under way.
    pub epoch: usize,
    /// The next batch of it.
    pub batch: usize,
    /// Steps in all so far.
    pub steps: u64,
    /// Steps before the stretch under way, from which the learning rate's schedule counts.
    #[serde(default)]
    pub before: u64,
    /// What the next line of progress sums up.
    pub running: Running,
    /// Where a learning rate that falls on a plateau has come to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plateau: Option<PlateauPosition>,
}

/// Losses and right answers of some samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Running {
    /// The sum of the samples' losses.
    pub loss: f64,
    /// Right answers.
    pub correct: usize,
    /// Samples.
    pub samples: usize,
}

impl Running {
    fn add(&mut self, loss: f64, correct: usize, samples: usize) {
        self.loss += loss * samples as f64;
        self.correct += correct;
        self.samples += samples;
    }

    fn merge(&mut self, other: &Running) {
        self.loss += other.loss;
        self.correct += other.correct;
        self.samples += other.samples;
    }

    /// The mean loss; 0 of no samples.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.samples.max(1) as f64
    }

    /// The share of right answers; 0 of no samples.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.samples.max(1) as f64
    }
}

/// Batches that come in the same order each time an epoch is asked for.
pub trait Batches {
    /// One batch.
    type Batch;
    /// How many there are in an epoch.
    fn per_epoch(&self) -> usize;
    /// Those of `epoch` from number `first` on.
    fn epoch_from(&self, epoch: usize, first: usize) -> Box<dyn Iterator<Item = Result<Self::Batch, DataError>> + '_>;
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs are done.
    Finished(Running),
    /// It was asked to stop, and has written a checkpoint.
    Stopped,
}

/// Writes the model, given the epochs done and what the test gave.
pub type SaveModel<'a, N> = dyn FnMut(&N, usize, &Running) -> Result<(), TrainError> + 'a;

/// What the loop works with.
pub struct Trainer<'a, T: Task> {
    /// What the network is trained to do.
    pub task: &'a T,
    /// The network.
    pub model: &'a mut T::Network,
    /// What changes its parameters.
    pub optimizer: &'a mut dyn Optimizer,
    /// How the learning rate changes; the optimizer's own stays if there is none.
    pub learning_rate: Option<LearningRate>,
    /// The average of weights that is tested and saved in the place of the weights.
    pub ema: Option<&'a mut Ema>,
    /// The settings.
    pub config: &'a Config,
    /// Where files go.
    pub run: &'a RunDir,
    /// Losses and accuracies over time.
    pub metrics: MetricsCsv,
    /// Where the run stands.
    pub position: Position,
    /// The epochs to have done at the end: all of the settings', or fewer where another trainer goes on.
    pub until: usize,
    /// What the data is for that the network is tried on.
    pub measured: Split,
    /// What batch normalization does in training.
    pub statistics: Statistics,
}

impl<T: Task> Trainer<'_, T> {
    /// Trains until all epochs are done or `stop` is set, which is looked at after each step. After each epoch `save` writes the model.
    pub fn fit(
        &mut self,
        train: &dyn Batches<Batch = T::Batch>,
        test: &dyn Batches<Batch = T::Batch>,
        sink: &mut dyn Sink,
        stop: &AtomicBool,
        save: &mut SaveModel<T::Network>,
    ) -> Result<Outcome, TrainError> {
        let mut last = None;
        while self.position.epoch < self.until {
            let epoch = self.position.epoch;
            let mut batches = train.epoch_from(epoch, self.position.batch);
            let steps = train.per_epoch().div_ceil(self.config.accumulate);
            while self.step(&mut *batches, steps, sink)? {
                let due = self.config.checkpoint_every.is_some_and(|n| self.position.steps.is_multiple_of(n));
                if stop.load(Ordering::Relaxed) {
                    return self.stop(sink);
                }
                if due {
                    self.checkpoint(sink)?;
                }
            }
            drop(batches);
            let Some(tested) = self.test(test, stop)? else { return self.stop(sink) };
            let (loss, accuracy) = (tested.mean_loss(), tested.accuracy());
            self.metrics.add(self.position.steps, epoch + 1, loss, accuracy, None)?;
            let (epochs, steps) = (self.config.epochs, self.position.steps);
            sink.event(&Event::Tested { epoch: epoch + 1, epochs, steps, measured: self.measured, loss, accuracy });
            self.position.epoch += 1;
            self.position.batch = 0;
            if let Some(rate) = &mut self.learning_rate {
                self.position.plateau = rate.tested(loss);
            }
            self.check_weights()?;
            // The model first: a run killed between the two does its last steps again and writes it anew.
            self.swap_average();
            let saved = save(self.model, epoch + 1, &tested);
            self.swap_average();
            saved?;
            self.checkpoint(sink)?;
            last = Some(tested);
        }
        // A run that was finished before is measured again, for its result is not in the checkpoint.
        let last = match last {
            Some(tested) => Some(tested),
            None => self.test(test, stop)?,
        };
        Ok(last.map_or(Outcome::Stopped, Outcome::Finished))
    }

    /// One update from the next `accumulate` batches, or what is left of the epoch; says whether there was any.
    fn step(
        &mut self,
        batches: &mut dyn Iterator<Item = Result<T::Batch, DataError>>,
        steps: usize,
        sink: &mut dyn Sink,
    ) -> Result<bool, TrainError> {
        let accumulate = self.config.accumulate;
        let (mut sum, mut count) = (Running::default(), 0);
        let mut accumulator = Accumulator::new();
        profile::phase("data");
        for batch in batches.take(accumulate) {
            let batch = batch?;
            profile::phase("forward");
            let pass = self.pass(count);
            let output = self.task.forward(self.model, &batch, &pass);
            let (correct, samples) = (self.task.correct(&output, &batch), self.task.samples(&batch));
            let loss = self.task.train_loss(output, &batch);
            let value = loss.item::<f32>() as f64;
            if !value.is_finite() {
                return Err(self.non_finite(&batch, count, value));
            }
            profile::phase("backward");
            accumulator.add(&self.model, loss.backward(), samples);
            profile::phase("data");
            sum.add(value, correct, samples);
            count += 1;
        }
        if count == 0 {
            profile::phase(profile::REST);
            return Ok(false);
        }
        profile::phase("optimizer");
        let mut gradients = accumulator.finish();
        if let Some(max_norm) = self.config.clip_norm {
            clip_grad_norm(&self.model, &mut gradients, max_norm, 2.0);
        }
        if let Some(rate) = &self.learning_rate {
            self.optimizer.set_lr(rate.at(self.position.steps));
        }
        self.optimizer.step(&mut self.model, &gradients);
        drop(gradients);
        if let Some(ema) = &mut self.ema {
            ema.update(&self.model);
        }
        profile::phase(profile::REST);

        let position = &mut self.position;
        position.running.merge(&sum);
        position.batch += count;
        position.steps += 1;
        let step = position.batch.div_ceil(accumulate);
        let (epoch, epochs) = (position.epoch + 1, self.config.epochs);
        let (samples, loss) = (sum.samples, sum.mean_loss());
        sink.event(&Event::Step { epoch, step, samples, loss });
        if step.is_multiple_of(self.config.log_every) || step == steps {
            let running = std::mem::take(&mut position.running);
            let (loss, accuracy, lr) = (running.mean_loss(), running.accuracy(), self.optimizer.lr());
            self.metrics.add(self.position.steps, epoch, loss, accuracy, Some(lr))?;
            sink.event(&Event::Progress { epoch, epochs, step, steps, loss, accuracy, lr });
        }
        Ok(true)
    }

    /// The training pass of the batch at place `place` of the step.
    fn pass(&self, place: usize) -> Pass {
        let pass = Pass::train(self.config.seed, self.position.steps * self.config.accumulate as u64 + place as u64);
        pass.statistics(self.statistics).dropout(self.config.dropout)
    }

    /// Exchanges the weights and their average, if there is one.
    fn swap_average(&mut self) {
        if let Some(ema) = &mut self.ema {
            ema.swap(&mut self.model);
        }
    }

    /// The loss and right answers on the test data, of the averaged weights if there are any; none if asked to stop on the way.
    fn test(&mut self, test: &dyn Batches<Batch = T::Batch>, stop: &AtomicBool) -> Result<Option<Running>, TrainError> {
        profile::phase("test");
        self.swap_average();
        let tested = self.test_current(test, stop);
        self.swap_average();
        profile::phase(profile::REST);
        tested
    }

    fn test_current(
        &self,
        test: &dyn Batches<Batch = T::Batch>,
        stop: &AtomicBool,
    ) -> Result<Option<Running>, TrainError> {
        let mut tested = Running::default();
        for batch in test.epoch_from(0, 0) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let batch = batch?;
            let output = self.task.forward(self.model, &batch, &Pass::eval());
            let correct = self.task.correct(&output, &batch);
            let loss = self.task.loss(output, &batch).item::<f32>() as f64;
            tested.add(loss, correct, self.task.samples(&batch));
        }
        Ok(Some(tested))
    }

    fn stop(&mut self, sink: &mut dyn Sink) -> Result<Outcome, TrainError> {
        self.checkpoint(sink)?;
        sink.event(&Event::Stopped { run: self.run.path().to_path_buf(), steps: self.position.steps });
        Ok(Outcome::Stopped)
    }

    /// Writes a checkpoint, unless a weight is not finite: then the last one stays, for it is the last good one.
    pub fn checkpoint(&mut self, sink: &mut dyn Sink) -> Result<(), TrainError> {
        self.check_weights()?;
        let who = Identity { model: &self.config.model, seed: self.config.seed };
        let path = checkpoint::write(self.run, who, &self.position, &self.model, self.optimizer, self.ema.as_deref())?;
        sink.event(&Event::Checkpoint { path, steps: self.position.steps });
        Ok(())
    }

    fn check_weights(&self) -> Result<(), TrainError> {
        match self.non_finite_parameter() {
            Some(name) => {
                Err(self.non_finite_error(f64::NAN, format!("first in the weights of layer {}", layer_of(&name))))
            }
            None => Ok(()),
        }
    }

    fn non_finite_parameter(&self) -> Option<String> {
        self.model.named_parameters().into_iter().find(|(_, p)| !p.value().is_finite()).map(|(name, _)| name)
    }

    /// Finds out where numbers first went wrong, by computing the step once more and reading every result.
    fn non_finite(&self, batch: &T::Batch, place: usize, loss: f64) -> TrainError {
        if let Some(name) = self.non_finite_parameter() {
            return self.non_finite_error(loss, format!("first in the weights of layer {}", layer_of(&name)));
        }
        if !self.task.input(batch).is_finite() {
            return self.non_finite_error(loss, "already in the images".into());
        }
        let (_, found) =
            find_non_finite(|| self.task.train_loss(self.task.forward(self.model, batch, &self.pass(place)), batch));
        let place = found.map_or("for an unknown reason".to_string(), |found| {
            let name = |id| self.model.named_parameters().into_iter().find(|(_, p)| p.leaf_id() == Some(id));
            match found.leaf.and_then(name) {
                Some((name, _)) => format!("first at layer {} (op {})", layer_of(&name), found.op),
                None => format!("first at op {}", found.op),
            }
        });
        self.non_finite_error(loss, place)
    }

    fn non_finite_error(&self, loss: f64, place: String) -> TrainError {
        TrainError::NonFinite {
            epoch: self.position.epoch + 1,
            step: self.position.steps + 1,
            loss,
            place,
            checkpoint: self.run.checkpoint(),
            advice: "; try a smaller --lr",
        }
    }
}

/// `conv1` of `conv1.weight`.
fn layer_of(parameter: &str) -> &str {
    parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer)
}
