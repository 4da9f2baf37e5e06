//! `metrics.csv`: losses and accuracies over time.

use crate::error::TrainError;
use crate::state::Position;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use striate_imaging::Split;

const HEADER: &str = "steps,epoch,split,loss,accuracy,lr";

/// The file of losses and accuracies, one line each time that they are printed.
pub struct MetricsCsv {
    path: PathBuf,
    file: File,
}

impl MetricsCsv {
    /// A new file.
    pub fn create(path: &Path) -> Result<Self, TrainError> {
        let mut csv = MetricsCsv::open(path, File::create(path))?;
        csv.write(HEADER)?;
        Ok(csv)
    }

    /// The file of a run that goes on from `position`; what came after that is dropped, for it will come again.
    pub fn resume(path: &Path, position: &Position, epoch_is_tested: bool) -> Result<Self, TrainError> {
        let text = fs::read_to_string(path).unwrap_or_default();
        let mut csv = MetricsCsv::create(&path.with_extension("csv.new"))?;
        for row in text.lines().skip(1) {
            let mut fields = row.split(',');
            let steps = fields.next().and_then(|s| s.parse::<u64>().ok());
            let is_test = fields.nth(1) != Some(Split::Train.name());
            let Some(steps) = steps else { continue };
            if steps < position.steps || (steps == position.steps && (epoch_is_tested || !is_test)) {
                csv.write(row)?;
            }
        }
        fs::rename(&csv.path, path).map_err(|e| TrainError::io("write", path, e))?;
        MetricsCsv::open(path, OpenOptions::new().append(true).open(path))
    }

    fn open(path: &Path, file: std::io::Result<File>) -> Result<Self, TrainError> {
        let file = file.map_err(|e| TrainError::io("write", path, e))?;
        Ok(MetricsCsv { path: path.to_path_buf(), file })
    }

    fn write(&mut self, row: &str) -> Result<(), TrainError> {
        self.file.write_all(format!("{row}\n").as_bytes()).map_err(|e| TrainError::io("write", &self.path, e))
    }

    /// Adds a line of training.
    pub fn add_training(
        &mut self,
        steps: u64,
        epoch: usize,
        loss: f64,
        accuracy: f64,
        lr: f64,
    ) -> Result<(), TrainError> {
        self.write(&format!("{steps},{epoch},{},{loss:.6},{accuracy:.6},{lr}", Split::Train))
    }

    /// Adds a line of what was measured on the images of `split`.
    pub fn add_measured(
        &mut self,
        steps: u64,
        epoch: usize,
        split: Split,
        loss: f64,
        accuracy: f64,
    ) -> Result<(), TrainError> {
        self.write(&format!("{steps},{epoch},{split},{loss:.6},{accuracy:.6},"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_resumed_file_loses_what_will_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let mut csv = MetricsCsv::create(&path).unwrap();
        csv.add_training(100, 1, 0.5, 0.8, 0.001).unwrap();
        csv.add_training(200, 1, 0.4, 0.85, 0.001).unwrap();
        csv.add_measured(200, 1, Split::Val, 0.3, 0.9).unwrap();
        csv.add_training(300, 2, 0.2, 0.95, 0.001).unwrap();
        drop(csv);
        let at = |steps| Position { steps, ..Position::default() };
        drop(MetricsCsv::resume(&path, &at(200), true).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 4);
        assert_eq!(text.lines().last(), Some("200,1,val,0.300000,0.900000,"));
        drop(MetricsCsv::resume(&path, &at(200), false).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().last(), Some("200,1,train,0.400000,0.850000,0.001"));
    }
}
