//! The training loop.

use crate::checkpoint::{self, Identity};
use crate::config::Config;
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::learning_rate::LearningRate;
use crate::metrics_csv::MetricsCsv;
use crate::run_dir::RunDir;
use crate::state::{Measured, Position, Running};
use crate::task::Task;
use std::sync::atomic::{AtomicBool, Ordering};
use striate_data::DataError;
use striate_graph::Executable;
use striate_imaging::Split;
use striate_nn::optim::{Accumulator, clip_grad_norm};
use striate_nn::{Ema, Module, Optimizer, Pass, Passes, Statistics, first_fault, state_dict};
use striate_tensor::autograd::find_non_finite;
use striate_tensor::{Leaf, profile};

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
    /// All epochs are done, or early stopping ended them.
    Finished {
        /// The epoch whose weights are the model's.
        best: Measured,
        /// The last one.
        last: Measured,
    },
    /// It was asked to stop, and has written a checkpoint.
    Stopped,
}

/// Which of a run's weights a model file is to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Those of the best epoch so far.
    Best,
    /// Those of the last epoch.
    Last,
}

/// Writes a model file, given which weights these are and what was measured of them.
pub type SaveModel<'a, N> = dyn FnMut(&N, Kept, &Measured) -> Result<(), TrainError> + 'a;

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
    /// What tells this run's checkpoints from another's.
    pub identity: Identity<'a>,
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
    /// The training passes of the network.
    pub passes: Passes,
    /// What batch normalization does in training.
    pub statistics: Statistics,
    /// Whether a batch of one sample has nothing to normalize by: such a batch is left out.
    pub needs_two: bool,
    /// Whether the last checkpoint holds a state after some steps, which was checked to be finite.
    pub has_checkpoint: bool,
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
        self.check_weights()?;
        while self.position.epoch < self.until {
            let epoch = self.position.epoch;
            let (first, before) = (self.position.batch, self.position.steps);
            let mut batches = train.epoch_from(epoch, first);
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
            if first == 0 && self.position.steps == before {
                return Err(TrainError::NothingMeasured { measured: Split::Train });
            }
            let Some(tested) = self.test(test, stop)? else { return self.stop(sink) };
            self.epoch_is_over(Measured { epoch: epoch + 1, result: tested }, sink, save)?;
            self.checkpoint(sink)?;
        }
        let (best, last) = match (self.position.best, self.position.last) {
            (Some(best), Some(last)) => (best, last),
            // A run that was finished by an earlier version, which kept the last weights.
            _ => {
                let Some(result) = self.test(test, stop)? else { return self.stop(sink) };
                let last = Measured { epoch: self.position.epoch, result };
                (last, last)
            }
        };
        if self.is_last_stage() {
            self.save(Kept::Last, &last, save)?;
            if !self.run.model().is_file() {
                self.save(Kept::Best, &last, save)?;
                return Ok(Outcome::Finished { best: last, last });
            }
        }
        Ok(Outcome::Finished { best, last })
    }

    fn is_last_stage(&self) -> bool {
        self.until == self.config.epochs
    }

    /// Takes note of what an epoch's weights gave, keeps them if they are the best, and moves on to the next epoch.
    fn epoch_is_over(
        &mut self,
        tested: Measured,
        sink: &mut dyn Sink,
        save: &mut SaveModel<T::Network>,
    ) -> Result<(), TrainError> {
        let (loss, accuracy) = (tested.result.mean_loss(), tested.result.accuracy());
        if !loss.is_finite() {
            return Err(self.non_finite_result(loss));
        }
        self.check_weights()?;
        let (epochs, steps) = (self.config.epochs, self.position.steps);
        self.metrics.add_measured(steps, tested.epoch, self.measured, loss, accuracy)?;
        sink.event(&Event::Tested { epoch: tested.epoch, epochs, steps, measured: self.measured, loss, accuracy });
        self.position.epoch += 1;
        self.position.batch = 0;
        if let Some(rate) = &mut self.learning_rate {
            self.position.plateau = rate.tested(loss);
        }
        self.position.last = Some(tested);
        self.position.stale += 1;
        if self.position.best.is_none_or(|best| tested.replaces(&best)) {
            if self.position.best.is_none_or(|best| accuracy > best.result.accuracy()) {
                self.position.stale = 0;
            }
            self.position.best = Some(tested);
            // The model first: a run killed between the two does its last steps again and writes it anew.
            self.save(Kept::Best, &tested, save)?;
        }
        let is_over = self.config.patience.is_some_and(|patience| self.position.stale >= patience);
        if is_over && self.position.epoch < self.until {
            let best = self.position.best.map_or(0, |best| best.epoch);
            sink.event(&Event::StoppedEarly { epoch: tested.epoch, epochs, best, stale: self.position.stale });
            self.position.epoch = self.until;
        }
        Ok(())
    }

    /// Writes a model file of the weights, or of their average if there is one.
    fn save(&mut self, which: Kept, tested: &Measured, save: &mut SaveModel<T::Network>) -> Result<(), TrainError> {
        self.swap_average();
        let saved = save(self.model, which, tested);
        self.swap_average();
        saved
    }

    /// One update from the next `accumulate` batches, or what is left of the epoch; says whether there was any.
    fn step(
        &mut self,
        batches: &mut dyn Iterator<Item = Result<T::Batch, DataError>>,
        steps: usize,
        sink: &mut dyn Sink,
    ) -> Result<bool, TrainError> {
        let accumulate = self.config.accumulate;
        let (mut sum, mut taken) = (Running::default(), 0);
        let mut accumulator = Accumulator::new();
        // Batches of which no image can be read make no step, however many follow each other.
        while sum.samples == 0 {
            let before = taken;
            profile::phase("data");
            for batch in (&mut *batches).take(accumulate) {
                let batch = batch?;
                let place = taken % accumulate;
                taken += 1;
                match self.task.samples(&batch) {
                    0 => continue,
                    1 if self.needs_two => {
                        sink.event(&Event::LeftOut { epoch: self.position.epoch + 1 });
                        continue;
                    }
                    _ => {}
                }
                profile::phase("forward");
                let pass = self.pass(place);
                let output = self.task.forward(self.model, &batch, &pass);
                let (correct, samples) = (self.task.correct(&output, &batch), self.task.samples(&batch));
                let loss = self.task.train_loss(output, &batch);
                let value = loss.item::<f32>() as f64;
                if !value.is_finite() {
                    return Err(self.non_finite(&batch, place, value));
                }
                profile::phase("backward");
                accumulator.add(&self.model, loss.backward(), samples);
                profile::phase("data");
                sum.add(value, correct, samples);
            }
            if taken == before {
                self.position.batch += taken;
                profile::phase(profile::REST);
                return Ok(false);
            }
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
        position.batch += taken;
        position.steps += 1;
        let step = position.batch.div_ceil(accumulate);
        let (epoch, epochs) = (position.epoch + 1, self.config.epochs);
        let (samples, loss) = (sum.samples, sum.mean_loss());
        sink.event(&Event::Step { epoch, step, samples, loss });
        if step.is_multiple_of(self.config.log_every) || step == steps {
            let running = std::mem::take(&mut position.running);
            let (loss, accuracy, lr) = (running.mean_loss(), running.accuracy(), self.optimizer.lr());
            self.metrics.add_training(self.position.steps, epoch, loss, accuracy, lr)?;
            sink.event(&Event::Progress { epoch, epochs, step, steps, loss, accuracy, lr });
        }
        Ok(true)
    }

    /// The training pass of the batch at place `place` of the step.
    fn pass(&self, place: usize) -> Pass {
        let pass = self.passes.after(self.position.steps * self.config.accumulate as u64 + place as u64);
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
        let mut executable: Option<Executable> = None;
        for batch in test.epoch_from(0, 0) {
            if stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            let batch = batch?;
            if self.task.samples(&batch) == 0 {
                continue;
            }
            let input = self.task.input(&batch);
            let ready = executable.take().filter(|e| e.takes(std::slice::from_ref(&input)));
            let ready = executable.insert(ready.unwrap_or_else(|| self.task.executable(self.model, input.shape())));
            let output = ready.forward(input);
            let correct = self.task.correct(&output, &batch);
            let loss = self.task.loss(output, &batch).item::<f32>() as f64;
            tested.add(loss, correct, self.task.samples(&batch));
        }
        if tested.samples == 0 {
            return Err(TrainError::NothingMeasured { measured: self.measured });
        }
        Ok(Some(tested))
    }

    fn stop(&mut self, sink: &mut dyn Sink) -> Result<Outcome, TrainError> {
        self.checkpoint(sink)?;
        sink.event(&Event::Stopped { run: self.run.path().to_path_buf(), steps: self.position.steps });
        Ok(Outcome::Stopped)
    }

    /// Writes a checkpoint, unless a number in it is not finite: then the last one stays, for it is the last good one.
    pub fn checkpoint(&mut self, sink: &mut dyn Sink) -> Result<(), TrainError> {
        self.check_weights()?;
        let path = checkpoint::write(
            self.run,
            self.identity,
            &self.position,
            &self.model,
            self.optimizer,
            self.ema.as_deref(),
        )?;
        self.has_checkpoint = self.position.steps > 0;
        sink.event(&Event::Checkpoint { path, steps: self.position.steps });
        Ok(())
    }

    /// Checks the weights, the running statistics, their average and the optimizer's state.
    fn check_weights(&self) -> Result<(), TrainError> {
        let place = match self.non_finite_tensor() {
            None => return Ok(()),
            Some(place) => place,
        };
        Err(self.non_finite_error("the weights are not finite".into(), place))
    }

    /// The first tensor that holds a number that is not finite, in words.
    fn non_finite_tensor(&self) -> Option<String> {
        if let Some((name, _)) = first_fault(&state_dict(&self.model)) {
            let what = if name.contains("running_") { "the running statistics" } else { "the weights" };
            return Some(format!("first in {what} of layer {}", layer_of(name)));
        }
        if let Some((name, _)) = self.ema.as_ref().and_then(|ema| first_fault(ema.state().0)) {
            return Some(format!("first in the average of the weights of layer {}", layer_of(name)));
        }
        first_fault(&self.optimizer.state().tensors).map(|(name, _)| format!("first in the optimizer's {name}"))
    }

    /// Finds out where numbers first went wrong, by computing the step once more and reading every result.
    fn non_finite(&self, batch: &T::Batch, place: usize, loss: f64) -> TrainError {
        let what = format!("the loss is {loss}");
        if let Some(place) = self.non_finite_tensor() {
            return self.non_finite_error(what, place);
        }
        if !self.task.input(batch).is_finite() {
            return self.non_finite_error(what, "already in the images".into());
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
        self.non_finite_error(what, place)
    }

    /// The loss on the images to measure on is no number.
    fn non_finite_result(&self, loss: f64) -> TrainError {
        let what = format!("the {} loss is {loss}", self.measured.adjective());
        let place = self.non_finite_tensor().unwrap_or_else(|| "though all weights are finite".into());
        self.non_finite_error(what, place)
    }

    fn non_finite_error(&self, what: String, place: String) -> TrainError {
        TrainError::NonFinite {
            epoch: self.position.epoch + 1,
            step: self.position.steps + 1,
            what,
            place,
            lr: self.optimizer.lr(),
            checkpoint: self.has_checkpoint.then(|| self.run.checkpoint()),
        }
    }
}

/// `conv1` of `conv1.weight`.
fn layer_of(parameter: &str) -> &str {
    parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer)
}
