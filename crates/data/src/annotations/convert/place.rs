//! [`Output`]: a folder that is there as a whole or not at all.

use super::Placement;
use crate::annotations::AnnotatedImage;
use crate::error::DataError;
use crate::images::os_string;
use crate::source::Source;
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use striate_imaging::DecodeOptions;
use tempfile::TempDir;

/// A new folder, which gets its name when it is done.
pub struct Output {
    path: PathBuf,
    folder: TempDir,
    images: Placement,
}

/// An image in its place.
pub struct Placed<'a> {
    pub image: &'a AnnotatedImage,
    /// Its name without folders, which no other image of the folder has, nor with another ending.
    pub name: OsString,
}

impl Output {
    pub fn new(path: &Path, images: Placement) -> Result<Output, DataError> {
        let failed = |source| DataError::Read { path: path.to_path_buf(), source };
        match fs::read_dir(path).map(|mut entries| entries.next().is_none()) {
            Ok(true) => {}
            Ok(false) => {
                return Err(DataError::images(path, "it is there already and not empty: choose another folder"));
            }
            Err(_) if fs::symlink_metadata(path).is_ok() => {
                return Err(DataError::images(path, "it is there already: choose another folder"));
            }
            Err(_) => {}
        }
        let parent = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        fs::create_dir_all(parent).map_err(failed)?;
        let folder = tempfile::Builder::new().prefix(".converting-").tempdir_in(parent).map_err(failed)?;
        Ok(Output { path: path.to_path_buf(), folder, images })
    }

    /// Writes a file of the folder.
    pub fn write(&self, name: impl AsRef<Path>, bytes: &[u8]) -> Result<(), DataError> {
        let file = self.folder.path().join(&name);
        let write = || {
            fs::create_dir_all(file.parent().unwrap_or(Path::new("")))?;
            fs::write(&file, bytes)
        };
        write().map_err(|source| self.failed(name.as_ref(), source))
    }

    fn failed(&self, name: &Path, source: std::io::Error) -> DataError {
        DataError::images(&self.path.join(name), format!("cannot be written: {source}"))
    }

    /// The file of the finished folder.
    pub fn file(&self, name: impl AsRef<Path>) -> PathBuf {
        self.path.join(name)
    }

    /// Puts an image there. Not if images stay where they are.
    pub fn image(&self, source: &Source, name: impl AsRef<Path>) -> Result<(), DataError> {
        let name = name.as_ref();
        if let Source::File(file) = source
            && self.images != Placement::Copy
        {
            let to = self.folder.path().join(name);
            let folder = to.parent().unwrap_or(Path::new(""));
            fs::create_dir_all(folder).map_err(|source| self.failed(name, source))?;
            // A link to a symbolic link would lead elsewhere from here.
            let real = fs::canonicalize(file).unwrap_or_else(|_| file.clone());
            if fs::hard_link(real, &to).is_ok() {
                return Ok(());
            }
        }
        self.write(name, &source.read(DecodeOptions::default().byte_limit)?)
    }

    pub fn refers(&self) -> bool {
        self.images == Placement::Reference
    }

    /// Gives the folder its name.
    pub fn finish(self) -> Result<(), DataError> {
        let _ = fs::remove_dir(&self.path);
        // Temporary folders are for their owner alone.
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let _ = fs::set_permissions(self.folder.path(), fs::Permissions::from_mode(0o755));
        }
        fs::rename(self.folder.path(), &self.path).map_err(|source| self.failed(Path::new(""), source))?;
        let _ = self.folder.keep();
        Ok(())
    }
}

/// Names without folders for images of one folder: those that they have, with the folders before them where two would be the same.
pub fn names<'a>(images: impl Iterator<Item = &'a AnnotatedImage>) -> Vec<Placed<'a>> {
    let mut used = BTreeSet::<OsString>::new();
    let mut all = Vec::new();
    for image in images {
        let path = image.source.path();
        let name = path.file_name().unwrap_or(OsStr::new("image")).to_os_string();
        let long = OsString::from(image.name.replace(['/', '\\'], "_"));
        let numbered = (1..).map(|n| os_string([format!("{n}_").as_bytes(), name.as_encoded_bytes()].concat()));
        let stem = |name: &OsString| Path::new(name).file_stem().unwrap_or(name).to_ascii_lowercase();
        let mut candidates = [name.clone(), long].into_iter().chain(numbered);
        let name = candidates.find(|name| used.insert(stem(name))).expect("some number is free");
        all.push(Placed { image, name });
    }
    all
}

impl Placed<'_> {
    /// Its name with another ending.
    pub fn with_ending(&self, ending: &str) -> OsString {
        let mut stem = Path::new(&self.name).file_stem().unwrap_or(&self.name).to_os_string();
        stem.push(ending);
        stem
    }

    /// Its name as text, which files that hold text need.
    pub fn text(&self) -> Result<&str, DataError> {
        let path = self.image.source.path();
        self.name
            .to_str()
            .ok_or_else(|| DataError::images(&path, "its name is not UTF-8, which the format needs: rename it"))
    }
}
