//! What the dashboard knows of a training.

use super::view::{Panel, Trace, View, axis_title};
use crate::output::{shown, thousands};
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use striate::imaging::Split;
use striate::train::sinks::{self, History, Line};
use striate::train::{Event, Sink, Started};

/// Lines of the log that are kept.
const LINES: usize = 200;
/// A point of the training loss is the mean over this time at least.
const POINT: Duration = Duration::from_millis(500);
/// The rate is one over this time at least.
const RATE: Duration = Duration::from_secs(1);
/// Points of a line that are drawn, at most: more than a terminal can show.
const DRAWN: usize = 1000;
/// The names of numbers that every training has.
const LOSS: &str = "loss";
const OTHERS: [&str; 2] = ["lr", "grad_norm"];

/// What the dashboard knows of a training.
pub struct State {
    title: String,
    history: History,
    /// The training loss of single steps, a few points a second.
    losses: Line,
    /// The losses that make the next point: their sum and number, and since when.
    next: (f64, u64, Instant),
    /// Samples that make the next rate, and since when.
    samples: (usize, Instant),
    rate: Option<f64>,
    epoch: usize,
    epochs: usize,
    step: usize,
    steps: Option<usize>,
    /// Steps before this process.
    before: u64,
    steps_done: u64,
    began: Instant,
    first_step: Option<Instant>,
    features: Option<(usize, usize)>,
    log: VecDeque<String>,
    chosen: usize,
    stopping: bool,
}

impl State {
    pub fn new(now: Instant) -> Self {
        State {
            title: String::new(),
            history: History::default(),
            losses: Line { split: Split::Train, name: LOSS.into(), scale: None, points: Vec::new() },
            next: (0.0, 0, now),
            samples: (0, now),
            rate: None,
            epoch: 0,
            epochs: 0,
            step: 0,
            steps: None,
            before: 0,
            steps_done: 0,
            began: now,
            first_step: None,
            features: None,
            log: VecDeque::new(),
            chosen: 0,
            stopping: false,
        }
    }

    /// Takes note of `event`.
    pub fn event(&mut self, event: &Event, now: Instant) {
        self.history.event(event);
        if let Some(line) = sinks::line(event) {
            self.log(&line);
        }
        match event {
            Event::Started(started) => self.start(started),
            Event::Features { done, total } => self.features = (done < total).then_some((*done, *total)),
            Event::Step { epoch, step, samples, loss } => self.step(*epoch, *step, *samples, *loss, now),
            // Pauses are no part of the rate, and no time for steps.
            Event::Measured { .. } | Event::Checkpoint { .. } => (self.samples, self.next.2) = ((0, now), now),
            _ => {}
        }
    }

    /// Adds a line to the log.
    pub fn log(&mut self, line: &str) {
        if self.log.len() == LINES {
            self.log.pop_front();
        }
        self.log.push_back(shown(line));
    }

    /// Shows the next metric, or the one before.
    pub fn choose(&mut self, forward: bool) {
        self.chosen = if forward { self.chosen.wrapping_add(1) } else { self.chosen.wrapping_sub(1) };
        // Below 0 is the last one.
        let choices = self.choices().len();
        self.chosen = if self.chosen == usize::MAX { choices - 1 } else { self.chosen % choices };
    }

    /// Says that the training is to stop.
    pub fn stop(&mut self) {
        self.stopping = true;
    }

    fn start(&mut self, started: &Started) {
        let what = if started.model.is_empty() { "a network".into() } else { striate::zoo::title_of(&started.model) };
        let on = started.data.as_ref().map_or(started.task.clone(), |data| {
            let [train, held] = [data.train_samples, data.measured_samples].map(thousands);
            format!("{} ({train} training, {held} {} images)", data.data, started.measured.adjective())
        });
        let into = started.run.as_ref().map_or(String::new(), |run| format!(", into {}", run.display()));
        self.title = shown(format!("{what} on {on}{into}"));
        (self.epochs, self.steps) = (started.epochs, started.steps);
        self.before = started.resumed_at.unwrap_or(0);
        self.steps_done = self.before;
    }

    fn step(&mut self, epoch: usize, step: usize, samples: usize, loss: f64, now: Instant) {
        if self.first_step.is_none() {
            self.first_step = Some(now);
            (self.samples, self.next) = ((0, now), (0.0, 0, now));
        }
        self.features = None;
        (self.epoch, self.step) = (epoch, step);
        self.steps_done += 1;
        self.samples.0 += samples;
        let passed = now.duration_since(self.samples.1);
        if passed >= RATE {
            self.rate = Some(self.samples.0 as f64 / passed.as_secs_f64());
            self.samples = (0, now);
        }
        self.next.0 += loss;
        self.next.1 += 1;
        if now.duration_since(self.next.2) >= POINT {
            self.losses.add(self.steps_done, self.next.0 / self.next.1 as f64);
            self.next = (0.0, 0, now);
        }
    }

    /// The fraction that is done, where that is known.
    fn done(&self) -> Option<f64> {
        let all = self.epochs * self.steps?;
        let steps = self.epoch.saturating_sub(1) * self.steps? + self.step;
        (all > 0).then(|| (steps as f64 / all as f64).min(1.0))
    }

    /// How long the rest takes if it goes on like this.
    fn rest(&self, now: Instant) -> Option<Duration> {
        let all = (self.epochs * self.steps?) as f64;
        let own = self.steps_done.checked_sub(self.before).filter(|n| *n > 1)? as f64;
        let each = now.duration_since(self.first_step?).as_secs_f64() / (own - 1.0);
        let rest = all * (1.0 - self.done()?) * each;
        Duration::try_from_secs_f64(rest).ok()
    }

    /// What can be shown beside the loss: the metric by which the best epoch is chosen first.
    fn choices(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        let monitor = self.history.monitor().filter(|name| *name != LOSS);
        let lines = self.history.lines().iter().map(|line| line.name.as_str());
        let metrics = lines.filter(|name| *name != LOSS && !OTHERS.contains(name));
        for name in monitor.into_iter().chain(metrics) {
            if !names.iter().any(|other| other == name) {
                names.push(name.into());
            }
        }
        names.extend(OTHERS.map(String::from));
        names
    }

    /// What is shown now.
    pub fn view(&self, now: Instant, memory: Option<u64>) -> View {
        let choices = self.choices();
        let chosen = &choices[self.chosen.min(choices.len() - 1)];
        let status = match self.features {
            Some((done, total)) => {
                format!("{} of {} images through the backbone", thousands(done), thousands(total))
            }
            None => {
                let steps = self.steps.map_or(String::new(), |steps| format!("/{steps}"));
                format!("epoch {}/{}, step {}{steps}", self.epoch, self.epochs, self.step)
            }
        };
        let last = |name: &str| self.history.lines().iter().find(|line| line.name == name).and_then(Line::last);
        let mut numbers = Vec::new();
        numbers.extend(self.rate.map(|rate| format!("{} images/s", thousands(rate.round() as u64))));
        numbers.extend(self.rest(now).map(|rest| format!("ETA {}", clock(rest))));
        numbers.push(format!("{} so far", clock(now.duration_since(self.began))));
        numbers.extend(last("lr").map(|lr| format!("lr {}", short(lr))));
        numbers.extend(last("grad_norm").filter(|n| n.is_finite()).map(|norm| format!("grad norm {}", short(norm))));
        numbers.extend(memory.map(|bytes| format!("{} MB", thousands(bytes / 1_000_000))));
        View {
            title: if self.title.is_empty() { "Striate".into() } else { self.title.clone() },
            loss: self.panel(LOSS),
            metric: self.panel(chosen),
            done: self.features.map(|(done, total)| done as f64 / total.max(1) as f64).or(self.done()),
            status,
            numbers: numbers.join("   "),
            log: self.log.iter().cloned().collect(),
            stopping: self.stopping,
        }
    }

    fn panel(&self, name: &str) -> Panel {
        let lines = self.history.lines().iter().filter(|line| line.name == name);
        let is_own = |line: &&Line| line.name == LOSS && line.split == Split::Train;
        let mut traces: Vec<Trace> = Vec::new();
        let mut scale = None;
        if name == LOSS {
            // Lines of progress may be far apart: in this process single steps tell more.
            let kept = lines.clone().find(is_own).map_or(&[][..], |line| &line.points);
            let until = if self.losses.points.is_empty() { f64::INFINITY } else { self.before as f64 };
            let before = kept.iter().copied().filter(|[x, _]| *x <= until);
            let points: Vec<[f64; 2]> = before.chain(self.losses.points.iter().copied()).collect();
            traces.push(Trace::new(Split::Train, &points, DRAWN));
        }
        for line in lines.filter(|line| !is_own(line)) {
            scale = scale.or(line.scale.filter(|_| name != LOSS));
            traces.push(Trace::new(line.split, &line.points, DRAWN));
        }
        Panel { title: axis_title(name), scale, traces }
    }
}

/// `1:02:03`, `2:03`
fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds / 3600 {
        0 => format!("{}:{:02}", seconds / 60, seconds % 60),
        hours => format!("{hours}:{:02}:{:02}", seconds / 60 % 60, seconds % 60),
    }
}

/// A number in few characters.
fn short(x: f64) -> String {
    if x != 0.0 && !(0.001..10_000.0).contains(&x.abs()) { format!("{x:.2e}") } else { format!("{x:.4}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_are_short() {
        let times = [0, 59, 61, 3723].map(|s| clock(Duration::from_secs(s)));
        assert_eq!(times, ["0:00", "0:59", "1:01", "1:02:03"]);
        assert_eq!([0.0, 0.1, 1e-5, 12345.0].map(short), ["0.0000", "0.1000", "1.00e-5", "1.23e4"]);
    }

    #[test]
    fn choices_go_round() {
        let mut state = State::new(Instant::now());
        assert_eq!(state.choices(), ["lr", "grad_norm"]);
        let chosen = |state: &State| state.view(Instant::now(), None).metric.title;
        state.choose(false);
        assert_eq!(chosen(&state), "Gradient norm");
        state.choose(true);
        assert_eq!(chosen(&state), "Learning rate");
    }

    #[test]
    fn the_rest_is_worked_out_from_the_steps_of_this_process() {
        let start = Instant::now();
        let mut state = State::new(start);
        (state.epochs, state.steps, state.before, state.steps_done) = (2, Some(100), 50, 50);
        let at = |step: u64| start + Duration::from_secs(step);
        for step in 51..=61 {
            state.step(1, step as usize, 8, 1.0, at(step));
        }
        assert_eq!(state.rest(at(61)), Some(Duration::from_secs(139)));
        assert_eq!(state.rate, Some(8.0));
    }
}
