//! [`ImageList`]: which images there are, with their classes.

use super::kind::DataKind;
use super::names::{shown, some, text_of_path};
use super::survey::Survey;
use super::{folder, manifest, tar};
use crate::decode::{DecodeOptions, decode_bytes, read};
use crate::error::DataError;
use crate::image::AnyImage;
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::UNIX_EPOCH;

/// What an image is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To measure on while settings are chosen.
    Val,
    /// To measure on at the very end.
    #[default]
    Test,
}

impl Split {
    /// All of them.
    pub const ALL: [Split; 3] = [Split::Train, Split::Val, Split::Test];

    /// The split that a folder or a manifest calls so: `train`, `val`, `test`, or the longer `training`, `valid`, `validation`, `testing`,
    /// in letters of any case.
    pub fn named(name: &str) -> Option<Split> {
        match name.to_lowercase().as_str() {
            "train" | "training" => Some(Split::Train),
            "val" | "valid" | "validation" => Some(Split::Val),
            "test" | "testing" => Some(Split::Test),
            _ => None,
        }
    }

    /// `train`, `val` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Val => "val",
            Split::Test => "test",
        }
    }

    /// `training`, `validation` or `test`, as it stands before a noun.
    pub fn adjective(self) -> &'static str {
        match self {
            Split::Train => "training",
            Split::Val => "validation",
            Split::Test => "test",
        }
    }
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Where an image's bytes are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A part of a tar archive.
    Tar {
        /// The archive.
        archive: Arc<PathBuf>,
        /// Its name in it, with `/` between the parts.
        name: OsString,
        /// Where it begins, or where its header does if it is sparse.
        offset: u64,
        /// How many bytes it has.
        size: u64,
        /// Whether the archive leaves out its zeros.
        sparse: bool,
    },
}

/// What tells one state of a file from another: its size and when it was changed, in nanoseconds.
pub(crate) type Stamp = (u64, u128);

impl Source {
    /// What errors call it.
    pub fn path(&self) -> PathBuf {
        match self {
            Source::File(path) => path.clone(),
            Source::Tar { archive, name, .. } => archive.join(name),
        }
    }

    /// Its bytes, at most `limit`.
    ///
    /// # Errors
    /// If it cannot be read or is larger.
    pub fn read(&self, limit: u64) -> Result<Vec<u8>, DataError> {
        let (archive, offset, size, sparse) = match self {
            Source::File(path) => {
                // Opening a pipe waits for somebody to write into it.
                let metadata = std::fs::metadata(path);
                if metadata.is_ok_and(|m| !m.is_file() && !m.is_dir()) {
                    return Err(DataError::image(path, "not a regular file"));
                }
                return read(path, limit);
            }
            Source::Tar { archive, offset, size, sparse, .. } => (archive, *offset, *size, *sparse),
        };
        if size > limit {
            return Err(DataError::image(&self.path(), format!("it has more than {limit} bytes")));
        }
        let part = || -> io::Result<Vec<u8>> {
            let mut file = File::open(&**archive)?;
            file.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::with_capacity(size.min(file.metadata()?.len()) as usize);
            if sparse {
                tar::read_first(file, size, &mut bytes)?;
            } else {
                file.take(size).read_to_end(&mut bytes)?;
            }
            Ok(bytes)
        };
        part().map_err(|source| DataError::Read { path: self.path(), source })
    }

    /// The image in it.
    ///
    /// # Errors
    /// If it cannot be read or decoded.
    pub fn decode(&self, options: &DecodeOptions) -> Result<AnyImage, DataError> {
        decode_bytes(&self.read(options.byte_limit)?, &self.path(), options)
    }

    pub(crate) fn stamp(&self) -> io::Result<Stamp> {
        let (path, inner) = match self {
            Source::File(path) => (path, 0),
            Source::Tar { archive, offset, .. } => (&**archive, *offset),
        };
        let metadata = std::fs::metadata(path)?;
        let time = metadata.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos());
        Ok((metadata.len().wrapping_add(inner), time))
    }
}

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
    /// The images of a folder (`class/image.jpg`, or `train/class/image.jpg` with `val` and `test` beside it), of a manifest (`.csv` or
    /// `.tsv` with a column of paths, one of labels, and perhaps `split` and `group`), of a folder of images with such a table in it, or of
    /// a `.tar` of any of these.
    ///
    /// # Errors
    /// If it cannot be read, is none of these, or has no images.
    pub fn open(path: &Path) -> Result<ImageList, DataError> {
        ImageList::open_with(path, &ListOptions::default())
    }

    /// As [`ImageList::open`], with the columns of a manifest named.
    ///
    /// # Errors
    /// As [`ImageList::open`], or if there are no such columns.
    pub fn open_with(path: &Path, options: &ListOptions) -> Result<ImageList, DataError> {
        let list = match DataKind::of(path)? {
            DataKind::Folder => folder::open(path, options)?,
            DataKind::Manifest => manifest::open(path, options)?,
            DataKind::Archive => tar::open(path, options)?,
            DataKind::Idx => return Err(DataError::images(path, "a folder of idx files, not of images")),
        };
        list.checked()
    }

    fn checked(mut self) -> Result<ImageList, DataError> {
        if self.entries.is_empty() {
            let notes = if self.notes.is_empty() { String::new() } else { format!(" ({})", self.notes.join("; ")) };
            let form =
                "they should lie in a folder for each class (DIR/cat/1.jpg), or in these under train, val and test";
            return Err(DataError::images(&self.path, format!("no images found{notes}; {form}")));
        }
        for split in self.splits() {
            let missing: Vec<&String> = (0..self.classes.len())
                .filter(|&c| !self.entries.iter().any(|e| e.split == Some(split) && e.label == c))
                .map(|c| &self.classes[c])
                .collect();
            if !missing.is_empty() {
                self.notes.push(format!("{split} has no images of {}", some(&missing)));
            }
        }
        Ok(self)
    }

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

    /// Notes in each entry the fingerprint that `survey` of this list found.
    ///
    /// # Panics
    /// If the survey is of another list.
    pub fn set_fingerprints(&mut self, survey: &Survey) {
        assert!(survey.images.len() == self.entries.len(), "a survey of {} images", survey.images.len());
        for (entry, examined) in self.entries.iter_mut().zip(&survey.images) {
            entry.fingerprint = examined.as_ref().ok().map(|e| e.fingerprint);
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
