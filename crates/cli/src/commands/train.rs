use super::run::{conduct, start, with_settings};
use crate::advice;
use crate::args::Train;
use crate::download;
use crate::model_arg::{self, ModelArg};
use crate::output::Failure;
use crate::signals;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use striate::train::{Config, IMAGENET, MNIST, Recipe, ResumeOptions, Session};

pub fn run(args: Train) -> Result<ExitCode, Failure> {
    super::set_up(&args.run.compute);
    let stop = signals::stop_flag()?;
    let session = match &args.resume {
        Some(run) => resume(run, &args)?,
        None => {
            let model = model_arg::read(&args.model)?;
            let settings = settings(&args, &model)?;
            let first = settings(Config::default());
            download::fetch(first.weights.as_deref(), &first.model, args.run.quiet, &stop)?;
            start(&settings, &args.run).map_err(|e| model.failure(e))?
        }
    };
    conduct(session, &args.run, &stop)
}

/// The run in directory `run`, with what may change.
fn resume(run: &Path, args: &Train) -> Result<Session, Failure> {
    let data = args.data.as_deref().map(super::data::absolute).transpose()?.map(PathBuf::from);
    let options = ResumeOptions { epochs: args.epochs.map(|n| n as usize), data };
    Session::resume_with(run, &options).map_err(advice::failure)
}

/// What was typed, over a recipe or else over the defaults for the data.
fn settings<'a>(args: &'a Train, model: &'a ModelArg) -> Result<impl Fn(Config) -> Config + 'a, Failure> {
    let data = match &args.data {
        None => MNIST.to_string(),
        Some(path) => super::data_name(path)?,
    };
    let weights = args.weights.as_deref().map(weights).transpose()?;
    Ok(move |defaults: Config| {
        let base = args.recipe.map_or(defaults, Recipe::config);
        let optimizer = args.optimizer.unwrap_or(base.optimizer);
        // What goes with an optimizer does not go with another.
        let same = optimizer == base.optimizer;
        let config = Config {
            data: data.clone(),
            model: model.text.clone(),
            weights: weights.clone(),
            weights_entry: args.weights_entry.clone(),
            epochs: args.epochs.map_or(base.epochs, |n| n as usize),
            patience: base.patience_over(args.epochs.map_or(base.epochs, |n| n as usize)),
            batch_size: args.batch_size.map_or(base.batch_size, |n| n as usize),
            optimizer,
            betas: base.betas.filter(|_| same),
            weight_decay: base.weight_decay.filter(|_| same),
            lr: args.lr.unwrap_or(base.lr),
            ..base
        };
        with_settings(config, &args.learning, &args.images, &args.run)
    })
}

/// The word for published weights as it is, a file in full.
fn weights(typed: &Path) -> Result<String, Failure> {
    if typed == Path::new(IMAGENET) { Ok(IMAGENET.into()) } else { super::data::absolute(typed) }
}
