//! Manifests: tables with an image in each line.

use super::columns::{Columns, shown_header};
use super::files::{Files, Look, is_image};
use super::labels::{Texts, classes, flags, numbers, several, written};
use super::list::{Entry, ImageList, ListOptions, name_of};
use super::names::{count, escaped, os_string, some, unescaped};
use super::table;
use crate::annotations;
use crate::error::DataError;
use crate::source::{Source, path_of};
use crate::target::{Target, TargetKind};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use striate_imaging::{Split, shown};

/// A line of a manifest.
struct Line {
    number: usize,
    path: PathBuf,
    labels: Vec<String>,
    split: Option<Split>,
    group: Option<String>,
    attribute: Option<String>,
}

impl Line {
    /// Its mask, whose path stands where a label would.
    fn mask(&self) -> Result<(usize, PathBuf), String> {
        let number = self.number;
        let [path] = &self.labels[..] else { return Err(format!("line {number}: there is no mask")) };
        if path.is_empty() {
            return Err(format!("line {number}: the mask is empty"));
        }
        Ok((number, path.into()))
    }
}

/// The lines of a manifest, and the names of its columns of labels.
struct Lines {
    lines: Vec<Line>,
    names: Vec<String>,
}

/// The classes of the lines, and each line's target.
fn targets(lines: &[Line], names: &[String], kind: TargetKind) -> Result<(Vec<String>, Vec<Target>), String> {
    let texts: Vec<Texts> = lines.iter().map(|line| Texts { line: line.number, fields: &line.labels }).collect();
    match kind {
        TargetKind::Class => Ok(classes(&texts)),
        TargetKind::Labels if names.len() == 1 => Ok(several(&texts)),
        TargetKind::Labels => Ok((names.to_vec(), flags(&texts, names)?)),
        TargetKind::Numbers => Ok((names.to_vec(), numbers(&texts, names)?)),
        TargetKind::Objects | TargetKind::Mask => Ok((Vec::new(), vec![Target::Objects(Vec::new()); lines.len()])),
    }
}

/// The images of a manifest of these bytes, which names some of `files`.
pub fn parse(path: &Path, bytes: &[u8], files: &dyn Files, options: &ListOptions) -> Result<ImageList, DataError> {
    let mut notes = Vec::new();
    let Lines { lines, names } = lines(path, bytes, options, &mut notes)?;
    let paths: Vec<(usize, PathBuf)> = lines.iter().map(|line| (line.number, line.path.clone())).collect();
    let found = locate(path, &paths, files)?;
    let unsaid = lines.iter().filter(|l| l.split.is_none()).count();
    if unsaid > 0 && unsaid < lines.len() {
        let reason = format!("{unsaid} of {} lines have no split: give it for all or for none", lines.len());
        return Err(DataError::images(path, reason));
    }
    let (classes, targets) =
        targets(&lines, &names, options.target).map_err(|reason| DataError::images(path, reason))?;
    let root = files.root();
    let entry = |((line, target), (source, name)): ((Line, Target), (Source, PathBuf))| {
        let name = name_of(&root.join(name), &root);
        Entry { split: line.split, group: line.group, attribute: line.attribute, ..Entry::new(source, name, target) }
    };
    if options.target == TargetKind::Mask {
        let masks = lines.iter().map(Line::mask).collect::<Result<Vec<_>, _>>();
        let masks = locate(path, &masks.map_err(|reason| DataError::images(path, reason))?, files)?;
        let masks = masks.into_iter().map(|(source, _)| source);
        let targets = targets.into_iter();
        let rows = lines.into_iter().zip(targets).zip(found).map(entry).zip(masks).collect();
        let list = ImageList { path: path.to_path_buf(), kind: options.target, notes, ..ImageList::default() };
        let palette = |name: &str| match files.file(Path::new(name)) {
            Look::Found(source) if source.path() != path => Some(source),
            _ => None,
        };
        return annotations::mask_manifest(list, rows, &palette);
    }
    let mut entries: Vec<Entry> = lines.into_iter().zip(targets).zip(found).map(entry).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ImageList { path: path.to_path_buf(), kind: options.target, classes, entries, notes, ..ImageList::default() })
}

fn lines(path: &Path, bytes: &[u8], options: &ListOptions, notes: &mut Vec<String>) -> Result<Lines, DataError> {
    let bad = |reason: String| DataError::images(path, reason);
    let text = std::str::from_utf8(bytes).map_err(|e| bad(format!("not UTF-8 text ({e}): save it as UTF-8")))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = table::Reader::new(text, table::delimiter(text));
    let header = reader.next().ok_or_else(|| bad("it is empty".into()))?.map_err(bad)?;
    let header: Vec<&str> = header.fields.iter().map(|f| f.text.as_str()).collect();
    let columns = Columns::find(&header, options).map_err(|reason| DataError::columns(path, reason))?;
    notes.extend(columns.notes(&header));
    let mut seen: BTreeMap<PathBuf, (Vec<String>, usize)> = BTreeMap::new();
    let mut repeated = Vec::new();
    let mut lines = Vec::new();
    for row in reader {
        let row = row.map_err(bad)?;
        let number = row.line;
        if row.fields.len() != header.len() {
            let counts = [count(row.fields.len(), "field"), header.len().to_string(), shown_header(&header)];
            return Err(bad(format!("line {number} has {}, the first line {}: {}", counts[0], counts[1], counts[2])));
        }
        let field = |at: Option<usize>| at.map(|at| row.fields[at].text.as_str()).filter(|v| !v.is_empty());
        let name = field(Some(columns.path)).ok_or_else(|| bad(format!("line {number}: the path is empty")))?;
        let labels: Vec<String> = columns.labels.iter().map(|&at| row.fields[at].text.clone()).collect();
        if options.target == TargetKind::Class && labels[0].is_empty() {
            return Err(bad(format!("line {number}: the label is empty")));
        }
        let path = match columns.escaped {
            true => unescaped(name).map(|b| PathBuf::from(os_string(b))),
            false => Some(PathBuf::from(name)),
        };
        let path =
            path.ok_or_else(|| bad(format!("line {number}: '{}' is not escaped as it should be", shown(name))))?;
        let split = match field(columns.split) {
            None => None,
            Some(word) => Some(Split::named(word).ok_or_else(|| {
                bad(format!("line {number}: the split is '{}', it must be train, val or test", shown(word)))
            })?),
        };
        let attribute = field(columns.attribute).map(String::from);
        let said: Vec<String> = labels.iter().chain(&attribute).cloned().collect();
        if let Some((other, before)) = seen.insert(path.clone(), (said.clone(), number)) {
            if other != said {
                let (other, label) = (shown(other.join(", ")), shown(said.join(", ")));
                let name = shown(name);
                return Err(bad(format!("{name} is '{other}' in line {before} and '{label}' in line {number}")));
            }
            repeated.push(format!("{name} (line {number})"));
            continue;
        }
        let group = field(columns.group).map(String::from);
        lines.push(Line { number, path, labels, split, group, attribute });
    }
    if !repeated.is_empty() {
        notes.push(format!("{} an image named before: {}", repeats(repeated.len()), some(&repeated)));
    }
    let names = columns.labels.iter().map(|&at| header[at].to_string()).collect();
    Ok(Lines { lines, names })
}

fn repeats(n: usize) -> String {
    if n == 1 { "1 line repeats".into() } else { format!("{n} lines repeat") }
}

/// The files that the lines name, with their paths: as they stand, or else in a folder that images are usually in, each with or without its
/// ending.
pub fn locate(
    manifest: &Path,
    lines: &[(usize, PathBuf)],
    files: &dyn Files,
) -> Result<Vec<(Source, PathBuf)>, DataError> {
    let folders = files.folders();
    let mut bases = vec![OsString::new()];
    let usual = [manifest.file_stem().unwrap_or_default(), OsStr::new("train"), OsStr::new("images")];
    bases.extend(usual.into_iter().filter(|u| folders.iter().any(|f| f == u)).map(OsStr::to_os_string));
    if let [only] = &folders[..] {
        bases.push(only.clone());
    }
    let mut best: Option<Vec<String>> = None;
    for base in bases {
        let mut stems = Stems { files, folders: BTreeMap::new() };
        let (mut found, mut missing) = (Vec::new(), Vec::new());
        for (number, line) in lines {
            let path = Path::new(&base).join(line);
            let name = shown(line);
            let look = match files.file(&path) {
                Look::Missing => stems.file(&path, manifest)?,
                look => (look, path),
            };
            match look {
                (Look::Found(source), path) => found.push((source, path)),
                (Look::Missing, _) => missing.push(format!("{name} (line {number})")),
                (Look::NotAFile, _) => missing.push(format!("{name} (line {number}, not a regular file)")),
            }
        }
        if missing.is_empty() {
            return Ok(found);
        }
        if best.as_ref().is_none_or(|b| missing.len() < b.len()) {
            best = Some(missing);
        }
    }
    let missing = best.unwrap_or_default();
    Err(DataError::images(manifest, format!("{} of its files not found: {}", missing.len(), some(&missing))))
}

/// The images of folders by their names without endings.
struct Stems<'a> {
    files: &'a dyn Files,
    folders: BTreeMap<PathBuf, BTreeMap<OsString, Vec<OsString>>>,
}

impl Stems<'_> {
    /// The image whose name without its ending is `path`, and its whole path.
    fn file(&mut self, path: &Path, manifest: &Path) -> Result<(Look, PathBuf), DataError> {
        let Some(id) = path.file_name() else { return Ok((Look::Missing, path.to_path_buf())) };
        let folder = path.parent().unwrap_or(Path::new(""));
        let files = self.files;
        let names = self.folders.entry(folder.to_path_buf()).or_insert_with(|| {
            let mut stems = BTreeMap::<OsString, Vec<OsString>>::new();
            for name in files.names(folder).into_iter().filter(|n| is_image(n)) {
                let stem = Path::new(&name).file_stem().unwrap_or_default().to_os_string();
                stems.entry(stem).or_default().push(name);
            }
            stems
        });
        match names.get(id).map(Vec::as_slice) {
            None => Ok((Look::Missing, path.to_path_buf())),
            Some([name]) => {
                let path = folder.join(name);
                Ok((files.file(&path), path))
            }
            Some(several) => {
                let reason = format!("'{}' could be any of {}: give the ending", shown(id), some(several));
                Err(DataError::images(manifest, reason))
            }
        }
    }
}

/// A manifest of the images of a list, with absolute paths where they are files, that [`ImageList::open`] reads back. If one of the paths is
/// not UTF-8, the column of paths is called `path_escaped` and has `\xe9` for odd bytes and `\\` for a backslash.
/// Objects have a line each; masks are written as [`write_run_list`](super::write_run_list) does, which keeps what their values mean.
pub fn write_manifest(list: &ImageList) -> Vec<u8> {
    match list.kind {
        TargetKind::Objects => return write_objects(list),
        TargetKind::Mask => return super::write_run_list(list),
        _ => {}
    }
    let paths: Vec<OsString> = list.entries.iter().map(|e| path_of(&e.source)).collect();
    let odd = paths.iter().any(|p| p.to_str().is_none());
    let mut out = String::new();
    let (columns, cells) = written(list);
    let path = if odd { "path_escaped" } else { "path" };
    let mut header = vec![path];
    header.extend(columns.iter().map(String::as_str).chain(["split", "group"]));
    table::write(&mut out, &header);
    for ((entry, path), cells) in list.entries.iter().zip(paths).zip(cells) {
        let path = match path.to_str() {
            Some(path) if !odd => path.to_string(),
            _ => escaped(path.as_encoded_bytes(), false),
        };
        let mut row = vec![path.as_str()];
        row.extend(cells.iter().map(String::as_str));
        row.extend([entry.split.map_or("", Split::name), entry.group.as_deref().unwrap_or_default()]);
        table::write(&mut out, &row);
    }
    out.into_bytes()
}

fn write_objects(list: &ImageList) -> Vec<u8> {
    let paths: Vec<OsString> = list.entries.iter().map(|e| path_of(&e.source)).collect();
    let image = |(entry, path)| {
        let (entry, path): (&Entry, &OsString) = (entry, path);
        let objects = match &entry.target {
            Target::Objects(objects) => &objects[..],
            _ => &[],
        };
        let objects = objects.iter().map(|o| (list.classes[o.class].as_str(), o.bbox, o.difficult, o.crowd)).collect();
        (path.as_os_str(), entry.split, entry.group.as_deref(), objects)
    };
    annotations::write_csv(list.entries.iter().zip(&paths).map(image)).into_bytes()
}
