//! Events as JSON, one to a line.

use crate::events::{Event, Sink};
use std::io::Write;

/// Writes every event but single steps and batches of features as one line of JSON.
pub struct JsonLines<W: Write>(pub W);

impl<W: Write> Sink for JsonLines<W> {
    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Step { .. } | Event::Features { .. }) {
            return;
        }
        let Ok(line) = serde_json::to_string(event) else { return };
        // A reader that has gone away does not end the training.
        let _ = writeln!(self.0, "{line}").and_then(|()| self.0.flush());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_data::images::Split;

    #[test]
    fn each_event_is_one_object_with_its_name() {
        let mut out = Vec::new();
        let mut sink = JsonLines(&mut out);
        sink.event(&Event::Step { epoch: 1, step: 1, samples: 100, loss: 1.0 });
        sink.event(&Event::Tested {
            epoch: 1,
            epochs: 5,
            steps: 600,
            measured: Split::Test,
            loss: 0.5,
            accuracy: 0.75,
        });
        let text = String::from_utf8(out).unwrap();
        let value: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        assert_eq!((value["event"].as_str(), value["accuracy"].as_f64()), (Some("tested"), Some(0.75)));
    }
}
