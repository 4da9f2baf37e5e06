//! Weights from a file of any kind.

use crate::error::{FormatError, read_file};
use crate::sniff::{is_zip, stranger};
use crate::values::shown;
use crate::{npz, pth, safetensors};
use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::path::Path;
use striate_tensor::Tensor;

/// Parts of names that wrappers put in wherever they wrap: `torch.compile`, FSDP, activation checkpointing.
const TRANSPARENT: [&str; 3] = ["_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."];
/// What `DataParallel` and `DistributedDataParallel` put before each name.
const PARALLEL: &str = "module.";

/// The kinds of weight files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A safetensors file.
    Safetensors,
    /// PyTorch's zip archive.
    Torch,
    /// PyTorch's form of before 1.6.
    TorchLegacy,
    /// NumPy's zip archive of arrays.
    Npz,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Safetensors => "safetensors",
            Format::Torch => "PyTorch",
            Format::TorchLegacy => "PyTorch (legacy)",
            Format::Npz => "npz",
        })
    }
}

/// The tensors of a weight file under the names that the network gave them, and what had to be done to get them.
#[derive(Clone)]
pub struct Weights {
    /// What kind of file it is.
    pub format: Format,
    /// The tensors with their names, in the order of the file.
    pub tensors: Vec<(String, Tensor)>,
    /// The texts that go with them; only safetensors files have some.
    pub metadata: BTreeMap<String, String>,
    /// The entries of a checkpoint that lead to the weights, from the outermost: `["model"]`. Empty where the file holds nothing else.
    pub entry: Vec<String>,
    /// The entries of a checkpoint that are no weights and were left out: `optimizer`, `epoch`, …
    pub ignored: Vec<String>,
    /// Parts of names that a wrapper had put in and that were taken out: `module.`, `_orig_mod.`, …
    pub stripped: Vec<&'static str>,
}

impl Weights {
    pub(crate) fn new(path: &Path, format: Format, tensors: Vec<(String, Tensor)>) -> Result<Weights, FormatError> {
        let (metadata, entry, ignored, stripped) = Default::default();
        let mut weights = Weights { format, tensors, metadata, entry, ignored, stripped };
        weights.strip(path)?;
        Ok(weights)
    }

    /// Notes where in a checkpoint the weights were.
    pub(crate) fn out_of(self, entry: Vec<String>, mut ignored: Vec<String>) -> Weights {
        ignored.extend(self.ignored);
        Weights { entry, ignored, ..self }
    }

    /// Takes out what wrappers put into names.
    fn strip(&mut self, path: &Path) -> Result<(), FormatError> {
        for part in TRANSPARENT {
            let mut found = false;
            for (name, _) in &mut self.tensors {
                if let Some(bare) = without(name, part) {
                    *name = bare;
                    found = true;
                }
            }
            self.stripped.extend(found.then_some(part));
        }
        // Averaged weights have a count beside the wrapped network.
        let counts = |name: &str| name == "n_averaged";
        let wrapped = self.tensors.iter().filter(|(name, _)| !counts(name));
        let times = wrapped.map(|(name, _)| leading(name, PARALLEL)).min().unwrap_or(0);
        if times > 0 {
            self.stripped.push(PARALLEL);
            self.ignored.extend(self.tensors.extract_if(.., |(name, _)| counts(name)).map(|(name, _)| name));
            for (name, _) in &mut self.tensors {
                name.drain(..times * PARALLEL.len());
            }
        }
        let mut seen = HashSet::new();
        match self.tensors.iter().find(|(name, _)| !seen.insert(name)) {
            Some((name, _)) => {
                Err(FormatError::damaged(path, format!("two of its tensors are called '{}'", shown(name))))
            }
            None => Ok(()),
        }
    }

    /// The tensors by name.
    pub fn into_map(self) -> BTreeMap<String, Tensor> {
        self.tensors.into_iter().collect()
    }

    /// What the reader should be told, a line each: where the weights were, what was left out, how names were changed.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        if !self.entry.is_empty() {
            notes.push(format!("the weights are those of the entry '{}'", shown(&self.entry.join("."))));
        }
        if !self.ignored.is_empty() {
            let first: Vec<String> = self.ignored.iter().take(10).map(|name| shown(name)).collect();
            let more = match self.ignored.len() - first.len() {
                0 => String::new(),
                n => format!(" and {n} more"),
            };
            notes.push(format!("left out, as no weights: {}{more}", first.join(", ")));
        }
        for part in &self.stripped {
            notes.push(format!("'{part}' was taken out of the names"));
        }
        notes
    }
}

/// The name without the components that `part` is, if it has any. The last component is the tensor's own.
fn without(name: &str, part: &str) -> Option<String> {
    if !name.contains(part) {
        return None;
    }
    let components: Vec<&str> = name.split_inclusive('.').filter(|&component| component != part).collect();
    let bare = components.concat();
    (bare.len() < name.len()).then_some(bare)
}

/// How often a name begins with `part`.
fn leading(name: &str, part: &str) -> usize {
    name.as_bytes().chunks(part.len()).take_while(|&chunk| chunk == part.as_bytes()).count()
}

/// Reads the weights of a safetensors, PyTorch or npz file, whichever it is by its contents.
///
/// # Errors
/// If the file cannot be read or is none of these, or as [`safetensors::read`], [`pth::read`] and [`npz::read`].
pub fn read_weights(path: &Path) -> Result<Weights, FormatError> {
    weights_from_bytes(&read_file(path)?, path)
}

/// Reads the weights from the bytes of a file; `path` is what errors call it.
///
/// # Errors
/// As [`read_weights`].
pub fn weights_from_bytes(bytes: &[u8], path: &Path) -> Result<Weights, FormatError> {
    let unknown = |reason: &str| {
        let path = path.to_path_buf();
        Err(FormatError::NotThisFormat { path, format: "safetensors, PyTorch or npz", reason: reason.to_string() })
    };
    if is_zip(bytes) {
        return match pth::contents(bytes, path)? {
            pth::Contents::Torch | pth::Contents::TorchScript => pth::from_bytes(bytes, path),
            pth::Contents::Arrays => Weights::new(path, Format::Npz, npz::from_bytes(bytes, path)?),
            pth::Contents::Other => unknown("it is a zip archive with neither a data.pkl nor arrays"),
        };
    }
    if pth::is_legacy(bytes) {
        return pth::from_bytes(bytes, path);
    }
    if bytes.get(8) == Some(&b'{') {
        let safetensors::Contents { tensors, metadata } = safetensors::from_bytes(bytes, path)?;
        return Weights::new(path, Format::Safetensors, tensors).map(|weights| Weights { metadata, ..weights });
    }
    unknown(stranger(bytes).unwrap_or("it begins as none of them"))
}
