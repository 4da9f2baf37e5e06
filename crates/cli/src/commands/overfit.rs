//! `--overfit-one-batch`.

use super::run::{printer, watched};
use crate::args::{Log, Run};
use crate::output::{Failure, count_of, note, say, say_json, shown};
use crate::signals;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use striate::train::{DryRun, Layers, Overfit, OverfitVerdict, Sink, TrainError};
use striate::zoo::title_of;

/// Trains on one batch alone. What its loss came to is the last line, and an error unless the network memorizes it.
pub fn overfit(
    asked: &Layers,
    args: &Run,
    steps: usize,
    stop: &AtomicBool,
    failure: impl Fn(TrainError) -> Failure,
) -> Result<ExitCode, Failure> {
    let mut dry_run = watched(args.quiet, |watch| DryRun::new(asked, watch)).map_err(&failure)?;
    let talks = !args.quiet && args.log == Log::Text;
    if talks {
        announce(&dry_run, steps)?;
    }
    let mut sink: Box<dyn Sink> = printer(args).unwrap_or_else(|| Box::new(()));
    let found = dry_run.overfit_one_batch(steps, &mut *sink, stop).map_err(failure)?;
    if args.log == Log::Json && !args.quiet {
        let mut object = serde_json::to_value(&found)?;
        object["event"] = "overfit".into();
        say_json(&object)?;
    }
    if found.verdict == OverfitVerdict::Stopped {
        return Ok(ExitCode::from(signals::exit_code()));
    }
    let Some(problem) = problem(&found) else {
        if talks {
            let accuracy = found.accuracy.map_or(String::new(), |a| format!(", accuracy {:.0}%", 100.0 * a));
            say(format_args!(
                "The network memorizes one batch of {}: in {} the loss falls from {:.4} to {:.4}{accuracy}.",
                count_of(found.samples, "image"),
                count_of(found.steps, "step"),
                found.first_loss,
                found.last_loss
            ))?;
        }
        return Ok(ExitCode::SUCCESS);
    };
    Err(Failure::Message(problem))
}

fn announce(dry_run: &DryRun, steps: usize) -> Result<(), Failure> {
    let (config, data) = (dry_run.config(), dry_run.data());
    data.notes.iter().for_each(|text| note(text));
    say(shown(format!(
        "Training {} ({} parameters) on one batch of {} alone: {} at {}, {} at most, without augmentation, label smoothing, dropout and weight decay",
        title_of(&config.model),
        dry_run.num_parameters(),
        data.name,
        config.optimizer.name(),
        config.lr,
        count_of(steps, "step")
    )))
}

/// Why the batch is not memorized, and what to try; none if it is.
fn problem(found: &Overfit) -> Option<String> {
    let Overfit { samples, steps, lr, first_loss, best_loss, last_loss, .. } = found;
    let batch = count_of(*samples, "image");
    let steps_done = count_of(*steps, "step");
    let (smaller, larger) = (rounded(lr / 10.0), rounded(lr * 10.0));
    let course = format!("{steps_done} on one batch of {batch} bring the loss from {first_loss:.4} to {last_loss:.4}");
    Some(match found.verdict {
        OverfitVerdict::Memorized | OverfitVerdict::Stopped => return None,
        OverfitVerdict::NotFinite => format!(
            "after {steps_done} on one batch of {batch} the loss is not finite, from {first_loss:.4} on: the learning rate is too large; try --lr {smaller}"
        ),
        OverfitVerdict::NoGradient => format!(
            "the gradient of one batch of {batch} is 0, so nothing is learnt: a layer is dead (ReLUs that give 0 for every image), or the loss does \
             not depend on the weights"
        ),
        OverfitVerdict::Flat => format!(
            "{course}, so it stays where it was from the first step on: the learning rate is too small (try --lr {larger}), or a layer is dead"
        ),
        OverfitVerdict::Unstable => format!(
            "{course}, after {best_loss:.4} at best: it jumps, so the learning rate is too large; try --lr {smaller}"
        ),
        OverfitVerdict::Slow => {
            format!("{course}, and it still falls: try more steps (--overfit-one-batch={}) or --lr {larger}", steps * 4)
        }
        OverfitVerdict::Stuck => format!(
            "{course}, where it stays{}: images that look the same may have different labels, or the network is too small to tell {batch} apart",
            found.accuracy.map_or(String::new(), |a| format!(", with an accuracy of {:.0}%", 100.0 * a))
        ),
    })
}

/// A rate without the digits that dividing by 10 leaves.
fn rounded(lr: f64) -> f64 {
    format!("{lr:.3e}").parse().unwrap_or(lr)
}
