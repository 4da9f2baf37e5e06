//! [`DataError`].

use crate::download::DownloadError;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use striate_imaging::{ImageError, shown};

/// Why data cannot be used. Each message is one line that names the file.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", shown(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory of idx files lacks one.
    #[error(
        "{} has no {file} (nor {file}.gz); it must hold train-images-idx3-ubyte, train-labels-idx1-ubyte, \
         t10k-images-idx3-ubyte and t10k-labels-idx1-ubyte, each plain or .gz",
        shown(directory)
    )]
    MissingFile {
        /// The directory.
        directory: PathBuf,
        /// The file that was looked for.
        file: String,
    },
    /// A file is no idx file, or a damaged one.
    #[error("{}: {reason}", shown(path))]
    Idx {
        /// The file.
        path: PathBuf,
        /// What was expected and what was found.
        reason: String,
    },
    /// There are more images than labels, or fewer.
    #[error("{} holds {images} images, but {} holds {labels} labels", shown(images_path), shown(labels_path))]
    Counts {
        /// The file of images.
        images_path: PathBuf,
        /// How many it holds.
        images: usize,
        /// The file of labels.
        labels_path: PathBuf,
        /// How many it holds.
        labels: usize,
    },
    /// A test image has a label that no training image has prepared the network for.
    #[error("{}: label {label} of image {index} is outside the {classes} classes of the training labels", shown(path))]
    Label {
        /// The file of labels.
        path: PathBuf,
        /// The label.
        label: usize,
        /// Which image has it.
        index: usize,
        /// How many classes there are.
        classes: usize,
    },
    /// An image cannot be read or decoded.
    #[error(transparent)]
    Image(#[from] ImageError),
    /// A folder, manifest or archive of images cannot be used.
    #[error("{}: {reason}", shown(path))]
    Images {
        /// The folder, manifest or archive.
        path: PathBuf,
        /// Why, and what to do.
        reason: String,
    },
    /// The columns of a manifest cannot be told apart: the options of a list can name them.
    #[error("{}: {reason}", shown(path))]
    Columns {
        /// The manifest.
        path: PathBuf,
        /// What it lacks, or has several of.
        reason: String,
    },
    /// Columns are named, but there is no manifest that could have them.
    #[error("{}: columns are named, but there is no table in it", shown(path))]
    NoTable {
        /// The folder, archive or file of annotations.
        path: PathBuf,
    },
    /// Images cannot be split so that each class has some on both sides.
    #[error("{}: {reason}", shown(path))]
    Split {
        /// The folder, manifest or archive.
        path: PathBuf,
        /// Which class, why, and what can be done.
        reason: String,
        /// Why, as the program tells one case from another.
        cause: SplitCause,
    },
    /// Data built into the program is not what it was when it was built.
    #[error("the built-in {name} is damaged: install the program again")]
    Embedded {
        /// The file.
        name: &'static str,
    },
    /// A file cannot be downloaded.
    #[error(transparent)]
    Download(#[from] DownloadError),
    /// There is no such sample.
    #[error("sample {index} was asked for, the data set has {len}")]
    Index {
        /// What was asked for.
        index: usize,
        /// How many there are.
        len: usize,
    },
    /// The samples of a batch do not fit together.
    #[error("samples {first} and {other} do not fit into one batch: {reason}")]
    Collate {
        /// The index of the batch's first sample.
        first: usize,
        /// The index of the sample that differs from it.
        other: usize,
        /// How they differ.
        reason: String,
    },
    /// What a data set from outside this crate has to report.
    #[error(transparent)]
    Other(#[from] Box<dyn Error + Send + Sync>),
}

/// Why a class cannot be on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SplitCause {
    /// It has one image that can be read, or none.
    TooFew,
    /// All its images are nearly the same.
    Alike,
    /// All its images have the same pixels.
    Same,
    /// Its images belong together as the list says, or with those of other classes.
    Group,
    /// The sides of all its images are fixed.
    Known,
}

impl DataError {
    pub(crate) fn idx(path: &Path, reason: impl ToString) -> DataError {
        DataError::Idx { path: path.to_path_buf(), reason: reason.to_string() }
    }

    pub(crate) fn images(path: &Path, reason: impl ToString) -> DataError {
        DataError::Images { path: path.to_path_buf(), reason: reason.to_string() }
    }

    pub(crate) fn columns(path: &Path, reason: impl ToString) -> DataError {
        DataError::Columns { path: path.to_path_buf(), reason: reason.to_string() }
    }
}
