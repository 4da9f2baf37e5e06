//! [`ImageList`]: which images there are, with their classes.

use super::names::text_of_path;
use super::source::Source;
use crate::error::DataError;
use std::path::{Path, PathBuf};
use striate_imaging::{Split, shown};

/// An image with its class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Where its bytes are.
    pub source: Source,
    /// Its path from where the list begins, with `/` between the parts. Bytes that are not UTF-8 are escaped.
    pub name: String,
    /// The number of its class.
    pub label: usize,
    /// What it is for, if that is said.
    pub split: Option<Split>,
    /// What must stay on one side of a split, such as all images of one patient.
    pub group: Option<String>,
    /// What its content is known by (see [`fingerprint`](super::fingerprint)), if that has been looked at.
    pub fingerprint: Option<u64>,
}

impl Entry {
    /// An image of class `label` of which nothing else is known.
    pub fn new(source: Source, name: impl Into<String>, label: usize) -> Entry {
        Entry { source, name: name.into(), label, split: None, group: None, fingerprint: None }
    }
}

/// How a list is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// The column of a manifest that names the images, if it is not to be found by its name.
    pub path_column: Option<String>,
    /// The column of a manifest that holds the classes, if it is not to be found by its name.
    pub label_column: Option<String>,
}

/// Images with one set of classes over all splits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageList {
    /// The folder, manifest or archive.
    pub path: PathBuf,
    /// The names of the classes, in the order of the labels: sorted, unless they come from the list of a run.
    pub classes: Vec<String>,
    /// The images, sorted by name, unless they come from the list of a run.
    pub entries: Vec<Entry>,
    /// What was left out, and what looks odd, a line each.
    pub notes: Vec<String>,
}

impl ImageList {
    /// Checks that a classifier can be trained on the list: that it has two classes or more.
    ///
    /// # Errors
    /// If it has fewer.
    pub fn for_training(&self) -> Result<(), DataError> {
        match &self.classes[..] {
            [] => Err(DataError::images(&self.path, "there are no classes")),
            [only] => {
                let reason = format!("all images are of one class, '{}': there must be two or more", shown(only));
                Err(DataError::images(&self.path, reason))
            }
            _ => Ok(()),
        }
    }

    /// The splits that some image is for.
    pub fn splits(&self) -> Vec<Split> {
        Split::ALL.into_iter().filter(|s| self.entries.iter().any(|e| e.split == Some(*s))).collect()
    }

    /// The entries of a split.
    pub fn of(&self, split: Split) -> Vec<Entry> {
        self.entries.iter().filter(|e| e.split == Some(split)).cloned().collect()
    }
}

/// What an image is called in a list that begins at `root`: its path from there, or all of it if it lies elsewhere.
pub(super) fn name_of(file: &Path, root: &Path) -> String {
    text_of_path(file.strip_prefix(root).unwrap_or(file))
}
