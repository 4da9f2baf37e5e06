//! npz files: named arrays in a zip archive, as `numpy.savez` and `numpy.savez_compressed` write them.

use crate::atomic::write_atomic;
use crate::error::{FormatError, read_file};
use crate::npy;
use crate::unreadable::Unreadable;
use crate::weights::{Format, Weights};
use std::collections::BTreeMap;
use std::io::{Cursor, Read, Write};
use std::path::Path;
#[cfg(doc)]
use striate_tensor::DType;
use striate_tensor::Tensor;
use zip::write::{SimpleFileOptions, ZipWriter};
use zip::{CompressionMethod, DateTime, ZipArchive};

/// The largest array that is unpacked: a small archive may claim to hold any number of bytes.
const ARRAY_LIMIT: u64 = 4 << 30;

/// Reads an npz file: its arrays with their names, in the order of the file.
///
/// # Errors
/// If the file cannot be read, is not a zip archive, is cut short or damaged, or an array is one that [`npy::read`] refuses.
pub fn read(path: &Path) -> Result<Vec<(String, Tensor)>, FormatError> {
    from_bytes(&read_file(path)?, path)
}

/// Reads the bytes of an npz file; `path` is what errors call it.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Vec<(String, Tensor)>, FormatError> {
    let Weights { tensors, unreadable, .. } = readable(bytes, path)?;
    match unreadable.into_iter().next() {
        Some(odd) => Err(odd.error(path)),
        None => Ok(tensors),
    }
}

/// The arrays of the bytes of an npz file, as they are named there.
pub(crate) fn readable(bytes: &[u8], path: &Path) -> Result<Weights, FormatError> {
    if !bytes.starts_with(b"PK") {
        let reason = "it is no zip archive".to_string();
        return Err(FormatError::NotThisFormat { path: path.to_path_buf(), format: "npz", reason });
    }
    let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(|e| FormatError::damaged(path, e))?;
    let (mut arrays, mut unreadable) = (Vec::new(), Vec::new());
    for index in 0..zip.len() {
        let mut entry = zip.by_index(index).map_err(|e| FormatError::damaged(path, e))?;
        let file = entry.name().map_err(|e| FormatError::damaged(path, e))?.into_owned();
        let Some(name) = file.strip_suffix(".npy").map(str::to_string) else { continue };
        let inside = path.join(&file);
        let size = entry.size();
        if size > ARRAY_LIMIT {
            return Err(FormatError::damaged(
                &inside,
                format!("it claims {size} bytes, at most {ARRAY_LIMIT} are accepted"),
            ));
        }
        let mut array = Vec::new();
        (&mut entry).take(size + 1).read_to_end(&mut array).map_err(|e| FormatError::damaged(&inside, e))?;
        match npy::from_bytes(&array, &inside) {
            Ok(array) => arrays.push((name, array)),
            Err(FormatError::Dtype { dtype, .. }) => unreadable.push(Unreadable { name, dtype, shape: None }),
            Err(e) => return Err(e),
        }
    }
    Ok(Weights { tensors: arrays, unreadable, ..Weights::of(Format::Npz) })
}

/// Writes an npz file with [`write_atomic`], uncompressed.
///
/// # Errors
/// If the file cannot be written, or a tensor is [`DType::BF16`], which NumPy has not.
pub fn write(path: &Path, tensors: &BTreeMap<String, Tensor>) -> Result<(), FormatError> {
    tensors.iter().try_for_each(|(name, tensor)| npy::check_type(path, name, tensor))?;
    write_atomic(path, &to_bytes(tensors))
}

/// The bytes of an npz file. The same tensors give the same bytes.
///
/// # Panics
/// If a tensor is [`DType::BF16`], which NumPy has not.
pub fn to_bytes(tensors: &BTreeMap<String, Tensor>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut zip = ZipWriter::new(Cursor::new(&mut bytes));
    for (name, tensor) in tensors {
        // The date is left at the format's first day, so that equal contents make equal files.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(true);
        zip.start_file(format!("{name}.npy"), options).expect("memory takes all that is written");
        zip.write_all(&npy::to_bytes(tensor)).expect("memory takes all that is written");
    }
    zip.finish().expect("memory takes all that is written");
    bytes
}
