//! The commands.

pub mod bench;
mod boxes;
pub mod calibrate;
pub mod compare;
pub mod completions;
mod convert;
pub mod data;
pub mod eval;
pub mod explain;
pub mod export;
pub mod finetune;
mod folds;
mod held_out;
pub mod import;
pub mod inspect;
pub mod label_errors;
pub mod lr_find;
pub mod models;
mod overfit;
pub mod predict;
mod predict_dense;
mod profile;
pub mod recipe;
mod run;
pub mod run_file;
pub mod runs;
mod smoke;
pub mod sweep;
pub mod train;

use crate::args::{Compute, DataCommand, Inference};
use crate::output::Failure;
use std::path::Path;
use striate::ComputeSettings;
use striate::train::MNIST;

/// Sets the number of threads and how exactly to compute. The device has been found to exist when the arguments were read.
fn set_up(compute: &Compute) {
    let threads = compute.threads.map(|n| n as usize);
    ComputeSettings { threads, winograd: !compute.no_winograd, ..ComputeSettings::current() }.set();
}

/// As [`set_up`], of a network in use.
fn set_up_inference(inference: &Inference) {
    set_up(&inference.compute);
    ComputeSettings { precision: inference.precision, ..ComputeSettings::current() }.set();
}

/// Whether this means the data that is built in: a file or a folder of that name comes first.
fn is_built_in(typed: &Path) -> bool {
    typed.as_os_str() == MNIST && !typed.exists()
}

/// Data as it was typed: the word for what is built in, or a path that means the same wherever the program is started.
pub fn data_name(typed: &Path) -> Result<String, Failure> {
    if is_built_in(typed) { Ok(MNIST.into()) } else { data::absolute(typed) }
}

/// The data that is built in has no files to look at.
pub fn needs_files(command: &DataCommand) -> Result<(), Failure> {
    let data = match command {
        DataCommand::Check(args) => &args.data,
        DataCommand::Split(args) => &args.data,
        DataCommand::Show(args) => &args.data,
        DataCommand::Stats(args) => &args.data,
        DataCommand::Convert(args) => &args.data,
    };
    if is_built_in(data) {
        return Err("mnist is the built-in data, which is split and checked: striate data is for images in folders, manifests and \
                    archives, so name one of these"
            .into());
    }
    Ok(())
}

/// Whether what would be written to `out` would go over the file `read`, under whatever name.
fn is_same_file(out: &Path, read: &Path) -> bool {
    let real = |path: &Path| path.canonicalize().ok();
    match (real(out), real(read)) {
        (Some(out), Some(read)) => out == read || are_links(&out, &read),
        _ => false,
    }
}

/// Whether both are names of one file.
#[cfg(unix)]
fn are_links(a: &Path, b: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |path: &Path| path.metadata().ok().map(|m| (m.dev(), m.ino()));
    id(a).is_some() && id(a) == id(b)
}

#[cfg(not(unix))]
fn are_links(_: &Path, _: &Path) -> bool {
    false
}
