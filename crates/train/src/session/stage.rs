//! [`Stage`]: a stage of a run to which questions are asked before it begins.

use super::any_task::{AnyTask, WithTask};
use super::run::Pair;
use crate::config::ResolvedConfig;
use crate::data::Splits;
use crate::error::TrainError;
use crate::events::Sink;
use crate::finetune::{Part, Tuned};
use crate::phase::Phase;
use crate::task::Task;
use crate::trainer::{LoopSettings, Trial};
use std::sync::atomic::AtomicBool;
use striate_data::Batch;
use striate_imaging::Preprocessing;
use striate_nn::Optimizer;

/// A stage of a run, ready to be tried.
pub(super) struct Stage<'a> {
    config: &'a ResolvedConfig,
    phase: Phase,
    loaders: Pair,
    settings: LoopSettings,
    optimizer: Box<dyn Optimizer>,
    task: AnyTask,
    stop: &'a AtomicBool,
}

/// Something that is found out about a stage.
pub(super) trait Question {
    type Answer;

    fn ask<T: Task<Tuned, Batch = Batch>>(
        self,
        trial: Trial<Tuned, T>,
        loaders: &Pair,
    ) -> Result<Self::Answer, TrainError>;
}

impl<'a> Stage<'a> {
    /// The last one of a run with these settings; none if `stop` is set before its images are ready.
    pub fn of(
        config: &'a ResolvedConfig,
        data: &Splits,
        preprocessing: &Preprocessing,
        network: &Tuned,
        sink: &mut dyn Sink,
        stop: &'a AtomicBool,
    ) -> Result<Option<Stage<'a>>, TrainError> {
        let phase = config.phases().pop().expect("a run has a stage");
        let network = &*network.network;
        let loaders = config
            .compute_settings()
            .scope(|| Pair::of_stage(config, &phase, data, preprocessing, network, sink, stop))?;
        let Some(loaders) = loaders else { return Ok(None) };
        let needs_two = config.needs_two(network, preprocessing.output_shape());
        let settings = LoopSettings { needs_two, ..config.loop_settings("", data) };
        let (optimizer, task) = (config.optimizer_for(&phase, network), AnyTask::of(config, data));
        Ok(Some(Stage { config, phase, loaders, settings, optimizer, task, stop }))
    }

    /// Asks `question`. The network is as before afterwards.
    pub fn with<Q: Question>(self, question: Q, network: &mut Tuned) -> Result<Q::Answer, TrainError> {
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
