//! `result.json`: how far a run has come, and what came of it.

use crate::error::TrainError;
use crate::events::Baseline;
use crate::state::Measured;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};
use striate_formats::{FormatError, write_atomic};
use striate_imaging::Split;

/// The file in a run's directory.
pub(crate) const RESULT: &str = "result.json";

/// How a run stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunState {
    /// A process trains.
    #[default]
    Running,
    /// All epochs are done, or something ended them early.
    Finished,
    /// It was asked to stop, and can go on.
    Stopped,
    /// An error ended it, or its process did without a word.
    Failed,
    /// Nothing tells.
    Unknown,
}

impl RunState {
    /// Its name: `running`, `finished`, `stopped`, `failed` or `unknown`.
    pub fn name(self) -> &'static str {
        match self {
            RunState::Running => "running",
            RunState::Finished => "finished",
            RunState::Stopped => "stopped",
            RunState::Failed => "failed",
            RunState::Unknown => "unknown",
        }
    }
}

/// How far a run has come, and what came of it: `result.json` in its directory, written anew after each epoch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RunResult {
    /// How it stands. A run that was killed has said that it is running: see [`runs`](crate::runs).
    pub state: RunState,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why it ended before all its epochs, if something ended it early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_early: Option<String>,
    /// The task's name.
    pub task: String,
    /// The network's name, or its layers as text; empty of a network without either.
    pub model: String,
    /// The data, where a name describes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What the samples are for that epochs are measured on.
    pub split: Split,
    /// The name of the metric by which the best epoch is chosen.
    pub monitor: String,
    /// Epochs in all.
    pub epochs: usize,
    /// Epochs done.
    pub epochs_done: usize,
    /// Steps done.
    pub steps: u64,
    /// The best epoch so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best: Option<Measured>,
    /// The last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Measured>,
    /// What an answer without looking would give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Baseline>,
    /// When it began, in seconds since 1970.
    pub started: u64,
    /// Seconds that it has trained, in all its processes.
    pub seconds: f64,
    /// What all random numbers come from.
    pub seed: u64,
    /// Threads that compute.
    pub threads: usize,
    /// The instruction set in use.
    pub isa: String,
    /// The version of Striate that trained last.
    pub striate_version: String,
}

impl RunResult {
    /// What the run with this directory says of itself; none if it says nothing.
    ///
    /// # Errors
    /// If the file cannot be read or is damaged.
    pub fn read(run: &Path) -> Result<Option<RunResult>, TrainError> {
        let path = run.join(RESULT);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(TrainError::io("read", &path, e)),
        };
        let bad = |e: serde_json::Error| TrainError::Config { path, reason: e.to_string() };
        serde_json::from_slice(&bytes).map(Some).map_err(bad)
    }

    pub(crate) fn write(&self, run: &Path) -> Result<(), FormatError> {
        let text = serde_json::to_string_pretty(self).expect("a result is plain values");
        write_atomic(&run.join(RESULT), format!("{text}\n").as_bytes())
    }
}

/// The time now.
pub(crate) fn seconds_since_1970() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}
