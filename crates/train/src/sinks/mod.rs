//! Sinks that need no terminal.

mod history;
mod json;
mod lines;
mod metrics;
mod paths;
mod tensorboard;
mod with_tensorboard;

pub use history::{History, Line};
pub use json::JsonLines;
pub use lines::{Lines, line};
pub(crate) use metrics::as_map;
pub use paths::json_path;
pub(crate) use paths::{as_text, some_as_text};
pub use tensorboard::TensorBoard;
pub(crate) use tensorboard::is_event_file;
pub(crate) use with_tensorboard::TENSORBOARD;
pub use with_tensorboard::WithTensorBoard;
