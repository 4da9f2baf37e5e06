//! Sinks that need no terminal.

mod json;
mod lines;

pub use json::JsonLines;
pub use lines::{Lines, line};
