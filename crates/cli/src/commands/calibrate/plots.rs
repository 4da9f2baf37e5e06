//! The plots of a calibration.

use crate::output::Failure;
use std::path::Path;
use striate::formats::write_atomic;
use striate::model::ModelCard;
use striate::report::{Calibrated, Certainty};

/// Writes `reliability.svg` and, of a classification, `coverage.svg`; of labels, a reliability diagram with the curve of each.
pub fn write(folder: &Path, card: &ModelCard, done: &Calibrated, seed: u64) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let certainty = Certainty::of(&done.answers, card, &card.classes, seed);
    write_atomic(&folder.join("reliability.svg"), certainty.reliability_plot().as_bytes())?;
    if let Some(svg) = certainty.coverage_plot() {
        write_atomic(&folder.join("coverage.svg"), svg.as_bytes())?;
    }
    Ok(())
}
