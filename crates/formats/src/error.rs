//! [`FormatError`].

use crate::names::shown;
use std::io;
use std::path::{Path, PathBuf};
use striate_tensor::DType;

/// Why a tensor file cannot be used. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file cannot be written; what was there before still is.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is of another kind.
    #[error("{} is not a {format} file: {reason}", path.display())]
    NotThisFormat {
        /// The file.
        path: PathBuf,
        /// The kind that was expected.
        format: &'static str,
        /// What gives it away.
        reason: String,
    },
    /// The file ends too early.
    #[error("{} is cut short: it has {got} bytes, {need} are needed; copy or download it again", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that its header promises.
        need: u64,
        /// Bytes that are there.
        got: u64,
    },
    /// The header is larger than any honest one.
    #[error("{} has a header of {bytes} bytes, at most {limit} are accepted", path.display())]
    HeaderTooLarge {
        /// The file.
        path: PathBuf,
        /// The size that it claims.
        bytes: u64,
        /// The largest size accepted.
        limit: u64,
    },
    /// The parts of the file contradict one another.
    #[error("{} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        reason: String,
    },
    /// A tensor's elements are of a type that no tensor here can hold.
    #[error("{}: tensor '{tensor}' is {dtype}, supported are {supported}; convert it first", path.display())]
    Dtype {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its type as the file calls it.
        dtype: String,
        /// The types that can be read.
        supported: &'static str,
    },
    /// The format has no type for a tensor's elements.
    #[error(
        "cannot write {}: tensor '{}' is {dtype}, which {format} files have no type for (convert it with to_dtype(DType::F32))",
        path.display(),
        shown(tensor)
    )]
    NoType {
        /// The file.
        path: PathBuf,
        /// The tensor's name.
        tensor: String,
        /// Its type.
        dtype: DType,
        /// The format.
        format: &'static str,
    },
    /// The file's pickle wants to run something, to do harm or to make the weights. It was not done.
    #[error(
        "{} wants to run '{name}'{}, which was not done; if you trust it, load it in Python and save the state dict alone: \
         torch.save(model.state_dict(), path)",
        path.display(),
        to_make(entry)
    )]
    Import {
        /// The file.
        path: PathBuf,
        /// The entry of a checkpoint that would be made so; empty if it is all of the file, or beside the weights.
        entry: String,
        /// The name with its module, as Python writes it.
        name: String,
    },
    /// The file holds an object, such as a whole model, that only the Python code of its class can rebuild.
    #[error(
        "{} holds{} a pickled object of the Python class '{class}', not weights alone; save the state dict instead: \
         torch.save(model.state_dict(), path)",
        path.display(),
        within(entry)
    )]
    PickledObject {
        /// The file.
        path: PathBuf,
        /// The entry of a checkpoint that it is; empty if it is all of the file.
        entry: String,
        /// The class with its module.
        class: String,
    },
    /// The file holds several sets of weights, none of which is the likeliest.
    #[error(
        "{} holds several sets of weights ({}) and no state dict that is clearly meant: choose one of them by its name \
         (weights_entry)",
        path.display(),
        quoted(names)
    )]
    SeveralSets {
        /// The file.
        path: PathBuf,
        /// The names of the sets.
        names: Vec<String>,
    },
    /// The file has no weights of the name that was asked for.
    #[error("{} has no weights '{entry}'{}", path.display(), instead(names))]
    NoEntry {
        /// The file.
        path: PathBuf,
        /// The name.
        entry: String,
        /// Names that it has.
        names: Vec<String>,
    },
    /// The file is a TorchScript program.
    #[error(
        "{} is a TorchScript program, not weights alone; save its state dict in Python: \
         torch.save(torch.jit.load(file).state_dict(), path)",
        path.display()
    )]
    TorchScript {
        /// The file.
        path: PathBuf,
    },
    /// The file holds no state dict.
    #[error("{} holds no state dict: {reason}; save one: torch.save(model.state_dict(), path)", path.display())]
    NoWeights {
        /// The file.
        path: PathBuf,
        /// What it holds.
        reason: String,
    },
    /// The file holds more than any honest one.
    #[error("{} has {what}, which is not accepted", path.display())]
    TooMuch {
        /// The file.
        path: PathBuf,
        /// What it has, and how much is accepted.
        what: String,
    },
    /// A tensor cannot be written under this name.
    #[error("cannot write {}: a tensor may not be named '{name}'", path.display())]
    Name {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
}

/// Names in a message; the first of many.
fn quoted(names: &[String]) -> String {
    const SHOWN: usize = 5;
    let first: Vec<String> = names.iter().take(SHOWN).map(|name| format!("'{}'", shown(name))).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", first.join(", ")) } else { first.join(", ") }
}

fn instead(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!(": it has {}", quoted(names)) }
}

fn to_make(entry: &str) -> String {
    if entry.is_empty() { String::new() } else { format!(" to make its entry '{}'", shown(entry)) }
}

fn within(entry: &str) -> String {
    if entry.is_empty() { String::new() } else { format!(" in its entry '{}'", shown(entry)) }
}

impl FormatError {
    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> FormatError {
        FormatError::Damaged { path: path.to_path_buf(), reason: reason.to_string() }
    }

    pub(crate) fn truncated(path: &Path, need: u64, got: u64) -> FormatError {
        FormatError::Truncated { path: path.to_path_buf(), need, got }
    }
}

pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FormatError> {
    std::fs::read(path).map_err(|source| FormatError::Read { path: path.to_path_buf(), source })
}
