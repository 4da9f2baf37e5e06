//! Reads a weight file of any kind.

use crate::error::FormatError;
use crate::sniff::{is_zip, stranger};
use crate::weights::{Format, Weights};
use crate::{npz, pth, safetensors};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// How many first bytes tell the kinds of files apart.
const HEAD: u64 = 64;

/// Reads the weights of a safetensors, PyTorch or npz file, whichever it is by its contents.
///
/// # Errors
/// If the file cannot be read or is none of these, or as [`safetensors::read`], [`pth::read`] and [`npz::read`].
pub fn read_weights(path: &Path) -> Result<Weights, FormatError> {
    from_file(path, None)
}

/// Reads one of several sets of weights of a file: those in the entry of this name, such as `model_ema` or `student.state_dict`, or those
/// whose names begin with it and a dot, such as `teacher`.
///
/// # Errors
/// As [`read_weights`], or if there is nothing of this name.
pub fn read_weights_entry(path: &Path, entry: &str) -> Result<Weights, FormatError> {
    from_file(path, Some(entry))
}

/// Reads the weights from the bytes of a file; `path` is what errors call it.
///
/// # Errors
/// As [`read_weights`].
pub fn weights_from_bytes(bytes: &[u8], path: &Path) -> Result<Weights, FormatError> {
    from_entry(bytes, path, None)
}

fn from_file(path: &Path, entry: Option<&str>) -> Result<Weights, FormatError> {
    let failed = |source| FormatError::Read { path: path.to_path_buf(), source };
    let mut file = File::open(path).map_err(failed)?;
    let about = file.metadata().map_err(failed)?;
    let mut bytes = Vec::new();
    file.by_ref().take(HEAD).read_to_end(&mut bytes).map_err(failed)?;
    if about.is_file() && is_safetensors(&bytes) {
        return from_safetensors(bytes.chain(file), about.len(), path, entry);
    }
    file.read_to_end(&mut bytes).map_err(failed)?;
    from_entry(&bytes, path, entry)
}

/// Whether the first bytes of a file are those of a safetensors file and of no other that is read here.
fn is_safetensors(head: &[u8]) -> bool {
    head.get(8) == Some(&b'{') && !is_zip(head) && !pth::is_legacy(head)
}

fn from_safetensors(file: impl Read, length: u64, path: &Path, entry: Option<&str>) -> Result<Weights, FormatError> {
    let (safetensors::Contents { tensors, metadata }, unreadable) = safetensors::readable(file, length, path)?;
    Weights { tensors, unreadable, metadata, ..Weights::of(Format::Safetensors) }.finish(path, entry)
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
    if is_safetensors(bytes) {
        return from_safetensors(bytes, bytes.len() as u64, path, entry);
    }
    unknown(stranger(bytes).unwrap_or("it begins as none of them"))
}
