//! [`ImageError`].

use crate::names::shown;
use std::io;
use std::path::{Path, PathBuf};

/// Why an image cannot be used. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An image cannot be decoded or written.
    #[error("{}: {reason}", shown(path))]
    Image {
        /// The file.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
}

impl ImageError {
    /// An image of this path that cannot be used.
    pub fn image(path: &Path, reason: impl ToString) -> ImageError {
        ImageError::Image { path: path.to_path_buf(), reason: reason.to_string() }
    }
}
