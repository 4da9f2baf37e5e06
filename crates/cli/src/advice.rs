//! What to type after an error of the library, which knows no command line.

use crate::commands::data::recovery_hint;
use crate::output::{Failure, program, quoted};
use crate::settings;
use std::path::Path;
use striate::model::{ModelError, PREPROCESSINGS};
use striate::train::TrainError;

/// The error in one line, with the commands that lead on from it.
pub fn failure(e: TrainError) -> Failure {
    let program = program();
    let line = settings::in_flags(&e);
    let advice = advice(&e, &program);
    if let TrainError::Data(e) = &e {
        return Failure::Message(line + recovery_hint(e));
    }
    Failure::Message(advice.map_or(line.clone(), |advice| format!("{line}: {advice}")))
}

/// As [`failure`], of a file of another program.
pub fn of_import(e: ModelError) -> Failure {
    let names = PREPROCESSINGS.map(|(name, _)| name).join(", ");
    Failure::Message(match e {
        ModelError::NoPreprocessing { .. } => format!("{e}: add --preprocessing with {names} or a JSON file"),
        _ => e.to_string(),
    })
}

fn advice(e: &TrainError, program: &str) -> Option<String> {
    Some(match e {
        TrainError::RunExists { path, is_run: true } => {
            format!("choose another --out, or go on with {program} train --resume {}", quoted(path))
        }
        TrainError::RunExists { .. } => "choose another --out".to_string(),
        TrainError::CheckpointWrite { last: Some(_), run, .. } => {
            format!("{program} train --resume {}", quoted(run))
        }
        TrainError::NonFinite { lr, checkpoint, .. } => {
            let lr = smaller(*lr);
            match checkpoint {
                Some(file) => format!("--lr {lr}, or also --weights {}", quoted(file)),
                None => format!("--lr {lr}"),
            }
        }
        TrainError::ScheduleOver { model, data, .. } => {
            format!("{program} train {} --weights {} --epochs N", quoted(Path::new(data)), quoted(model))
        }
        _ => return None,
    })
}

/// A tenth of a learning rate, and not more than what is usual.
fn smaller(lr: f64) -> f64 {
    const USUAL: f64 = 0.001;
    let tenth = lr / 10.0;
    if tenth.is_finite() && tenth < USUAL { tenth } else { USUAL }
}
