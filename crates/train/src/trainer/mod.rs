//! [`Trainer`]: trains a network that a program wrote.

mod faults;
mod find;
mod fit;
mod keeper;
mod settings;
mod step;
mod trial;

pub(crate) use fit::Loop;
pub use fit::Outcome;
pub(crate) use keeper::{Contents, Keeper, Kept};
pub(crate) use settings::LoopSettings;
pub(crate) use trial::{Halt, Taken, Trial};

use crate::batches::Batches;
use crate::callback::Callback;
use crate::checkpoint::{self, Identity};
use crate::error::TrainError;
use crate::events::{Event, Finished, Sink, Started};
use crate::learning_rate::{LearningRate, SchedulePlan};
use crate::metrics_csv::MetricsCsv;
use crate::recorder::{Record, Recorder};
use crate::run_dir::RunDir;
use crate::state::TrainState;
use crate::task::Task;
use keeper::Weights;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};
use striate_imaging::Split;
use striate_model::Provenance;
use striate_nn::{Adam, Ema, Module, Optimizer, Passes, Statistics};
use striate_tensor::{isa, num_threads};

/// Trains a network on any data: the loop with everything that goes with it.
///
/// ```no_run
/// use striate_data::DataLoader;
/// use striate_nn::AdamW;
/// use striate_train::{Classification, SchedulePlan, Trainer};
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut network = striate_zoo::MnistNet::new(10, &mut striate_tensor::Generator::new(0));
/// let data = striate_data::mnist()?;
/// let (train, held_out) = (DataLoader::new(data.train, 100).shuffle(0), DataLoader::new(data.test, 500));
/// let outcome = Trainer::new(&mut network, Classification::new(10))
///     .optimizer(AdamW::new(0.003))
///     .schedule(SchedulePlan::parse("onecycle")?)
///     .epochs(5)
///     .run_dir("runs/own")
///     .fit(&train, &held_out)?;
/// # Ok(()) }
/// ```
///
/// Same seed, data and build: same weights, on any number of threads and after a resumed training.
pub struct Trainer<'a, N: Module, T: Task<N>> {
    network: &'a mut N,
    task: T,
    optimizer: Box<dyn Optimizer + 'a>,
    schedule: Option<SchedulePlan>,
    ema: Option<f64>,
    callbacks: Vec<Box<dyn Callback<N> + 'a>>,
    sink: Option<&'a mut dyn Sink>,
    stop: Option<&'a AtomicBool>,
    run_dir: Option<PathBuf>,
    resume: bool,
    restore_best: bool,
    seed: u64,
    monitor: Option<String>,
    settings: LoopSettings,
}

impl<'a, N: Module, T: Task<N>> Trainer<'a, N, T> {
    /// Trains `network` at `task`: five epochs with Adam at a learning rate of 0.001, without a run directory.
    pub fn new(network: &'a mut N, task: T) -> Self {
        const EPOCHS: usize = 5;
        Trainer {
            network,
            task,
            optimizer: Box::new(Adam::new(0.001)),
            schedule: None,
            ema: None,
            callbacks: Vec::new(),
            sink: None,
            stop: None,
            run_dir: None,
            resume: false,
            restore_best: true,
            seed: 0,
            monitor: None,
            settings: LoopSettings {
                epochs: EPOCHS,
                until: EPOCHS,
                accumulate: 1,
                clip_norm: None,
                log_every: 100,
                checkpoint_every: None,
                patience: None,
                min_delta: 0.0,
                monitor: String::new(),
                dropout_scale: 1.0,
                statistics: Statistics::OfBatch,
                needs_two: false,
                measured: Split::Val,
                time_budget: None,
                max_batches: None,
            },
        }
    }

    /// With this optimizer.
    pub fn optimizer(mut self, optimizer: impl Optimizer + 'a) -> Self {
        self.optimizer = Box::new(optimizer);
        self
    }

    /// With a learning rate that changes like this; the optimizer's own is the largest.
    pub fn schedule(mut self, schedule: SchedulePlan) -> Self {
        self.schedule = Some(schedule);
        self
    }

    /// This many epochs in all.
    pub fn epochs(mut self, epochs: usize) -> Self {
        (self.settings.epochs, self.settings.until) = (epochs, epochs);
        self
    }

    /// With this seed for dropout and whatever else the network draws.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// With gradients of this many batches in each step.
    ///
    /// # Panics
    /// If `batches` is 0.
    pub fn accumulate(mut self, batches: usize) -> Self {
        assert!(batches > 0, "Trainer::accumulate: a step has one batch or more");
        self.settings.accumulate = batches;
        self
    }

    /// With gradients of this norm at most.
    pub fn clip_norm(mut self, max_norm: f64) -> Self {
        self.settings.clip_norm = Some(max_norm);
        self
    }

    /// With an average of the weights of this decay ([`Ema`], with warm-up), which is measured and kept in their place.
    pub fn ema(mut self, decay: f64) -> Self {
        self.ema = Some(decay);
        self
    }

    /// Stops after this many epochs without a better one (early stopping).
    pub fn patience(mut self, epochs: usize) -> Self {
        self.settings.patience = Some(epochs);
        self
    }

    /// An epoch counts as better if its metric is better by more than this.
    pub fn min_delta(mut self, min_delta: f64) -> Self {
        self.settings.min_delta = min_delta;
        self
    }

    /// Chooses the best epoch by this metric instead of the task's own. One that needs the scores of every sample held out, such as `roc_auc_macro`, is measured, and
    /// in `metrics.csv`, only where it is this.
    pub fn monitor(mut self, metric: &str) -> Self {
        self.monitor = Some(metric.to_string());
        self
    }

    /// Whether the network has the weights of the best epoch at the end, and not those of the last. It has by default.
    pub fn restore_best(mut self, restore_best: bool) -> Self {
        self.restore_best = restore_best;
        self
    }

    /// Ends after this time of training, with the step under way. How far a training comes in it depends on the machine.
    pub fn time_budget(mut self, budget: Duration) -> Self {
        self.settings.time_budget = Some(budget);
        self
    }

    /// Ends each epoch, of training and of measuring, after this many batches: to see whether everything works.
    pub fn max_batches(mut self, batches: usize) -> Self {
        self.settings.max_batches = Some(batches);
        self
    }

    /// Reports progress every `steps` steps.
    ///
    /// # Panics
    /// If `steps` is 0.
    pub fn log_every(mut self, steps: usize) -> Self {
        assert!(steps > 0, "Trainer::log_every: there is one step or more between two lines");
        self.settings.log_every = steps;
        self
    }

    /// Writes a checkpoint every `steps` steps, besides the one after each epoch.
    ///
    /// # Panics
    /// If `steps` is 0.
    pub fn checkpoint_every(mut self, steps: u64) -> Self {
        assert!(steps > 0, "Trainer::checkpoint_every: there is one step or more between two checkpoints");
        self.settings.checkpoint_every = Some(steps);
        self
    }

    /// Says what the samples that are measured on are for: [`Split::Val`] by default.
    pub fn measured(mut self, split: Split) -> Self {
        self.settings.measured = split;
        self
    }

    /// Calls this at certain points, after those that were added before.
    pub fn callback(mut self, callback: impl Callback<N> + 'a) -> Self {
        self.callbacks.push(Box::new(callback));
        self
    }

    /// Tells this of what happens.
    pub fn sink(mut self, sink: &'a mut dyn Sink) -> Self {
        self.sink = Some(sink);
        self
    }

    /// Stops after the step under way once this is set, with a checkpoint.
    pub fn stop(mut self, stop: &'a AtomicBool) -> Self {
        self.stop = Some(stop);
        self
    }

    /// Keeps checkpoints, `metrics.csv` and the weights of the best and of the last epoch in this directory: `checkpoint.safetensors`,
    /// `model.safetensors` and `last.safetensors`.
    pub fn run_dir(mut self, path: impl Into<PathBuf>) -> Self {
        self.run_dir = Some(path.into());
        self
    }

    /// Whether a training that left off in the run directory goes on there; one that did not begin begins. Without it a directory that holds a
    /// training already is an error. The weights come from the checkpoint; everything else must be as it was.
    pub fn resume(mut self, resume: bool) -> Self {
        self.resume = resume;
        self
    }

    /// Trains on `train`, and measures on `held_out` after each epoch.
    ///
    /// # Errors
    /// If a batch cannot be made, a number is not finite, a file cannot be written, a callback panics, or the training in the run directory is
    /// another one.
    pub fn fit(
        mut self,
        train: &dyn Batches<Batch = T::Batch>,
        held_out: &dyn Batches<Batch = T::Batch>,
    ) -> Result<Outcome, TrainError> {
        let began = Instant::now();
        self.settings.monitor = self.monitor.take().unwrap_or_else(|| self.task.monitor().to_string());
        check_monitor(&self.settings.monitor, self.task.name(), &Loop::<N, T>::monitor_names(&self.task))?;
        let names = Loop::<N, T>::metric_names(&self.task, &self.settings.monitor);
        let mut silent = ();
        let sink = self.sink.take().unwrap_or(&mut silent);
        let (run, resumes) = match &self.run_dir {
            None => (None, false),
            Some(path) if self.resume && RunDir::has_checkpoint(path) => (Some(RunDir::take_up(path)?), true),
            Some(path) => (Some(RunDir::create_at(path)?), false),
        };
        let mut sink = Recorder::new(sink, run.as_ref().map(RunDir::path));
        let provenance = Provenance::default;
        let identity = Identity { model: OWN, seed: self.seed, classes: &[], provenance: &provenance };
        let mut ema = self.ema.map(|decay| Ema::new(&*self.network, decay).warmup(true));
        let mut state = TrainState::default();
        if let Some(run) = run.as_ref().filter(|_| resumes) {
            let optimizer = &mut *self.optimizer;
            let loaded = checkpoint::load(&run.checkpoint(), identity, self.network, optimizer, ema.as_mut())?;
            state = loaded.state;
        }
        let learning_rate = match &self.schedule {
            None => None,
            Some(plan) => {
                let steps = train.per_epoch().map(|n| self.settings.steps_of(n)).ok_or(TrainError::EpochLength)?;
                let plateau = state.plateau.as_ref();
                Some(LearningRate::new(plan, self.optimizer.lr(), self.settings.epochs, steps, plateau))
            }
        };
        let steps = train.per_epoch().map(|n| self.settings.steps_of(n));
        sink.event(&Event::Started(Box::new(Started {
            task: self.task.name().to_string(),
            run: run.as_ref().map(|run| run.path().to_path_buf()),
            model: String::new(),
            parameters: self.network.num_parameters(),
            data: None,
            measured: self.settings.measured,
            epochs: self.settings.epochs,
            steps,
            batch_size: None,
            seed: self.seed,
            threads: num_threads(),
            isa: isa::isa().name(),
            resumed_at: resumes.then_some(state.steps),
        })));
        let (mut csv, unwritten) = match &run {
            None => (None, None),
            Some(run) => MetricsCsv::open(&run.metrics(), &names, resumes.then_some(&state)),
        };
        unwritten.into_iter().for_each(|why| sink.unwritten(why));
        let mut keeper = Weights { run: run.as_ref(), identity, has_checkpoint: state.steps > 0, best: None };
        let running = Loop::running_of(&self.task, &mut state);
        let outcome = Loop {
            passes: Passes::new(&*self.network, self.seed).accumulate(self.settings.accumulate as u64),
            task: &self.task,
            network: &mut *self.network,
            optimizer: &mut *self.optimizer,
            train,
            last_step: None,
            learning_rate,
            ema: ema.as_mut(),
            settings: self.settings.clone(),
            keeper: &mut keeper,
            csv: &mut csv,
            state: &mut state,
            callbacks: &mut self.callbacks,
            sink: &mut sink,
            stop: self.stop.unwrap_or(&NEVER),
            running,
            panicked: None,
            since: Instant::now(),
        }
        .run(held_out);
        let outcome = sink.kept(outcome)?;
        if let Outcome::Finished { best, last } = &outcome {
            if self.restore_best {
                keeper.restore(self.network)?;
            } else if let Some(ema) = &mut ema {
                ema.swap(self.network);
            }
            sink.event(&Event::Finished(Box::new(Finished {
                model: run.as_ref().map(RunDir::model),
                last_model: run.as_ref().map(RunDir::last_model),
                run: run.as_ref().map(|run| run.path().to_path_buf()),
                split: self.settings.measured,
                monitor: self.settings.monitor,
                best: best.clone(),
                last: last.clone(),
                baseline: None,
                seconds: began.elapsed().as_secs_f64(),
            })));
        }
        Ok(outcome)
    }
}

/// The flag of a training that nothing stops.
static NEVER: AtomicBool = AtomicBool::new(false);

/// What the checkpoints of a program's own network are of.
const OWN: &str = "a network of a program";

/// Whether a task measures the metric by which the best epoch is to be chosen.
pub(crate) fn check_monitor(monitor: &str, task: &str, names: &[String]) -> Result<(), TrainError> {
    if names.iter().any(|name| name == monitor) {
        return Ok(());
    }
    Err(TrainError::UnknownMetric { name: monitor.into(), task: task.into(), some: names.to_vec() })
}
