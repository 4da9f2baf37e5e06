//! [`Weights`]: the tensors of a weight file under the names that the network gave them.

use crate::error::FormatError;
use crate::names::shown;
use crate::unreadable::Unreadable;
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
    /// The tensors of types that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// The texts that go with them; only safetensors files have some.
    pub metadata: BTreeMap<String, String>,
    /// The entries of a checkpoint that lead to the weights, from the outermost: `["model"]`. Empty where the file holds nothing else.
    pub entry: Vec<String>,
    /// The entries of a checkpoint that are no weights and were left out: `optimizer`, `epoch`, …
    pub ignored: Vec<String>,
    /// The entries of a checkpoint that hold other weights: `model_ema`. They are among the ignored ones, or in them.
    pub others: Vec<String>,
    /// The prefix that was asked for and taken off the names of all tensors: `teacher.`.
    pub prefix: Option<String>,
    /// Parts of names that a wrapper had put in and that were taken out: `module.`, `_orig_mod.`, …
    pub stripped: Vec<&'static str>,
}

impl Weights {
    /// None yet.
    pub(crate) fn of(format: Format) -> Weights {
        let (tensors, unreadable, metadata, entry, ignored, others, prefix, stripped) = Default::default();
        Weights { format, tensors, unreadable, metadata, entry, ignored, others, prefix, stripped }
    }

    /// Gives the tensors the names that the network gave them, and leaves those whose names begin with `prefix`, if there is one.
    pub(crate) fn finish(mut self, path: &Path, prefix: Option<&str>) -> Result<Weights, FormatError> {
        self.strip(path)?;
        if let Some(prefix) = prefix {
            self.keep(path, &format!("{}.", prefix.trim_end_matches('.')))?;
            self.strip(path)?;
        }
        match self.unreadable.first() {
            Some(odd) if self.tensors.is_empty() => Err(odd.clone().error(path)),
            _ => Ok(self),
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.iter().map(|(name, _)| &name[..]).chain(self.unreadable.iter().map(|odd| &odd.name[..]))
    }

    fn names_mut(&mut self) -> impl Iterator<Item = &mut String> {
        self.tensors.iter_mut().map(|(name, _)| name).chain(self.unreadable.iter_mut().map(|odd| &mut odd.name))
    }

    /// Leaves the tensors whose names begin with `prefix`, and takes that off.
    fn keep(&mut self, path: &Path, prefix: &str) -> Result<(), FormatError> {
        if !self.names().any(|name| name.starts_with(prefix)) {
            let (path, entry) = (path.to_path_buf(), prefix.trim_end_matches('.').to_string());
            return Err(FormatError::NoEntry { path, entry, names: self.first_components() });
        }
        let here = shown(&self.entry.join("."));
        let full = |name: String| if here.is_empty() { name } else { format!("{here}.{name}") };
        let left = self.tensors.extract_if(.., |(name, _)| !name.starts_with(prefix)).map(|(name, _)| full(name));
        self.ignored.extend(left);
        let left = self.unreadable.extract_if(.., |odd| !odd.name.starts_with(prefix)).map(|odd| full(odd.name));
        self.ignored.extend(left);
        self.names_mut().for_each(|name| drop(name.drain(..prefix.len())));
        self.prefix = Some(prefix.to_string());
        Ok(())
    }

    /// What could be asked for: the entries that hold weights, and what names begin with where there is one set alone.
    fn first_components(&self) -> Vec<String> {
        const MOST: usize = 16;
        let mut all = Vec::new();
        if !self.entry.is_empty() {
            all.push(self.entry.join("."));
        }
        all.extend(self.others.iter().cloned());
        if all.len() < 2 {
            for (first, _) in self.names().filter_map(|name| name.split_once('.')) {
                if all.len() < MOST && !all.iter().any(|known| known == first) {
                    all.push(first.to_string());
                }
            }
        }
        all
    }

    /// Takes out what wrappers put into names.
    fn strip(&mut self, path: &Path) -> Result<(), FormatError> {
        for part in TRANSPARENT {
            let mut found = false;
            for name in self.names_mut() {
                if let Some(bare) = without(name, part) {
                    *name = bare;
                    found = true;
                }
            }
            self.note_stripped(found, part);
        }
        // Averaged weights have a count beside the wrapped network.
        let counts = |name: &str| name == "n_averaged";
        let wrapped = self.names().filter(|name| !counts(name));
        let times = wrapped.map(|name| leading(name, PARALLEL)).min().unwrap_or(0);
        if times > 0 {
            self.ignored.extend(self.tensors.extract_if(.., |(name, _)| counts(name)).map(|(name, _)| name));
            self.unreadable.retain(|odd| !counts(&odd.name));
            self.names_mut().for_each(|name| drop(name.drain(..times * PARALLEL.len())));
        }
        self.note_stripped(times > 0, PARALLEL);
        let mut seen = HashSet::new();
        match self.names().find(|name| !seen.insert(*name)) {
            Some(name) => Err(FormatError::damaged(path, format!("two of its tensors are called '{}'", shown(name)))),
            None => Ok(()),
        }
    }

    fn note_stripped(&mut self, found: bool, part: &'static str) {
        if found && !self.stripped.contains(&part) {
            self.stripped.push(part);
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
        if let Some(prefix) = &self.prefix {
            notes.push(format!("of the names those that begin with '{}', which was taken off", shown(prefix)));
        }
        if !self.others.is_empty() {
            notes.push(format!(
                "other weights in the file, to be chosen by name (weights_entry): {}",
                some(&self.others)
            ));
        }
        let leads = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let ignored = self.ignored.iter().filter(|name| !self.others.iter().any(|other| leads(name, other)));
        let ignored: Vec<&String> = ignored.collect();
        if !ignored.is_empty() {
            notes.push(format!("left out: {}", some(&ignored)));
        }
        for part in &self.stripped {
            notes.push(format!("'{part}' was taken out of the names"));
        }
        notes
    }
}

/// Names in a line; the first of many.
fn some(names: &[impl AsRef<str>]) -> String {
    const SHOWN: usize = 10;
    let first: Vec<String> = names.iter().take(SHOWN).map(|name| shown(name.as_ref())).collect();
    let more = names.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more", first.join(", ")) } else { first.join(", ") }
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
