//! Images as they were typed: files, folders, patterns that no shell has expanded, standard input.

use crate::output::{count_of, shown_path};
use glob::{MatchOptions, Pattern};
use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use striate::data::images::is_image;

/// What stands for standard input. Other pipes are not read, for they might never end.
const STDIN: [&str; 4] = ["-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"];
/// How a pattern matches the name of one file or folder, as in a shell.
const SHELL: MatchOptions =
    MatchOptions { case_sensitive: true, require_literal_separator: true, require_literal_leading_dot: true };

/// What is to be looked at, in the order of what was typed.
pub enum Input {
    /// A file.
    File(PathBuf),
    /// What comes through standard input.
    Stdin,
    /// Nothing: the line says why.
    Problem(String),
}

/// What a walk through what was typed has found.
#[derive(Default)]
pub struct Found {
    /// The images, and what is wrong.
    pub inputs: Vec<Input>,
    /// Files in folders that are no images by their ending.
    pub others: usize,
    /// Folders that were walked through, so that links do not lead in circles.
    seen: HashSet<PathBuf>,
}

/// The images that were typed.
pub fn find(typed: &[PathBuf]) -> Found {
    let mut found = Found::default();
    for path in typed {
        if STDIN.iter().any(|name| path.as_os_str() == *name) {
            match found.inputs.iter().any(|input| matches!(input, Input::Stdin)) {
                true => found.problem("- stands for standard input, which has one image: write it once".into()),
                false => found.inputs.push(Input::Stdin),
            }
        } else if path.is_dir() {
            found.folder(path);
        } else if !path.exists() && is_pattern(path) {
            found.pattern(path);
        } else {
            found.inputs.push(Input::File(path.clone()));
        }
    }
    found
}

fn is_pattern(path: &Path) -> bool {
    path.to_string_lossy().contains(['*', '?', '['])
}

fn is_hidden(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

/// What a folder holds, in order.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(folder)?.map(|e| e.map(|e| e.path())).collect::<io::Result<Vec<_>>>()?;
    entries.sort();
    Ok(entries)
}

impl Found {
    fn problem(&mut self, line: String) {
        self.inputs.push(Input::Problem(line));
    }

    /// All images in a folder that was typed.
    fn folder(&mut self, folder: &Path) {
        let (before, others) = (self.inputs.len(), self.others);
        self.seen.clear();
        self.walk(folder);
        if self.inputs.len() == before {
            let others = match self.others - others {
                0 => String::new(),
                n => format!(", but {}", count_of(n, "other file")),
            };
            self.problem(format!("{}: no images in this folder{others}", shown_path(folder)));
        }
    }

    fn walk(&mut self, folder: &Path) {
        if !folder.canonicalize().is_ok_and(|real| self.seen.insert(real)) {
            return;
        }
        let entries = match entries(folder) {
            Ok(entries) => entries,
            Err(e) => return self.problem(format!("cannot read {}: {e}", shown_path(folder))),
        };
        for path in entries.into_iter().filter(|path| !is_hidden(path)) {
            if path.is_dir() {
                self.walk(&path);
            } else if path.file_name().is_some_and(is_image) {
                self.inputs.push(Input::File(path));
            } else {
                self.others += 1;
            }
        }
    }

    /// What a shell would have put in the place of a pattern.
    fn pattern(&mut self, pattern: &Path) {
        let mut start = PathBuf::new();
        let mut parts = pattern.components().peekable();
        while let Some(Component::Prefix(_) | Component::RootDir | Component::ParentDir | Component::CurDir) =
            parts.peek()
        {
            start.extend(parts.next());
        }
        let parts: Vec<&Path> = parts.map(|part| Path::new(part.as_os_str())).collect();
        let mut matches = Vec::new();
        let line = match expand(&start, &parts, &mut matches) {
            Err(e) => Some(format!("{}: {e}", shown_path(pattern))),
            Ok(()) if matches.is_empty() => Some(format!("{}: no file has such a name", shown_path(pattern))),
            Ok(()) => None,
        };
        line.into_iter().for_each(|line| self.problem(line));
        for path in matches {
            match path.is_dir() {
                true => self.folder(&path),
                false => self.inputs.push(Input::File(path)),
            }
        }
    }
}

/// The paths below `start` whose parts match `parts`, in order.
fn expand(start: &Path, parts: &[&Path], matches: &mut Vec<PathBuf>) -> Result<(), String> {
    let Some((part, rest)) = parts.split_first() else {
        matches.push(start.to_path_buf());
        return Ok(());
    };
    if !is_pattern(part) {
        let path = start.join(part);
        return if path.exists() { expand(&path, rest, matches) } else { Ok(()) };
    }
    let folder = if start.as_os_str().is_empty() { Path::new(".") } else { start };
    let names = || entries(folder).map_err(|e| format!("cannot read {}: {e}", shown_path(folder)));
    let below = |path: &Path| start.join(path.file_name().unwrap_or_default());
    if part.as_os_str() == "**" {
        expand(start, rest, matches)?;
        // Links are not followed: they may lead in circles.
        let folders = names()?.into_iter().filter(|path| path.is_dir() && !path.is_symlink() && !is_hidden(path));
        return folders.map(|path| below(&path)).try_for_each(|path| expand(&path, parts, matches));
    }
    let text = part.to_string_lossy();
    let wanted = Pattern::new(&text).map_err(|e| format!("'{text}' is no pattern: {}", e.msg))?;
    for path in names()? {
        let path = below(&path);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if wanted.matches_with(&name, SHELL) && (rest.is_empty() || path.is_dir()) {
            expand(&path, rest, matches)?;
        }
    }
    Ok(())
}
