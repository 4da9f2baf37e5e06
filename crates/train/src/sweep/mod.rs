//! Sweeps: many runs with other settings, ranked.

mod check;
mod document;
mod plan;
mod space;

pub use plan::{Method, SweepPlan};
pub use space::{Space, Values};

use crate::checkpoint::best_epoch;
use crate::config::Layers;
use crate::data::Watch;
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::plots::{Series, curves};
use crate::run_dir::RunDir;
use crate::runs_outcome::RunsOutcome;
use crate::session::Session;
use crate::state::{LOSS, Measured};
use crate::trainer::Outcome;
use document::Document;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use striate_formats::write_atomic;
use striate_model::{Direction, Metric, Model};

/// The copy of the plan in the directory of a sweep, by which it goes on.
const PLAN: &str = "sweep.toml";
/// The result of a trial, in its directory.
const TRIAL: &str = "trial.json";
const TABLE: &str = "sweep.csv";
const PICTURE: &str = "sweep.svg";

/// A trial of a sweep: settings, and what they gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// Its number, from 1.
    pub number: usize,
    /// The epochs that it had at most.
    pub epochs: usize,
    /// Its settings of the space, as text by name.
    pub settings: Vec<(String, String)>,
    /// The best epoch; none if the run failed.
    pub best: Option<Measured>,
    /// Why the run failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// What a sweep has found.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Swept {
    /// The trials, the best first; those that failed come last.
    pub trials: Vec<Trial>,
    /// The metric that they are ranked by.
    pub metric: String,
    /// The directory of the best trial's run; none if all failed.
    pub best_run: Option<PathBuf>,
    /// The ranked table.
    pub table: PathBuf,
    /// The metric of each trial, and the best so far.
    pub picture: PathBuf,
}

/// Whether `path` is the directory of a sweep.
pub fn is_sweep(path: &Path) -> bool {
    path.join(PLAN).is_file()
}

/// Runs the trials of the plan in a file, into `out` or `runs/<file>-sweep-<n>`, until `stop` is set: [`resume_sweep`] goes on.
///
/// # Errors
/// If the plan, the settings or the data cannot be used. A run whose numbers become infinite or NaN is a trial that failed.
pub fn sweep(
    file: &Path,
    out: Option<&Path>,
    watch: &Watch,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<RunsOutcome<Swept>, TrainError> {
    let text = fs::read_to_string(file).map_err(|e| TrainError::io("read", file, e))?;
    let text = Document::of(&text).map_or_else(|| text.clone(), |document| document.with_absolute_paths());
    let plan = SweepPlan::parse(&text, file)?;
    plan.check_paths(&text, file)?;
    let stem = file.file_stem().map_or_else(|| "sweep".into(), |stem| stem.to_string_lossy().into_owned());
    let run = RunDir::create_for(out, &stem, "sweep")?;
    write_atomic(&run.path().join(PLAN), text.as_bytes())?;
    let swept = Sweep { file, text: &text, run: &run, plan, watch, sink, stop }.go_on();
    // A mistake in the plan or the data leaves nothing behind.
    if swept.is_err() && !fs::read_dir(run.path()).is_ok_and(|mut d| d.any(|e| e.is_ok_and(|e| e.path().is_dir()))) {
        run.discard(out);
    }
    swept
}

/// Goes on with the sweep that [`sweep`] began in `path`, to the same bits.
///
/// # Errors
/// As [`sweep`].
pub fn resume_sweep(
    path: &Path,
    watch: &Watch,
    sink: &mut dyn Sink,
    stop: &AtomicBool,
) -> Result<RunsOutcome<Swept>, TrainError> {
    let file = path.join(PLAN);
    let text = fs::read_to_string(&file).map_err(|e| TrainError::io("read", &file, e))?;
    let plan = SweepPlan::parse(&text, &file)?;
    let run = RunDir::take_up(path)?;
    Sweep { file: &file, text: &text, run: &run, plan, watch, sink, stop }.go_on()
}

struct Sweep<'a> {
    /// The plan's file and its text, for errors.
    file: &'a Path,
    text: &'a str,
    run: &'a RunDir,
    plan: SweepPlan,
    watch: &'a Watch<'a>,
    sink: &'a mut dyn Sink,
    stop: &'a AtomicBool,
}

impl Sweep<'_> {
    fn go_on(mut self) -> Result<RunsOutcome<Swept>, TrainError> {
        let assignments = self.plan.assignments()?;
        let mut alive: Vec<usize> = (0..assignments.len()).collect();
        let mut trials: Vec<Trial> = Vec::new();
        let rungs = self.plan.rungs(assignments.len(), self.plan.epochs());
        for (rung, &epochs) in rungs.iter().enumerate() {
            for &i in &alive {
                let Some(trial) = self.trial(i, assignments.len(), &assignments[i], epochs)? else {
                    return Ok(RunsOutcome::Stopped { directory: self.run.path().to_path_buf() });
                };
                trials.retain(|earlier| earlier.number != trial.number);
                trials.push(trial);
            }
            self.rank(&mut trials);
            if rung + 1 < rungs.len() {
                let best = trials.iter().filter(|t| t.best.is_some() && alive.contains(&(t.number - 1)));
                let kept = alive.len().div_ceil(self.plan.eta);
                alive = best.take(kept).map(|t| t.number - 1).collect();
                alive.sort_unstable();
            }
        }
        self.finish(trials).map(RunsOutcome::Finished)
    }

    fn directory(&self, number: usize, epochs: usize) -> PathBuf {
        let name = match self.plan.method {
            Method::Halving => format!("trial-{number:03}-{epochs}-epochs"),
            Method::Grid | Method::Random => format!("trial-{number:03}"),
        };
        self.run.path().join(name)
    }

    /// Runs a trial, or reads what it gave; none if it was stopped.
    fn trial(
        &mut self,
        index: usize,
        all: usize,
        settings: &[(String, toml::Value)],
        epochs: Option<usize>,
    ) -> Result<Option<Trial>, TrainError> {
        let number = index + 1;
        let dir = self.directory(number, epochs.unwrap_or(0));
        let file = dir.join(TRIAL);
        if let Ok(text) = fs::read_to_string(&file)
            && let Ok(trial) = serde_json::from_str(&text)
        {
            return Ok(Some(trial));
        }
        let shown: Vec<(String, String)> =
            settings.iter().map(|(name, value)| (name.clone(), plan::shown(value))).collect();
        self.sink.event(&Event::Trial { number, of: all, settings: shown.clone(), epochs });
        let mut session = match RunDir::has_checkpoint(&dir) {
            true => Session::resume(&dir)?,
            false => {
                let mut own = plan::as_config(settings)?;
                own.epochs = epochs.or(own.epochs);
                if self.plan.config.monitor.is_none() {
                    own.monitor = own.monitor.or_else(|| self.plan.metric.clone());
                }
                let asked = Layers::default().add(PLAN, self.plan.config.clone()).add("trial", own);
                let session = match Session::start_watched(&asked, Some(&dir), self.watch) {
                    Ok(session) => session,
                    Err(e) if is_of_settings(&e) => {
                        fs::create_dir_all(&dir).map_err(|e| TrainError::io("make", &dir, e))?;
                        let (epochs, failure) = (epochs.unwrap_or(0), Some(e.to_string()));
                        return kept(&file, Trial { number, epochs, settings: shown, best: None, failure });
                    }
                    Err(e) => return Err(self.in_plan(e)),
                };
                if let Err(e) = self.check_metrics(&session) {
                    drop(session);
                    let _ = fs::remove_dir_all(&dir);
                    return Err(self.in_plan(e));
                }
                session
            }
        };
        let epochs = session.config().epochs;
        let (best, failure) = match session.run_until(self.stop, self.sink) {
            Ok(Outcome::Stopped) => return Ok(None),
            Ok(Outcome::Finished { .. }) => (Some(best_epoch(&dir)?), None),
            Err(e @ TrainError::NonFinite { .. }) => (None, Some(e.to_string())),
            Err(e) => return Err(e),
        };
        kept(&file, Trial { number, epochs, settings: shown, best, failure })
    }

    /// Refuses metrics of the plan that its trials do not measure, all of them before the first trial unless trials have other tasks or data.
    fn check_metrics(&self, session: &Session) -> Result<(), TrainError> {
        let is_alike = ["task", "data"].iter().all(|name| !self.plan.space.contains_key(*name));
        let others = self.plan.space.get("monitor").filter(|_| is_alike).map(Space::samples).unwrap_or_default();
        let others = others.iter().map(toml::Value::as_str);
        for monitor in others.chain([session.config().monitor.as_deref()]) {
            for metric in monitor.into_iter().chain(self.plan.metric.as_deref()) {
                session.check_metric(metric, monitor)?;
            }
        }
        Ok(())
    }

    /// A metric that does not exist is one of the plan.
    fn in_plan(&self, e: TrainError) -> TrainError {
        let TrainError::UnknownMetric { name, .. } = &e else { return e };
        let monitors = self.plan.space.get("monitor").map(Space::samples).unwrap_or_default();
        let (tables, setting, said): (&[&str], _, _) = match () {
            () if self.plan.config.monitor.as_ref() == Some(name) => (&[], "monitor", "monitor"),
            () if monitors.iter().any(|monitor| monitor.as_str() == Some(name)) => {
                (&plan::SPACE, "monitor", "[sweep.space] monitor")
            }
            () => (&["sweep"], "metric", "[sweep] metric"),
        };
        let line = Document::of(self.text).map_or(1, |document| document.line(tables, setting));
        TrainError::Config { path: self.file.to_path_buf(), reason: format!("line {line}: {said}: {e}") }
    }

    /// The metric that trials are ranked by.
    fn metric(&self, trials: &[Trial]) -> String {
        if let Some(metric) = &self.plan.metric {
            return metric.clone();
        }
        let finished = trials.iter().find(|trial| trial.best.is_some());
        let monitor = finished.and_then(|trial| {
            let model = self.directory(trial.number, trial.epochs).join("model.safetensors");
            Model::load(&model).ok()?.card.training.monitor
        });
        monitor.unwrap_or_else(|| LOSS.into())
    }

    /// Sorts the trials: those with more epochs first, for they were the best of those with fewer, and then by the metric.
    fn rank(&self, trials: &mut [Trial]) {
        let metric = self.metric(trials);
        let better = |a: &Metric, b: &Metric| match (a.is_better(b.value), b.is_better(a.value)) {
            (true, _) => std::cmp::Ordering::Less,
            (_, true) => std::cmp::Ordering::Greater,
            _ => std::cmp::Ordering::Equal,
        };
        trials.sort_by(|a, b| {
            let value = |trial: &'_ Trial| trial.best.as_ref().and_then(|best| best.get(&metric).cloned());
            match (value(a), value(b)) {
                (Some(x), Some(y)) => b.epochs.cmp(&a.epochs).then(better(&x, &y)).then(a.number.cmp(&b.number)),
                (x, y) => y.is_some().cmp(&x.is_some()).then(a.number.cmp(&b.number)),
            }
        });
    }

    fn finish(self, trials: Vec<Trial>) -> Result<Swept, TrainError> {
        let metric = self.metric(&trials);
        let names: Vec<String> = self.plan.space.keys().cloned().collect();
        let mut table = csv::Writer::from_writer(Vec::new());
        let mut write = |row: Vec<String>| table.write_record(row).expect("memory takes it");
        let mut header = vec!["rank".to_string(), "trial".into(), "epochs".into()];
        header.extend(names);
        let measured: Vec<&str> = [metric.as_str()].into_iter().chain((metric != LOSS).then_some(LOSS)).collect();
        header.extend(measured.iter().map(|name| name.to_string()));
        header.push("failure".into());
        write(header);
        for (rank, trial) in trials.iter().enumerate() {
            let mut row = vec![(rank + 1).to_string(), trial.number.to_string(), trial.epochs.to_string()];
            row.extend(trial.settings.iter().map(|(_, value)| value.clone()));
            let number = |name: &str| trial.best.as_ref().map_or(String::new(), |best| best.value(name).to_string());
            row.extend(measured.iter().map(|name| number(name)));
            row.push(trial.failure.clone().unwrap_or_default());
            write(row);
        }
        let path = self.run.path();
        let (csv_file, picture) = (path.join(TABLE), path.join(PICTURE));
        write_atomic(&csv_file, &table.into_inner().expect("memory takes it"))?;
        write_atomic(&picture, drawn(&trials, &metric).as_bytes())?;
        let first = trials.first().filter(|trial| trial.best.is_some());
        let best_run = first.map(|trial| self.directory(trial.number, trial.epochs));
        Ok(Swept { trials, metric, best_run, table: csv_file, picture })
    }
}

/// The metric of each trial in the order in which they ran, and the best so far.
fn drawn(trials: &[Trial], metric: &str) -> String {
    let mut measured: Vec<(usize, &Metric)> =
        trials.iter().filter_map(|trial| Some((trial.number, trial.best.as_ref()?.get(metric)?))).collect();
    measured.sort_by_key(|(number, _)| *number);
    let mut best = f64::NAN;
    let (mut each, mut so_far) = (Vec::new(), Vec::new());
    for (number, metric) in &measured {
        if metric.is_better(best) {
            best = metric.value;
        }
        each.push([*number as f64, metric.value]);
        so_far.push([*number as f64, best]);
    }
    let Some((_, first)) = measured.first() else { return curves(&[], "trial") };
    let name = first.title();
    let series = |name: String, points| match first.direction {
        Direction::Minimize if metric == LOSS => Series::loss(&name, points),
        _ => Series::metric(&name, points, first.scale),
    };
    curves(&[series(name, each), series("best so far".into(), so_far)], "trial")
}

/// Writes what came of a trial.
fn kept(file: &Path, trial: Trial) -> Result<Option<Trial>, TrainError> {
    let json = serde_json::to_vec_pretty(&trial).expect("results are plain values");
    write_atomic(file, &json)?;
    Ok(Some(trial))
}

/// Whether an error is of the settings of a trial, so that others may go on.
fn is_of_settings(e: &TrainError) -> bool {
    use TrainError::*;
    matches!(
        e,
        Setting { .. }
            | Unusable { .. }
            | Schedule { .. }
            | Augmentation { .. }
            | UnknownModel { .. }
            | Text(_)
            | ImageSize { .. }
    )
}
