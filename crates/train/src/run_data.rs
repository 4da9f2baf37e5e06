//! The data of a run, read from its directory without touching it: the run may be training, and its directory may be read only.

use crate::config::ResolvedConfig;
use crate::data::{Images, MNIST, Splits, load_idx};
use crate::error::TrainError;
use crate::images::{self, IMAGES, PREPROCESSING};
use crate::run_dir::{CONFIG, RunDir};
use std::path::Path;
use striate_data::images::text_path;
use striate_model::Provenance;

/// The file of a run's directory with what the weights had seen that it started from.
pub(crate) const STARTED_FROM: &str = "started-from.json";

/// The images that the run in directory `path` learns from; none if `path` is not the directory of a run.
///
/// # Errors
/// If its settings or its data cannot be read any more.
pub fn training_images(path: &Path) -> Result<Option<Images>, TrainError> {
    match of_run(path) {
        Ok(data) => Ok(Some(data.train)),
        Err(TrainError::NotARun { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// What the run in directory `path` is trained and measured on.
///
/// # Errors
/// [`TrainError::NotARun`] if it is none; and if its settings or its data cannot be read any more.
pub(crate) fn of_run(path: &Path) -> Result<Splits, TrainError> {
    RunDir::check(path)?;
    let config = ResolvedConfig::read(&path.join(CONFIG))?;
    Ok(with_settings(&config, path, &text_path(&config.data))?.0)
}

/// The same for the settings of the run in directory `path`, of data that lay in `before` when the run began; and what its weights had seen that it started from.
pub(crate) fn with_settings(
    config: &ResolvedConfig,
    path: &Path,
    before: &Path,
) -> Result<(Splits, Provenance), TrainError> {
    let has = |name: &str| path.join(name).is_file();
    let mut data = if has(IMAGES) || config.data != MNIST && images::are_images(&text_path(&config.data)) {
        images::reopen(config, path, before)?
    } else {
        let mut data = load_idx(config)?;
        if has(PREPROCESSING) {
            data.preprocessing = images::read_preprocessing(path)?;
        }
        data
    };
    let started_from = read_started_from(path)?;
    data.hold_out(&started_from)?;
    data.use_fraction(config);
    Ok((data, started_from))
}

fn read_started_from(run: &Path) -> Result<Provenance, TrainError> {
    let file = run.join(STARTED_FROM);
    let bytes = match std::fs::read(&file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Provenance::default()),
        Err(e) => return Err(TrainError::io("read", &file, e)),
    };
    serde_json::from_slice(&bytes).map_err(|e| TrainError::Config { path: file, reason: e.to_string() })
}
