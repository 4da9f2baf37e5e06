//! Manifests: tables with an image in each line.

use super::layout::some;
use super::list::{Entry, ImageList, Source, Split};
use crate::decode::read;
use crate::error::DataError;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The most bytes that a manifest may have.
pub const BYTE_LIMIT: u64 = 1 << 30;
const COLUMNS: [&str; 4] = ["path", "label", "split", "group"];

/// The images of a manifest in a file; its paths start from where it lies.
pub fn open(path: &Path) -> Result<ImageList, DataError> {
    let bytes = read(path, BYTE_LIMIT)?;
    let folder = path.parent().unwrap_or(Path::new(""));
    parse(path, &bytes, |name| {
        let file = folder.join(name);
        // An image that is there but cannot be read is found out later.
        (file.symlink_metadata().is_ok() && !file.is_dir()).then_some(Source::File(file))
    })
}

/// The images of a manifest of these bytes. `find` gives the file that a path names.
pub fn parse(path: &Path, bytes: &[u8], find: impl Fn(&str) -> Option<Source>) -> Result<ImageList, DataError> {
    let bad = |reason: String| DataError::images(path, reason);
    let text = std::str::from_utf8(bytes).map_err(|e| bad(format!("not UTF-8 text ({e}): save it as UTF-8")))?;
    let text = text.trim_start_matches('\u{feff}');
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains('\t') { b'\t' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).trim(csv::Trim::All).from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| bad(e.to_string()))?.clone();
    let unknown: Vec<&str> = header.iter().filter(|h| !COLUMNS.contains(h)).collect();
    let known = "a manifest has the columns path, label, and perhaps split and group";
    if !unknown.is_empty() {
        return Err(bad(format!("unknown column '{}': {known}", unknown.join("', '"))));
    }
    let column = |name: &str| header.iter().position(|h| h == name);
    let (Some(path_at), Some(label_at)) = (column("path"), column("label")) else {
        let lacks = if column("path").is_none() { "path" } else { "label" };
        return Err(bad(format!("no column '{lacks}': {known}")));
    };
    let (split_at, group_at) = (column("split"), column("group"));
    let mut rows = Vec::new();
    let mut missing = Vec::new();
    let mut seen: BTreeMap<String, (String, u64)> = BTreeMap::new();
    let mut notes = Vec::new();
    for record in reader.records() {
        let record = record.map_err(|e| bad(e.to_string().replace('\n', " ")))?;
        let line = record.position().map_or(0, |p| p.line());
        let field = |at: Option<usize>| at.and_then(|at| record.get(at)).filter(|v| !v.is_empty());
        let name = field(Some(path_at)).ok_or_else(|| bad(format!("line {line}: the path is empty")))?;
        let label = field(Some(label_at)).ok_or_else(|| bad(format!("line {line}: the label is empty")))?;
        let split = match field(split_at) {
            None => None,
            Some(word) => Some(
                Split::named(word)
                    .ok_or_else(|| bad(format!("line {line}: the split is '{word}', it must be train, val or test")))?,
            ),
        };
        if let Some((other, before)) = seen.insert(name.to_string(), (label.to_string(), line)) {
            if other != label {
                return Err(bad(format!("{name} is '{other}' in line {before} and '{label}' in line {line}")));
            }
            notes.push(format!("line {line} repeats {name}, once is enough"));
            continue;
        }
        match find(name) {
            Some(source) => {
                rows.push((source, name.to_string(), label.to_string(), split, field(group_at).map(String::from)))
            }
            None => missing.push(format!("{name} (line {line})")),
        }
    }
    if !missing.is_empty() {
        return Err(bad(format!("{} of its files not found: {}", missing.len(), some(&missing))));
    }
    let unsaid = rows.iter().filter(|r| r.3.is_none()).count();
    if unsaid > 0 && unsaid < rows.len() {
        return Err(bad(format!("{unsaid} of {} lines have no split: give it for all or for none", rows.len())));
    }
    let classes: Vec<String> = rows.iter().map(|r| r.2.clone()).collect::<BTreeSet<_>>().into_iter().collect();
    let entry = |(source, name, label, split, group): (Source, String, String, Option<Split>, Option<String>)| {
        let label = classes.binary_search(&label).expect("each class is among them");
        Entry { source, name, label, split, group }
    };
    let mut entries: Vec<Entry> = rows.into_iter().map(entry).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ImageList { path: path.to_path_buf(), classes, entries, notes })
}

/// A manifest of the images of a list, with absolute paths where they are files.
pub fn write_manifest(list: &ImageList) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    const MEMORY: &str = "memory takes what is written";
    writer.write_record(COLUMNS).expect(MEMORY);
    for entry in &list.entries {
        let path = match &entry.source {
            Source::File(path) => {
                std::path::absolute(path).unwrap_or_else(|_| path.clone()).to_string_lossy().into_owned()
            }
            Source::Tar { name, .. } => name.clone(),
        };
        let split = entry.split.map_or("", Split::name);
        let group = entry.group.as_deref().unwrap_or_default();
        writer.write_record([&path, &list.classes[entry.label], split, group]).expect(MEMORY);
    }
    writer.into_inner().expect(MEMORY)
}
