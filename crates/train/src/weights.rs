//! Weights to start from.

use crate::error::TrainError;
use crate::pictures;
use std::path::Path;
use striate_formats::read_weights;
use striate_nn::{Module, load_matching};

fn some(names: &[String]) -> String {
    pictures::some(names.iter().map(String::as_str))
}

/// Replaces what of `network` the file at `path` has under the same names and in the same shapes, and says in lines what it did.
pub fn start_from(network: &mut dyn Module, path: &Path, model: &str) -> Result<Vec<String>, TrainError> {
    let weights = read_weights(path)?;
    let mut notes = weights.notes();
    let format = weights.format;
    let state = weights.into_map();
    let matched = load_matching(network, &state);
    let file = path.display();
    // Networks that have nothing else in common still count their batches under the same names.
    if matched.loaded.iter().all(|name| name.ends_with("num_batches_tracked")) {
        let first: Vec<String> = state.keys().cloned().collect();
        let (its, ours) = (some(&first), some(&matched.missing));
        return Err(TrainError::StartWeights {
            path: path.to_path_buf(),
            reason: format!(
                "none of its {} tensors has the name and shape of one of {model}: it has {its}; {model} has {ours}; is it for another network (--model)?",
                state.len()
            ),
        });
    }
    notes.push(format!("starting from {file} ({format}): {} of {} tensors taken", matched.loaded.len(), state.len()));
    if let Some((name, from, to)) = &matched.channels {
        let how = if from > to { "summed over" } else { "spread over" };
        notes.push(format!("{name} was made for images of {from} channels, and is {how} them for images of {to}"));
    }
    if !matched.reshaped.is_empty() {
        let shapes =
            matched.reshaped.iter().map(|(name, own, given)| format!("{name} ({given:?} there, {own:?} here)"));
        notes.push(format!("of another shape, so they start fresh: {}", some(&shapes.collect::<Vec<_>>())));
    }
    if !matched.missing.is_empty() {
        notes.push(format!("not in the file, so they start fresh: {}", some(&matched.missing)));
    }
    if !matched.unexpected.is_empty() {
        notes.push(format!("not in the network, so they are left out: {}", some(&matched.unexpected)));
    }
    Ok(notes)
}
