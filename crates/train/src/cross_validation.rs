//! k-fold cross-validation: a run for each fold, and what they say together.

use crate::batches::Batches;
use crate::checkpoint::best_epoch;
use crate::config::{Config, Layers, ResolvedConfig, bad};
use crate::data::Watch;
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::loader::{Loader, measuring_batch};
use crate::run_dir::RunDir;
use crate::runs_outcome::RunsOutcome;
use crate::session::Session;
use crate::state::Measured;
use crate::trainer::Outcome;
use serde::Serialize;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use striate_data::Target;
use striate_data::images::{count, text_path};
use striate_formats::write_atomic;
use striate_model::{Metric, Model, Predictor, TaskCard};

/// The file of the directory that says how many folds there are; a run that goes on is known by it.
const FOLDS: &str = "folds.json";
/// The answers on the images held out: of a fold in its directory, of all in the one above.
const PREDICTIONS: &str = "predictions.csv";
const RESULTS: &str = "cross-validation.json";

/// What all folds say together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CrossValidation {
    /// The best epoch of each fold, measured on its images held out.
    pub folds: Vec<Measured>,
    /// Each metric over the folds.
    pub metrics: Vec<Spread>,
    /// The metric by which best epochs were chosen.
    pub monitor: String,
    /// The directory of all.
    #[serde(skip)]
    pub directory: PathBuf,
    /// The table of the answers on all images, each by the fold that held it out.
    pub predictions: PathBuf,
}

/// A metric over several runs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// The metric, with its mean as its value.
    #[serde(flatten)]
    pub mean: Metric,
    /// The standard deviation over the runs, with n − 1 in the denominator.
    pub deviation: f64,
}

impl Spread {
    /// Of the metrics of one name of several runs.
    ///
    /// # Panics
    /// If there are none.
    pub fn of(metrics: &[&Metric]) -> Spread {
        let values: Vec<f64> = metrics.iter().map(|metric| metric.value).collect();
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
        let mean = Metric { value: mean, interval_95: None, ..metrics[0].clone() };
        Spread { mean, deviation: variance.sqrt() }
    }
}

/// Whether `path` is the directory of a cross-validation.
pub fn is_cross_validation(path: &Path) -> bool {
    path.join(FOLDS).is_file()
}

/// Trains once for each of `folds` folds, into `fold-1`, `fold-2` … of `out`, or of `runs/<data>-folds-<n>`, until `stop` is set:
/// [`resume_cross_validation`] goes on.
///
/// # Errors
/// As [`Session::start`] and [`Session::run`].
pub fn cross_validate(
    asked: &Layers,
    folds: usize,
    out: Option<&Path>,
    watch: &Watch,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<RunsOutcome<CrossValidation>, TrainError> {
    if folds < 2 {
        return bad("folds", folds, "at least 2");
    }
    let first = asked.clone().add("folds", Config::default().folds(folds).fold(1));
    let config = first.over(ResolvedConfig::default()).config;
    config.validate()?;
    let stem = text_path(&config.data).file_stem().map_or_else(|| "data".into(), |s| s.to_string_lossy().into_owned());
    let run = RunDir::create_for(out, &stem, "folds")?;
    let session = Session::start_watched(&first, Some(&fold_dir(run.path(), 1)), watch);
    let session = match session {
        Ok(session) => session,
        Err(e) => {
            run.discard(out);
            return Err(e);
        }
    };
    let said = serde_json::json!({ "folds": folds }).to_string();
    write_atomic(&run.path().join(FOLDS), said.as_bytes())?;
    Folds { run, folds, watch, sink, stop }.go_on(Some(session))
}

/// Goes on with the cross-validation that [`cross_validate`] began in `path`, to the same bits.
///
/// # Errors
/// As [`cross_validate`], and if it is none.
pub fn resume_cross_validation(
    path: &Path,
    watch: &Watch,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<RunsOutcome<CrossValidation>, TrainError> {
    let folds = folds_in(path)?;
    let run = RunDir::take_up(path)?;
    Folds { run, folds, watch, sink, stop }.go_on(None)
}

/// How many folds the cross-validation in `path` has.
pub(crate) fn folds_in(path: &Path) -> Result<usize, TrainError> {
    let file = path.join(FOLDS);
    let text = fs::read_to_string(&file).map_err(|e| TrainError::io("read", &file, e))?;
    let said: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    match said["folds"].as_u64() {
        Some(folds) if folds >= 2 => Ok(folds as usize),
        _ => Err(TrainError::Config { path: file, reason: "does not say how many folds there are".into() }),
    }
}

pub(crate) fn fold_dir(path: &Path, fold: usize) -> PathBuf {
    path.join(format!("fold-{fold}"))
}

struct Folds<'a> {
    run: RunDir,
    folds: usize,
    watch: &'a Watch<'a>,
    sink: &'a mut dyn Sink,
    stop: &'a AtomicBool,
}

impl Folds<'_> {
    /// Runs the folds that are not done; `first` is the run of the first, if it has just been started.
    fn go_on(self, mut first: Option<Session>) -> Result<RunsOutcome<CrossValidation>, TrainError> {
        for fold in 1..=self.folds {
            let dir = fold_dir(self.run.path(), fold);
            if dir.join(PREDICTIONS).is_file() {
                continue;
            }
            self.sink.event(&Event::Fold { number: fold, of: self.folds });
            let mut session = match first.take() {
                Some(session) => session,
                None if RunDir::has_checkpoint(&dir) => Session::resume(&dir)?,
                None => self.start(fold, &dir)?,
            };
            if session.run_until(self.stop, self.sink)? == Outcome::Stopped {
                return Ok(RunsOutcome::Stopped { directory: self.run.path().to_path_buf() });
            }
            write_atomic(&dir.join(PREDICTIONS), &answers(&session, fold, &dir)?)?;
        }
        self.finish().map(RunsOutcome::Finished)
    }

    /// A run with the settings of the first fold's, so that all have the same.
    fn start(&self, fold: usize, dir: &Path) -> Result<Session, TrainError> {
        let config = ResolvedConfig::read(&fold_dir(self.run.path(), 1).join("config.toml"))?;
        let asked = Layers::of_run(config).add("folds", Config::default().fold(fold));
        Session::start_watched(&asked, Some(dir), self.watch)
    }

    fn finish(self) -> Result<CrossValidation, TrainError> {
        let folds = (1..=self.folds).map(|fold| best_epoch(&fold_dir(self.run.path(), fold)));
        let folds = folds.collect::<Result<Vec<Measured>, TrainError>>()?;
        let model = fold_dir(self.run.path(), 1).join("model.safetensors");
        let monitor = Model::load(&model)?.card.training.monitor.unwrap_or_default();
        let spread = |metric: &Metric| {
            let all: Vec<&Metric> = folds.iter().filter_map(|fold| fold.get(&metric.name)).collect();
            Spread::of(&all)
        };
        let metrics = folds[0].metrics.iter().map(spread).collect();
        let mut table = String::new();
        for fold in 1..=self.folds {
            let file = fold_dir(self.run.path(), fold).join(PREDICTIONS);
            let text = fs::read_to_string(&file).map_err(|e| TrainError::io("read", &file, e))?;
            let body = text.split_once('\n').map_or("", |(_, body)| body);
            table += if fold == 1 { &text } else { body };
        }
        let predictions = self.run.path().join(PREDICTIONS);
        write_atomic(&predictions, table.as_bytes())?;
        let all = CrossValidation { folds, metrics, monitor, directory: self.run.path().to_path_buf(), predictions };
        let json = serde_json::to_vec_pretty(&all).expect("results are plain values");
        write_atomic(&self.run.path().join(RESULTS), &json)?;
        Ok(all)
    }
}

/// What the model of a fold says of the images that it was not trained on: a line for each.
fn answers(session: &Session, fold: usize, dir: &Path) -> Result<Vec<u8>, TrainError> {
    let model = Predictor::load(&dir.join("model.safetensors"))?;
    let (data, preprocessing) = (session.data(), &model.card.preprocessing);
    let loader = Loader::in_order(&data.held_out, preprocessing, measuring_batch(preprocessing.output_shape()));
    let mut table = csv::Writer::from_writer(Vec::new());
    let header = ["image", "fold", "target", "answer"].into_iter().chain(data.classes.iter().map(String::as_str));
    let write = |table: &mut csv::Writer<Vec<u8>>, row: Vec<String>| table.write_record(row).expect("memory takes it");
    write(&mut table, header.map(String::from).collect());
    for batch in loader.epoch_from(0, 0) {
        let batch = batch?;
        let names = loader.names(&batch);
        if names.is_empty() {
            continue;
        }
        let outputs = data.classes.len();
        let answers = model.answers(batch.images).map_err(|e| TrainError::Measuring { reason: e.to_string() })?;
        for ((name, &index), row) in names.iter().zip(&batch.indices).zip(answers.to_vec::<f32>().chunks(outputs)) {
            let target = described(&data.held_out.target(index), &data.classes);
            let answer = described(&answered(&model.card.task, row), &data.classes);
            let mut cells = vec![name.clone(), fold.to_string(), target, answer];
            cells.extend(row.iter().map(f32::to_string));
            write(&mut table, cells);
        }
    }
    Ok(table.into_inner().expect("memory takes it"))
}

/// An answer as a target.
fn answered(task: &TaskCard, row: &[f32]) -> Target {
    match task {
        TaskCard::Classification => {
            let best = (0..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best });
            Target::Class(best)
        }
        TaskCard::MultiLabel { thresholds } => {
            let has = (0..row.len()).filter(|&i| row[i] >= thresholds[i]).collect();
            Target::Labels { has, of: row.len() }
        }
        TaskCard::Regression { .. } => Target::Numbers(row.to_vec()),
        TaskCard::Detection { .. } | TaskCard::Segmentation { .. } => {
            unreachable!("folds of objects and masks have no table of answers")
        }
    }
}

fn described(target: &Target, names: &[String]) -> String {
    match target {
        Target::Numbers(numbers) => numbers.iter().map(f32::to_string).collect::<Vec<_>>().join(";"),
        other => other.classes().iter().map(|&i| names[i].as_str()).collect::<Vec<_>>().join(";"),
    }
}

impl CrossValidation {
    /// How many folds there are, in words.
    pub fn title(&self) -> String {
        count(self.folds.len(), "fold")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spread_is_the_sample_deviation() {
        let metrics = [0.8, 0.9, 1.0].map(|x| Metric::fraction("accuracy", x));
        let spread = Spread::of(&metrics.each_ref());
        assert!((spread.mean.value - 0.9).abs() < 1e-12 && (spread.deviation - 0.1).abs() < 1e-12);
    }
}
