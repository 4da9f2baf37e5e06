//! The legacy form, of before PyTorch 1.6: five pickles, then the storages one after another.

use crate::error::FormatError;
use crate::names::shown;
use crate::pickle::{Pickle, StorageRef, Value, load};
use std::collections::HashMap;
use std::path::Path;

/// The number that the first pickle is of.
const MAGIC: &[u8] = &[0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
const PROTOCOL: i64 = 1001;

/// A legacy file: the pickle of what was saved, and the storages.
pub(super) struct Legacy<'a> {
    path: &'a Path,
    pub pickle: Pickle<'a>,
    storages: HashMap<&'a str, &'a [u8]>,
}

/// Whether the bytes begin with the pickle of the magic number.
pub(crate) fn is_legacy(bytes: &[u8]) -> bool {
    matches!(load(&bytes[..bytes.len().min(64)]), Ok((p, _)) if matches!(p[p.root], Value::Long(MAGIC)))
}

impl<'a> Legacy<'a> {
    pub fn open(bytes: &'a [u8], path: &'a Path) -> Result<Legacy<'a>, FormatError> {
        if !is_legacy(bytes) {
            return Err(super::not_torch(path, "it does not begin as one"));
        }
        let mut at = 0;
        let mut next = || {
            let (pickle, length) = load(&bytes[at..]).map_err(|e| e.at(path))?;
            at += length;
            Ok(pickle)
        };
        next()?;
        let protocol = next()?;
        if !matches!(protocol[protocol.root], Value::Int(PROTOCOL)) {
            return Err(FormatError::damaged(path, format!("its protocol is not {PROTOCOL}")));
        }
        // What is known of the machine that wrote it matters not: the storages are little-endian from any.
        next()?;
        let pickle = next()?;
        let keys = next()?;
        let mut storages = HashMap::new();
        let Value::List(order) = &keys[keys.root] else {
            return Err(FormatError::damaged(path, "it has no list of storages"));
        };
        let sizes = element_sizes(&pickle, path)?;
        for &key in order {
            let &Value::Text(key) = &keys[key] else {
                return Err(FormatError::damaged(path, "a storage has a name that is none"));
            };
            let size = sizes
                .get(key)
                .ok_or_else(|| FormatError::damaged(path, format!("nothing refers to its storage {}", shown(key))))?;
            let truncated = |need: usize| FormatError::truncated(path, need as u64, bytes.len() as u64);
            let numel = bytes[at..].first_chunk().ok_or_else(|| truncated(at.saturating_add(8)))?;
            at += 8;
            let length = usize::try_from(u64::from_le_bytes(*numel)).ok().and_then(|numel| numel.checked_mul(*size));
            let end = at.saturating_add(length.unwrap_or(usize::MAX));
            let storage = bytes.get(at..end).ok_or_else(|| truncated(end))?;
            if storages.insert(key, storage).is_some() {
                return Err(FormatError::damaged(path, format!("it has the storage {} twice", shown(key))));
            }
            at = end;
        }
        if at != bytes.len() {
            return Err(FormatError::damaged(path, format!("{} bytes follow the last storage", bytes.len() - at)));
        }
        Ok(Legacy { path, pickle, storages })
    }

    pub fn storage(&self, storage: &StorageRef) -> Result<&'a [u8], FormatError> {
        let (key, size) = (storage.key, storage.kind.size() as u64);
        let bytes = *self
            .storages
            .get(key)
            .ok_or_else(|| FormatError::damaged(self.path, format!("it lacks the storage {}", shown(key))))?;
        let (first, numel) = storage.view.unwrap_or((0, storage.numel));
        let range = (first.checked_mul(size), first.checked_add(numel).and_then(|end| end.checked_mul(size)));
        let part = match range {
            (Some(start), Some(end)) if end <= bytes.len() as u64 => bytes.get(start as usize..end as usize),
            _ => None,
        };
        part.ok_or_else(|| {
            let key = shown(key);
            let reason = format!("storage {key} should have {first} + {numel} elements, but has {} bytes", bytes.len());
            FormatError::damaged(self.path, reason)
        })
    }
}

/// Bytes that an element takes, by the storage's name.
fn element_sizes<'a>(pickle: &Pickle<'a>, path: &Path) -> Result<HashMap<&'a str, usize>, FormatError> {
    let mut sizes = HashMap::new();
    for &id in &pickle.storages {
        let Value::Storage(storage) = &pickle[id] else { continue };
        let size = storage.kind.size();
        if *sizes.entry(storage.key).or_insert(size) != size {
            let reason = format!("its storage {} is of two types", shown(storage.key));
            return Err(FormatError::damaged(path, reason));
        }
    }
    Ok(sizes)
}
