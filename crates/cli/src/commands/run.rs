//! A run, whatever it trains: its settings, what it prints and how it ends.

use super::profile as profile_table;
use crate::advice;
use crate::args::{Images, Learning, Log, Run};
use crate::output::{Failure, note, program, quoted, say, shown_path, thousands};
use crate::progress::{Progress, images_bar};
use crate::signals;
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::AtomicBool;
use striate::data::images::text_path;
use striate::imaging::Split;
use striate::profile;
use striate::train::{
    Config, Event, ImageSettings, MNIST, Outcome, SMALL_DATA, Session, Settings, Sink, TrainError, UNMIXED, Watch,
    are_images, sinks,
};

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
    let hint = hint(session.config());
    let outcome = session.run(&mut listener, stop).map_err(advice::failure)?;
    let profile = args.profile.then(profile::stop);
    if talks && let Some(end) = &listener.end {
        conclude(end, &hint)?;
    }
    if let Some(profile) = &profile {
        let print = if args.log == Log::Json { profile_table::print_json } else { profile_table::print };
        print(profile)?;
    }
    Ok(match outcome {
        Outcome::Finished { .. } => ExitCode::SUCCESS,
        Outcome::Stopped => ExitCode::from(signals::exit_code()),
    })
}

/// A new run; the look at its images has a progress bar.
pub fn start(settings: &Settings, args: &Run) -> Result<Session, TrainError> {
    watched(args.quiet, |watch| Session::start_with(settings, args.out.as_deref(), watch))
}

/// Does something that looks at images first, with a progress bar for that.
pub fn watched<T>(quiet: bool, f: impl FnOnce(&Watch) -> T) -> T {
    let bar = OnceLock::new();
    let done = f(&|seen: usize, all: usize| {
        if !quiet {
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

/// What was typed, in the place of the defaults.
pub fn with_settings(base: Config, learning: &Learning, images: &Images, run: &Run) -> Config {
    let mut settings = ImageSettings {
        cache: images.cache,
        max_bad: images.max_bad,
        balance: images.balance,
        class_weights: images.class_weights,
        val: images.val.unwrap_or(base.images.val),
        split_near_duplicates: images.split_near_duplicates,
        path_column: images.columns.path_column.clone(),
        label_column: images.columns.label_column.clone(),
        ..super::data::settings(&images.look)
    };
    // What suits photos does not suit what lies in idx files: a digit turned around is none.
    let photos = base.data != MNIST && are_images(Path::new(&base.data));
    let usual = base.images.augment.filter(|augment| photos || augment != SMALL_DATA);
    let unmixed = |usual: String| if learning.focal.is_some() && usual == SMALL_DATA { UNMIXED.into() } else { usual };
    settings.augment = settings.augment.or(usual.map(unmixed));
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
        patience: match learning.patience {
            Some(0) => None,
            Some(n) => Some(n as usize),
            None => base.patience,
        },
        log_every: run.log_every as usize,
        checkpoint_every: run.checkpoint_every,
        images: settings,
        ..base
    }
}

/// What to try where a network has learnt next to nothing.
fn hint(config: &Config) -> String {
    let data = text_path(&config.data);
    if config.finetune.is_some() {
        return "more images of each class, more epochs or another network to start from may help".into();
    }
    if config.data == MNIST || !are_images(&data) {
        return "more epochs (--epochs), another learning rate (--lr) or another network (--model) may help".into();
    }
    format!(
        "{} finetune --from resnet18 {} starts from a network that has learnt on a million photos; more images of each class or more epochs may \
         help, too",
        program(),
        quoted(&data)
    )
}

fn conclude(end: &Event, hint: &str) -> Result<(), Failure> {
    let program = program();
    match end {
        Event::Finished {
            run,
            model,
            last_model,
            measured,
            epoch,
            last_epoch,
            accuracy,
            accuracy_interval_95: [low, high],
            last_accuracy,
            samples,
            chance,
            seconds,
            ..
        } => {
            let percent = |x: f64| format!("{:.2}%", 100.0 * x);
            let kind = measured.adjective();
            say(format_args!(
                "Done in {seconds:.0} s: {} has {} {kind} accuracy (95% interval {} to {}, on {} images): the weights of epoch {epoch}, the best of \
                 {last_epoch}{}",
                shown_path(model),
                percent(*accuracy),
                percent(*low),
                percent(*high),
                thousands(samples),
                match measured {
                    Split::Test => " (chosen on these same images, so expect a little less on new ones).",
                    _ => ".",
                }
            ))?;
            say(format_args!(
                "{} has those of epoch {last_epoch}: {}. {} also holds checkpoint.safetensors, config.toml and metrics.csv.",
                shown_path(last_model),
                percent(*last_accuracy),
                shown_path(run)
            ))?;
            if low <= chance {
                note(&format!(
                    "that is near chance ({} is always answering with the most frequent class): {hint}",
                    percent(*chance)
                ));
            }
            let model = quoted(model);
            say(format_args!("Measure it:  {program} eval {model}"))?;
            say(format_args!("Use it:      {program} predict {model} IMAGE.png"))
        }
        Event::Stopped { run, .. } => {
            say(format_args!("Stopped; nothing is lost. Go on with:  {program} train --resume {}", quoted(run)))
        }
        _ => Ok(()),
    }
}
