//! Sinks that need no terminal.

mod json;
mod lines;
mod metrics;
mod paths;
mod tensorboard;

pub use json::JsonLines;
pub use lines::{Lines, line};
pub(crate) use metrics::as_map;
pub use paths::json_path;
pub(crate) use paths::{as_text, some_as_text};
pub use tensorboard::TensorBoard;
