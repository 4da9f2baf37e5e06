use super::profile as profile_table;
use crate::args::{Log, Train};
use crate::download;
use crate::model_arg::{self, ModelArg};
use crate::output::{Failure, program, say};
use crate::progress::{Progress, pictures_bar};
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use striate::profile;
use striate::train::{Config, Event, IMAGENET, Outcome, PictureSettings, Recipe, Session, Sink, TrainError, sinks};

/// What shells give a process that Ctrl-C has ended.
pub const INTERRUPTED: u8 = 130;

/// Passes events on, and remembers how the run ended.
struct Listener {
    inner: Option<Box<dyn Sink>>,
    end: Option<Event>,
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
    super::set_up(&args.compute);
    let stop = Arc::new(AtomicBool::new(false));
    let seen = stop.clone();
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
    })?;
    let mut session = match &args.resume {
        Some(run) => Session::resume(run)?,
        None => {
            let model = model_arg::read(&args.model)?;
            let config = config(&args, &model)?;
            download::fetch(config.weights.as_deref(), &config.model, args.quiet, &stop)?;
            start(config, &args).map_err(|e| model.failure(e))?
        }
    };
    if args.quiet {
        striate::nn::notice::listen(|_| {});
    }
    let inner: Option<Box<dyn Sink>> = match (args.quiet, args.log) {
        (true, _) => None,
        (false, Log::Json) => Some(Box::new(sinks::JsonLines(std::io::stdout()))),
        (false, Log::Text) => Some(Box::new(Progress::new())),
    };
    let talks = inner.is_some() && args.log == Log::Text;
    let mut listener = Listener { inner, end: None };
    if args.profile {
        profile::start();
    }
    let outcome = session.run(&mut listener, &stop)?;
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

/// A new run; the look at its pictures has a progress bar.
fn start(config: Config, args: &Train) -> Result<Session, TrainError> {
    let bar = OnceLock::new();
    let watch = |seen: usize, all: usize| {
        if !args.quiet {
            bar.get_or_init(|| pictures_bar(all)).set_position(seen as u64);
        }
    };
    let session = Session::start_watched(config, args.out.as_deref(), &watch);
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }
    session
}

fn config(args: &Train, model: &ModelArg) -> Result<Config, Failure> {
    let data = match &args.data {
        None => "mnist".to_string(),
        Some(path) => super::data::absolute(path)?,
    };
    let base = args.recipe.map(Recipe::config).unwrap_or_default();
    let pictures = &args.pictures;
    let mut settings = PictureSettings {
        cache: pictures.cache,
        max_bad: pictures.max_bad,
        balance: pictures.balance,
        class_weights: pictures.class_weights,
        ..super::data::settings(&pictures.look)
    };
    settings.augment = settings.augment.or(base.pictures.augment);
    // The focal loss and smoothed labels exclude each other, so what was typed wins over the recipe.
    let smoothing = if args.focal.is_some() { 0.0 } else { base.label_smoothing };
    Ok(Config {
        data,
        model: model.text.clone(),
        weights: args.weights.as_deref().map(weights).transpose()?,
        seed: args.seed,
        epochs: args.epochs.map_or(base.epochs, |n| n as usize),
        batch_size: args.batch_size.map_or(base.batch_size, |n| n as usize),
        optimizer: args.optimizer.unwrap_or(base.optimizer),
        lr: args.lr.unwrap_or(base.lr),
        schedule: args.schedule.clone().or(base.schedule),
        weight_decay: args.weight_decay.or(base.weight_decay),
        decay_bias_and_norm: args.decay_bias_and_norm,
        clip_norm: args.clip_norm,
        accumulate: args.accumulate as usize,
        ema: args.ema.or(base.ema),
        label_smoothing: args.label_smoothing.unwrap_or(smoothing),
        focal: args.focal,
        exact: args.compute.exact,
        log_every: args.log_every as usize,
        checkpoint_every: args.checkpoint_every,
        pictures: settings,
    })
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
