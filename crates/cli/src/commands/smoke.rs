//! `--smoke`.

use super::run::{Listener, printer, watched};
use crate::args::{Log, Run};
use crate::output::{Failure, say, say_json};
use crate::signals;
use serde_json::json;
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use striate::train::{Layers, Outcome, Session, TrainError};

/// A run of two batches, of which one line at the end says that everything works.
pub fn smoke(
    asked: &Layers,
    args: &Run,
    stop: &AtomicBool,
    failure: impl Fn(TrainError) -> Failure,
) -> Result<ExitCode, Failure> {
    let began = Instant::now();
    let mut listener = Listener { inner: printer(args), end: None };
    let out = args.out.as_deref();
    let outcome = watched(args.quiet, |watch| Session::smoke(asked, out, watch, &mut listener, stop));
    if outcome.map_err(failure)? == Outcome::Stopped {
        return Ok(ExitCode::from(signals::exit_code()));
    }
    let seconds = began.elapsed().as_secs_f64();
    match args.log {
        _ if args.quiet => {}
        Log::Json => say_json(&json!({"event": "smoke", "works": true, "seconds": seconds}))?,
        Log::Text => say(format_args!(
            "Everything works: data, every stage of the training, validation, checkpoint and model file, in {seconds:.1} s."
        ))?,
    }
    Ok(ExitCode::SUCCESS)
}
