//! [`DryRun`]: what can be found out before a run.

use super::prepare::{Ready, prepare};
use super::run::Pair;
use super::stage::{Question, Stage};
use crate::config::{Layers, ResolvedConfig};
use crate::data::{Splits, Validation, Watch};
use crate::error::TrainError;
use crate::events::Sink;
use crate::finetune::{Part, Tuned};
use crate::lr_find::{LrFind, LrFindEnd, LrFindOptions, search};
use crate::overfit::{Overfit, overfit};
use crate::task::Task;
use crate::trainer::Trial;
use std::sync::atomic::AtomicBool;
use striate_data::Batch;
use striate_imaging::Preprocessing;
use striate_nn::Module;

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

    /// Trains on the first batch alone, without augmentation, label smoothing, dropout and weight decay, until it is memorized or this many steps are done: a
    /// network that cannot learn one batch by heart learns nothing. `sink` hears of the loss.
    ///
    /// # Errors
    /// If an image cannot be used, or the loss is not finite at any rate.
    pub fn overfit_one_batch(
        &mut self,
        steps: usize,
        sink: &mut dyn Sink,
        stop: &AtomicBool,
    ) -> Result<Overfit, TrainError> {
        let mut config = ResolvedConfig { weight_decay: Some(0.0), ..self.config.clone() };
        config.images.augment = None;
        match Stage::of(&config, &self.data, &self.preprocessing, &self.network, sink, stop)? {
            Some(stage) => stage.with(Memorize { steps, sink }, &mut self.network),
            None => Ok(Overfit::stopped(config.lr)),
        }
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
        let Some(stage) = Stage::of(&config, &self.data, &self.preprocessing, &self.network, sink, stop)? else {
            return Ok(LrFind { points: Vec::new(), ending: LrFindEnd::Stopped, steepest: None, valley: None });
        };
        stage.with(Search(options), &mut self.network)
    }
}

struct Search<'a>(&'a LrFindOptions);

impl Question for Search<'_> {
    type Answer = LrFind;

    fn ask<T: Task<Tuned, Batch = Batch>>(self, trial: Trial<Tuned, T>, loaders: &Pair) -> Result<LrFind, TrainError> {
        search(trial, &loaders.train, self.0)
    }
}

struct Memorize<'a> {
    steps: usize,
    sink: &'a mut dyn Sink,
}

impl Question for Memorize<'_> {
    type Answer = Overfit;

    fn ask<T: Task<Tuned, Batch = Batch>>(self, trial: Trial<Tuned, T>, loaders: &Pair) -> Result<Overfit, TrainError> {
        overfit(trial, &loaders.train, self.steps, self.sink)
    }
}
