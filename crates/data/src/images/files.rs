//! The files that an image list is made from: those that folders and archives hold, and those that a table may name.

use super::kind::ending;
use crate::source::Source;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};

/// The endings of image files.
/// Those of HEIC and its like are here although they are not read, so that each such image is named with what to do.
const ENDINGS: [&str; 22] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "tif", "tiff", "bmp", "dib", "pbm", "pgm", "ppm",
    "pnm", "heic", "heif", "avif", "jxl", "jp2", "psd",
];

/// Whether the ending of a file's name is that of an image, in letters of any case. HEIC and its like count, although they are not read.
pub fn is_image(name: &OsStr) -> bool {
    ENDINGS.contains(&ending(Path::new(name)).as_str())
}

/// Whether a file or folder is the system's and not the user's.
pub fn is_hidden(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.starts_with(b".") || matches!(name, b"__MACOSX" | b"Thumbs.db" | b"desktop.ini")
}

/// A file: the folders and the name that lead to it, and where its bytes are.
pub struct Found {
    pub parts: Vec<OsString>,
    pub source: Source,
}

/// What a path leads to.
pub enum Look {
    Found(Source),
    Missing,
    NotAFile,
}

/// The files that a table may name.
pub trait Files {
    /// Where paths start from, as errors name it.
    fn root(&self) -> PathBuf;

    /// The file of this path.
    fn file(&self, path: &Path) -> Look;

    /// The names of the files of a folder, sorted.
    fn names(&self, folder: &Path) -> Vec<OsString>;

    /// The names of the folders that are not in another one.
    fn folders(&self) -> Vec<OsString>;
}

/// The files beside a table.
pub struct Beside<'a>(pub &'a Path);

impl Files for Beside<'_> {
    fn root(&self) -> PathBuf {
        self.0.to_path_buf()
    }

    fn file(&self, path: &Path) -> Look {
        let file = self.0.join(path);
        match fs::metadata(&file) {
            Ok(metadata) if metadata.is_file() => Look::Found(Source::File(file)),
            Ok(_) => Look::NotAFile,
            Err(_) => Look::Missing,
        }
    }

    fn names(&self, folder: &Path) -> Vec<OsString> {
        self.entries(folder, |m| m.is_file())
    }

    fn folders(&self) -> Vec<OsString> {
        self.entries(Path::new(""), |m| m.is_dir())
    }
}

impl Beside<'_> {
    fn entries(&self, folder: &Path, keep: impl Fn(&fs::Metadata) -> bool) -> Vec<OsString> {
        let folder = self.0.join(folder);
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let kept = entries.filter(|e| fs::metadata(e.path()).is_ok_and(|m| keep(&m)));
        let mut names: Vec<OsString> = kept.map(|e| e.file_name()).filter(|n| !is_hidden(n)).collect();
        names.sort();
        names
    }
}
