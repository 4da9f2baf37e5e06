//! Folders of images.

use super::layout::{Found, by_folders, is_hidden};
use super::list::{ImageList, Source};
use crate::error::DataError;
use std::fs;
use std::path::{Path, PathBuf};

/// How deep folders may be.
const DEPTH_LIMIT: usize = 64;

pub fn open(path: &Path) -> Result<ImageList, DataError> {
    let mut walk = Walk { found: Vec::new(), notes: Vec::new(), above: Vec::new() };
    walk.folder(path, &mut Vec::new())?;
    Ok(by_folders(path, walk.found, walk.notes))
}

struct Walk {
    found: Vec<Found>,
    notes: Vec<String>,
    /// The folders that this one lies in, with all links resolved.
    above: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, path: &Path, parts: &mut Vec<String>) -> Result<(), DataError> {
        let read = |source| DataError::Read { path: path.to_path_buf(), source };
        let real = fs::canonicalize(path).map_err(read)?;
        if self.above.contains(&real) || self.above.len() >= DEPTH_LIMIT {
            self.notes.push(format!("left out: {} leads back to a folder that it lies in", path.display()));
            return Ok(());
        }
        self.above.push(real);
        let mut entries = fs::read_dir(path).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
        entries.sort_by_key(|e| e.file_name());
        for entry in entries {
            let name = entry.file_name().to_string_lossy().into_owned();
            if is_hidden(&name) {
                continue;
            }
            let path = entry.path();
            parts.push(name);
            // A link that leads nowhere, or to itself, is a file that cannot be read: that is found out later and told.
            if fs::metadata(&path).is_ok_and(|m| m.is_dir()) {
                self.folder(&path, parts)?;
            } else {
                self.found.push(Found { parts: parts.clone(), source: Source::File(path) });
            }
            parts.pop();
        }
        self.above.pop();
        Ok(())
    }
}
