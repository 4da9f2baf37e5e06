//! [`EmbedError`].

use std::io;
use std::path::{Path, PathBuf};
use striate_model::ModelError;

/// Why a crate is not written. Each message is one line that names the directory or file.
#[derive(Debug, thiserror::Error)]
pub enum EmbedError {
    /// There is something in the directory.
    #[error("{} is there already: a crate is written into a directory that is new or empty", path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// The directory cannot be written.
    #[error("cannot write {}: {cause}", path.display())]
    Io {
        /// The directory.
        path: PathBuf,
        /// Why.
        cause: io::Error,
    },
    /// The model file in it cannot be written or read back.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The model cannot be in a crate, or gives other outputs there.
    #[error("{} is not written: {reason}", path.display())]
    NotWritten {
        /// The directory.
        path: PathBuf,
        /// What is wrong with the model.
        reason: String,
    },
}

impl EmbedError {
    /// The same of a crate in `directory`, where it would have been in the end.
    pub(crate) fn within(self, directory: &Path) -> EmbedError {
        let path = directory.to_path_buf();
        match self {
            EmbedError::Io { cause, .. } => EmbedError::Io { path, cause },
            EmbedError::NotWritten { reason, .. } => EmbedError::NotWritten { path, reason },
            EmbedError::Model(ModelError::NotWritten { reason, .. }) => EmbedError::NotWritten { path, reason },
            other => other,
        }
    }
}
