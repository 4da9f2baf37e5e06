//! [`Tree`]: the files of a folder or an archive, looked up by their paths.

use crate::error::DataError;
use crate::images::{Found, is_image, text_of};
use crate::source::Source;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use striate_imaging::{Split, shown};

/// The most bytes of an annotation file.
pub const BYTE_LIMIT: u64 = 2 << 30;

/// A path as its parts.
pub type Parts = Vec<OsString>;

/// The files of a folder or an archive.
pub struct Tree {
    pub path: PathBuf,
    pub files: BTreeMap<Parts, Source>,
}

impl Tree {
    pub fn new(path: &Path, found: Vec<Found>) -> Tree {
        let files = found.into_iter().map(|f| (f.parts, f.source)).collect();
        Tree { path: path.to_path_buf(), files }
    }

    /// The files whose names end so, in small letters.
    pub fn with_ending<'a>(&'a self, endings: &'a [&str]) -> impl Iterator<Item = (&'a Parts, &'a Source)> {
        self.files.iter().filter(|(parts, _)| {
            let ending = ending(parts.last().expect("a file has a name"));
            endings.contains(&ending.as_str())
        })
    }

    pub fn images(&self) -> impl Iterator<Item = (&Parts, &Source)> {
        self.files.iter().filter(|(parts, _)| is_image(parts.last().expect("a file has a name")))
    }

    /// The images by folder and name without the ending.
    pub fn stems(&self) -> BTreeMap<(&[OsString], &OsStr), Vec<&Parts>> {
        let mut stems = BTreeMap::<_, Vec<&Parts>>::new();
        for (parts, _) in self.images() {
            let (name, folder) = parts.split_last().expect("a file has a name");
            stems.entry((folder, stem(name))).or_default().push(parts);
        }
        stems
    }
}

/// What a file is called in a list.
pub fn name(parts: &[OsString]) -> String {
    parts.iter().map(|part| text_of(part)).collect::<Vec<_>>().join("/")
}

pub fn stem(name: &OsStr) -> &OsStr {
    Path::new(name).file_stem().unwrap_or(name)
}

pub fn ending(name: &OsStr) -> String {
    Path::new(name).extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Whether a folder has one of these names, in letters of any case.
pub fn is_named(folder: &OsStr, names: &[&str]) -> bool {
    folder.to_str().is_some_and(|folder| names.contains(&folder.to_lowercase().as_str()))
}

/// The split that a folder or file means, as `train`, `train2017`, `instances_val2017` and `test_images` do.
pub fn split_of(name: &OsStr) -> Option<Split> {
    let text = name.to_str()?.to_lowercase();
    let words = text.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    let mut found = words.filter_map(Split::named);
    let first = found.next()?;
    found.all(|other| other == first).then_some(first)
}

/// The split of the first folder that means one.
pub fn split_of_folders(folders: &[OsString]) -> Option<Split> {
    folders.iter().find_map(|folder| split_of(folder))
}

/// The text of an annotation file.
pub fn text(source: &Source) -> Result<String, DataError> {
    let bytes = source.read(BYTE_LIMIT)?;
    let text = match &bytes[..] {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return Err(utf8(source, "it is UTF-16")),
        [0xef, 0xbb, 0xbf, ..] => String::from_utf8(bytes[3..].to_vec()),
        _ => String::from_utf8(bytes),
    };
    text.map_err(|e| utf8(source, &e.utf8_error().to_string()))
}

fn utf8(source: &Source, why: &str) -> DataError {
    DataError::images(&source.path(), format!("not UTF-8 text ({why}): save it as UTF-8"))
}

/// Counts lines up to places that come in ascending order.
pub struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    pub fn new(text: &'a str) -> Lines<'a> {
        Lines { text: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line of a byte, from 1.
    pub fn of(&mut self, byte: usize) -> usize {
        let byte = byte.min(self.text.len());
        if byte > self.at {
            self.line += self.text[self.at..byte].iter().filter(|&&b| b == b'\n').count();
            self.at = byte;
        }
        self.line
    }
}

/// An error in a file.
pub fn refused(source: &Source, line: usize, reason: impl std::fmt::Display) -> DataError {
    DataError::images(&source.path(), format!("line {line}: {reason}"))
}

/// A name in quotation marks.
pub fn quoted(name: &str) -> String {
    format!("'{}'", shown(name))
}
