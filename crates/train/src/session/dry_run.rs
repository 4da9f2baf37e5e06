//! [`DryRun`]: what can be found out before a run.

use super::any_task::{AnyTask, WithTask};
use super::prepare::{Ready, prepare};
use super::run::Pair;
use crate::config::{Layers, ResolvedConfig};
use crate::data::{Splits, Validation, Watch};
use crate::error::TrainError;
use crate::events::Sink;
use crate::finetune::{Part, Tuned};
use crate::lr_find::{LrFind, LrFindEnd, LrFindOptions, search};
use crate::phase::Phase;
use crate::task::Task;
use crate::trainer::{LoopSettings, Trial};
use std::sync::atomic::AtomicBool;
use striate_data::Batch;
use striate_imaging::Preprocessing;
use striate_nn::{Module, Optimizer};

/// The data, the network and the settings of a run that is not begun: nothing is written.
///
/// What is found out about it leaves it as it was, so that one thing after the other can be.
pub struct DryRun {
    config: ResolvedConfig,
    data: Splits,
    preprocessing: Preprocessing,
    network: Tuned,
}

impl DryRun {
    /// What [`Session::start_watched`](crate::Session::start_watched) would begin.
    ///
    /// # Errors
    /// As there.
    pub fn new(asked: &Layers, watch: &Watch) -> Result<DryRun, TrainError> {
        let Ready { resolved, data, preprocessing, network, .. } = prepare(asked, Validation::Required, watch)?;
        Ok(DryRun { config: resolved.config, data, preprocessing, network: Tuned { network, part: Part::Whole } })
    }

    /// The settings, with what was left open filled in.
    pub fn config(&self) -> &ResolvedConfig {
        &self.config
    }

    /// The images.
    pub fn data(&self) -> &Splits {
        &self.data
    }

    /// How many numbers the network has to train.
    pub fn num_parameters(&self) -> usize {
        self.network.num_parameters()
    }

    /// Searches for the learning rate of the run's last stage, in which all layers learn that ever do. `sink` hears of what takes time.
    ///
    /// # Errors
    /// If an image or an option cannot be used, or the loss is not finite at any rate.
    pub fn lr_find(
        &mut self,
        options: &LrFindOptions,
        sink: &mut dyn Sink,
        stop: &AtomicBool,
    ) -> Result<LrFind, TrainError> {
        let config = self.config.clone();
        let Some(stage) = self.stage(&config, sink, stop)? else {
            return Ok(LrFind { points: Vec::new(), ending: LrFindEnd::Stopped, steepest: None, valley: None });
        };
        stage.with(Search(options), &mut self.network)
    }

    /// The run's last stage with these settings; none if `stop` is set before its images are ready.
    fn stage<'a>(
        &mut self,
        config: &'a ResolvedConfig,
        sink: &mut dyn Sink,
        stop: &'a AtomicBool,
    ) -> Result<Option<Stage<'a>>, TrainError> {
        let phase = config.phases().pop().expect("a run has a stage");
        let network = &*self.network.network;
        let scope = config.compute_settings();
        let loaders =
            scope.scope(|| Pair::of_stage(config, &phase, &self.data, &self.preprocessing, network, sink, stop))?;
        let Some(loaders) = loaders else { return Ok(None) };
        let needs_two = config.needs_two(network, self.preprocessing.output_shape());
        let settings = LoopSettings { needs_two, ..config.loop_settings("", &self.data) };
        let (optimizer, task) = (config.optimizer_for(&phase, network), AnyTask::of(config, &self.data));
        Ok(Some(Stage { config, phase, loaders, settings, optimizer, task, stop }))
    }
}

/// A stage of a run, ready to be tried.
struct Stage<'a> {
    config: &'a ResolvedConfig,
    phase: Phase,
    loaders: Pair,
    settings: LoopSettings,
    optimizer: Box<dyn Optimizer>,
    task: AnyTask,
    stop: &'a AtomicBool,
}

/// Something that is found out about a stage.
trait Question {
    type Answer;

    fn ask<T: Task<Tuned, Batch = Batch>>(
        self,
        trial: Trial<Tuned, T>,
        loaders: &Pair,
    ) -> Result<Self::Answer, TrainError>;
}

impl Stage<'_> {
    fn with<Q: Question>(self, question: Q, network: &mut Tuned) -> Result<Q::Answer, TrainError> {
        let Stage { config, phase, loaders, settings, mut optimizer, task, stop } = self;
        network.part = phase.part;
        let (seed, optimizer, loaders) = (config.seed, &mut *optimizer, &loaders);
        let asked = Asked { question, network: &mut *network, optimizer, settings, seed, loaders, stop };
        let answer = config.compute_settings().scope(|| task.with(asked));
        network.part = Part::Whole;
        answer
    }
}

struct Asked<'a, Q> {
    question: Q,
    network: &'a mut Tuned,
    optimizer: &'a mut dyn Optimizer,
    settings: LoopSettings,
    seed: u64,
    loaders: &'a Pair,
    stop: &'a AtomicBool,
}

impl<Q: Question> WithTask for Asked<'_, Q> {
    type Output = Result<Q::Answer, TrainError>;

    fn run<T: Task<Tuned, Batch = Batch>>(self, task: &T) -> Self::Output {
        let Asked { question, network, optimizer, settings, seed, loaders, stop } = self;
        question.ask(Trial { task, network, optimizer, settings, seed, stop }, loaders)
    }
}

struct Search<'a>(&'a LrFindOptions);

impl Question for Search<'_> {
    type Answer = LrFind;

    fn ask<T: Task<Tuned, Batch = Batch>>(self, trial: Trial<Tuned, T>, loaders: &Pair) -> Result<LrFind, TrainError> {
        search(trial, &loaders.train, self.0)
    }
}
