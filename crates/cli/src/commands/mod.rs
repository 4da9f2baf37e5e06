//! The commands.

pub mod bench;
pub mod completions;
pub mod data;
pub mod eval;
pub mod export;
pub mod finetune;
pub mod inspect;
pub mod models;
pub mod predict;
mod profile;
pub mod train;

use crate::args::Compute;

/// Sets the number of threads and how exactly to compute. The device has been found to exist when the arguments were read.
fn set_up(compute: &Compute) {
    if let Some(n) = compute.threads {
        striate::set_num_threads(n as usize);
    }
    striate::set_exact(compute.exact);
}
