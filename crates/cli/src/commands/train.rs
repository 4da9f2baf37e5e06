use super::folds;
use super::overfit::overfit;
use super::run::{run_to_end, show_config, start};
use super::smoke::smoke;
use crate::advice;
use crate::args::Train;
use crate::download;
use crate::model_arg::{self, ModelArg};
use crate::output::{Failure, program, quoted};
use crate::settings;
use crate::signals;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use striate::train::{Config, IMAGENET, Layers, ResolvedConfig, ResumeOptions, Session, is_cross_validation, is_sweep};

pub fn run(args: Train) -> Result<ExitCode, Failure> {
    super::set_up(&args.run.compute);
    let stop = signals::stop_flag()?;
    let session = match &args.resume {
        Some(run) if is_cross_validation(run) => return folds::resume(run, &args.run, &stop),
        Some(run) if is_sweep(run) => {
            let (program, run) = (program(), quoted(run));
            return Err(format!("{run} is a sweep: go on with {program} sweep --resume {run}").into());
        }
        Some(run) => resume(run, &args)?,
        None => {
            let model = args.model.as_ref().map(model_arg::read).transpose()?;
            let failure = |e| match &model {
                Some(model) => model.failure(e),
                None => advice::failure(e),
            };
            let asked = asked(&args, model.as_ref())?;
            let first = asked.over(ResolvedConfig::default()).config;
            download::fetch(first.weights.as_deref(), &first.model, args.run.quiet, &stop)?;
            if args.run.show_config {
                show_config(&asked, &args.run).map_err(failure)?;
                return Ok(ExitCode::SUCCESS);
            }
            if let Some(steps) = args.overfit_one_batch {
                return overfit(&asked, &args.run, steps as usize, &stop, failure);
            }
            if args.run.smoke {
                return smoke(&asked, &args.run, &stop, failure);
            }
            if let Some(folds) = folds::asked_for(args.learning.folds, &first) {
                return folds::run(&asked, folds, &args.run, &stop).map_err(failure)?;
            }
            start(&asked, &args.run).map_err(failure)?
        }
    };
    run_to_end(session, &args.run, &stop)
}

/// The run in directory `run`, with what may change.
fn resume(run: &Path, args: &Train) -> Result<Session, Failure> {
    let data = args.data.as_deref().map(super::data::absolute).transpose()?.map(PathBuf::from);
    let options = ResumeOptions { epochs: args.epochs.map(|n| n as usize), data };
    Session::resume_with(run, &options).map_err(advice::failure)
}

/// The settings that were typed, over those of a recipe and of a file.
pub fn asked(args: &Train, model: Option<&ModelArg>) -> Result<Layers, Failure> {
    let typed = Config {
        data: args.data.as_deref().map(super::data_name).transpose()?,
        model: model.map(|model| model.text.clone()),
        weights: args.weights.as_deref().map(weights).transpose()?,
        weights_entry: args.weights_entry.clone(),
        epochs: args.epochs.map(|n| n as usize),
        batch_size: args.batch_size,
        optimizer: args.optimizer,
        lr: args.lr,
        ..settings::typed(&args.learning, &args.images, &args.run)
    };
    settings::layers(args.recipe, &args.run, typed)
}

/// The word for published weights as it is, a file in full.
fn weights(typed: &Path) -> Result<String, Failure> {
    if typed == Path::new(IMAGENET) { Ok(IMAGENET.into()) } else { super::data::absolute(typed) }
}
