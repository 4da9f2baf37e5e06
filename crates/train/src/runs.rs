//! What runs there are, and how they went.

use crate::error::TrainError;
use crate::run_dir::{CONFIG, LOCK, RunDir};
use crate::run_result::{RESULT, RunResult, RunState};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// A run's directory, and what it tells.
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    /// The directory.
    pub path: PathBuf,
    /// How the run went. Its state takes into account whether a process trains there.
    pub result: RunResult,
    /// The settings of `config.toml`, by name, those of a section as `images.size`; none of a program's own network.
    pub settings: BTreeMap<String, String>,
}

/// A directory that a run has left, and why it cannot be read.
#[derive(Debug)]
pub struct DamagedRun {
    /// The directory.
    pub path: PathBuf,
    /// What is wrong.
    pub error: TrainError,
}

impl RunSummary {
    /// What the run with directory `path` tells.
    ///
    /// # Errors
    /// [`TrainError::NotARun`] if it is none, and if its files are damaged.
    pub fn read(path: &Path) -> Result<RunSummary, TrainError> {
        if !is_run(path) {
            return Err(TrainError::NotARun { path: path.to_path_buf(), missing: RESULT });
        }
        let settings = settings(&path.join(CONFIG))?;
        let mut result = RunResult::read(path)?.unwrap_or_else(|| {
            let of = |name: &str| settings.get(name).cloned();
            RunResult {
                state: RunState::Unknown,
                model: of("model").unwrap_or_default(),
                data: of("data"),
                epochs: of("epochs").and_then(|n| n.parse().ok()).unwrap_or(0),
                started: modified(&path.join(CONFIG)),
                ..RunResult::default()
            }
        });
        result.state = match result.state {
            _ if RunDir::is_held(path) => RunState::Running,
            RunState::Running => {
                result.error = Some("its process ended without a word, as if it was killed".into());
                RunState::Failed
            }
            state => state,
        };
        Ok(RunSummary { path: path.to_path_buf(), result, settings })
    }
}

/// The runs in a directory, or the one whose directory it is: the newest first, then those that are damaged, by name. Other directories are left out.
///
/// # Errors
/// If the directory cannot be read.
pub fn runs(dir: &Path) -> Result<(Vec<RunSummary>, Vec<DamagedRun>), TrainError> {
    let mut paths = Vec::new();
    if is_run(dir) {
        paths.push(dir.to_path_buf());
    } else {
        let io = |e| TrainError::io("read", dir, e);
        for entry in fs::read_dir(dir).map_err(io)? {
            paths.push(entry.map_err(io)?.path());
        }
        paths.retain(|path| is_run(path));
    }
    paths.sort();
    let (mut read, mut damaged) = (Vec::new(), Vec::new());
    for path in paths {
        match RunSummary::read(&path) {
            Ok(run) => read.push(run),
            Err(error) => damaged.push(DamagedRun { path, error }),
        }
    }
    read.sort_by_key(|run| std::cmp::Reverse(run.result.started));
    Ok((read, damaged))
}

/// Whether a run has left this directory.
fn is_run(path: &Path) -> bool {
    path.join(RESULT).is_file() || (path.join(CONFIG).is_file() && path.join(LOCK).is_file())
}

/// When a file was written last, in seconds since 1970.
fn modified(path: &Path) -> u64 {
    let time = fs::metadata(path).and_then(|data| data.modified()).ok();
    time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()).map_or(0, |time| time.as_secs())
}

/// The settings of a file by their whole names, whichever build wrote it; none if there is no file.
fn settings(path: &Path) -> Result<BTreeMap<String, String>, TrainError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(e) => return Err(TrainError::io("read", path, e)),
    };
    let bad = |e: toml::de::Error| TrainError::Config { path: path.to_path_buf(), reason: e.message().to_string() };
    let table: toml::Table = text.parse().map_err(bad)?;
    let mut settings = BTreeMap::new();
    flatten("", &table, &mut settings);
    Ok(settings)
}

fn flatten(section: &str, table: &toml::Table, to: &mut BTreeMap<String, String>) {
    for (key, value) in table {
        let name = format!("{section}{key}");
        match value {
            toml::Value::Table(inner) => flatten(&format!("{name}."), inner, to),
            toml::Value::String(text) => _ = to.insert(name, text.clone()),
            other => _ = to.insert(name, other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leave(path: &Path, result: &RunResult) {
        fs::create_dir_all(path).unwrap();
        result.write(path).unwrap();
    }

    #[test]
    fn runs_are_told_from_other_directories_and_damaged_ones() {
        let dir = tempfile::tempdir().unwrap();
        let d = dir.path();
        let of = |state, started| RunResult { state, started, ..RunResult::default() };
        leave(&d.join("old"), &of(RunState::Finished, 100));
        leave(&d.join("new"), &of(RunState::Stopped, 300));
        leave(&d.join("killed"), &of(RunState::Running, 200));
        let held = RunDir::create_at(&d.join("held")).unwrap();
        of(RunState::Running, 50).write(held.path()).unwrap();
        fs::create_dir(d.join("notes")).unwrap();
        fs::write(d.join("notes/config.toml"), "of another program").unwrap();
        fs::write(d.join("file"), "").unwrap();
        leave(&d.join("cut"), &of(RunState::Finished, 1));
        fs::write(d.join("cut/result.json"), "{\"task\": \"cl").unwrap();
        fs::create_dir(d.join("bare")).unwrap();
        fs::write(d.join("bare/.lock"), "").unwrap();
        fs::write(d.join("bare/config.toml"), "data = \"mnist\"\nepochs = 3\n[images]\nsize = 64\n").unwrap();

        let (runs, damaged) = runs(d).unwrap();
        let state = |name: &str| runs.iter().find(|run| run.path == d.join(name)).unwrap().result.state;
        assert_eq!(
            ["old", "new", "killed", "held", "bare"].map(state),
            [RunState::Finished, RunState::Stopped, RunState::Failed, RunState::Running, RunState::Unknown]
        );
        assert_eq!(runs[0].path, d.join("bare"), "its settings were written just now");
        assert_eq!((&runs[1].path, &runs[4].path), (&d.join("new"), &d.join("held")));
        assert_eq!((runs[0].result.data.as_deref(), runs[0].settings["images.size"].as_str()), (Some("mnist"), "64"));
        assert_eq!(damaged.iter().map(|run| &run.path).collect::<Vec<_>>(), [&d.join("cut")]);
        let line = damaged[0].error.to_string();
        assert!(line.contains("cut/result.json: EOF while parsing"), "{line}");
        // The directory of one run is that run.
        assert_eq!(super::runs(&d.join("old")).unwrap().0.len(), 1);
        let line = RunSummary::read(&d.join("notes")).unwrap_err().to_string();
        assert!(line.ends_with("is not a run directory: it has no result.json"), "{line}");
    }
}
