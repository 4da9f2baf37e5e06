//! [`ImageList`]: which images there are, with their classes.

use super::{folder, manifest, tar};
use crate::decode::{DecodeOptions, decode_bytes, read};
use crate::error::DataError;
use crate::image::AnyImage;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
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
        /// Its name in it.
        name: String,
        /// Where it begins.
        offset: u64,
        /// How many bytes it has.
        size: u64,
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
        match self {
            Source::File(path) => read(path, limit),
            Source::Tar { archive, offset, size, .. } => {
                if *size > limit {
                    return Err(DataError::image(&self.path(), format!("it has more than {limit} bytes")));
                }
                let part = || -> io::Result<Vec<u8>> {
                    let mut file = File::open(&**archive)?;
                    file.seek(SeekFrom::Start(*offset))?;
                    let mut bytes = Vec::with_capacity(*size as usize);
                    file.take(*size).read_to_end(&mut bytes)?;
                    Ok(bytes)
                };
                part().map_err(|source| DataError::Read { path: self.path(), source })
            }
        }
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
    /// Its path from where the list begins, with `/` between the parts.
    pub name: String,
    /// The number of its class.
    pub label: usize,
    /// What it is for, if that is said.
    pub split: Option<Split>,
    /// What must stay on one side of a split, such as all images of one patient.
    pub group: Option<String>,
}

/// Images with one set of classes over all splits.
#[derive(Clone, Debug, Default)]
pub struct ImageList {
    /// The folder, manifest or archive.
    pub path: PathBuf,
    /// The names of the classes, in the order of the labels: sorted.
    pub classes: Vec<String>,
    /// The images, sorted by name.
    pub entries: Vec<Entry>,
    /// What was left out, and what looks odd, a line each.
    pub notes: Vec<String>,
}

impl ImageList {
    /// The images of a folder (`class/image.jpg`, or `train/class/image.jpg` with `val` and `test` beside it), of a manifest (`.csv` or
    /// `.tsv` with the columns `path`, `label`, and perhaps `split` and `group`), or of a `.tar` of either.
    ///
    /// # Errors
    /// If it cannot be read, is none of these, or has no images, or fewer than two classes.
    pub fn open(path: &Path) -> Result<ImageList, DataError> {
        let metadata =
            std::fs::metadata(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
        let ending = path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default();
        let list = match ending.as_str() {
            _ if metadata.is_dir() => folder::open(path)?,
            "csv" | "tsv" => manifest::open(path)?,
            "tar" => tar::open(path)?,
            "gz" | "tgz" | "xz" | "zst" | "bz2" | "zip" => {
                return Err(DataError::images(
                    path,
                    "compressed archives cannot be read in any order: unpack it, or make a plain .tar",
                ));
            }
            _ => return Err(DataError::images(path, "not a folder of images, a .csv or .tsv manifest, or a .tar")),
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
        if let [only] = &self.classes[..] {
            return Err(DataError::images(
                &self.path,
                format!("all images are of one class, '{only}': there must be two or more"),
            ));
        }
        for split in self.splits() {
            let missing: Vec<&str> = (0..self.classes.len())
                .filter(|&c| !self.entries.iter().any(|e| e.split == Some(split) && e.label == c))
                .map(|c| self.classes[c].as_str())
                .collect();
            if !missing.is_empty() {
                self.notes.push(format!("{split} has no images of {}", missing.join(", ")));
            }
        }
        Ok(self)
    }

    /// The images of this archive that a manifest names, as [`write_manifest`](super::write_manifest) made it of them.
    ///
    /// # Errors
    /// If the manifest cannot be read, or names what is not in the archive.
    pub fn named_in(&self, manifest: &Path) -> Result<ImageList, DataError> {
        let bytes = read(manifest, manifest::BYTE_LIMIT)?;
        let named = |e: &Entry| match &e.source {
            Source::Tar { name, .. } => Some((name.clone(), e.source.clone())),
            Source::File(_) => None,
        };
        let inside: BTreeMap<String, Source> = self.entries.iter().filter_map(named).collect();
        manifest::parse(manifest, &bytes, |name| inside.get(name).cloned())
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
