//! The trainer, its metrics and the files of a run, as a user of the crate sees them.

mod common;
mod dense_metrics;
mod faults;
mod lr_find;
mod metrics;
mod overfit;
mod plots;
mod resume;
mod sessions;
mod tensorboard;
mod trainer;
