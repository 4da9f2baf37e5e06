//! The trainer, its metrics and the files of a run, as a user of the crate sees them.

mod dense_metrics;
mod lr_find;
mod metrics;
mod overfit;
mod plots;
mod tensorboard;
mod trainer;
