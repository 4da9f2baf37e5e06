//! [`ModelError`].

use std::path::PathBuf;
use striate_formats::FormatError;
use striate_graph::RunError;
use striate_imaging::ImageError;
use striate_nn::StateDictError;

/// What can go wrong with a model file. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read or written.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// An image cannot be decoded.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// It is no model file, or none that can be used.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The model cannot be run on an image.
    #[error("{}: the model cannot be run on it: {cause}", path.display())]
    Run {
        /// The image.
        path: PathBuf,
        /// What stands in the way.
        cause: RunError,
    },
    /// Its weights do not fit its network.
    #[error("{}: {cause}", path.display())]
    Weights {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        cause: StateDictError,
    },
    /// The model cannot be written as it is.
    #[error("{} is not written: {reason}", path.display())]
    NotWritten {
        /// The file.
        path: PathBuf,
        /// What is wrong with the model.
        reason: String,
    },
    /// An ONNX file cannot be written, read or run.
    #[cfg(feature = "onnx")]
    #[error(transparent)]
    Onnx(#[from] striate_onnx::OnnxError),
    /// An ONNX file does not say how images are prepared, and nobody else did.
    #[cfg(feature = "onnx")]
    #[error("{} does not say how images are prepared", path.display())]
    NoPreprocessing {
        /// The file.
        path: PathBuf,
    },
    /// An ONNX file cannot become a model.
    #[cfg(feature = "onnx")]
    #[error("{} {reason}", path.display())]
    Import {
        /// The file.
        path: PathBuf,
        /// What stands in the way, after the file's name.
        reason: String,
    },
}
