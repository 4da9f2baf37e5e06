use super::run::watched;
use crate::advice;
use crate::args::SweepArgs;
use crate::output::{Failure, note, or_unread, program, quoted, say, say_json, shown, shown_path};
use crate::signals;
use crate::table::Table;
use std::process::ExitCode;
use striate::train::{Event, Metric, RunsOutcome, Sink, Swept, resume_sweep, sinks, sweep};

/// How many trials are printed at the end.
const MANY: usize = 20;

/// Prints which trial begins, and what it gave.
struct Trials {
    quiet: bool,
}

impl Sink for Trials {
    fn event(&mut self, event: &Event) {
        match event {
            _ if self.quiet => {}
            Event::Trial { .. } => sinks::line(event).into_iter().for_each(|line| _ = say(shown(line))),
            Event::Finished(end) => {
                if let Some(metric) = end.best.get(&end.monitor) {
                    let _ = say(format_args!(
                        "  {} {}: {} (epoch {} of {}, {:.0} s)",
                        end.split.adjective(),
                        metric.title(),
                        metric.shown(),
                        end.best.epoch,
                        end.last.epoch,
                        end.seconds
                    ));
                }
            }
            _ => {}
        }
    }
}

pub fn run(args: SweepArgs) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    let stop = signals::stop_flag()?;
    let quiet = args.quiet || args.json;
    if quiet {
        striate::nn::notice::listen(|_| {});
    }
    let mut sink = Trials { quiet };
    let swept = watched(true, |watch| match (&args.resume, &args.file) {
        (Some(path), _) => resume_sweep(path, watch, &mut sink, &stop),
        (None, Some(file)) => sweep(file, args.out.as_deref(), watch, &mut sink, &stop),
        (None, None) => unreachable!("one of them is required"),
    });
    let swept = match swept.map_err(advice::failure)? {
        RunsOutcome::Finished(swept) => swept,
        RunsOutcome::Stopped { directory } => {
            if !quiet {
                let (program, place) = (program(), quoted(&directory));
                or_unread(say(format_args!(
                    "Stopped; nothing is lost. Go on with:  {program} sweep --resume {place}"
                )))?;
            }
            return Ok(ExitCode::from(signals::exit_code()));
        }
    };
    match args.json {
        true => say_json(&serde_json::to_value(&swept)?)?,
        false if args.quiet => {}
        false => print(&swept)?,
    }
    match swept.best_run {
        Some(_) => Ok(ExitCode::SUCCESS),
        None if quiet => Err(Failure::from(format!("all trials failed: {} says why", shown_path(&swept.table)))),
        None => Err(Failure::from("all trials failed: the notes above say why")),
    }
}

fn print(swept: &Swept) -> Result<(), Failure> {
    let Swept { trials, metric, best_run, table, picture } = swept;
    let names: Vec<&str> = trials.first().map_or_else(Vec::new, |t| t.settings.iter().map(|s| s.0.as_str()).collect());
    let title =
        trials.iter().find_map(|t| Some(t.best.as_ref()?.get(metric)?.title())).unwrap_or_else(|| metric.clone());
    let mut header = vec!["rank", "trial", "epochs"];
    header.extend(&names);
    header.push(&title);
    let mut rows = Table::new(&header);
    for (rank, trial) in trials.iter().take(MANY).enumerate() {
        let mut row = vec![(rank + 1).to_string(), trial.number.to_string(), trial.epochs.to_string()];
        row.extend(trial.settings.iter().map(|(_, value)| value.clone()));
        row.push(trial.best.as_ref().and_then(|best| best.get(metric)).map_or("failed".into(), Metric::shown));
        rows.row(row);
    }
    say(format_args!("\n{rows}"))?;
    for trial in trials.iter().filter(|trial| trial.failure.is_some()).take(MANY) {
        note(&format!("trial {}: {}", trial.number, trial.failure.as_deref().unwrap_or_default()));
    }
    say(format_args!("\nAll {} trials: {}; {}", trials.len(), shown_path(table), shown_path(picture)))?;
    let Some(best_run) = best_run else { return Ok(()) };
    say(format_args!("Best run: {}", shown_path(best_run)))?;
    say(format_args!("Measure it:  {} eval {}", program(), quoted(best_run)))
}
