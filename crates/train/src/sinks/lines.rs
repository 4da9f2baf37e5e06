//! Events as lines for people.

use crate::events::{Event, Sink};
use std::io::Write;
use striate_data::images::{self, listed};
use striate_imaging::Split;

/// How many classes the first line names.
const CLASSES: usize = 5;

/// The line that tells `event` to a person; none for events that are not worth one.
pub fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Started {
            run,
            model,
            parameters,
            data,
            classes,
            input,
            train_samples,
            test_samples,
            measured,
            epochs,
            epoch_share,
            batch_size,
            seed,
            threads,
            isa,
            resumed_at,
            ..
        } => {
            let (mut epochs, threads) = (images::count(*epochs, "epoch"), images::count(*threads, "thread"));
            if *epoch_share < 1.0 {
                epochs += &format!(" (epoch share {epoch_share})");
            }
            let model = striate_zoo::title_of(model);
            let mut line = format!(
                "Training {model} ({parameters} parameters) on {data} ({train_samples} training and {test_samples} {} images of {}; {} classes: {}): \
                 {epochs}, batch {batch_size}, seed {seed}, {threads}, {isa}, into {}",
                measured.adjective(),
                input.map(|n| n.to_string()).join("×"),
                classes.len(),
                listed(classes, CLASSES),
                run.display()
            );
            if let Some(steps) = resumed_at {
                line += &format!(", going on after step {steps}");
            }
            line
        }
        Event::Progress { epoch, epochs, step, steps, loss, accuracy, .. } => format!(
            "Epoch: [{epoch}/{epochs}], Step: [{step}/{steps}], Loss: {loss:.4}, Accuracy: {:.2}%",
            100.0 * accuracy
        ),
        Event::Tested { epoch, epochs, measured, loss, accuracy, .. } => {
            let what = if *measured == Split::Val { "Validation" } else { "Test" };
            format!("Epoch: [{epoch}/{epochs}], {what} Loss: {loss:.4}, {what} Accuracy: {:.2}%", 100.0 * accuracy)
        }
        Event::StoppedEarly { epoch, epochs, best, stale } => {
            format!(
                "Epoch: [{epoch}/{epochs}], stopped early: {} since the best, epoch {best}",
                images::count(*stale, "epoch")
            )
        }
        Event::LeftOut { epoch } => format!(
            "note: epoch {epoch}: a batch is left out, for one of its images alone can be read and batch normalization needs two"
        ),
        Event::Weights { text } => format!("Weights: {text}"),
        Event::Note { text } => format!("note: {text}"),
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
        | Event::Finished { .. } => return None,
    })
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

    #[test]
    fn lines_have_the_promised_form() {
        let progress =
            Event::Progress { epoch: 1, epochs: 5, step: 100, steps: 600, loss: 0.25014, accuracy: 0.92411, lr: 0.001 };
        assert_eq!(line(&progress).unwrap(), "Epoch: [1/5], Step: [100/600], Loss: 0.2501, Accuracy: 92.41%");
        let tested =
            Event::Tested { epoch: 1, epochs: 5, steps: 600, measured: Split::Test, loss: 0.1, accuracy: 0.9831 };
        assert_eq!(line(&tested).unwrap(), "Epoch: [1/5], Test Loss: 0.1000, Test Accuracy: 98.31%");
    }
}
