//! Folders of images.

use super::files::{Beside, Found, is_hidden};
use super::list::{ImageList, ListOptions};
use super::names::{LeftOut, text_of};
use super::{layout, manifest, table};
use crate::annotations;
use crate::error::DataError;
use crate::source::Source;
use crate::target::TargetKind;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use striate_imaging::read_file;

/// How deep folders may be.
const DEPTH_LIMIT: usize = 64;

pub fn open(path: &Path, options: &ListOptions) -> Result<ImageList, DataError> {
    let (found, notes) = files(path)?;
    if matches!(options.target, TargetKind::Objects | TargetKind::Mask) {
        return annotations::list(path, found, notes, options);
    }
    let table = |found: &Found| {
        let file = path.join(&found.parts[0]);
        manifest::parse(&file, &read_file(&file, table::BYTE_LIMIT)?, &Beside(path), options)
    };
    layout::arranged(path, found, notes, options, &table)
}

/// The files of a folder and those in it, and what was left out.
pub fn files(path: &Path) -> Result<(Vec<Found>, Vec<String>), DataError> {
    let mut walk = Walk { found: Vec::new(), left_out: LeftOut::default(), above: Vec::new() };
    walk.folder(path, &mut Vec::new())?;
    Ok((walk.found, walk.left_out.notes().collect()))
}

struct Walk {
    found: Vec<Found>,
    left_out: LeftOut,
    /// The folders that this one lies in, with all links resolved.
    above: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, path: &Path, parts: &mut Vec<OsString>) -> Result<(), DataError> {
        let read = |source| DataError::Read { path: path.to_path_buf(), source };
        let name = |parts: &[OsString]| parts.iter().map(|p| text_of(p)).collect::<Vec<_>>().join("/");
        let real = fs::canonicalize(path).map_err(read)?;
        if self.above.contains(&real) || self.above.len() >= DEPTH_LIMIT {
            self.left_out.add("links that lead back to a folder they lie in", name(parts));
            return Ok(());
        }
        self.above.push(real);
        let mut entries = fs::read_dir(path).map_err(read)?.collect::<Result<Vec<_>, _>>().map_err(read)?;
        entries.sort_by_key(|e| e.file_name());
        for entry in entries {
            if is_hidden(&entry.file_name()) {
                continue;
            }
            let path = entry.path();
            parts.push(entry.file_name());
            let is_link = fs::symlink_metadata(&path).is_ok_and(|m| m.is_symlink());
            match fs::metadata(&path) {
                Ok(metadata) if metadata.is_dir() => self.folder(&path, parts)?,
                Err(_) if is_link => self.left_out.add("links that lead nowhere", name(parts)),
                Ok(metadata) if !metadata.is_file() => {
                    self.left_out.add("pipes, sockets or devices", name(parts));
                }
                // A file that cannot be looked at is found out, and told, when it is read.
                _ => self.found.push(Found { parts: parts.clone(), source: Source::File(path) }),
            }
            parts.pop();
        }
        self.above.pop();
        Ok(())
    }
}
