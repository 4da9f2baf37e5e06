//! Reads a weight file of any kind.

use crate::error::{FormatError, read_file};
use crate::sniff::{is_zip, stranger};
use crate::weights::{Format, Weights};
use crate::{npz, pth, safetensors};
use std::path::Path;

/// Reads the weights of a safetensors, PyTorch or npz file, whichever it is by its contents.
///
/// # Errors
/// If the file cannot be read or is none of these, or as [`safetensors::read`], [`pth::read`] and [`npz::read`].
pub fn read_weights(path: &Path) -> Result<Weights, FormatError> {
    weights_from_bytes(&read_file(path)?, path)
}

/// Reads one of several sets of weights of a file: those in the entry of this name, such as `model_ema` or `student.state_dict`, or those
/// whose names begin with it and a dot, such as `teacher`.
///
/// # Errors
/// As [`read_weights`], or if there is nothing of this name.
pub fn read_weights_entry(path: &Path, entry: &str) -> Result<Weights, FormatError> {
    from_entry(&read_file(path)?, path, Some(entry))
}

/// Reads the weights from the bytes of a file; `path` is what errors call it.
///
/// # Errors
/// As [`read_weights`].
pub fn weights_from_bytes(bytes: &[u8], path: &Path) -> Result<Weights, FormatError> {
    from_entry(bytes, path, None)
}

fn from_entry(bytes: &[u8], path: &Path, entry: Option<&str>) -> Result<Weights, FormatError> {
    let unknown = |reason: &str| {
        let path = path.to_path_buf();
        Err(FormatError::NotThisFormat { path, format: "safetensors, PyTorch or npz", reason: reason.to_string() })
    };
    if is_zip(bytes) {
        return match pth::contents(bytes, path)? {
            pth::Contents::Torch | pth::Contents::TorchScript => pth::from_entry(bytes, path, entry),
            pth::Contents::Arrays => npz::readable(bytes, path)?.finish(path, entry),
            pth::Contents::Other => unknown("it is a zip archive with neither a data.pkl nor arrays"),
        };
    }
    if pth::is_legacy(bytes) {
        return pth::from_entry(bytes, path, entry);
    }
    if bytes.get(8) == Some(&b'{') {
        let (safetensors::Contents { tensors, metadata }, unreadable) = safetensors::readable(bytes, path)?;
        return Weights { tensors, unreadable, metadata, ..Weights::of(Format::Safetensors) }.finish(path, entry);
    }
    unknown(stranger(bytes).unwrap_or("it begins as none of them"))
}
