//! Events as JSON, one to a line.

use super::json_path;
use crate::events::{Event, Sink};
use std::io::Write;
use std::path::{Path, PathBuf};

/// Writes every event but single steps and batches of features as one line of JSON.
///
/// A path that is not UTF-8, such as `run`, has � in its text, and its bytes percent-encoded in a second field, such as `run_bytes`.
pub struct JsonLines<W: Write>(pub W);

impl<W: Write> Sink for JsonLines<W> {
    fn event(&mut self, event: &Event) {
        if matches!(event, Event::Step { .. } | Event::Features { .. }) {
            return;
        }
        let Ok(mut line) = serde_json::to_string(event) else { return };
        for (name, path) in paths(event) {
            if let (_, Some(bytes)) = json_path(path) {
                // Percent-encoded bytes need no escapes.
                line.truncate(line.len() - 1);
                line += &format!(r#","{name}_bytes":"{bytes}"}}"#);
            }
        }
        // A reader that has gone away does not end the training.
        let _ = writeln!(self.0, "{line}").and_then(|()| self.0.flush());
    }
}

/// The paths in `event`, by the name of their field.
fn paths(event: &Event) -> Vec<(&'static str, &Path)> {
    fn some<'a, const N: usize>(paths: [(&'static str, &'a Option<PathBuf>); N]) -> Vec<(&'static str, &'a Path)> {
        paths.into_iter().filter_map(|(name, path)| Some((name, path.as_deref()?))).collect()
    }
    match event {
        Event::Started(started) => some([("run", &started.run)]),
        Event::Stopped { run, .. } => some([("run", run)]),
        Event::Finished(end) => some([("run", &end.run), ("model", &end.model), ("last_model", &end.last_model)]),
        Event::BadImages { list, .. } => vec![("list", list)],
        Event::Checkpoint { path, .. } => vec![("path", path)],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_imaging::Split;
    use striate_model::Metric;

    #[test]
    fn each_event_is_one_object_with_its_name() {
        let mut out = Vec::new();
        let mut sink = JsonLines(&mut out);
        sink.event(&Event::Step { epoch: 1, step: 1, samples: 100, loss: 1.0 });
        sink.event(&Event::Measured {
            epoch: 1,
            epochs: 5,
            steps: 600,
            split: Split::Test,
            metrics: vec![Metric::fraction("accuracy", 0.75), Metric::fraction("auc", f64::NAN)],
            monitor: "accuracy".into(),
        });
        let text = String::from_utf8(out).unwrap();
        let value: serde_json::Value = serde_json::from_str(text.trim()).unwrap();
        let metrics = serde_json::json!({ "accuracy": 0.75, "auc": null });
        assert_eq!((value["event"].as_str(), &value["metrics"]), (Some("measured"), &metrics));
    }

    #[cfg(unix)]
    #[test]
    fn paths_of_any_bytes_are_told_and_can_be_had_back() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes: &[u8]| Path::new(OsStr::from_bytes(bytes)).to_path_buf();
        let mut out = Vec::new();
        let mut sink = JsonLines(&mut out);
        sink.event(&Event::Checkpoint { path: path(b"r/caf\xe9 %"), steps: 1 });
        sink.event(&Event::Stopped { run: Some(path("r/café".as_bytes())), steps: 1 });
        sink.event(&Event::BadImages { count: 1, reasons: vec!["x".into()], list: path(b"\xff/bad.csv") });
        let text = String::from_utf8(out).unwrap();
        let values: Vec<serde_json::Value> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        assert_eq!(
            (&values[0]["path"], &values[0]["path_bytes"]),
            (&"r/caf\u{fffd} %".into(), &"r/caf%E9%20%25".into())
        );
        assert_eq!((&values[1]["run"], values[1].get("run_bytes")), (&"r/café".into(), None));
        assert_eq!(values[2]["list_bytes"], "%FF/bad.csv");
    }
}
