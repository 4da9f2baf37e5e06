//! `metrics.csv`: losses and metrics over time.

use crate::error::TrainError;
use crate::state::TrainState;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use striate_formats::write_atomic;
use striate_imaging::Split;
use striate_model::Metric;

/// What stands before the metrics: steps in all, the epoch, what the samples are for, and of training the learning rate and the norm of the last gradient.
const COLUMNS: [&str; 5] = ["steps", "epoch", "split", "lr", "grad_norm"];

/// The file of losses and metrics, one line each time that they are printed. It has a column for each metric; a cell is empty where a split has no such
/// metric, or its value is not defined.
pub struct MetricsCsv {
    path: PathBuf,
    file: File,
    names: Vec<String>,
}

/// A line of the file.
pub struct Row<'a> {
    /// Steps in all so far.
    pub steps: u64,
    /// The epoch, from 1.
    pub epoch: usize,
    /// What the samples are for.
    pub split: Split,
    /// The learning rate and the norm of the last gradient, of training.
    pub training: Option<(f64, f64)>,
    /// The loss and the metrics.
    pub metrics: &'a [Metric],
}

impl MetricsCsv {
    /// The file with columns for these metrics. Of a run that goes on from a state it keeps the lines up to that: what came after will come again.
    ///
    /// # Errors
    /// If it cannot be written. That of a run that goes on is as it was then.
    fn create(path: &Path, names: &[String], resumed: Option<&TrainState>) -> Result<Self, TrainError> {
        let io = |e| TrainError::io("write", path, e);
        let header: Vec<&str> = COLUMNS.into_iter().chain(names.iter().map(String::as_str)).collect();
        let mut text = header.join(",") + "\n";
        let file = match resumed {
            Some(state) => {
                let before = fs::read_to_string(path).unwrap_or_default();
                before.lines().skip(1).filter(|row| is_up_to(row, state)).for_each(|row| text += &format!("{row}\n"));
                write_atomic(path, text.as_bytes())?;
                OpenOptions::new().append(true).open(path).map_err(io)?
            }
            None => {
                let mut file = File::create(path).map_err(io)?;
                file.write_all(text.as_bytes()).map_err(io)?;
                file
            }
        };
        Ok(MetricsCsv { path: path.to_path_buf(), file, names: names.to_vec() })
    }

    /// The file of a run that begins, or that goes on from where it was `resumed`. A run does not end because its disk is full: what to say of that comes second.
    pub fn open(path: &Path, names: &[String], resumed: Option<&TrainState>) -> (Option<MetricsCsv>, Option<String>) {
        match MetricsCsv::create(path, names, resumed) {
            Ok(csv) => (Some(csv), None),
            Err(e) => (None, Some(format!("{e}; training goes on without it"))),
        }
    }

    /// Adds a line.
    ///
    /// # Errors
    /// If it cannot be written, as on a full disk. The file is of use without it.
    pub fn add(&mut self, row: &Row) -> io::Result<()> {
        let number = |value: f64| if value.is_finite() { format!("{value:.6}") } else { String::new() };
        let mut line = format!("{},{},{}", row.steps, row.epoch, row.split);
        line += &row.training.map_or(",,".into(), |(lr, norm)| format!(",{lr},{}", number(norm)));
        for name in &self.names {
            let value = row.metrics.iter().find(|metric| metric.name == *name).map(|metric| metric.value);
            line += ",";
            line += &value.map_or(String::new(), number);
        }
        line += "\n";
        self.file.write_all(line.as_bytes())
    }

    /// Adds a line to the file if there is one. Where that fails, as on a full disk, it is given up: what to say of that comes back, once.
    pub fn add_or_give_up(csv: &mut Option<MetricsCsv>, row: &Row) -> Option<String> {
        let file = csv.as_mut()?;
        let error = file.add(row).err()?;
        let said = format!("cannot write {}: {error}; training goes on without it", file.path.display());
        *csv = None;
        Some(said)
    }
}

/// Whether a line is of what a run had done in a state.
fn is_up_to(row: &str, state: &TrainState) -> bool {
    let mut fields = row.split(',');
    let steps = fields.next().and_then(|steps| steps.parse::<u64>().ok());
    let is_training = fields.nth(1) == Some(Split::Train.name());
    let epoch_is_measured = state.batch == 0;
    steps.is_some_and(|steps| steps < state.steps || (steps == state.steps && (epoch_is_measured || is_training)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_model::Direction;

    fn metrics(loss: f64, accuracy: f64) -> Vec<Metric> {
        vec![Metric::number("loss", loss, Direction::Minimize), Metric::fraction("accuracy", accuracy)]
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_said_once_and_ends_nothing() {
        let file = OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut csv = Some(MetricsCsv { path: "run/metrics.csv".into(), file, names: vec!["loss".into()] });
        let metrics = metrics(0.5, 0.8);
        let row = || Row { steps: 1, epoch: 1, split: Split::Val, training: None, metrics: &metrics };
        let said = MetricsCsv::add_or_give_up(&mut csv, &row()).unwrap();
        assert!(said.starts_with("cannot write run/metrics.csv: ") && said.contains("training goes on"), "{said}");
        assert_eq!(MetricsCsv::add_or_give_up(&mut csv, &row()), None);
    }

    #[test]
    fn a_resumed_file_loses_what_will_come_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics.csv");
        let names = ["loss", "accuracy", "f1_macro"].map(String::from);
        let mut csv = MetricsCsv::create(&path, &names, None).unwrap();
        let mut training = |steps, epoch, metrics: &[Metric]| {
            csv.add(&Row { steps, epoch, split: Split::Train, training: Some((0.001, f64::NAN)), metrics }).unwrap();
            if steps == 200 {
                csv.add(&Row { steps, epoch, split: Split::Val, training: None, metrics }).unwrap();
            }
        };
        training(100, 1, &metrics(0.5, 0.8));
        training(200, 1, &metrics(0.4, 0.85));
        training(300, 2, &metrics(0.2, 0.95));
        let at = |steps, batch| TrainState { steps, batch, ..TrainState::default() };
        drop(MetricsCsv::create(&path, &names, Some(&at(200, 0))).unwrap());
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().next(), Some("steps,epoch,split,lr,grad_norm,loss,accuracy,f1_macro"));
        assert_eq!(text.lines().count(), 4);
        assert_eq!(text.lines().last(), Some("200,1,val,,,0.400000,0.850000,"));
        drop(MetricsCsv::create(&path, &names, Some(&at(200, 2))).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().last(), Some("200,1,train,0.001,,0.400000,0.850000,"));
    }
}
