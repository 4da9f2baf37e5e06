//! [`ImageList`]: which images there are, with their classes.

use super::names::{count, text_of_path};
use crate::annotations::Issues;
use crate::error::DataError;
use crate::source::Source;
use crate::target::{Target, TargetKind};
use std::path::{Path, PathBuf};
use striate_imaging::{Split, shown};

/// An image with what a network is to give for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Where its bytes are.
    pub source: Source,
    /// Its path from where the list begins, with `/` between the parts. Bytes that are not UTF-8 are escaped.
    pub name: String,
    /// Its class, labels or numbers; its objects or mask.
    pub target: Target,
    /// What it is for, if that is said.
    pub split: Option<Split>,
    /// What must stay on one side of a split, such as all images of one patient.
    pub group: Option<String>,
    /// The group that it is measured in, such as the hospital that it comes from: its field of [`ListOptions::attribute_column`], unless that is empty.
    pub attribute: Option<String>,
    /// What its content is known by (see [`fingerprint`](super::fingerprint)), if that has been looked at.
    pub fingerprint: Option<u64>,
}

impl Entry {
    /// An image with this target of which nothing else is known.
    pub fn new(source: Source, name: impl Into<String>, target: impl Into<Target>) -> Entry {
        let (split, group, attribute, fingerprint) = Default::default();
        Entry { source, name: name.into(), target: target.into(), split, group, attribute, fingerprint }
    }
}

/// How a list is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// The column of a manifest that names the images, if it is not to be found by its name.
    pub path_column: Option<String>,
    /// The column of a manifest that holds the classes, if it is not to be found by its name. Of labels or numbers it may be several, with a comma between
    /// them.
    pub label_column: Option<String>,
    /// A column of a manifest that groups images when a model is measured: see [`Entry::attribute`]. It has no say in how images are split.
    pub attribute_column: Option<String>,
    /// What the images have: a class, labels or numbers; objects or a mask, which are read from annotations.
    pub target: TargetKind,
}

/// Images with one set of classes, labels or columns of numbers over all splits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageList {
    /// The folder, manifest or archive.
    pub path: PathBuf,
    /// What the images have.
    pub kind: TargetKind,
    /// The names of the classes or labels, in their order: sorted, unless they are columns or come from the list of a run. Of numbers the names of the
    /// columns.
    pub classes: Vec<String>,
    /// The images, sorted by name, unless they come from the list of a run.
    pub entries: Vec<Entry>,
    /// What was left out, and what looks odd, a line each.
    pub notes: Vec<String>,
    /// What is odd in the annotation files, each with its place.
    pub issues: Issues,
}

impl ImageList {
    /// Checks that a network can be trained on the list: that it has two classes or more, or a label or a column of numbers.
    ///
    /// # Errors
    /// If it has fewer.
    pub fn for_training(&self) -> Result<(), DataError> {
        match &self.classes[..] {
            [_, ..] if self.kind != TargetKind::Class => Ok(()),
            [] => Err(DataError::images(&self.path, "there are no classes")),
            [only] => {
                let reason = format!("all images are of one class, '{}': there must be two or more", shown(only));
                Err(DataError::images(&self.path, reason))
            }
            _ => Ok(()),
        }
    }

    /// A target in words: the names of its classes or labels, or its numbers.
    pub fn described(&self, target: &Target) -> String {
        match target {
            Target::Class(class) => self.classes[*class].clone(),
            Target::Labels { has, .. } if has.is_empty() => "no label".into(),
            Target::Labels { has, .. } => has.iter().map(|&i| self.classes[i].as_str()).collect::<Vec<_>>().join("; "),
            Target::Numbers(numbers) => {
                let named = |(name, x): (&String, &f32)| format!("{name} {x}");
                self.classes.iter().zip(numbers).map(named).collect::<Vec<_>>().join("; ")
            }
            Target::Objects(objects) => match objects.len() {
                0 => "no object".into(),
                n => count(n, "object"),
            },
            Target::Mask(_) => "a mask".into(),
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
pub(crate) fn name_of(file: &Path, root: &Path) -> String {
    text_of_path(file.strip_prefix(root).unwrap_or(file))
}
