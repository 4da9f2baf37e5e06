//! [`Recorder`]: what a run's directory gets for people to look at.

use crate::error::TrainError;
use crate::events::{Event, Sink, Started};
use crate::plots;
use crate::run_dir::PARTIAL;
use crate::run_result::{RunResult, RunState, seconds_since_1970};
use crate::sinks::History;
use crate::state::TrainState;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// The picture of losses and metrics.
pub(crate) const CURVES: &str = "curves.svg";
/// The files are brought up to date after this many times as long as that takes: it costs at most 1 % of the time.
const REST: u32 = 99;

/// A sink that may keep a record, too.
pub(crate) trait Record: Sink {
    /// Takes note of where the training stands, and of the metric by which the best epoch is chosen.
    fn stands(&mut self, state: &TrainState, monitor: &str) {
        let _ = (state, monitor);
    }
    /// Keeps a picture under this name.
    fn picture(&mut self, name: &str, svg: String) {
        let _ = (name, svg);
    }
    /// Says why something for people to look at could not be written, unless that of something has been said already.
    fn unwritten(&mut self, why: String) {
        self.event(&Event::Note { text: why });
    }
}

/// Passes events on, and keeps `result.json`, `curves.svg` and the task's picture in the run's directory, if there is one. A training does not end because
/// its disk is full: that is said once.
pub(crate) struct Recorder<'a> {
    sink: &'a mut dyn Sink,
    run: Option<PathBuf>,
    history: History,
    result: RunResult,
    /// Seconds of earlier processes.
    before: f64,
    began: Instant,
    has_begun: bool,
    /// Pictures that are yet to be written, by the names of their files.
    pictures: BTreeMap<String, String>,
    /// When the files may be brought up to date again.
    due: Instant,
    has_failed: bool,
}

impl<'a> Recorder<'a> {
    pub fn new(sink: &'a mut dyn Sink, run: Option<&Path>) -> Self {
        let (run, now) = (run.map(Path::to_path_buf), Instant::now());
        Recorder {
            sink,
            run,
            history: History::default(),
            result: RunResult::default(),
            before: 0.0,
            began: now,
            has_begun: false,
            pictures: BTreeMap::new(),
            due: now,
            has_failed: false,
        }
    }

    /// Takes note of the error that ended a training, and passes it on.
    pub fn kept<T>(&mut self, outcome: Result<T, TrainError>) -> Result<T, TrainError> {
        if let (Err(e), true) = (&outcome, self.has_begun) {
            self.result.state = RunState::Failed;
            self.result.error = Some(e.to_string());
            self.refresh(true);
        }
        outcome
    }

    fn begin(&mut self, started: &Started) {
        self.has_begun = true;
        let earlier = match (&self.run, started.resumed_at) {
            (Some(run), Some(_)) => RunResult::read(run).ok().flatten(),
            _ => None,
        };
        let earlier = earlier.unwrap_or_default();
        self.before = earlier.seconds;
        self.result = RunResult {
            state: RunState::Running,
            error: None,
            stopped_early: None,
            task: started.task.clone(),
            model: started.model.clone(),
            data: started.data.as_ref().map(|data| data.data.clone()),
            split: started.measured,
            epochs: started.epochs,
            steps: started.resumed_at.unwrap_or(0),
            started: if earlier.started == 0 { seconds_since_1970() } else { earlier.started },
            seed: started.seed,
            threads: started.threads,
            isa: started.isa.into(),
            striate_version: env!("CARGO_PKG_VERSION").into(),
            ..earlier
        };
        self.check(self.run.as_ref().map_or(Ok(()), |run| self.result.write(run)).map_err(|e| e.to_string()));
    }

    /// Brings the files up to date, if that is due or `now`.
    fn refresh(&mut self, now: bool) {
        let began = Instant::now();
        let Some(run) = self.run.clone().filter(|_| now || began >= self.due) else { return };
        self.result.seconds = self.before + self.began.elapsed().as_secs_f64();
        if !self.history.lines().is_empty() {
            self.pictures.insert(CURVES.into(), plots::curves(&self.history.series(), "step"));
        }
        for (name, svg) in std::mem::take(&mut self.pictures) {
            self.check(replace(&run, &name, &svg));
        }
        self.check(self.result.write(&run).map_err(|e| e.to_string()));
        self.due = Instant::now() + began.elapsed() * REST;
    }

    fn check(&mut self, written: Result<(), String>) {
        if let Err(e) = written {
            self.unwritten(format!("{e}; training goes on without it"));
        }
    }
}

impl Record for Recorder<'_> {
    fn stands(&mut self, state: &TrainState, monitor: &str) {
        self.result.monitor = monitor.into();
        self.result.steps = state.steps;
        self.result.epochs_done = state.last.as_ref().map_or(0, |last| last.epoch);
        (self.result.best, self.result.last) = (state.best.clone(), state.last.clone());
        self.refresh(false);
    }

    fn picture(&mut self, name: &str, svg: String) {
        self.pictures.insert(name.into(), svg);
    }

    fn unwritten(&mut self, why: String) {
        if !std::mem::replace(&mut self.has_failed, true) {
            self.sink.event(&Event::Note { text: why });
        }
    }
}

impl Sink for Recorder<'_> {
    fn event(&mut self, event: &Event) {
        if self.run.is_some() {
            self.history.event(event);
        }
        match event {
            Event::Started(started) => {
                self.sink.event(event);
                return self.begin(started);
            }
            Event::StoppedEarly { reason, .. } => self.result.stopped_early = Some(reason.clone()),
            Event::Stopped { .. } => {
                self.result.state = RunState::Stopped;
                self.refresh(true);
            }
            Event::Finished(end) => {
                self.result.state = RunState::Finished;
                self.result.epochs_done = end.last.epoch;
                // A stage that ended early does not end the run.
                self.result.stopped_early.take_if(|_| end.last.epoch == self.result.epochs);
                self.result.monitor = end.monitor.clone();
                (self.result.best, self.result.last) = (Some(end.best.clone()), Some(end.last.clone()));
                self.result.baseline = end.baseline.clone();
                self.refresh(true);
            }
            _ => {}
        }
        self.sink.event(event);
    }
}

/// Puts a picture in the place of an earlier one. It need not outlast a power cut, and so waits for no disk.
fn replace(run: &Path, name: &str, svg: &str) -> Result<(), String> {
    let (partial, path) = (run.join(format!("{PARTIAL}{name}")), run.join(name));
    let written = fs::write(&partial, svg).and_then(|()| fs::rename(&partial, &path));
    written.map_err(|e| {
        let _ = fs::remove_file(&partial);
        format!("cannot write {}: {e}", path.display())
    })
}
