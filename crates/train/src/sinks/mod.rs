//! Sinks that need no terminal.

mod json;
mod lines;
mod paths;
mod tensorboard;

pub use json::JsonLines;
pub use lines::{Lines, line};
pub(crate) use paths::as_text;
pub use paths::json_path;
pub use tensorboard::TensorBoard;
