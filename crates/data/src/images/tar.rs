//! Images in a tar archive, read where they lie.

use super::files::{Files, Found, Look, is_hidden};
use super::layout::strip_top;
use super::list::{ImageList, ListOptions};
use super::names::{LeftOut, os_string, text_of};
use super::{layout, manifest, table};
use crate::annotations;
use crate::error::DataError;
use crate::source::Source;
use crate::target::TargetKind;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use tar::{Archive, Entry, EntryType};

/// How many links may lead to another one.
const LINKS: usize = 40;
/// How many files links to folders may add: in a small archive they could name any number.
const LINKED: usize = 100_000;

/// A path in the archive.
type Name = Vec<OsString>;

pub fn open(path: &Path, options: &ListOptions) -> Result<ImageList, DataError> {
    let (files, notes) = files(path)?;
    if matches!(options.target, TargetKind::Objects | TargetKind::Mask) {
        return annotations::list(path, files, notes, options);
    }
    let inside = Inside::new(path, &files);
    let table = |found: &Found| {
        let bytes = found.source.read(table::BYTE_LIMIT)?;
        manifest::parse(&path.join(&found.parts[0]), &bytes, &inside, options)
    };
    let found = files.iter().map(|f| Found { parts: f.parts.clone(), source: f.source.clone() }).collect();
    layout::arranged(path, found, notes, options, &table)
}

/// The files of an archive by their whole names in it, with what they are called in a list.
pub fn by_name(path: &Path) -> Result<BTreeMap<OsString, (Source, String)>, DataError> {
    let (files, _) = files(path)?;
    let called = |f: Found| {
        let Source::Tar { name, .. } = &f.source else { unreachable!("all are in the archive") };
        let text = f.parts.iter().map(|p| text_of(p)).collect::<Vec<_>>().join("/");
        (name.clone(), (f.source, text))
    };
    Ok(files.into_iter().map(called).collect())
}

/// The files that a table of the archive may name.
struct Inside<'a> {
    path: &'a Path,
    files: BTreeMap<Name, Source>,
}

impl<'a> Inside<'a> {
    fn new(path: &'a Path, files: &[Found]) -> Inside<'a> {
        Inside { path, files: files.iter().map(|f| (f.parts.clone(), f.source.clone())).collect() }
    }
}

fn plain(path: &Path) -> Option<Name> {
    let parts = path.components().filter(|c| *c != Component::CurDir);
    parts.map(|c| if let Component::Normal(name) = c { Some(name.to_os_string()) } else { None }).collect()
}

impl Files for Inside<'_> {
    fn root(&self) -> PathBuf {
        self.path.to_path_buf()
    }

    fn file(&self, path: &Path) -> Look {
        plain(path).and_then(|name| self.files.get(&name)).map_or(Look::Missing, |s| Look::Found(s.clone()))
    }

    fn names(&self, folder: &Path) -> Vec<OsString> {
        let folder = plain(folder).unwrap_or_default();
        let inside = self.files.keys().filter(|n| n.len() == folder.len() + 1 && n.starts_with(&folder));
        inside.map(|n| n[folder.len()].clone()).collect()
    }

    fn folders(&self) -> Vec<OsString> {
        let mut all: Vec<OsString> = self.files.keys().filter(|n| n.len() > 1).map(|n| n[0].clone()).collect();
        all.dedup();
        all
    }
}

/// All files of an archive, with links followed and a folder that holds all the rest taken away, and what was left out.
pub fn files(path: &Path) -> Result<(Vec<Found>, Vec<String>), DataError> {
    let read = |source| DataError::Read { path: path.to_path_buf(), source };
    let archive = Arc::new(path.to_path_buf());
    let mut tar = Archive::new(BufReader::new(File::open(path).map_err(read)?));
    let damaged = |e: io::Error| DataError::images(path, format!("not a tar archive, or a damaged one: {e}"));
    let mut tree = Tree::default();
    for entry in tar.entries_with_seek().map_err(damaged)? {
        let mut entry = entry.map_err(damaged)?;
        let bytes = entry.path_bytes().into_owned();
        let is_folder = bytes.ends_with(b"/");
        let inner = os_string(bytes);
        let Some(name) = plain(Path::new(&inner)) else {
            let line = format!("refused: its entry '{}' leads out of the archive", striate_imaging::shown(&inner));
            return Err(DataError::images(path, line));
        };
        if !is_folder && !name.is_empty() {
            tree.add(&archive, name, &mut entry).map_err(damaged)?;
        }
    }
    let (mut files, left_out) = tree.resolved();
    files.retain(|name, _| !name.iter().any(|p| is_hidden(p)));
    let mut found: Vec<Found> = files.into_iter().map(|(parts, source)| Found { parts, source }).collect();
    strip_top(&mut found, true);
    Ok((found, left_out.notes().collect()))
}

/// What an archive holds. The last of two equal names stays, as if the archive were unpacked.
#[derive(Default)]
struct Tree {
    files: BTreeMap<Name, Source>,
    links: BTreeMap<Name, Name>,
    /// Hard links to what had not come yet.
    later: Vec<(Name, Name)>,
    left_out: LeftOut,
}

fn text(name: &[OsString]) -> String {
    name.iter().map(|p| text_of(p)).collect::<Vec<_>>().join("/")
}

fn joined(name: &[OsString]) -> OsString {
    name.join(std::ffi::OsStr::new("/"))
}

impl Tree {
    fn add<R: Read>(&mut self, archive: &Arc<PathBuf>, name: Name, entry: &mut Entry<R>) -> io::Result<()> {
        let kind = entry.header().entry_type();
        let target = entry.link_name_bytes().map(|b| PathBuf::from(os_string(b.into_owned())));
        // Where the header says where the holes are, it also has the real name.
        let holes = entry.pax_extensions()?.and_then(|all| {
            let own = all.flatten().filter(|e| e.key_bytes().starts_with(b"GNU.sparse."));
            let values: Vec<(Vec<u8>, Vec<u8>)> =
                own.map(|e| (e.key_bytes().to_vec(), e.value_bytes().to_vec())).collect();
            let named = values.iter().find(|(key, _)| key == b"GNU.sparse.name").map(|(_, name)| name.clone());
            (!values.is_empty()).then(|| named.map_or_else(|| text(&name), |n| text_of(&os_string(n))))
        });
        match kind {
            EntryType::Regular | EntryType::Continuous if holes.is_some() => {
                let reason = "stored with holes in a way that cannot be read (that of tar --format=gnu can)";
                self.left_out.add(reason, holes.unwrap_or_default());
            }
            EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
                let sparse = kind == EntryType::GNUSparse;
                let offset = if sparse { entry.raw_header_position() } else { entry.raw_file_position() };
                let size = entry.size();
                let source = Source::Tar { archive: archive.clone(), name: joined(&name), offset, size, sparse };
                self.put(name, source);
            }
            EntryType::Link => match target.as_deref().and_then(plain) {
                Some(target) => match (self.files.get(&target).cloned(), self.links.get(&target).cloned()) {
                    (Some(source), _) => self.put(name, source),
                    (None, Some(link)) => self.link(name, link),
                    (None, None) => self.later.push((name, target)),
                },
                None => self.left_out.add("links that lead out of the archive", text(&name)),
            },
            EntryType::Symlink => {
                let folder = &name[..name.len() - 1];
                match target.and_then(|t| from(folder, &t)) {
                    Some(target) => self.link(name, target),
                    None => self.left_out.add("links that lead out of the archive", text(&name)),
                }
            }
            EntryType::Directory | EntryType::XGlobalHeader | EntryType::XHeader => {}
            EntryType::Char | EntryType::Block | EntryType::Fifo => {
                self.left_out.add("pipes or devices", text(&name));
            }
            other => {
                let reason =
                    format!("entries of type '{}', which no file is", (other.as_byte() as char).escape_default());
                self.left_out.add(&reason, text(&name));
            }
        }
        Ok(())
    }

    fn put(&mut self, name: Name, source: Source) {
        // A linked file is called by its own name.
        let source = match source {
            Source::Tar { archive, offset, size, sparse, .. } => {
                Source::Tar { archive, name: joined(&name), offset, size, sparse }
            }
            file => file,
        };
        self.links.remove(&name);
        self.files.insert(name, source);
    }

    fn link(&mut self, name: Name, target: Name) {
        self.files.remove(&name);
        self.links.insert(name, target);
    }

    /// The path that `name` means once links on the way are followed.
    fn followed(&self, name: &[OsString]) -> Option<Name> {
        let (mut rest, mut at, mut left) = (name.to_vec(), Name::new(), LINKS);
        rest.reverse();
        while let Some(part) = rest.pop() {
            at.push(part);
            if let Some(target) = self.links.get(&at) {
                left = left.checked_sub(1)?;
                rest.extend(target.iter().rev().cloned());
                at.clear();
            }
        }
        Some(at)
    }

    fn resolved(mut self) -> (BTreeMap<Name, Source>, LeftOut) {
        for (name, target) in std::mem::take(&mut self.later) {
            match self.files.get(&target).cloned() {
                Some(source) => self.put(name, source),
                None => self.left_out.add("links to what is not in the archive", text(&name)),
            }
        }
        let mut linked = BTreeMap::new();
        let mut folders = Vec::new();
        for name in self.links.keys() {
            let target = self.followed(name);
            let source = target.as_ref().and_then(|t| self.files.get(t)).cloned();
            match (source, target) {
                (Some(source), _) => drop(linked.insert(name.clone(), source)),
                (None, Some(target)) => folders.push((name.clone(), target)),
                (None, None) => self.left_out.add("links that lead back to themselves", text(name)),
            }
        }
        for (name, source) in linked {
            self.put(name, source);
        }
        let mut more = Vec::new();
        for (name, target) in folders {
            let inside = || {
                let after = self.files.range(target.clone()..);
                after.take_while(|(n, _)| n.starts_with(&target))
            };
            if name.starts_with(&target) {
                self.left_out.add("links that lead back to a folder they lie in", text(&name));
            } else if inside().next().is_none() {
                self.left_out.add("links to what is not in the archive", text(&name));
            } else if more.len() + inside().count() > LINKED {
                self.left_out.add("links to folders that add more than 100,000 files", text(&name));
            } else {
                let below = |n: &Name| name.iter().chain(&n[target.len()..]).cloned().collect::<Name>();
                more.extend(inside().map(|(n, source)| (below(n), source.clone())));
            }
        }
        for (name, source) in more {
            self.put(name, source);
        }
        (self.files, self.left_out)
    }
}

/// The path that a link in `folder` names, if it stays in the archive.
fn from(folder: &[OsString], target: &Path) -> Option<Name> {
    let mut name = folder.to_vec();
    for part in target.components() {
        match part {
            Component::Normal(part) => name.push(part.to_os_string()),
            Component::CurDir => {}
            Component::ParentDir => drop(name.pop()?),
            Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(name)
}
