//! Numbers over steps, as they are drawn.

use crate::events::{Event, Sink};
use crate::plots::Series;
use crate::state::LOSS;
use std::fs;
use std::path::Path;
use striate_imaging::Split;
use striate_model::{Metric, Scale};

/// Keeps the losses and metrics of a training over its steps, to be drawn. However long the training is, it keeps a few thousand points of each.
///
/// ```
/// use striate_train::sinks::History;
/// use striate_train::{Classification, Trainer};
/// # use striate_data::{DataLoader, TensorDataset};
/// # use striate_nn::Linear;
/// # use striate_tensor::{DType, Generator, Tensor};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let x = Tensor::randn([32, 2], DType::F32, &mut Generator::new(0));
/// # let data = DataLoader::new(TensorDataset::new(x, &Tensor::zeros([32], DType::I64)), 8);
/// # let mut network = Linear::new(2, 2, &mut Generator::new(0));
/// let mut history = History::default();
/// Trainer::new(&mut network, Classification::new(2)).epochs(3).sink(&mut history).fit(&data, &data)?;
/// assert!(striate_train::plots::curves(&history.series(), "step").starts_with("<svg"));
/// # Ok(()) }
/// ```
#[derive(Clone, Debug, Default)]
pub struct History {
    lines: Vec<Line>,
    /// The metric by which the best epoch is chosen, once one has been measured.
    monitor: Option<String>,
}

/// A number over steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What the samples are for.
    pub split: Split,
    /// Its name: `loss`, a metric's, `lr` or `grad_norm`.
    pub name: String,
    /// How a metric is shown; none where that is not known yet.
    pub scale: Option<Scale>,
    /// Steps in all, and the number then, in the order of steps.
    pub points: Vec<[f64; 2]>,
}

/// Points that are kept of a line, at most.
const MOST: usize = 8192;
/// Of this many neighbours the lowest and the highest are kept where there are more.
const NEIGHBOURS: usize = 4;

impl Line {
    /// Adds a point. What is there of this step and later ones comes again in a run that goes on.
    pub fn add(&mut self, steps: u64, value: f64) {
        let step = steps as f64;
        while self.points.last().is_some_and(|[x, _]| *x >= step) {
            self.points.pop();
        }
        if self.points.len() >= MOST {
            self.points = self.points.chunks(NEIGHBOURS).flat_map(extremes).collect();
        }
        self.points.push([step, value]);
    }

    /// The last number.
    pub fn last(&self) -> Option<f64> {
        self.points.last().map(|[_, y]| *y)
    }
}

/// The lowest and the highest of some points, in their order.
fn extremes(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let by_height = |a: &usize, b: &usize| points[*a][1].total_cmp(&points[*b][1]);
    let (Some(low), Some(high)) = ((0..points.len()).min_by(by_height), (0..points.len()).max_by(by_height)) else {
        return Vec::new();
    };
    let mut kept = vec![points[low.min(high)], points[low.max(high)]];
    kept.dedup();
    kept
}

impl History {
    /// Of the run in this directory, by its `metrics.csv`: empty if there is none. `metrics` say how those numbers are shown, `monitor` is the one by which the best
    /// epoch was chosen.
    pub fn of_run(run: &Path, metrics: &[Metric], monitor: Option<&str>) -> History {
        let mut history = History { monitor: monitor.map(str::to_string), ..History::default() };
        history.read(&run.join(crate::run_dir::METRICS), u64::MAX);
        for line in &mut history.lines {
            line.scale = metrics.iter().find(|metric| metric.name == line.name).map(|metric| metric.scale);
            if line.name == LOSS {
                line.scale = Some(Scale::Number);
            }
        }
        history
    }

    /// All lines, in the order in which they began.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// The name of the metric by which the best epoch is chosen, once an epoch has been measured.
    pub fn monitor(&self) -> Option<&str> {
        self.monitor.as_deref()
    }

    /// The lines that are worth drawing: the losses, and the metrics that both training and the samples held out have. A metric that is no fraction is
    /// drawn if the best epoch is chosen by it: each has a size of its own.
    pub fn series(&self) -> Vec<Series> {
        let chosen = self.monitor.as_deref().filter(|name| *name != LOSS);
        let of = |name: &str| self.lines.iter().find(|line| line.name == name && line.scale.is_some());
        let numbers = chosen.and_then(of).is_some_and(|line| line.scale == Some(Scale::Number));
        let drawn = |line: &&Line| match line.scale {
            _ if line.name == LOSS => true,
            _ if Some(line.name.as_str()) == chosen => true,
            Some(Scale::Fraction) => {
                let splits = self.lines.iter().filter(|other| other.name == line.name).count();
                !numbers && splits > 1
            }
            _ => false,
        };
        let series = |line: &Line| Series {
            name: match line.name.as_str() {
                LOSS => line.split.adjective().to_string(),
                name => format!("{} {}", line.split.adjective(), Metric::fraction(name, f64::NAN).title()),
            },
            points: line.points.clone(),
            scale: line.scale.filter(|_| line.name != LOSS),
        };
        self.lines.iter().filter(drawn).map(series).collect()
    }

    fn add(&mut self, split: Split, name: &str, scale: Option<Scale>, steps: u64, value: f64) {
        let place = self.lines.iter().position(|line| line.split == split && line.name == name);
        let place = place.unwrap_or_else(|| {
            self.lines.push(Line { split, name: name.into(), scale: None, points: Vec::new() });
            self.lines.len() - 1
        });
        let line = &mut self.lines[place];
        line.scale = scale.or(line.scale);
        line.add(steps, value);
    }

    fn add_metrics(&mut self, split: Split, steps: u64, metrics: &[Metric]) {
        for metric in metrics {
            self.add(split, &metric.name, Some(metric.scale), steps, metric.value);
        }
    }

    /// Takes what `metrics.csv` says of the first `steps` steps.
    fn read(&mut self, csv: &Path, steps: u64) {
        let text = fs::read_to_string(csv).unwrap_or_default();
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
        for line in lines {
            let cells: Vec<&str> = line.split(',').collect();
            let cell = |name: &str| names.iter().position(|n| *n == name).and_then(|i| cells.get(i).copied());
            let (at, split) = (cell("steps").and_then(|s| s.parse().ok()), cell("split").and_then(Split::named));
            let (Some(at), Some(split)) = (at, split) else { continue };
            if at > steps {
                continue;
            }
            for (name, text) in names.iter().zip(&cells) {
                let is_number = !["steps", "epoch", "split"].contains(name);
                if let Some(value) = text.parse().ok().filter(|_| is_number) {
                    self.add(split, name, None, at, value);
                }
            }
        }
    }
}

impl Sink for History {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Started(started) => {
                if let (Some(run), Some(steps)) = (&started.run, started.resumed_at) {
                    self.read(&run.join(crate::run_dir::METRICS), steps);
                }
            }
            Event::Progress { steps_done, metrics, lr, grad_norm, .. } => {
                self.add_metrics(Split::Train, *steps_done, metrics);
                self.add(Split::Train, "lr", None, *steps_done, *lr);
                self.add(Split::Train, "grad_norm", None, *steps_done, *grad_norm);
            }
            Event::Measured { steps, split, metrics, monitor, .. } => {
                self.monitor = Some(monitor.clone());
                self.add_metrics(*split, *steps, metrics);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_model::Direction;

    fn measured(history: &mut History, steps: u64, metrics: &[Metric], monitor: &str) {
        let (metrics, monitor) = (metrics.to_vec(), monitor.to_string());
        history.event(&Event::Measured { epoch: 1, epochs: 9, steps, split: Split::Val, metrics, monitor });
    }

    fn progress(history: &mut History, steps_done: u64, metrics: &[Metric]) {
        let metrics = metrics.to_vec();
        history.event(&Event::Progress {
            epoch: 1,
            epochs: 9,
            step: 1,
            steps: None,
            steps_done,
            metrics,
            lr: 0.1,
            grad_norm: 1.0,
        });
    }

    fn names(history: &History) -> Vec<String> {
        history.series().into_iter().map(|s| s.name).collect()
    }

    #[test]
    fn losses_and_common_fractions_are_drawn() {
        let loss = Metric::number("loss", 1.0, Direction::Minimize);
        let accuracy = Metric::fraction("accuracy", 0.5);
        let mut history = History::default();
        progress(&mut history, 10, &[loss.clone(), accuracy.clone()]);
        measured(&mut history, 10, &[loss.clone(), accuracy, Metric::fraction("f1_macro", 0.5)], "accuracy");
        assert_eq!(names(&history), ["training", "training accuracy", "validation", "validation accuracy"]);
        assert_eq!(history.lines().iter().find(|line| line.name == "lr").unwrap().last(), Some(0.1));

        let mae = Metric::number("mae", 120.0, Direction::Minimize);
        let mut history = History::default();
        progress(&mut history, 10, &[loss.clone(), mae.clone()]);
        measured(&mut history, 10, &[loss, mae, Metric::number("r2", 0.4, Direction::Maximize)], "mae");
        assert_eq!(names(&history), ["training", "training MAE", "validation", "validation MAE"]);
    }

    #[test]
    fn long_lines_keep_their_extremes() {
        let mut line = Line { split: Split::Train, name: "loss".into(), scale: None, points: Vec::new() };
        (0..100_000).for_each(|step| line.add(step, if step == 777 { 900.0 } else { (step % 7) as f64 }));
        assert!(line.points.len() <= MOST && line.points.len() > MOST / 4, "{}", line.points.len());
        assert!(line.points.contains(&[777.0, 900.0]) && line.last() == Some((99_999 % 7) as f64));
        assert!(line.points.is_sorted_by(|a, b| a[0] < b[0]));
    }

    #[test]
    fn a_run_that_goes_on_takes_up_its_file() {
        let dir = tempfile::tempdir().unwrap();
        let csv = "steps,epoch,split,lr,grad_norm,loss,accuracy\n5,1,train,0.1,,2.0,0.25\n10,1,val,,,1.5,0.5\n\
                   15,2,train,0.1,1.0,1.0,0.75\nx\n20,2\n";
        fs::write(dir.path().join("metrics.csv"), csv).unwrap();
        let mut history = History::default();
        history.read(&dir.path().join("metrics.csv"), 10);
        let line = |history: &History, split, name| {
            let found = history.lines().iter().find(|line| line.split == split && line.name == name);
            found.map(|line| line.points.clone())
        };
        assert_eq!(line(&history, Split::Train, "accuracy"), Some(vec![[5.0, 0.25]]));
        assert_eq!(line(&history, Split::Val, "loss"), Some(vec![[10.0, 1.5]]));
        assert_eq!(line(&history, Split::Train, "grad_norm"), None);
        measured(&mut history, 10, &[Metric::fraction("accuracy", 0.625)], "accuracy");
        assert_eq!(line(&history, Split::Val, "accuracy"), Some(vec![[10.0, 0.625]]));
        // How a metric of the file is shown is known once it is measured again.
        assert_eq!(names(&history), ["training", "training accuracy", "validation", "validation accuracy"]);
    }
}
