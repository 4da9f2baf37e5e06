//! Checkpoints: all that a run needs to go on as if nothing had happened.

use crate::error::TrainError;
use crate::run_dir::RunDir;
use crate::state::{Measured, TrainState};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use striate_data::images::listed;
use striate_formats::safetensors;
use striate_model::Provenance;
use striate_nn::{Ema, Module, Optimizer, OptimizerState, StateDict, first_fault, load_state_dict, state_dict};
use striate_tensor::isa;

/// The version of the layout that this program writes.
const VERSION: u32 = 3;
const KEY: &str = "striate_checkpoint";

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    model: String,
    seed: u64,
    optimizer_steps: u64,
    /// How many updates the average of weights holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ema_updates: Option<u64>,
    state: TrainState,
    /// The names of the classes, in the order of the outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    classes: Option<Vec<String>>,
    /// The instruction set that it was computed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    isa: Option<String>,
    /// What the weights have seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provenance: Option<Provenance>,
}

/// What tells one run's checkpoints from another's.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The network's name, or its canonical text.
    pub model: &'a str,
    /// The run's seed.
    pub seed: u64,
    /// The names of the classes, in the order of the outputs.
    pub classes: &'a [String],
    /// What the weights have seen, asked for when a checkpoint is written.
    pub provenance: &'a dyn Fn() -> Provenance,
}

/// What a checkpoint says besides the tensors.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Where the run stood.
    pub state: TrainState,
    /// The instruction set that it was computed with, if that is known.
    pub isa: Option<String>,
}

/// What a checkpoint says of the network that it is of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Described {
    /// The network's name, or its canonical text.
    pub model: String,
    /// Steps in all.
    pub steps: u64,
    /// What the weights have seen, if that is known.
    pub provenance: Option<Provenance>,
}

/// What these texts of a safetensors file say, if it is a checkpoint of Striate's.
pub(crate) fn describe(metadata: &BTreeMap<String, String>) -> Option<Described> {
    let header: Header = serde_json::from_str(metadata.get(KEY)?).ok()?;
    let Header { model, state, provenance, .. } = header;
    Some(Described { model, steps: state.steps, provenance })
}

/// The steps of the checkpoint at `path`; none if it cannot be read.
pub(crate) fn steps(path: &Path) -> Option<u64> {
    Some(describe(&safetensors::read(path).ok()?.metadata)?.steps)
}

/// The best epoch of the run in directory `run`.
pub(crate) fn best_epoch(run: &Path) -> Result<Measured, TrainError> {
    let path = run.join("checkpoint.safetensors");
    let header = safetensors::read(&path)?.metadata.remove(KEY);
    let header = header.and_then(|text| serde_json::from_str::<Header>(&text).ok());
    header.and_then(|header| header.state.best).ok_or_else(|| TrainError::Checkpoint {
        path: path.clone(),
        reason: "its run has not measured an epoch".into(),
    })
}

/// What the names of a network's tensors begin with in a checkpoint.
pub(crate) const WEIGHTS: &str = "model.";

/// Writes a checkpoint. Whatever happens, `path` holds either the old one or the new one.
pub fn save(
    path: &Path,
    who: Identity,
    train_state: &TrainState,
    model: &dyn Module,
    optimizer: &dyn Optimizer,
    ema: Option<&Ema>,
) -> Result<(), striate_formats::FormatError> {
    let state = optimizer.state();
    let mut tensors = BTreeMap::new();
    tensors.extend(state_dict(model).into_iter().map(|(name, t)| (format!("{WEIGHTS}{name}"), t)));
    tensors.extend(state.tensors.iter().map(|(name, t)| (format!("optimizer.{name}"), t.clone())));
    let average = ema.map(Ema::state);
    if let Some((average, _)) = average {
        tensors.extend(average.iter().map(|(name, t)| (format!("ema.{name}"), t.clone())));
    }
    let header = Header {
        version: VERSION,
        model: who.model.to_string(),
        seed: who.seed,
        optimizer_steps: state.steps,
        ema_updates: average.map(|(_, updates)| updates),
        state: train_state.clone(),
        classes: Some(who.classes.to_vec()),
        isa: Some(isa::isa().name().to_string()),
        provenance: Some((who.provenance)()),
    };
    let header = serde_json::to_string(&header).expect("a header is plain values");
    let metadata = BTreeMap::from([(KEY.to_string(), header)]);
    safetensors::write(path, &tensors, &metadata)
}

/// Writes a checkpoint into a run's directory, and says where it lies.
pub(crate) fn write(
    run: &RunDir,
    who: Identity,
    train_state: &TrainState,
    model: &dyn Module,
    optimizer: &dyn Optimizer,
    ema: Option<&Ema>,
) -> Result<PathBuf, TrainError> {
    let path = run.checkpoint();
    match save(&path, who, train_state, model, optimizer, ema) {
        Ok(()) => Ok(path),
        Err(cause) => Err(TrainError::CheckpointWrite {
            cause: Box::new(cause),
            last: path.exists().then(|| path.clone()),
            run: run.path().to_path_buf(),
        }),
    }
}

/// Reads a checkpoint into `model`, `optimizer` and the average of weights where there is one, and says what it says of the run.
pub fn load(
    path: &Path,
    who: Identity,
    model: &mut dyn Module,
    optimizer: &mut dyn Optimizer,
    ema: Option<&mut Ema>,
) -> Result<Loaded, TrainError> {
    let bad = |reason: String| TrainError::Checkpoint { path: path.to_path_buf(), reason };
    let contents = safetensors::read(path)?;
    let header = contents.metadata.get(KEY).ok_or_else(|| bad("not a checkpoint of Striate's".into()))?;
    let version: serde_json::Value = serde_json::from_str(header).map_err(|e| bad(format!("damaged header: {e}")))?;
    let version = version["version"].as_u64().unwrap_or(0);
    if version != VERSION as u64 {
        return Err(bad(match version < VERSION as u64 {
            true => format!(
                "has format version {version} of an earlier Striate (this one: {VERSION}): go on with the program that wrote it, or start \
                 the run anew"
            ),
            false => format!("has format version {version}, this program reads {VERSION}: use a newer Striate"),
        }));
    }
    let header: Header = serde_json::from_str(header).map_err(|e| bad(format!("damaged header: {e}")))?;
    if header.model != who.model || header.seed != who.seed {
        return Err(bad(format!(
            "belongs to a run of {} with seed {}, not {} with seed {}",
            header.model, header.seed, who.model, who.seed
        )));
    }
    if let Some(classes) = header.classes.filter(|classes| classes != who.classes) {
        return Err(bad(format!(
            "was trained on the classes {}, but the data has {}",
            quoted(&classes),
            quoted(who.classes)
        )));
    }
    let (mut weights, mut average, mut state) = (StateDict::new(), StateDict::new(), OptimizerState::default());
    for (name, tensor) in contents.tensors {
        if let Some(name) = name.strip_prefix(WEIGHTS) {
            weights.insert(name.to_string(), tensor);
        } else if let Some(name) = name.strip_prefix("optimizer.") {
            state.tensors.insert(name.to_string(), tensor);
        } else if let Some(name) = name.strip_prefix("ema.") {
            average.insert(name.to_string(), tensor);
        }
    }
    state.steps = header.optimizer_steps;
    if let Some((name, fault)) = first_fault(weights.iter().chain(&average)) {
        return Err(bad(format!("its tensor '{name}' is no use: {fault}")));
    }
    load_state_dict(model, &weights).map_err(|cause| TrainError::Weights { path: path.to_path_buf(), cause })?;
    for (name, tensor) in &state.tensors {
        let parameter = name.split_once('.').and_then(|(_, parameter)| weights.get(parameter));
        if parameter.is_none_or(|p| p.shape() != tensor.shape()) {
            return Err(bad(format!("the optimizer's tensor '{name}' fits no parameter")));
        }
    }
    if let Some(ema) = ema {
        let updates = header.ema_updates.ok_or_else(|| bad("holds no average of weights".into()))?;
        ema.set_state(average, updates).map_err(|cause| TrainError::Weights { path: path.to_path_buf(), cause })?;
    }
    optimizer.set_state(state);
    Ok(Loaded { state: header.state, isa: header.isa })
}

/// Names in quotes, for a space at an end is part of them.
fn quoted(classes: &[String]) -> String {
    listed(&classes.iter().map(|class| format!("{class:?}")).collect::<Vec<_>>(), 10)
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_nn::{Linear, Sgd};
    use striate_tensor::Generator;

    /// What a checkpoint of another version of the layout is refused with; none if it is read.
    fn refusal(version: u32) -> Option<String> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("checkpoint.safetensors");
        let mut net = Linear::new(3, 2, &mut Generator::new(0));
        let mut optimizer = Sgd::new(0.1);
        let none = || -> Provenance { unreachable!("it is not asked for") };
        let reading = Identity { model: "mine", seed: 7, classes: &[], provenance: &none };
        let writing = Identity { provenance: &Provenance::default, ..reading };
        save(&path, writing, &TrainState::default(), &net, &optimizer, None).unwrap();
        let mut file = safetensors::read(&path).unwrap();
        let header = file.metadata.get_mut(KEY).unwrap();
        let mut value: serde_json::Value = serde_json::from_str(header).unwrap();
        assert_eq!(value["version"], VERSION);
        value["version"] = version.into();
        *header = value.to_string();
        safetensors::write(&path, &file.tensors.into_iter().collect(), &file.metadata).unwrap();
        let read = load(&path, reading, &mut net, &mut optimizer, None);
        read.err().map(|e| e.to_string())
    }

    #[test]
    fn other_versions_are_refused_by_their_number() {
        assert_eq!(refusal(VERSION), None);
        for (version, way_out) in [
            (VERSION - 1, "of an earlier Striate (this one: 3): go on with the program that wrote it"),
            (1, "of an earlier Striate (this one: 3): go on with the program that wrote it"),
            (VERSION + 1, "this program reads 3: use a newer Striate"),
        ] {
            let message = refusal(version).expect("another version is refused");
            assert!(message.contains("checkpoint.safetensors"), "{message}");
            assert!(message.contains(&format!("format version {version}")) && message.contains(way_out), "{message}");
        }
    }
}
