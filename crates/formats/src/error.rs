//! [`FormatError`].

use std::io;
use std::path::{Path, PathBuf};

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
    /// The file's pickle wants to import something that no weights need. It was not done.
    #[error(
        "{} wants to run '{name}', which no weights need, and was not read; if you trust it, load it in Python and \
         save the state dict alone: torch.save(model.state_dict(), path)",
        path.display()
    )]
    Import {
        /// The file.
        path: PathBuf,
        /// The name with its module, as Python writes it.
        name: String,
    },
    /// The file holds an object, such as a whole model, that only the Python code of its class can rebuild.
    #[error(
        "{} holds a pickled object of the Python class '{class}', not weights alone; save the state dict instead: \
         torch.save(model.state_dict(), path)",
        path.display()
    )]
    PickledObject {
        /// The file.
        path: PathBuf,
        /// The class with its module.
        class: String,
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

impl FormatError {
    pub(crate) fn damaged(path: &Path, reason: impl ToString) -> FormatError {
        FormatError::Damaged { path: path.to_path_buf(), reason: reason.to_string() }
    }

    pub(crate) fn truncated(path: &Path, need: u64, got: usize) -> FormatError {
        FormatError::Truncated { path: path.to_path_buf(), need, got: got as u64 }
    }
}

pub(crate) fn read_file(path: &Path) -> Result<Vec<u8>, FormatError> {
    std::fs::read(path).map_err(|source| FormatError::Read { path: path.to_path_buf(), source })
}
