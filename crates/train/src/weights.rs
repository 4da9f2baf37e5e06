//! Weights to start from.

use crate::error::TrainError;
use crate::images;
use std::collections::BTreeMap;
use std::path::Path;
use striate_formats::read_weights;
use striate_nn::{Matched, Module, StateDict, load_matching};
use striate_zoo::nearest;

fn some(names: &[String]) -> String {
    images::some(names.iter().map(String::as_str))
}

/// The name that a tensor has now: torchvision's files of DenseNets are from when `norm1` was `norm.1`, and `conv1` was `conv.1`.
fn today(name: String) -> String {
    let renamed = name.split_once(".denselayer").and_then(|(block, layer)| {
        let (number, rest) = layer.split_once('.')?;
        let (kind, rest) = rest.split_once('.')?;
        let old = ["norm", "conv"].contains(&kind) && (rest.starts_with("1.") || rest.starts_with("2."));
        old.then(|| format!("{block}.denselayer{number}.{kind}{rest}"))
    });
    renamed.unwrap_or(name)
}

/// What a file of weights holds.
pub(crate) struct StartWeights {
    pub state: StateDict,
    /// The texts that go with them.
    pub metadata: BTreeMap<String, String>,
    /// The file and what kind it is, in words.
    pub origin: String,
    /// What was done to get at them, a line each.
    pub notes: Vec<String>,
}

/// Reads a file of weights, with names as they are today.
pub(crate) fn read(path: &Path) -> Result<StartWeights, TrainError> {
    let mut weights = read_weights(path)?;
    let (notes, metadata) = (weights.notes(), std::mem::take(&mut weights.metadata));
    let origin = format!("{} ({})", path.display(), weights.format);
    let state = weights.into_map().into_iter().map(|(name, value)| (today(name), value)).collect();
    Ok(StartWeights { state, metadata, origin, notes })
}

/// Replaces what of `network` the file at `path` has under the same names and in the same shapes, and says in lines what it did.
pub fn start_from(network: &mut dyn Module, path: &Path, model: &str) -> Result<Vec<String>, TrainError> {
    let StartWeights { state, origin, mut notes, .. } = read(path)?;
    let matched = take(network, &state, path, model)?;
    notes.push(format!("starting from {origin}: {} of {} tensors taken", matched.loaded.len(), state.len()));
    notes.extend(report(&matched));
    Ok(notes)
}

/// Takes what fits; an error if nothing does.
pub(crate) fn take(
    network: &mut dyn Module,
    state: &StateDict,
    path: &Path,
    model: &str,
) -> Result<Matched, TrainError> {
    let matched = load_matching(network, state);
    // Networks that have nothing else in common still count their batches under the same names.
    if matched.loaded.iter().any(|name| !name.ends_with("num_batches_tracked")) {
        return Ok(matched);
    }
    let first: Vec<String> = state.keys().cloned().collect();
    let (its, ours) = (some(&first), some(&matched.missing));
    let advice = match nearest(&shapes(state)) {
        Some(r) => format!("it looks like {} ({} of {} tensors): --model {0}", r.architecture.name, r.found, r.of),
        None => "is it for another network (--model)?".to_string(),
    };
    Err(TrainError::StartWeights {
        path: path.to_path_buf(),
        reason: format!(
            "none of its {} tensors has the name and shape of one of {model}: it has {its}; {model} has {ours}; {advice}",
            state.len()
        ),
    })
}

/// The names and shapes of tensors.
pub(crate) fn shapes(state: &StateDict) -> BTreeMap<String, Vec<usize>> {
    state.iter().map(|(name, t)| (name.clone(), t.shape().to_vec())).collect()
}

/// What did not fit, or was made to, a line each.
pub(crate) fn report(matched: &Matched) -> Vec<String> {
    let mut notes = Vec::new();
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
    notes
}

#[cfg(test)]
mod tests {
    use super::today;

    #[test]
    fn old_names_of_densenets_become_new_ones() {
        let block = "features.denseblock2.denselayer11.";
        for (old, new) in [("norm.1.weight", "norm1.weight"), ("conv.2.weight", "conv2.weight")] {
            assert_eq!(today(format!("{block}{old}")), format!("{block}{new}"));
        }
        for name in ["norm1.running_mean", "conv.3.weight", "norm.1", "relu.1.weight"].map(|n| format!("{block}{n}")) {
            assert_eq!(today(name.clone()), name);
        }
        for name in ["features.transition1.norm.1.weight", "layer1.0.conv1.weight", "", ".denselayer"] {
            assert_eq!(today(name.to_string()), name);
        }
    }
}
