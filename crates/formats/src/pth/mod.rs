//! PyTorch's weight files (`.pt`, `.pth`): what `torch.save(model.state_dict(), path)` writes.
//!
//! Such a file holds a pickle, which in Python is a program that may do anything. Here it can build tensors and plain values and nothing
//! else. What any other name would make is left out where it lies beside the weights, and refused by that name where it is the weights, or
//! where it would act on the system.
//!
//! Checkpoints are searched for the state dict. Types are read as what they are, but for `int16`, `uint32` and `uint16`, which become
//! [`DType::I64`] and lose nothing by it.

mod archive;
mod checkpoint;
mod legacy;
mod tensor;
mod write;

pub(crate) use archive::{Contents, contents};
pub(crate) use legacy::is_legacy;
pub use write::{to_bytes, write};

use crate::elements::Kind;
use crate::error::{FormatError, read_file};
use crate::names::shown;
use crate::pickle::{Pickle, StorageRef, Value, load};
use crate::sniff::{is_zip, stranger};
use crate::unreadable::Unreadable;
use crate::weights::{Format, Weights};
use archive::Archive;
use legacy::Legacy;
use std::path::Path;
#[cfg(doc)]
use striate_tensor::DType;

/// Reads the state dict of a PyTorch file, in the zip form or in the one of before PyTorch 1.6.
///
/// # Errors
/// If the file cannot be read, is not PyTorch's, is cut short or damaged, holds a pickled object, a TorchScript program or no state
/// dict, wants to run code, or holds a tensor of a type that is not supported.
pub fn read(path: &Path) -> Result<Weights, FormatError> {
    from_bytes(&read_file(path)?, path)
}

/// Reads the bytes of a PyTorch file; `path` is what errors call it.
///
/// # Errors
/// As [`read`].
pub fn from_bytes(bytes: &[u8], path: &Path) -> Result<Weights, FormatError> {
    from_entry(bytes, path, None)
}

/// As [`from_bytes`]: the weights that `entry` names, or the likeliest.
pub(crate) fn from_entry(bytes: &[u8], path: &Path, entry: Option<&str>) -> Result<Weights, FormatError> {
    if is_zip(bytes) {
        return match contents(bytes, path)? {
            Contents::Torch => from_archive(bytes, path, entry),
            Contents::TorchScript => Err(FormatError::TorchScript { path: path.to_path_buf() }),
            Contents::Arrays | Contents::Other => Err(not_torch(path, "it is a zip archive without a data.pkl")),
        };
    }
    if is_legacy(bytes) {
        let legacy = Legacy::open(bytes, path)?;
        let storage = |storage: &StorageRef| legacy.storage(storage);
        let file = File { path, length: bytes.len(), format: Format::TorchLegacy, big_endian: false };
        return weights(&legacy.pickle, entry, file, storage);
    }
    Err(not_torch(path, stranger(bytes).unwrap_or("it does not begin as one")))
}

fn from_archive(bytes: &[u8], path: &Path, entry: Option<&str>) -> Result<Weights, FormatError> {
    let mut archive = Archive::open(bytes, path)?;
    let (pickle, _) = load(archive.pickle()?).map_err(|e| e.at(path))?;
    let file = File { path, length: bytes.len(), format: Format::Torch, big_endian: archive.big_endian() };
    weights(&pickle, entry, file, |storage| archive.storage(storage))
}

fn not_torch(path: &Path, reason: &str) -> FormatError {
    FormatError::NotThisFormat { path: path.to_path_buf(), format: "PyTorch", reason: reason.to_string() }
}

/// The file that a pickle and its storages lie in.
struct File<'a> {
    path: &'a Path,
    length: usize,
    format: Format,
    big_endian: bool,
}

fn weights<'a>(
    pickle: &Pickle,
    entry: Option<&str>,
    File { path, length, format, big_endian }: File,
    mut bytes_of: impl FnMut(&StorageRef) -> Result<&'a [u8], FormatError>,
) -> Result<Weights, FormatError> {
    let found = checkpoint::find(pickle, entry, path)?;
    let mut budget = tensor::Budget::of_file(length);
    let (mut tensors, mut unreadable) = (Vec::with_capacity(found.tensors.len()), Vec::new());
    for (name, id) in found.tensors {
        let odd = |dtype: &str, shape| Unreadable { name: name.to_string(), dtype: shown(dtype), shape };
        let described = match &pickle[id] {
            Value::Tensor(described) => described,
            Value::OddTensor(sort) => {
                unreadable.push(odd(sort, None));
                continue;
            }
            _ => unreachable!("a state dict is found by its tensors"),
        };
        if let Kind::Other(dtype, _) = described.kind {
            let sizes: Result<Vec<usize>, _> = described.sizes.iter().map(|&size| size.try_into()).collect();
            unreadable.push(odd(dtype, sizes.ok()));
            continue;
        }
        let Value::Storage(storage) = &pickle[described.storage] else {
            unreachable!("no tensor is made without a storage");
        };
        let bytes = bytes_of(storage)?;
        tensors.push((name.to_string(), tensor::read(path, name, described, bytes, big_endian, &mut budget)?));
    }
    let weights = Weights { entry: found.entry, ignored: found.ignored, others: found.others, ..Weights::of(format) };
    Weights { tensors, unreadable, ..weights }.finish(path, found.prefix.as_deref())
}
