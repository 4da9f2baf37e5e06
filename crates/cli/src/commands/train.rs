use super::profile as profile_table;
use crate::args::{Log, Train};
use crate::args_pictures::Recipe;
use crate::model_arg::{self, ModelArg};
use crate::output::{Failure, program, say};
use crate::progress::Progress;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use striate::profile;
use striate::train::{Config, Event, OptimizerKind, Outcome, PictureSettings, SMALL_DATA, Session, Sink, sinks};

/// What shells give a process that Ctrl-C has ended.
const INTERRUPTED: u8 = 130;

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
            Session::start(config(&args, &model)?, args.out.as_deref()).map_err(|e| model.failure(e))?
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

fn config(args: &Train, model: &ModelArg) -> Result<Config, Failure> {
    let data = match &args.data {
        None => "mnist".to_string(),
        Some(path) => super::data::absolute(path)?,
    };
    let small = args.recipe == Some(Recipe::SmallData);
    // What was typed, or what the recipe says, or what is usual.
    fn or<T>(typed: Option<T>, recipe: bool, says: T, usual: T) -> T {
        typed.unwrap_or(if recipe { says } else { usual })
    }
    let usual = Config::default();
    let pictures = &args.pictures;
    let mut settings = PictureSettings {
        cache: pictures.cache,
        max_bad: pictures.max_bad,
        balance: pictures.balance,
        class_weights: pictures.class_weights,
        ..super::data::settings(&pictures.look)
    };
    if small && settings.augment.is_none() {
        settings.augment = Some(SMALL_DATA.to_string());
    }
    Ok(Config {
        data,
        model: model.text.clone(),
        seed: args.seed,
        epochs: or(args.epochs.map(|n| n as usize), small, 30, usual.epochs),
        batch_size: or(args.batch_size.map(|n| n as usize), small, 64, usual.batch_size),
        optimizer: or(args.optimizer, small, OptimizerKind::AdamW, usual.optimizer),
        lr: or(args.lr, small, 0.003, usual.lr),
        schedule: args.schedule.clone().or(small.then(|| "onecycle 0.2".to_string())),
        weight_decay: args.weight_decay.or(small.then_some(0.05)),
        decay_bias_and_norm: args.decay_bias_and_norm,
        clip_norm: args.clip_norm,
        accumulate: args.accumulate as usize,
        ema: args.ema,
        label_smoothing: or(args.label_smoothing, small && args.focal.is_none(), 0.1, 0.0),
        focal: args.focal,
        log_every: args.log_every as usize,
        checkpoint_every: args.checkpoint_every,
        pictures: settings,
    })
}

fn conclude(end: &Event) -> Result<(), Failure> {
    let program = program();
    match end {
        Event::Finished { run, model, accuracy, seconds } => {
            let (run, model) = (run.display(), model.display());
            say(format_args!(
                "Done in {seconds:.0} s: {model} has {:.2}% test accuracy. {run}/ also holds checkpoint.safetensors, config.toml and metrics.csv.",
                100.0 * accuracy
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
