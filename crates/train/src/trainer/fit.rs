//! The training loop.

use crate::batches::Batches;
use crate::callback::{Callback, Context};
use crate::error::TrainError;
use crate::events::Event;
use crate::learning_rate::LearningRate;
use crate::metrics::Detail;
use crate::metrics_csv::{MetricsCsv, Row};
use crate::recorder::Record;
use crate::state::{LOSS, Measured, Tally, TrainState};
use crate::task::Task;
use crate::trainer::faults::LastStep;
use crate::trainer::keeper::{Contents, Keeper, Kept};
use crate::trainer::settings::LoopSettings;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use striate_imaging::Split;
use striate_nn::{Ema, Module, Optimizer, Passes};
use striate_tensor::{catch_panic, profile};

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// All epochs are done, or something ended them early.
    Finished {
        /// The epoch whose weights are the model's.
        best: Measured,
        /// The last one.
        last: Measured,
    },
    /// It was asked to stop, and has written a checkpoint.
    Stopped,
}

impl Outcome {
    /// The epoch whose weights are the model's; none of a training that was stopped.
    pub fn best(&self) -> Option<&Measured> {
        match self {
            Outcome::Finished { best, .. } => Some(best),
            Outcome::Stopped => None,
        }
    }
}

/// What the loop works with: one stage of a run, or all of it.
pub(crate) struct Loop<'a, 'c, N: Module, T: Task<N>> {
    pub task: &'a T,
    pub network: &'a mut N,
    pub optimizer: &'a mut dyn Optimizer,
    pub train: &'a dyn Batches<Batch = T::Batch>,
    /// The last step of this process.
    pub last_step: Option<LastStep>,
    /// How the learning rate changes; the optimizer's own stays if there is none.
    pub learning_rate: Option<LearningRate>,
    /// The average of weights that is measured and saved in the place of the weights.
    pub ema: Option<&'a mut Ema>,
    pub settings: LoopSettings,
    pub keeper: &'a mut dyn Keeper<N>,
    pub csv: &'a mut Option<MetricsCsv>,
    pub state: &'a mut TrainState,
    pub callbacks: &'a mut [Box<dyn Callback<N> + 'c>],
    pub sink: &'a mut dyn Record,
    /// Looked at after each step.
    pub stop: &'a AtomicBool,
    pub passes: Passes,
    /// What the next line of progress sums up.
    pub running: Tally<T::Metrics>,
    /// The message of a callback that panicked.
    pub panicked: Option<String>,
    /// When the time that counts began.
    pub since: Instant,
}

/// What samples held out gave, and the metrics that this was made of; none of a training that was asked to stop.
type MeasuredWith<M> = Option<(Measured, M)>;

/// How an epoch's steps ended.
enum Steps {
    Done,
    Stopped,
}

impl<N: Module, T: Task<N>> Loop<'_, '_, N, T> {
    /// The names of all that can be monitored: the loss, and the metrics of training and of samples held out.
    pub fn monitor_names(task: &T) -> Vec<String> {
        Self::names_with(task, Detail::Scores)
    }

    /// The names of the columns of `metrics.csv`: of what can be monitored, those that need the scores of every sample only where one of them is.
    pub fn metric_names(task: &T, monitor: &str) -> Vec<String> {
        Self::names_with(task, Self::detail(task, monitor))
    }

    /// How much is kept of each sample held out: what the monitored metric needs.
    fn detail(task: &T, monitor: &str) -> Detail {
        let has = |detail| Self::names_with(task, detail).iter().any(|name| name == monitor);
        if !has(Detail::Full) && has(Detail::Scores) { Detail::Scores } else { Detail::Full }
    }

    fn names_with(task: &T, detail: Detail) -> Vec<String> {
        let mut names = vec![LOSS.to_string()];
        for detail in [Detail::Running, Detail::Full, detail] {
            for metric in crate::metrics::Metrics::finish(&task.metrics(detail)) {
                if !names.contains(&metric.name) {
                    names.push(metric.name);
                }
            }
        }
        names
    }

    /// The metrics of no samples while training, or those that a checkpoint holds.
    pub fn running_of(task: &T, state: &mut TrainState) -> Tally<T::Metrics> {
        let kept = serde_json::from_value(std::mem::take(&mut state.running));
        kept.unwrap_or_else(|_| Tally::new(task.metrics(Detail::Running)))
    }

    /// Trains until all epochs are done or the flag is set.
    pub fn run(&mut self, held_out: &dyn Batches<Batch = T::Batch>) -> Result<Outcome, TrainError> {
        self.check_weights()?;
        let kept = std::mem::take(&mut self.state.callbacks);
        self.callbacks.iter_mut().zip(kept).for_each(|(callback, state)| callback.set_state(state));
        self.call(|callback, context| callback.before_fit(context));
        self.check_callbacks()?;
        while self.state.epoch < self.settings.until {
            let began = (self.state.batch, self.state.steps);
            if let Steps::Stopped = self.epoch()? {
                return self.stopped();
            }
            if began == (0, self.state.steps) {
                return Err(TrainError::NothingMeasured { measured: Split::Train });
            }
            self.call(|callback, context| callback.before_validation(context));
            let Some((measured, metrics)) = self.measure(held_out)? else { return self.stopped() };
            self.call(|callback, context| callback.after_validation(context, &measured));
            self.epoch_is_over(measured, &metrics)?;
            self.checkpoint()?;
            self.check_callbacks()?;
        }
        self.call(|callback, context| callback.after_fit(context));
        let (best, last) = match (self.state.best.clone(), self.state.last.clone()) {
            (Some(best), Some(last)) => (best, last),
            // A run without an epoch.
            _ => {
                let Some((last, _)) = self.measure(held_out)? else { return self.stopped() };
                (last.clone(), last)
            }
        };
        if self.settings.until == self.settings.epochs {
            self.save(Kept::Last, &last)?;
            if !self.keeper.has_best() {
                self.save(Kept::Best, &last)?;
                return Ok(Outcome::Finished { best: last.clone(), last });
            }
        }
        self.check_callbacks()?;
        Ok(Outcome::Finished { best, last })
    }

    /// The steps of an epoch that are left.
    fn epoch(&mut self) -> Result<Steps, TrainError> {
        let train = self.train;
        if self.state.batch == 0 {
            self.call(|callback, context| callback.before_epoch(context));
            self.check_callbacks()?;
        }
        let mut batches = train.epoch_from(self.state.epoch, self.state.batch);
        let steps = train.per_epoch().map(|n| self.settings.steps_of(n));
        while !self.epoch_is_cut_short() && self.step(&mut *batches, steps)? {
            if let Some(budget) = self.settings.time_budget.map(|budget| budget.as_secs_f64()) {
                self.state.seconds += self.since.elapsed().as_secs_f64();
                self.since = Instant::now();
                if self.state.seconds >= budget {
                    self.state.ending.get_or_insert(format!("the time budget of {budget} s is used up"));
                }
            }
            if self.stop.load(Ordering::Relaxed) {
                return Ok(Steps::Stopped);
            }
            self.check_callbacks()?;
            if self.settings.checkpoint_every.is_some_and(|n| self.state.steps.is_multiple_of(n)) {
                self.checkpoint()?;
            }
        }
        Ok(Steps::Done)
    }

    /// Whether an epoch that has had a step has no more, though there may be batches left.
    fn epoch_is_cut_short(&self) -> bool {
        self.state.batch > 0 && (self.state.ending.is_some() || self.settings.is_full(self.state.batch))
    }

    /// Takes note of what an epoch's weights gave, keeps them if they are the best, and moves on to the next epoch.
    fn epoch_is_over(&mut self, measured: Measured, metrics: &T::Metrics) -> Result<(), TrainError> {
        if !measured.loss().is_finite() {
            return Err(self.non_finite_result(measured.loss()));
        }
        self.check_weights()?;
        let (epochs, steps, epoch) = (self.settings.epochs, self.state.steps, measured.epoch);
        let split = self.settings.measured;
        self.write_csv(Row { steps, epoch, split, training: None, metrics: &measured.metrics });
        let (values, monitor) = (measured.metrics.clone(), self.settings.monitor.clone());
        self.sink.event(&Event::Measured { epoch, epochs, steps, split, metrics: values, monitor });
        self.call(|callback, context| callback.after_epoch(context, &measured));
        let (settings, state) = (&self.settings, &mut *self.state);
        state.epoch += 1;
        state.batch = 0;
        if let Some(rate) = &mut self.learning_rate {
            state.plateau = rate.measured(measured.loss());
        }
        state.stale += 1;
        let replaces = state.best.as_ref().is_none_or(|best| measured.replaces(best, &settings.monitor));
        if state.best.as_ref().is_none_or(|b| measured.improves(b, &settings.monitor, settings.min_delta)) {
            state.stale = 0;
        }
        state.last = Some(measured.clone());
        if replaces {
            state.best = Some(measured.clone());
            // The model first: a run killed between the two does its last steps again and writes it anew.
            self.save(Kept::Best, &measured)?;
            self.draw(metrics);
        }
        let state = &mut *self.state;
        let best = state.best.as_ref().map_or(0, |best| best.epoch);
        if self.settings.patience.is_some_and(|patience| state.stale >= patience) && state.epoch < self.settings.until {
            let epochs = if state.stale == 1 { "epoch" } else { "epochs" };
            state.ending.get_or_insert(format!("{} {epochs} since the best, epoch {best}", state.stale));
        }
        if let Some(reason) = state.ending.take()
            && state.epoch < self.settings.until
        {
            self.sink.event(&Event::StoppedEarly { epoch, epochs, best, reason });
            state.epoch = self.settings.until;
        }
        Ok(())
    }

    /// Adds a line to `metrics.csv`. A training does not end because its disk is full: that is said once.
    pub fn write_csv(&mut self, row: Row) {
        if let Some(text) = MetricsCsv::add_or_give_up(self.csv, &row) {
            self.sink.unwritten(text);
        }
    }

    /// Keeps a picture of what the best epoch gets right and wrong, if there is a directory and the task draws one.
    fn draw(&mut self, metrics: &T::Metrics) {
        if self.keeper.directory().is_some()
            && let Some((name, svg)) = self.task.picture(metrics, self.keeper.outputs())
        {
            self.sink.picture(name, svg);
        }
    }

    /// Writes a model file of the weights, or of their average if there is one.
    fn save(&mut self, which: Kept, measured: &Measured) -> Result<(), TrainError> {
        self.swap_average();
        let saved = self.keeper.model(self.network, which, measured);
        self.swap_average();
        saved
    }

    /// Exchanges the weights and their average, if there is one.
    fn swap_average(&mut self) {
        if let Some(ema) = &mut self.ema {
            ema.swap(&mut *self.network);
        }
    }

    /// The loss and the metrics on samples held out, of the averaged weights if there are any; none if asked to stop on the way.
    fn measure(&mut self, batches: &dyn Batches<Batch = T::Batch>) -> Result<MeasuredWith<T::Metrics>, TrainError> {
        profile::phase("validation");
        self.swap_average();
        let measured = self.measure_current(batches);
        self.swap_average();
        profile::phase(profile::REST);
        measured
    }

    fn measure_current(&self, batches: &dyn Batches<Batch = T::Batch>) -> Result<MeasuredWith<T::Metrics>, TrainError> {
        let detail = Self::detail(self.task, &self.settings.monitor);
        let mut tally = Tally::new(self.task.metrics(detail));
        let mut evaluate = self.task.evaluator(self.network);
        for (number, batch) in batches.epoch_from(0, 0).enumerate() {
            if self.stop.load(Ordering::Relaxed) {
                return Ok(None);
            }
            if self.settings.is_full(number) {
                break;
            }
            let batch = batch?;
            let samples = self.task.samples(&batch);
            if samples == 0 {
                continue;
            }
            let output = evaluate(&batch);
            self.task.measure(&output, &batch, &mut tally.metrics);
            tally.add_loss(self.task.loss(output, &batch).item::<f32>() as f64, samples);
        }
        if tally.samples == 0 {
            return Err(TrainError::NothingMeasured { measured: self.settings.measured });
        }
        let (epoch, calibration) = (self.state.epoch + 1, self.task.calibrate(&tally.metrics));
        let measured = Measured { epoch, samples: tally.samples, metrics: tally.finish(), calibration };
        Ok(Some((measured, tally.metrics)))
    }

    fn stopped(&mut self) -> Result<Outcome, TrainError> {
        self.check_callbacks()?;
        self.checkpoint()?;
        self.sink.event(&Event::Stopped { run: self.keeper.directory(), steps: self.state.steps });
        Ok(Outcome::Stopped)
    }

    /// Writes a checkpoint, unless a number in it is not finite: then the last one stays, for it is the last good one.
    fn checkpoint(&mut self) -> Result<(), TrainError> {
        self.check_weights()?;
        self.state.running = serde_json::to_value(&self.running).expect("metrics are plain values");
        self.state.callbacks = self.callbacks.iter().map(|callback| callback.state()).collect();
        let (optimizer, ema) = (&*self.optimizer, self.ema.as_deref());
        let written = self.keeper.checkpoint(Contents { state: self.state, network: self.network, optimizer, ema });
        self.state.running = serde_json::Value::Null;
        if let Some(path) = written? {
            self.sink.event(&Event::Checkpoint { path, steps: self.state.steps });
            self.sink.stands(self.state, &self.settings.monitor);
        }
        Ok(())
    }

    /// Calls every callback. What one of them panics with is kept for [`Loop::check_callbacks`], so that the step is completed first.
    pub fn call(&mut self, mut f: impl FnMut(&mut dyn Callback<N>, &mut Context<N>)) {
        let mut ending = self.state.ending.take();
        for callback in self.callbacks.iter_mut() {
            let mut context = Context {
                network: &*self.network,
                state: self.state,
                optimizer: &mut *self.optimizer,
                stop: &mut ending,
            };
            if self.panicked.is_none()
                && let Err(message) = catch_panic(|| f(&mut **callback, &mut context))
            {
                self.panicked = Some(message);
            }
        }
        self.state.ending = ending;
    }

    /// The error of a callback that panicked, if one did.
    fn check_callbacks(&mut self) -> Result<(), TrainError> {
        let Some(message) = self.panicked.take() else { return Ok(()) };
        if self.state.steps > 0 {
            self.checkpoint()?;
        }
        Err(TrainError::Callback { message, steps: self.state.steps, checkpoint: self.keeper.last_checkpoint() })
    }
}
