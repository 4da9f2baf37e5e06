//! Published weights, with a progress bar while they come.

use crate::advice;
use crate::output::{Failure, note};
use crate::progress::download_bar;
use crate::signals;
use std::cell::OnceCell;
use std::sync::atomic::{AtomicBool, Ordering};
use striate::train::{resolve_weights, weights_url};
use striate::zoo::published;

/// Fetches what `--weights` names for the network, if it is to be fetched, before anything else takes time. `stop` ends the program; what has
/// come by then is kept.
pub fn fetch(weights: Option<&str>, model: &str, quiet: bool, stop: &AtomicBool) -> Result<(), Failure> {
    let Some(weights) = weights else { return Ok(()) };
    let bar = OnceCell::new();
    let progress = |done: u64, total: u64| {
        if stop.load(Ordering::Relaxed) {
            std::process::exit(signals::exit_code().into());
        }
        if quiet {
            return;
        }
        let bar = bar.get_or_init(|| {
            if let Some(url) = published(model).and_then(weights_url) {
                note(&format!("fetching {url}"));
            }
            download_bar()
        });
        bar.set_length(total);
        bar.set_position(done);
    };
    let result = resolve_weights(weights, model, &progress);
    if let Some(bar) = bar.get() {
        bar.finish_and_clear();
    }
    result.map(|_| ()).map_err(advice::failure)
}
