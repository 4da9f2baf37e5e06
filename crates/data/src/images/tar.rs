//! Images in a tar archive, read where they lie.

use super::layout::{Found, by_folders, is_hidden};
use super::list::{ImageList, Source, Split};
use super::manifest;
use crate::error::DataError;
use std::fs::File;
use std::io::BufReader;
use std::path::{Component, Path};
use std::sync::Arc;

pub fn open(path: &Path) -> Result<ImageList, DataError> {
    let read = |source| DataError::Read { path: path.to_path_buf(), source };
    let archive = Arc::new(path.to_path_buf());
    let mut tar = tar::Archive::new(BufReader::new(File::open(path).map_err(read)?));
    let damaged = |e: std::io::Error| DataError::images(path, format!("not a tar archive, or a damaged one: {e}"));
    let mut found = Vec::new();
    for entry in tar.entries_with_seek().map_err(damaged)? {
        let entry = entry.map_err(damaged)?;
        let inner = entry.path().map_err(damaged)?.into_owned();
        let mut parts = Vec::new();
        for part in inner.components() {
            match part {
                Component::Normal(name) => parts.push(name.to_string_lossy().into_owned()),
                Component::CurDir => {}
                _ => {
                    let line = format!("refused: its entry '{}' leads out of the archive", inner.display());
                    return Err(DataError::images(path, line));
                }
            }
        }
        let hidden = parts.iter().any(|p| is_hidden(p));
        if !entry.header().entry_type().is_file() || hidden || parts.is_empty() {
            continue;
        }
        let (offset, size) = (entry.raw_file_position(), entry.size());
        let source = Source::Tar { archive: archive.clone(), name: parts.join("/"), offset, size };
        found.push(Found { parts, source });
    }
    strip_top(&mut found);
    if let Some(file) = found.iter().find(|f| f.parts.len() == 1 && is_manifest(&f.parts[0])) {
        let bytes = file.source.read(manifest::BYTE_LIMIT)?;
        let at = |name: &str| found.iter().find(|f| f.parts.join("/") == name).map(|f| f.source.clone());
        return manifest::parse(&path.join(&file.parts[0]), &bytes, at);
    }
    Ok(by_folders(path, found, Vec::new()))
}

fn is_manifest(name: &str) -> bool {
    name.ends_with(".csv") || name.ends_with(".tsv")
}

/// Takes away a folder that holds all the rest, as archives of a folder have it.
fn strip_top(found: &mut [Found]) {
    let Some(top) = found.first().map(|f| f.parts[0].clone()) else { return };
    // Only a folder that is no class of its own: one that holds folders, or a manifest.
    let holds_all = found.iter().all(|f| f.parts.len() >= 2 && f.parts[0] == top);
    let deep = holds_all && found.iter().any(|f| f.parts.len() >= 3 || is_manifest(&f.parts[1]));
    if deep && Split::named(&top).is_none() {
        found.iter_mut().for_each(|f| drop(f.parts.remove(0)));
    }
}
