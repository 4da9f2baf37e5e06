//! k-fold cross-validation: a run for each fold, and what they say together.

use super::eval::report_of_folds;
use super::run::{printer, watched, with_tensorboard};
use crate::advice;
use crate::args::{Log, Run};
use crate::output::{Failure, or_unread, program, quoted, say, say_json, shown_path};
use crate::signals;
use crate::table::Table;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use striate::train::{
    CrossValidation, Layers, ResolvedConfig, RunsOutcome, Sink, Spread, TrainError, cross_validate,
    resume_cross_validation,
};

fn sink(args: &Run) -> Box<dyn Sink> {
    let inner = printer(args);
    if args.tensorboard { with_tensorboard(inner) } else { inner.unwrap_or_else(|| Box::new(())) }
}

/// How many folds are asked for: typed, or in a file of settings.
pub fn asked_for(typed: Option<u32>, settings: &ResolvedConfig) -> Option<usize> {
    typed.map(|folds| folds as usize).or(settings.cross_validation())
}

/// Trains once for each fold. The outer error is the library's, of settings or data.
pub fn run(
    asked: &Layers,
    folds: usize,
    args: &Run,
    stop: &AtomicBool,
) -> Result<Result<ExitCode, Failure>, TrainError> {
    if args.ui {
        return Ok(Err("--ui shows one training, and folds are several: leave it out".into()));
    }
    let mut sink = sink(args);
    let done = watched(args.quiet, |watch| cross_validate(asked, folds, args.out.as_deref(), watch, &mut sink, stop))?;
    Ok(end(done, args))
}

/// Goes on with the folds of a directory.
pub fn resume(path: &Path, args: &Run, stop: &AtomicBool) -> Result<ExitCode, Failure> {
    if args.ui {
        return Err(format!("--ui shows one training, and {} holds several: leave it out", shown_path(path)).into());
    }
    let mut sink = sink(args);
    let done = watched(args.quiet, |watch| resume_cross_validation(path, watch, &mut sink, stop));
    end(done.map_err(advice::failure)?, args)
}

fn end(done: RunsOutcome<CrossValidation>, args: &Run) -> Result<ExitCode, Failure> {
    let done = match done {
        RunsOutcome::Finished(done) => done,
        RunsOutcome::Stopped { directory } => {
            if !args.quiet && args.log == Log::Text {
                let (program, place) = (program(), quoted(&directory));
                or_unread(say(format_args!(
                    "Stopped; nothing is lost. Go on with:  {program} train --resume {place}"
                )))?;
            }
            return Ok(ExitCode::from(signals::exit_code()));
        }
    };
    match args.log {
        _ if args.quiet => {}
        Log::Json => say_json(&serde_json::to_value(&done)?)?,
        Log::Text => print(&done)?,
    }
    if args.report {
        let page = report_of_folds(&done)?;
        if !args.quiet && args.log == Log::Text {
            say(format_args!("Report:      {}", shown_path(&page)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn print(done: &CrossValidation) -> Result<(), Failure> {
    let mut header = vec!["metric".to_string()];
    header.extend((1..=done.folds.len()).map(|fold| format!("fold {fold}")));
    header.extend(["mean".into(), "deviation".into()]);
    let mut table = Table::new(&header.iter().map(String::as_str).collect::<Vec<_>>());
    for Spread { mean, deviation } in &done.metrics {
        let mut row = vec![mean.title()];
        row.extend(done.folds.iter().map(|fold| mean.format(fold.value(&mean.name))));
        row.extend([mean.shown(), mean.format(*deviation)]);
        table.row(row);
    }
    say(format_args!("\n{table}"))?;
    if let Some(Spread { mean, deviation }) = done.metrics.iter().find(|spread| spread.mean.name == done.monitor) {
        say(format_args!(
            "\nOver {}: {} {} ± {} (each fold's best epoch was chosen on its own images held out)",
            done.title(),
            mean.title(),
            mean.shown(),
            mean.format(*deviation)
        ))?;
    }
    say(format_args!("The answers on all images: {}", shown_path(&done.predictions)))
}
