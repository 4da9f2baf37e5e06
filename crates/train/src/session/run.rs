//! The run itself: one stage after the other.

use super::Session;
use super::any_task::{AnyTask, WithTask};
use crate::card;
use crate::checkpoint::{self, Identity};
use crate::config::ResolvedConfig;
use crate::data::Splits;
use crate::error::TrainError;
use crate::events::{Event, Finished, Sink, Started, StartedData};
use crate::finetune::{Part, Tuned, features};
use crate::learning_rate::LearningRate;
use crate::loader::{Loader, measuring_batch};
use crate::metrics_csv::MetricsCsv;
use crate::network;
use crate::phase::Phase;
use crate::recorder::{Record, Recorder};
use crate::run_dir::{BAD_IMAGES, RunDir};
use crate::state::Measured;
use crate::targets;
use crate::task::Task;
use crate::trainer::{Contents, Keeper, Kept, Loop, LoopSettings, Outcome, check_monitor};
use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use striate_data::images::BadImage;
use striate_formats::write_atomic;
use striate_imaging::Preprocessing;
use striate_model::Model;
use striate_nn::{Classifier, Module, Passes};
use striate_tensor::{isa, num_threads};

impl Session {
    /// Trains until all epochs are done.
    ///
    /// # Errors
    /// If an image or a file cannot be used, or a number is not finite.
    pub fn run(&mut self, sink: &mut dyn Sink) -> Result<Outcome, TrainError> {
        self.run_until(&AtomicBool::new(false), sink)
    }

    /// As [`Session::run`], until `stop` is set: then the step under way is the last, and a checkpoint is written.
    ///
    /// # Errors
    /// As [`Session::run`].
    pub fn run_until(&mut self, stop: &AtomicBool, sink: &mut dyn Sink) -> Result<Outcome, TrainError> {
        let task = AnyTask::of(&self.config, &self.data);
        self.config.compute_settings().scope(|| task.with(Stages { session: self, sink, stop }))
    }

    fn run_stages<T>(&mut self, task: &T, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Outcome, TrainError>
    where
        T: Task<Tuned, Batch = striate_data::Batch>,
    {
        let run = self.run.path().to_path_buf();
        let mut recorder = Recorder::new(sink, Some(&run));
        let outcome = self.recorded_stages(task, &mut recorder, stop);
        recorder.kept(outcome)
    }

    fn recorded_stages<T>(&mut self, task: &T, sink: &mut Recorder, stop: &AtomicBool) -> Result<Outcome, TrainError>
    where
        T: Task<Tuned, Batch = striate_data::Batch>,
    {
        let began = Instant::now();
        let monitor = self.config.monitor.clone().unwrap_or_else(|| task.monitor().to_string());
        check_monitor(&monitor, task.name(), &Loop::<Tuned, T>::monitor_names(task))?;
        let names = Loop::<Tuned, T>::metric_names(task, &monitor);
        self.announce(task.name(), sink);
        let Session { config, run, data, preprocessing, network, carried, ema, resumed, started_from } = self;
        let (mut csv, unwritten) = MetricsCsv::open(&run.metrics(), &names, resumed.as_ref());
        unwritten.into_iter().for_each(|why| sink.unwritten(why));
        let mut state = resumed.clone().unwrap_or_default();
        let classes = data.classes.clone();
        let seen = OnceCell::new();
        let provenance = || seen.get_or_init(|| started_from.union(&data.provenance())).clone();
        let identity = Identity { model: &config.model, seed: config.seed, classes: &classes, provenance: &provenance };
        let phases = config.phases();
        if resumed.is_none() {
            // So that even a run killed in its first step can go on.
            let optimizer = config.optimizer_for(&phases[0], &*network.network);
            let before = || started_from.clone();
            let identity = Identity { provenance: &before, ..identity };
            let path = checkpoint::write(run, identity, &state, network, &*optimizer, ema.as_ref())?;
            sink.event(&Event::Checkpoint { path, steps: state.steps });
        }
        let mut carried = std::mem::take(carried);
        let needs_two = config.needs_two(&*network.network, preprocessing.output_shape());
        let plan = config.schedule_plan()?;
        let mut bad = data.bad.clone();
        let mut keeper = RunKeeper {
            has_checkpoint: state.steps > 0,
            run,
            identity,
            config,
            data,
            preprocessing,
            monitor: &monitor,
        };
        let mut outcome = Outcome::Stopped;
        let last = phases.len() - 1;
        for (number, phase) in phases.iter().enumerate() {
            if state.epoch >= phase.epochs.end && number < last {
                continue;
            }
            if let Some(text) = phase.describe(config, &*network.network) {
                sink.event(&Event::Note { text });
            }
            let loaders = Pair::of_stage(config, phase, data, preprocessing, &*network.network, sink, stop)?;
            let Some(loaders) = loaders else {
                sink.event(&Event::Stopped { run: Some(run.path().to_path_buf()), steps: state.steps });
                break;
            };
            let mut optimizer = config.optimizer_for(phase, &*network.network);
            if state.epoch == phase.epochs.start && state.batch == 0 {
                state.plateau = None;
                state.stage_start = state.steps;
                state.stale = 0;
            } else {
                optimizer.set_state(std::mem::take(&mut carried));
            }
            let settings = LoopSettings { until: phase.epochs.end, needs_two, ..config.loop_settings(&monitor, data) };
            let per_epoch = loaders.train.batches();
            let learning_rate = plan.as_ref().map(|plan| {
                let (epochs, plateau) = (phase.epochs.len(), state.plateau.as_ref());
                LearningRate::new(plan, phase.lr, epochs, settings.steps_of(per_epoch), plateau)
                    .starting_at(state.stage_start)
            });
            network.part = phase.part;
            let running = Loop::<Tuned, T>::running_of(task, &mut state);
            outcome = Loop {
                passes: Passes::new(&*network, config.seed).accumulate(settings.accumulate as u64),
                task,
                network,
                optimizer: &mut *optimizer,
                train: &loaders.train,
                last_step: None,
                learning_rate,
                ema: ema.as_mut(),
                settings,
                keeper: &mut keeper,
                csv: &mut csv,
                state: &mut state,
                callbacks: &mut [],
                sink,
                stop,
                running,
                panicked: None,
                since: Instant::now(),
            }
            .run(&loaders.held_out)?;
            bad.extend([loaders.train.bad(), loaders.held_out.bad()].concat());
            if outcome == Outcome::Stopped {
                break;
            }
        }
        if !bad.is_empty() {
            sink.event(&list_bad(run, bad)?);
        }
        if let Outcome::Finished { best, last } = &outcome {
            // What is said to be done is a file that every verb reads.
            Model::load(&run.model())?;
            sink.event(&Event::Finished(Box::new(Finished {
                run: Some(run.path().to_path_buf()),
                model: Some(run.model()),
                last_model: Some(run.last_model()),
                split: data.measured,
                monitor,
                best: best.clone(),
                last: last.clone(),
                baseline: targets::baseline(config.task, data),
                seconds: began.elapsed().as_secs_f64(),
            })));
        }
        Ok(outcome)
    }

    fn announce(&self, task: &str, sink: &mut dyn Sink) {
        let Session { config, data, .. } = self;
        let batches = config.epoch_samples(data.train.len()).div_ceil(config.batch_size);
        sink.event(&Event::Started(Box::new(Started {
            task: task.to_string(),
            run: Some(self.run.path().to_path_buf()),
            model: config.model.clone(),
            parameters: self.network.num_parameters(),
            data: Some(StartedData {
                data: data.name.clone(),
                classes: data.classes.clone(),
                input: self.preprocessing.output_shape(),
                train_samples: data.train.len(),
                measured_samples: data.held_out.len(),
                epoch_fraction: config.epoch_fraction,
            }),
            measured: data.measured,
            epochs: config.epochs,
            steps: Some(batches.div_ceil(config.accumulate)),
            batch_size: Some(config.batch_size * config.accumulate),
            seed: config.seed,
            threads: num_threads(),
            isa: isa::isa().name(),
            resumed_at: self.resumed.as_ref().map(|state| state.steps),
        })));
        data.notes.iter().for_each(|text| sink.event(&Event::Note { text: text.clone() }));
        data.weights.iter().for_each(|text| sink.event(&Event::Weights { text: text.clone() }));
    }
}

/// All stages of a run.
struct Stages<'a> {
    session: &'a mut Session,
    sink: &'a mut dyn Sink,
    stop: &'a AtomicBool,
}

impl WithTask for Stages<'_> {
    type Output = Result<Outcome, TrainError>;

    fn run<T: Task<Tuned, Batch = striate_data::Batch>>(self, task: &T) -> Self::Output {
        self.session.run_stages(task, self.sink, self.stop)
    }
}

/// Whether a task measures a metric, where the best epoch is chosen by `monitor`.
struct Measures<'a> {
    metric: &'a str,
    monitor: Option<&'a str>,
}

impl WithTask for Measures<'_> {
    type Output = Result<(), TrainError>;

    fn run<T: Task<Tuned, Batch = striate_data::Batch>>(self, task: &T) -> Self::Output {
        let names = match self.monitor.unwrap_or(task.monitor()) {
            monitor if monitor == self.metric => Loop::<Tuned, T>::monitor_names(task),
            monitor => Loop::<Tuned, T>::metric_names(task, monitor),
        };
        check_monitor(self.metric, task.name(), &names)
    }
}

/// Refuses a metric that a run with these settings does not measure.
pub(super) fn check_metric(config: &ResolvedConfig, data: &Splits, metric: &str) -> Result<(), TrainError> {
    // Weights of classes are counted over all targets, and change no name.
    let mut config = config.clone();
    config.images.class_weights = false;
    AnyTask::of(&config, data).with(Measures { metric, monitor: config.monitor.as_deref() })
}

/// Checkpoints and model files in the directory of a run.
struct RunKeeper<'a> {
    run: &'a RunDir,
    identity: Identity<'a>,
    has_checkpoint: bool,
    config: &'a ResolvedConfig,
    data: &'a Splits,
    preprocessing: &'a Preprocessing,
    monitor: &'a str,
}

impl Keeper<Tuned> for RunKeeper<'_> {
    fn checkpoint(&mut self, contents: Contents<Tuned>) -> Result<Option<PathBuf>, TrainError> {
        let Contents { state, network, optimizer, ema } = contents;
        let path = checkpoint::write(self.run, self.identity, state, network, optimizer, ema)?;
        self.has_checkpoint = state.steps > 0;
        Ok(Some(path))
    }

    fn model(&mut self, tuned: &Tuned, which: Kept, measured: &Measured) -> Result<(), TrainError> {
        let RunKeeper { run, identity, config, data, preprocessing, monitor, .. } = self;
        let provenance = (identity.provenance)();
        let training = card::training(config, measured, monitor, data.measured, provenance);
        let card = card::card(&config.model, data, preprocessing, training, &*tuned.network);
        let card = card.for_task(targets::task_card(config.task, &config.model, data, &measured.calibration));
        let path = match which {
            Kept::Best => run.model(),
            Kept::Last => run.last_model(),
        };
        network::save(&path, &card, &*tuned.network)
    }

    fn has_best(&self) -> bool {
        self.run.model().is_file()
    }

    fn last_checkpoint(&self) -> Option<PathBuf> {
        self.has_checkpoint.then(|| self.run.checkpoint())
    }

    fn outputs(&self) -> &[String] {
        self.identity.classes
    }

    fn directory(&self) -> Option<PathBuf> {
        Some(self.run.path().to_path_buf())
    }
}

/// Features in a batch where nothing is learnt. It changes no result.
const FEATURES: usize = 250;

/// Training batches and those to measure on.
pub(super) struct Pair {
    pub train: Loader,
    held_out: Loader,
}

impl Pair {
    /// Those of a stage; none if `stop` is set on the way.
    pub fn of_stage(
        config: &ResolvedConfig,
        phase: &Phase,
        data: &Splits,
        preprocessing: &Preprocessing,
        network: &dyn Classifier,
        sink: &mut dyn Sink,
        stop: &AtomicBool,
    ) -> Result<Option<Pair>, TrainError> {
        let images = Pair::of_images(config, phase, data, preprocessing)?;
        let loaders = match phase.part {
            Part::HeadOnFeatures => images.into_features(network, config, sink, stop)?,
            _ => Some(images),
        };
        let Some(mut loaders) = loaders else { return Ok(None) };
        if config.images.balance {
            let weights = targets::class_weights(&data.train, data.classes.len());
            let each = (0..data.train.len()).map(|i| weights[data.train.target(i).class()]).collect();
            loaders.train = loaders.train.weights(each);
        }
        let needs_two = config.needs_two(network, preprocessing.output_shape());
        loaders.train = loaders.train.join_single(needs_two).limit(config.epoch_samples(data.train.len()));
        Ok(Some(loaders))
    }

    /// Of images; those to learn from are changed at random where the whole network learns or each is seen anew.
    fn of_images(
        config: &ResolvedConfig,
        phase: &Phase,
        data: &Splits,
        preprocessing: &Preprocessing,
    ) -> Result<Pair, TrainError> {
        let measuring = measuring_batch(preprocessing.output_shape());
        let train = match phase.part {
            Part::HeadOnFeatures => Loader::in_order(&data.train, preprocessing, measuring),
            _ => {
                let changes = config.images.augmentations(preprocessing.size[0])?;
                let (size, classes) = (config.batch_size, data.classes.len());
                let mix_until = config.epochs.saturating_sub(config.images.mix_off_epochs);
                let changes = (changes, mix_until);
                Loader::augmented(&data.train, preprocessing, size, config.seed, changes, classes)
            }
        };
        Ok(Pair { train, held_out: Loader::in_order(&data.held_out, preprocessing, measuring) })
    }

    /// Of what `network` makes of the images; none if `stop` is set on the way.
    fn into_features(
        self,
        network: &dyn Classifier,
        config: &ResolvedConfig,
        sink: &mut dyn Sink,
        stop: &AtomicBool,
    ) -> Result<Option<Pair>, TrainError> {
        let total = self.train.len() + self.held_out.len();
        let Some(train) = features::compute(network, &self.train, (0, total), sink, stop)? else { return Ok(None) };
        let done = self.train.len();
        let Some(held_out) = features::compute(network, &self.held_out, (done, total), sink, stop)? else {
            return Ok(None);
        };
        Ok(Some(Pair {
            train: Loader::features(train, config.batch_size, Some(config.seed)),
            held_out: Loader::features(held_out, FEATURES, None),
        }))
    }
}

/// How many unreadable images are named at the end.
const NAMED: usize = 3;

/// Writes the list of what could not be read, and tells of it.
pub(crate) fn list_bad(run: &RunDir, mut bad: Vec<BadImage>) -> Result<Event, TrainError> {
    bad.sort_by(|a, b| a.path.cmp(&b.path));
    let list = run.path().join(BAD_IMAGES);
    let lines: String = bad.iter().map(|b| format!("{}\n", b.reason)).collect();
    write_atomic(&list, lines.as_bytes())?;
    let reasons = bad.iter().take(NAMED).map(|b| b.reason.clone()).collect();
    Ok(Event::BadImages { count: bad.len(), reasons, list })
}
