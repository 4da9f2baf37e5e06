//! Events as lines for people.

use crate::config::TaskKind;
use crate::events::{Event, Sink, Started, StartedData};
use crate::state::LOSS;
use std::io::Write;
use striate_data::images::{self, listed};
use striate_imaging::Split;
use striate_model::Metric;

/// How many classes the first line names.
const CLASSES: usize = 5;

/// The line that tells `event` to a person; none for events that are not worth one.
pub fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started(started) => start(started),
        Event::Progress { epoch, epochs, step, steps, metrics, .. } => {
            let steps = steps.map_or(String::new(), |steps| format!("/{steps}"));
            format!(
                "Epoch: [{epoch}/{epochs}], Step: [{step}{steps}], {}",
                listed_metrics("", metrics.iter().take(METRICS))
            )
        }
        Event::Measured { epoch, epochs, split, metrics, monitor, .. } => {
            let what = if *split == Split::Val { "Validation " } else { "Test " };
            let shown = metrics.iter().filter(|metric| metric.name == LOSS || metric.name == *monitor);
            format!("Epoch: [{epoch}/{epochs}], {}", listed_metrics(what, shown))
        }
        Event::StoppedEarly { epoch, epochs, reason, .. } => {
            format!("Epoch: [{epoch}/{epochs}], stopped early: {reason}")
        }
        Event::LossSpike { steps, loss, usual, layer, samples, .. } => {
            let batch = match samples.is_empty() {
                true => String::new(),
                false => format!("; its batch: {}", listed(samples, SAMPLES)),
            };
            format!(
                "note: step {steps}: the loss is {loss:.4}, and was about {usual:.4}; the gradient of {layer} is the steepest{batch}"
            )
        }
        Event::LeftOut { epoch } => format!(
            "note: epoch {epoch}: a batch is left out, for one of its images alone can be read and batch normalization needs two"
        ),
        Event::Weights { text } => format!("Weights: {text}"),
        Event::Note { text } => format!("note: {text}"),
        Event::Fold { number, of } => format!("Fold {number} of {of}"),
        Event::Trial { number, of, settings, epochs } => {
            let mut listed: Vec<String> = settings.iter().map(|(name, value)| format!("{name} {value}")).collect();
            listed.extend(epochs.map(|n| images::count(n, "epoch")));
            format!("Trial {number} of {of}: {}", listed.join(", "))
        }
        Event::BadImages { count, reasons, list } => format!(
            "note: left out: {} that cannot be read ({}): {}",
            images::count(*count, "image"),
            list.display(),
            reasons.join("; ")
        ),
        Event::Step { .. }
        | Event::Features { .. }
        | Event::Checkpoint { .. }
        | Event::Stopped { .. }
        | Event::Finished(_) => return None,
    })
}

/// How many metrics a line of progress has; `metrics.csv` has all.
const METRICS: usize = 4;

/// How many samples of a batch a line names.
const SAMPLES: usize = 4;

/// `Loss: 0.2501, Accuracy: 92.41%`
fn listed_metrics<'a>(what: &str, metrics: impl Iterator<Item = &'a Metric>) -> String {
    let named = |metric: &Metric| format!("{what}{}: {}", metric.heading(), metric.shown());
    metrics.map(named).collect::<Vec<_>>().join(", ")
}

/// What the outputs of a task are called, one of them.
fn noun(task: &str) -> &'static str {
    TaskKind::named(task).map_or("output", TaskKind::output)
}

fn start(started: &Started) -> String {
    let Started { task, run, model, parameters, data, measured, epochs, batch_size, .. } = started;
    let mut epochs = images::count(*epochs, "epoch");
    let what = if model.is_empty() { "a network".into() } else { striate_zoo::title_of(model) };
    let mut line = format!("Training {what} ({parameters} parameters)");
    if let Some(StartedData { data, classes, input, train_samples, measured_samples, epoch_fraction }) = data {
        if *epoch_fraction < 1.0 {
            epochs += &format!(" (epoch fraction {epoch_fraction})");
        }
        line += &format!(
            " on {data} ({train_samples} training and {measured_samples} {} images of {}; {}: {})",
            measured.adjective(),
            input.map(|n| n.to_string()).join("×"),
            images::count(classes.len(), noun(task)),
            listed(classes, CLASSES)
        );
    } else {
        line += &format!(" at {task}");
    }
    line += &format!(": {epochs}");
    line += &batch_size.map_or(String::new(), |n| format!(", batch {n}"));
    line += &format!(", seed {}, {}, {}", started.seed, images::count(started.threads, "thread"), started.isa);
    line += &run.as_ref().map_or(String::new(), |run| format!(", into {}", run.display()));
    line += &started.resumed_at.map_or(String::new(), |steps| format!(", going on after step {steps}"));
    line
}

/// Writes the lines that [`line()`] gives.
pub struct Lines<W: Write>(pub W);

impl<W: Write> Sink for Lines<W> {
    fn event(&mut self, event: &Event) {
        if let Some(line) = line(event) {
            // A reader that has gone away does not end the training.
            let _ = writeln!(self.0, "{line}").and_then(|()| self.0.flush());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_model::Direction;

    #[test]
    fn lines_have_the_promised_form() {
        let metrics = |loss, accuracy| {
            let loss = Metric::number("loss", loss, Direction::Minimize);
            vec![loss, Metric::fraction("accuracy", accuracy), Metric::fraction("f1_macro", 0.5)]
        };
        let mut progress = Event::Progress {
            epoch: 1,
            epochs: 5,
            step: 100,
            steps: Some(600),
            steps_done: 100,
            metrics: metrics(0.25014, 0.92411)[..2].to_vec(),
            lr: 0.001,
            grad_norm: 1.0,
        };
        assert_eq!(line(&progress).unwrap(), "Epoch: [1/5], Step: [100/600], Loss: 0.2501, Accuracy: 92.41%");
        if let Event::Progress { steps, .. } = &mut progress {
            *steps = None;
        }
        assert_eq!(line(&progress).unwrap(), "Epoch: [1/5], Step: [100], Loss: 0.2501, Accuracy: 92.41%");
        let measured = Event::Measured {
            epoch: 1,
            epochs: 5,
            steps: 600,
            split: Split::Test,
            metrics: metrics(0.1, 0.9831),
            monitor: "accuracy".into(),
        };
        assert_eq!(line(&measured).unwrap(), "Epoch: [1/5], Test Loss: 0.1000, Test Accuracy: 98.31%");
    }
}
