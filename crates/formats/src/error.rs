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
