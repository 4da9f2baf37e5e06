//! Crates that are written, built and run.

mod written_crate;
