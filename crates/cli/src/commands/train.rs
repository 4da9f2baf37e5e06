use super::profile as profile_table;
use crate::args::Log;
use crate::args_images::Images;
use crate::args_training::{Learning, Run, Train};
use crate::download;
use crate::model_arg::{self, ModelArg};
use crate::output::{Failure, program, say};
use crate::progress::{Progress, images_bar};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use striate::profile;
use striate::train::{
    Config, Event, IMAGENET, ImageSettings, Outcome, Recipe, SMALL_DATA, Session, Sink, TrainError, Watch, are_images,
    sinks,
};

/// What shells give a process that Ctrl-C has ended.
pub const INTERRUPTED: u8 = 130;

/// Passes events on, and remembers how the run ended.
pub struct Listener {
    pub inner: Option<Box<dyn Sink>>,
    pub end: Option<Event>,
}

impl Sink for Listener {
    fn event(&mut self, event: &Event) {
        if let Some(sink) = &mut self.inner {
            sink.event(event);
        }
        if matches!(event, Event::Stopped { .. } | Event::Finished { .. }) {
            self.end = Some(event.clone());
        }
    }
}

pub fn run(args: Train) -> Result<ExitCode, Failure> {
    super::set_up(&args.run.compute);
    let stop = stopped_by_ctrl_c()?;
    let session = match &args.resume {
        Some(run) => Session::resume(run)?,
        None => {
            let model = model_arg::read(&args.model)?;
            let config = config(&args, &model)?;
            download::fetch(config.weights.as_deref(), &config.model, args.run.quiet, &stop)?;
            start(config, &args.run).map_err(|e| model.failure(e))?
        }
    };
    conduct(session, &args.run, &stop)
}

/// A flag that the first Ctrl-C sets; the second ends the process.
pub fn stopped_by_ctrl_c() -> Result<Arc<AtomicBool>, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })?;
    Ok(stop)
}

/// What prints the events of a run, as was asked for.
pub fn printer(args: &Run) -> Option<Box<dyn Sink>> {
    if args.quiet {
        striate::nn::notice::listen(|_| {});
    }
    match (args.quiet, args.log) {
        (true, _) => None,
        (false, Log::Json) => Some(Box::new(sinks::JsonLines(std::io::stdout()))),
        (false, Log::Text) => Some(Box::new(Progress::new())),
    }
}

/// Lets a run go on to its end, or until it is stopped.
pub fn conduct(mut session: Session, args: &Run, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    let inner = printer(args);
    let talks = inner.is_some() && args.log == Log::Text;
    let mut listener = Listener { inner, end: None };
    if args.profile {
        profile::start();
    }
    let outcome = session.run(&mut listener, stop)?;
    let profile = args.profile.then(profile::stop);
    if talks && let Some(end) = &listener.end {
        conclude(end)?;
    }
    if let Some(profile) = &profile {
        let print = if args.log == Log::Json { profile_table::print_json } else { profile_table::print };
        print(profile)?;
    }
    Ok(match outcome {
        Outcome::Finished(_) => ExitCode::SUCCESS,
        Outcome::Stopped => ExitCode::from(INTERRUPTED),
    })
}

/// A new run; the look at its images has a progress bar.
pub fn start(config: Config, args: &Run) -> Result<Session, TrainError> {
    watched(args, |watch| Session::start_watched(config, args.out.as_deref(), watch))
}

/// Does something that looks at images first, with a progress bar for that.
pub fn watched<T>(args: &Run, f: impl FnOnce(&Watch) -> T) -> T {
    let bar = OnceLock::new();
    let done = f(&|seen: usize, all: usize| {
        if !args.quiet {
            let bar = bar.get_or_init(|| images_bar(all));
            bar.set_position(seen as u64);
            if seen == all {
                bar.finish_and_clear();
            }
        }
    });
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }
    done
}

fn config(args: &Train, model: &ModelArg) -> Result<Config, Failure> {
    let data = match &args.data {
        None => "mnist".to_string(),
        Some(path) => super::data::absolute(path)?,
    };
    let base = args.recipe.map(Recipe::config).unwrap_or_default();
    let optimizer = args.optimizer.unwrap_or(base.optimizer);
    let config = Config {
        data,
        model: model.text.clone(),
        weights: args.weights.as_deref().map(weights).transpose()?,
        epochs: args.epochs.map_or(base.epochs, |n| n as usize),
        batch_size: args.batch_size.map_or(base.batch_size, |n| n as usize),
        optimizer,
        betas: base.betas.filter(|_| optimizer == base.optimizer),
        lr: args.lr.unwrap_or(base.lr),
        ..base
    };
    Ok(with_settings(config, &args.learning, &args.images, &args.run))
}

/// What was typed, in the place of what is usual.
pub fn with_settings(base: Config, learning: &Learning, images: &Images, run: &Run) -> Config {
    let mut settings = ImageSettings {
        cache: images.cache,
        max_bad: images.max_bad,
        balance: images.balance,
        class_weights: images.class_weights,
        ..super::data::settings(&images.look)
    };
    // What suits photos does not suit what lies in idx files: a digit turned around is none.
    let photos = base.data != "mnist" && are_images(Path::new(&base.data));
    let usual = base.images.augment.filter(|augment| photos || augment != SMALL_DATA);
    settings.augment = settings.augment.or(usual);
    // The focal loss and smoothed labels exclude each other, so what was typed wins over the recipe.
    let smoothing = if learning.focal.is_some() { 0.0 } else { base.label_smoothing };
    Config {
        seed: run.seed,
        epoch_share: learning.epoch_share.unwrap_or(base.epoch_share),
        betas: learning.betas.or(base.betas),
        schedule: learning.schedule.clone().or(base.schedule),
        weight_decay: learning.weight_decay.or(base.weight_decay),
        decay_bias_and_norm: learning.decay_bias_and_norm,
        clip_norm: learning.clip_norm,
        accumulate: learning.accumulate as usize,
        ema: learning.ema.or(base.ema),
        label_smoothing: learning.label_smoothing.unwrap_or(smoothing),
        dropout: learning.dropout.unwrap_or(base.dropout),
        focal: learning.focal,
        exact: run.compute.exact,
        log_every: run.log_every as usize,
        checkpoint_every: run.checkpoint_every,
        images: settings,
        ..base
    }
}

/// The word for published weights as it is, a file in full.
fn weights(typed: &Path) -> Result<String, Failure> {
    if typed == Path::new(IMAGENET) { Ok(IMAGENET.into()) } else { super::data::absolute(typed) }
}

fn conclude(end: &Event) -> Result<(), Failure> {
    let program = program();
    match end {
        Event::Finished { run, model, measured, accuracy, seconds } => {
            let (run, model) = (run.display(), model.display());
            say(format_args!(
                "Done in {seconds:.0} s: {model} has {:.2}% {} accuracy. {run}/ also holds checkpoint.safetensors, config.toml and metrics.csv.",
                100.0 * accuracy,
                measured.adjective()
            ))?;
            say(format_args!("Measure it:  {program} eval {model}"))?;
            say(format_args!("Use it:      {program} predict {model} IMAGE.png"))
        }
        Event::Stopped { run, .. } => {
            say(format_args!("Stopped; nothing is lost. Go on with:  {program} train --resume {}", run.display()))
        }
        _ => Ok(()),
    }
}
