//! The zip form: `name/data.pkl` with the pickle, `name/data/0`, … with the storages, `name/byteorder`.

use crate::error::FormatError;
use crate::names::shown;
use crate::pickle::StorageRef;
use std::collections::HashMap;
use std::io::{self, Cursor};
use std::path::{Path, PathBuf};
use zip::{CompressionMethod, ZipArchive};

/// What the entries of a zip archive say about its kind.
pub(crate) enum Contents {
    Torch,
    TorchScript,
    Arrays,
    Other,
}

/// A zip archive whose entries are used where they lie.
pub(super) struct Archive<'a> {
    path: &'a Path,
    bytes: &'a [u8],
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// The directory that all entries are in, with its slash.
    root: String,
    big_endian: bool,
    /// Storages that have been checked.
    storages: HashMap<String, &'a [u8]>,
}

fn open<'a>(bytes: &'a [u8], path: &Path) -> Result<ZipArchive<Cursor<&'a [u8]>>, FormatError> {
    let cause = |e| FormatError::damaged(path, format!("{e}; copy or download it again"));
    let zip = ZipArchive::new(Cursor::new(bytes)).map_err(cause)?;
    if zip.has_duplicate_names() {
        return Err(FormatError::damaged(path, "two of its entries have the same name"));
    }
    Ok(zip)
}

/// The directories, with their slash, that hold a `data.pkl`.
fn roots(zip: &ZipArchive<Cursor<&[u8]>>) -> Vec<String> {
    let names = zip.file_names().flatten();
    let roots = names.filter_map(|name| name.strip_suffix("data.pkl").map(str::to_string));
    roots.filter(|root| root.strip_suffix('/').is_some_and(|r| !r.is_empty() && !r.contains('/'))).collect()
}

/// Looks at the names of a zip archive's entries.
pub(crate) fn contents(bytes: &[u8], path: &Path) -> Result<Contents, FormatError> {
    let zip = open(bytes, path)?;
    if let Some(root) = roots(&zip).first() {
        let script = zip
            .file_names()
            .flatten()
            .any(|n| n.strip_prefix(root).is_some_and(|n| n == "constants.pkl" || n.starts_with("code/")));
        return Ok(if script { Contents::TorchScript } else { Contents::Torch });
    }
    Ok(if zip.file_names().flatten().any(|name| name.ends_with(".npy")) { Contents::Arrays } else { Contents::Other })
}

impl<'a> Archive<'a> {
    pub fn open(bytes: &'a [u8], path: &'a Path) -> Result<Archive<'a>, FormatError> {
        let zip = open(bytes, path)?;
        let root = match &mut roots(&zip)[..] {
            [root] => std::mem::take(root),
            [] => return Err(super::not_torch(path, "it is a zip archive without a data.pkl")),
            _ => return Err(FormatError::damaged(path, "it has more than one data.pkl")),
        };
        let mut archive = Archive { path, bytes, zip, root, big_endian: false, storages: HashMap::new() };
        archive.big_endian = match archive.entry("byteorder")? {
            None | Some(b"little") => false,
            Some(b"big") => true,
            Some(_) => return Err(FormatError::damaged(path, "its byte order is neither little nor big")),
        };
        Ok(archive)
    }

    pub fn pickle(&mut self) -> Result<&'a [u8], FormatError> {
        self.entry("data.pkl")?.ok_or_else(|| FormatError::damaged(self.path, "it lacks data.pkl"))
    }

    /// Whether numbers begin with their most significant byte.
    pub fn big_endian(&self) -> bool {
        self.big_endian
    }

    pub fn storage(&mut self, storage: &StorageRef) -> Result<&'a [u8], FormatError> {
        let bytes = match self.storages.get(storage.key) {
            Some(bytes) => *bytes,
            None => {
                let name = format!("data/{}", storage.key);
                let lacking = || FormatError::damaged(self.path, format!("it lacks the storage {}", shown(&name)));
                let bytes = self.entry(&name)?.ok_or_else(lacking)?;
                self.storages.insert(storage.key.to_string(), bytes);
                bytes
            }
        };
        if storage.numel.checked_mul(storage.kind.size() as u64).is_none_or(|need| need > bytes.len() as u64) {
            let (key, numel, have) = (shown(storage.key), storage.numel, bytes.len());
            let reason = format!("storage {key} should have {numel} elements, but has {have} bytes");
            return Err(FormatError::damaged(self.path, reason));
        }
        Ok(bytes)
    }

    /// The bytes of an entry, whose checksum is right.
    fn entry(&mut self, name: &str) -> Result<Option<&'a [u8]>, FormatError> {
        let Some(index) = self.zip.index_for_name(&format!("{}{name}", self.root)) else { return Ok(None) };
        let inside: PathBuf = self.path.join(shown(name).trim_start_matches('/'));
        let mut entry = self.zip.by_index(index).map_err(|e| FormatError::damaged(&inside, e))?;
        if entry.compression() != CompressionMethod::Stored || entry.size() != entry.compressed_size() {
            return Err(FormatError::damaged(&inside, "it is compressed, as PyTorch's entries never are"));
        }
        let range = entry.data_start().and_then(|start| {
            let start = usize::try_from(start).ok()?;
            Some(start..start.checked_add(usize::try_from(entry.size()).ok()?)?)
        });
        let bytes = range.and_then(|range| self.bytes.get(range));
        let bytes = bytes.ok_or_else(|| FormatError::damaged(&inside, "it reaches past the end of the file"))?;
        io::copy(&mut entry, &mut io::sink()).map_err(|e| {
            FormatError::damaged(&inside, format!("{e}; download it again, or save it with checksums switched on"))
        })?;
        Ok(Some(bytes))
    }
}
