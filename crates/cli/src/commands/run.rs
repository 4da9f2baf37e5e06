//! A run, whatever it trains: its settings, what it prints and how it ends.

use super::profile as profile_table;
use crate::advice;
use crate::args::{Log, Run};
use crate::dashboard::{self, Dashboard};
use crate::output::{Failure, note, or_unread, program, quoted, say, shown_path, thousands};
use crate::progress::{Progress, images_bar};
use crate::settings;
use crate::signals;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use striate::data::images::text_path;
use striate::imaging::Split;
use striate::profile;
use striate::train::{
    Baseline, Direction, Event, Finished, Layers, MNIST, Metric, Outcome, ResolvedConfig, Session, Sink, TrainError,
    Watch, are_images, sinks,
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
        if matches!(event, Event::Stopped { .. } | Event::Finished(_)) {
            self.end = Some(event.clone());
        }
    }
}

/// What shows the events of a run: the dashboard if it was asked for and the terminal can do that, else what prints them.
fn shows(args: &Run, stop: &Arc<AtomicBool>) -> Option<Box<dyn Sink>> {
    if !args.ui {
        return printer(args);
    }
    let dashboard = match dashboard::obstacle() {
        None => Dashboard::start(stop.clone()).map_err(|e| e.to_string()),
        Some(why) => Err(why.to_string()),
    };
    match dashboard {
        Ok(dashboard) => Some(Box::new(dashboard)),
        Err(why) => {
            note(&format!("there is no --ui here, for {why}: plain lines are printed in its place"));
            printer(args)
        }
    }
}

/// A sink that also writes for TensorBoard.
pub fn with_tensorboard(inner: Option<Box<dyn Sink>>) -> Box<dyn Sink> {
    Box::new(sinks::WithTensorBoard::new(inner.unwrap_or(Box::new(()))))
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
pub fn run_to_end(mut session: Session, args: &Run, stop: &Arc<AtomicBool>) -> Result<ExitCode, Failure> {
    let inner = shows(args, stop);
    let talks = inner.is_some() && args.log == Log::Text;
    let tensorboard = args.tensorboard || sinks::WithTensorBoard::<()>::has_begun(session.directory());
    let mut listener = Listener { inner: if tensorboard { Some(with_tensorboard(inner)) } else { inner }, end: None };
    if args.profile {
        profile::start();
    }
    let hint = hint(session.config());
    let directory = session.directory().to_path_buf();
    let outcome = session.run_until(stop, &mut listener);
    // Gives the terminal back, if it was taken.
    listener.inner = None;
    let outcome = outcome.map_err(advice::failure)?;
    let profile = args.profile.then(profile::stop);
    if talks && let Some(end) = &listener.end {
        or_unread(conclude(end, &hint))?;
    }
    if let Some(profile) = &profile {
        let print = if args.log == Log::Json { profile_table::print_json } else { profile_table::print };
        or_unread(print(profile))?;
    }
    if args.report && matches!(outcome, Outcome::Finished { .. }) {
        let page = super::eval::report_of_run(&directory, args.quiet)?;
        if talks {
            say(format_args!("Report:      {}", shown_path(&page)))?;
        }
    }
    Ok(match outcome {
        Outcome::Finished { .. } => ExitCode::SUCCESS,
        Outcome::Stopped => ExitCode::from(signals::exit_code()),
    })
}

/// A new run; the look at its images has a progress bar.
pub fn start(asked: &Layers, args: &Run) -> Result<Session, TrainError> {
    watched(args.quiet, |watch| Session::start_watched(asked, args.out.as_deref(), watch))
}

/// Prints the settings that a run would have.
pub fn show_config(asked: &Layers, args: &Run) -> Result<(), TrainError> {
    let resolved = watched(args.quiet, |watch| Session::resolve(asked, watch))?;
    let _ = settings::show(&resolved);
    Ok(())
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

/// What to try where a network has learnt next to nothing.
fn hint(config: &ResolvedConfig) -> String {
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
        Event::Finished(end) => finished(end, hint),
        Event::Stopped { run: Some(run), .. } => {
            say(format_args!("Stopped; nothing is lost. Go on with:  {program} train --resume {}", quoted(run)))
        }
        _ => Ok(()),
    }
}

fn finished(end: &Finished, hint: &str) -> Result<(), Failure> {
    let Finished { split, monitor, best, last, baseline, seconds, .. } = end;
    let (Some(run), Some(model), Some(last_model)) = (&end.run, &end.model, &end.last_model) else { return Ok(()) };
    let Some(metric) = best.get(monitor) else { return Ok(()) };
    let interval = metric.interval_95.map_or(String::new(), |[low, high]| {
        format!("95% interval {} to {}, ", metric.format(low), metric.format(high))
    });
    say(format_args!(
        "Done in {seconds:.0} s: {} has {} {} {} ({interval}on {} images): the weights of epoch {}, the best of {}{}",
        shown_path(model),
        metric.shown(),
        split.adjective(),
        metric.title(),
        thousands(best.samples),
        best.epoch,
        last.epoch,
        match split {
            Split::Test => " (chosen on these same images, so expect a little less on new ones).",
            _ => ".",
        }
    ))?;
    say(format_args!(
        "{} has those of epoch {}: {}. {} also holds checkpoint.safetensors, config.toml and metrics.csv.",
        shown_path(last_model),
        last.epoch,
        metric.format(last.value(monitor)),
        shown_path(run)
    ))?;
    if let Some(Baseline { value, answer }) = baseline
        && !is_above(metric, *value)
    {
        note(&format!("that is near chance ({} is {answer}): {hint}", metric.format(*value)));
    }
    let (program, model) = (program(), quoted(model));
    say(format_args!("Measure it:  {program} eval {model}"))?;
    say(format_args!("Use it:      {program} predict {model} IMAGE.png"))
}

/// Whether a metric, with its interval if it has one, is better than a value.
fn is_above(metric: &Metric, value: f64) -> bool {
    let worst = match (metric.interval_95, metric.direction) {
        (None, _) => metric.value,
        (Some([low, _]), Direction::Maximize) => low,
        (Some([_, high]), Direction::Minimize) => high,
    };
    Metric { value: worst, ..metric.clone() }.is_better(value)
}
