//! A training run from settings to model file.

mod any_task;
mod batch_size;
mod dry_run;
mod prepare;
mod run;
mod smoke;
mod stage;

pub use dry_run::DryRun;
pub(crate) use prepare::{Ready, prepare};
pub(crate) use run::list_bad;

use crate::checkpoint::{self, Identity, Loaded};
use crate::config::{Layers, Resolved, ResolvedConfig};
use crate::data::{Splits, Validation, Watch};
use crate::error::TrainError;
use crate::finetune::{Part, Tuned};
use crate::network;
use crate::run_data::{self, STARTED_FROM};
use crate::run_dir::RunDir;
use crate::state::TrainState;
use prepare::plan_for;
use std::path::{Path, PathBuf};
use striate_data::images::{path_text, text_path};
use striate_formats::write_atomic;
use striate_imaging::Preprocessing;
use striate_model::{GRAPH, Provenance};
use striate_nn::{Ema, Module, OptimizerState};
use striate_tensor::{Generator, isa};

/// What may change when a run goes on.
#[derive(Clone, Debug, Default)]
pub struct ResumeOptions {
    /// Epochs in all, where the schedule allows more of them.
    pub epochs: Option<usize>,
    /// Where the data lies now, if it has moved.
    pub data: Option<PathBuf>,
}

/// A training run, ready to go.
pub struct Session {
    config: ResolvedConfig,
    run: RunDir,
    data: Splits,
    preprocessing: Preprocessing,
    network: Tuned,
    /// The optimizer's state from before, for the stage that goes on.
    carried: OptimizerState,
    ema: Option<Ema>,
    resumed: Option<TrainState>,
    /// What the weights had seen that the run started from.
    started_from: Provenance,
}

impl Session {
    /// A new run with these settings over the defaults for the data, into `out` or else `runs/<data>-<model>-<n>` in the working directory.
    ///
    /// # Errors
    /// If the settings, the data or the weights to start from cannot be used, or the directory holds a run.
    pub fn start(asked: impl Into<Layers>, out: Option<&Path>) -> Result<Session, TrainError> {
        Session::start_watched(&asked.into(), out, &|_, _| {})
    }

    /// The settings that [`Session::start`] would run with, and where each comes from. Nothing is written.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn resolve(asked: &Layers, watch: &Watch) -> Result<Resolved, TrainError> {
        Ok(prepare(asked, Validation::Required, watch)?.resolved)
    }

    /// As [`Session::start`]; `watch` hears how many of how many images have been looked at, for all are before training begins.
    ///
    /// # Errors
    /// As [`Session::start`].
    pub fn start_watched(asked: &Layers, out: Option<&Path>, watch: &Watch) -> Result<Session, TrainError> {
        if let Some(out) = out {
            RunDir::check_free(out)?;
        }
        let Ready { resolved, mut data, preprocessing, network, short_name, started_from } =
            prepare(asked, Validation::Required, watch)?;
        let config = resolved.config;
        config.check_one_run()?;
        if let Some(monitor) = &config.monitor {
            run::check_metric(&config, &data, monitor)?;
        }
        let run = RunDir::create_for(out, &data.name, &short_name)?;
        let started = serde_json::to_vec(&started_from).expect("fingerprints are plain values");
        data.run_files.push((STARTED_FROM, started));
        for (name, bytes) in &data.run_files {
            write_atomic(&run.path().join(name), bytes)?;
        }
        if config.model == GRAPH {
            network::keep(run.path(), &*network, &data.classes, &preprocessing)?;
        }
        write_atomic(&run.config(), config.to_toml().as_bytes())?;
        let ema = average(&config, &*network);
        let carried = OptimizerState::default();
        let network = Tuned { network, part: Part::Whole };
        Ok(Session { config, run, data, preprocessing, network, carried, ema, resumed: None, started_from })
    }

    /// The settings, with what was left open filled in.
    pub fn config(&self) -> &ResolvedConfig {
        &self.config
    }

    /// The run's directory.
    pub fn directory(&self) -> &Path {
        self.run.path()
    }

    /// Refuses a metric that a run like this one does not measure, where its best epoch is chosen by `monitor`.
    pub(crate) fn check_metric(&self, metric: &str, monitor: Option<&str>) -> Result<(), TrainError> {
        let config = ResolvedConfig { monitor: monitor.map(String::from), ..self.config.clone() };
        run::check_metric(&config, &self.data, metric)
    }

    /// The data that it trains and measures on.
    pub(crate) fn data(&self) -> &Splits {
        &self.data
    }

    /// The run that left off in directory `path`.
    pub fn resume(path: &Path) -> Result<Session, TrainError> {
        Session::resume_with(path, &ResumeOptions::default())
    }

    /// As [`Session::resume`], with more epochs or data that lies elsewhere now.
    ///
    /// # Errors
    /// [`TrainError::ScheduleOver`] for more epochs under a schedule that is laid out over all of them.
    pub fn resume_with(path: &Path, options: &ResumeOptions) -> Result<Session, TrainError> {
        let run = RunDir::open(path)?;
        let written = ResolvedConfig::read(&run.config())?;
        let mut config = extended(&written, &run, options.epochs)?;
        if let Some(data) = &options.data {
            config.data = path_text(data);
        }
        let (mut data, started_from) = run_data::with_settings(&config, path, &text_path(&written.data))?;
        let graph = (config.model == GRAPH).then(|| network::kept(path)).transpose()?;
        let plan = plan_for(&config, graph, &data).map_err(|e| match e {
            TrainError::Text(e) => TrainError::Config { path: run.config(), reason: format!("model: {e}") },
            e => e,
        })?;
        let preprocessing = data.preprocessing_for(&plan)?;
        let mut network = plan.build(&mut Generator::blank());
        let mut optimizer = config.build_optimizer(config.groups(), config.lr);
        let who = Identity {
            model: &config.model,
            seed: config.seed,
            classes: &data.classes,
            provenance: &Provenance::default,
        };
        let mut ema = average(&config, &*network);
        let loaded = checkpoint::load(&run.checkpoint(), who, &mut *network, &mut *optimizer, ema.as_mut())?;
        let Loaded { mut state, isa: before } = loaded;
        let now = isa::isa().name();
        if let Some(before) = before.filter(|before| before != now && state.steps > 0) {
            data.notes.push(format!(
                "this run was computed with {before} so far, and goes on with {now}, which rounds otherwise: the weights will not be those of an \
                 undisturbed run to the last bit (STRIATE_ISA={before} keeps to it, on a processor that has it)"
            ));
        }
        if config != written {
            for (name, bytes) in &data.run_files {
                write_atomic(&run.path().join(name), bytes)?;
            }
            write_atomic(&run.config(), config.to_toml().as_bytes())?;
            state.stale = 0;
        }
        let carried = optimizer.state().clone();
        let network = Tuned { network, part: Part::Whole };
        Ok(Session { config, run, data, preprocessing, network, carried, ema, resumed: Some(state), started_from })
    }
}

/// The settings of a run with `epochs` in all, if its schedule allows that.
fn extended(config: &ResolvedConfig, run: &RunDir, epochs: Option<usize>) -> Result<ResolvedConfig, TrainError> {
    let Some(epochs) = epochs.filter(|&n| n != config.epochs) else { return Ok(config.clone()) };
    if let (Some(schedule), Some(plan)) = (&config.schedule, config.schedule_plan()?)
        && plan.spans_the_run()
    {
        let (schedule, model) = (schedule.clone(), run.model());
        return Err(TrainError::ScheduleOver { schedule, epochs: config.epochs, model, data: config.data.clone() });
    }
    if epochs < config.epochs {
        return Err(TrainError::EpochsDone { run: run.path().to_path_buf(), done: config.epochs });
    }
    let config = ResolvedConfig { epochs, ..config.clone() };
    config.validate()?;
    Ok(config)
}

/// The average of weights, if the settings ask for one.
fn average(config: &ResolvedConfig, network: &dyn Module) -> Option<Ema> {
    config.ema.map(|decay| Ema::new(network, decay).warmup(true))
}
