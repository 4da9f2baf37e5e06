//! The plots of a calibration.

use super::Measured;
use crate::output::Failure;
use std::path::Path;
use striate::formats::write_atomic;
use striate::report::{Calibrated, CalibratedMeasures, CalibrationMeasures, ReliabilityBin};
use striate::train::plots::{ReliabilityPoint, coverage, reliability};

fn points(bins: &[ReliabilityBin]) -> Vec<ReliabilityPoint> {
    let point = |bin: &ReliabilityBin| {
        Some(ReliabilityPoint {
            confidence: bin.confidence?,
            accuracy: bin.accuracy?,
            interval: bin.accuracy_interval_95?,
            count: bin.count,
        })
    };
    bins.iter().filter_map(point).collect()
}

/// Writes `reliability.svg` and, of a classification, `coverage.svg`; of labels, a reliability diagram with the curve of each.
pub fn write(folder: &Path, names: &[String], done: &Calibrated, more: Option<&Measured>) -> Result<(), Failure> {
    std::fs::create_dir_all(folder).map_err(|e| format!("cannot make {}: {e}", folder.display()))?;
    let series = match &done.measured {
        CalibratedMeasures::Classes(report) => {
            let after = report.after.as_ref().map(|after| ("after".to_string(), points(&after.bins)));
            [("before".to_string(), points(&report.before.bins))].into_iter().chain(after).collect::<Vec<_>>()
        }
        CalibratedMeasures::Labels(labels) => {
            let best = |label: &striate::report::LabelCalibration| -> CalibrationMeasures {
                label.after.clone().unwrap_or_else(|| label.before.clone())
            };
            labels.iter().map(|label| (names[label.label].clone(), points(&best(label).bins))).collect()
        }
    };
    let (x, y) = match done.measured {
        CalibratedMeasures::Classes(_) => ("confidence", "accuracy"),
        CalibratedMeasures::Labels(_) => ("probability of the label", "images that have it"),
    };
    write_atomic(&folder.join("reliability.svg"), reliability(&series, x, y).as_bytes())?;
    if let Some(more) = more {
        let curve = more.coverage.points.iter().map(|point| [point.coverage, point.accuracy]).collect();
        write_atomic(&folder.join("coverage.svg"), coverage(&[("the surest first".into(), curve)]).as_bytes())?;
    }
    Ok(())
}
