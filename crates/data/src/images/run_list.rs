//! The list of a run's images, which is read back as it was written.

use super::kind::DataKind;
use super::list::{Entry, ImageList, name_of};
use super::names::{count, escaped, os_string, some, unescaped};
use super::{table, tar};
use crate::annotations::text::{self, Palettes};
use crate::error::DataError;
use crate::source::{Source, path_of};
use crate::target::{Target, TargetKind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use striate_imaging::{Split, read_file, shown};

/// The columns; the second says what the images have.
fn columns(kind: TargetKind) -> [&'static str; 5] {
    let target = match kind {
        TargetKind::Class => "label",
        TargetKind::Labels => "labels",
        TargetKind::Numbers => "numbers",
        TargetKind::Objects => "objects",
        TargetKind::Mask => "mask",
    };
    ["path", target, "split", "group", "fingerprint"]
}

const KINDS: [TargetKind; 5] =
    [TargetKind::Class, TargetKind::Labels, TargetKind::Numbers, TargetKind::Objects, TargetKind::Mask];
/// What stands in the place of a split in a line with a palette of masks.
const PALETTE: &str = "palette";
/// What stands between labels or numbers.
const SEPARATOR: &str = ";";

/// A table of the images of a list: first a line for each class, in order, without a path, then one for each image. Control characters,
/// backslashes and bytes that are not UTF-8 are escaped (`\n`, `\\`, `\xe9`). [`read_run_list`] gives the same list.
pub fn write_run_list(list: &ImageList) -> Vec<u8> {
    let plain = |text: &str| escaped(text.as_bytes(), true);
    let mut out = String::new();
    table::write(&mut out, &columns(list.kind));
    for class in &list.classes {
        table::write(&mut out, &["", &plain(class), "", "", ""]);
    }
    let mut palettes = Palettes::default();
    let masks: Vec<String> = (list.entries.iter())
        .map(|entry| match &entry.target {
            Target::Mask(mask) => text::mask(mask, &mut palettes),
            _ => String::new(),
        })
        .collect();
    for palette in &palettes.0 {
        table::write(&mut out, &["", &text::palette(palette), PALETTE, "", ""]);
    }
    for (entry, mask) in list.entries.iter().zip(masks) {
        let path = table::field(&escaped(path_of(&entry.source).as_encoded_bytes(), true));
        // A separator within a name is escaped.
        let name = |&class: &usize| plain(&list.classes[class]).replace(SEPARATOR, "\\x3b");
        let label = table::field(&match &entry.target {
            Target::Class(class) => plain(&list.classes[*class]),
            Target::Labels { has, .. } => has.iter().map(name).collect::<Vec<_>>().join(SEPARATOR),
            Target::Numbers(numbers) => numbers.iter().map(f32::to_string).collect::<Vec<_>>().join(SEPARATOR),
            Target::Objects(objects) => text::objects(objects),
            Target::Mask(_) => mask,
        });
        let split = entry.split.map_or("", Split::name);
        // A group without a name is not the same as none.
        let group = entry.group.as_deref().map_or(String::new(), |g| match g {
            "" => "\"\"".into(),
            name => table::field(&plain(name)),
        });
        let fingerprint = entry.fingerprint.map_or(String::new(), |f| format!("{f:016x}"));
        out.push_str(&[&path, &label, split, &group, &fingerprint].map(|s: &str| s).join(","));
        out.push('\n');
    }
    out.into_bytes()
}

/// The list that [`write_run_list`] wrote to `file`, of the data at `data`: the same classes, images, splits, groups and fingerprints, in the
/// same order. Images of an archive are looked up in it by name. Files that are gone stay in the list, for a run goes on without them, and
/// are noted.
///
/// # Errors
/// If the file cannot be read or is not such a list; if the archive lacks an image, or none of the files is there.
pub fn read_run_list(file: &Path, data: &Path) -> Result<ImageList, DataError> {
    read_moved_run_list(file, data, data)
}

/// As [`read_run_list`], of data that lay at `before` when the list was written.
///
/// # Errors
/// As [`read_run_list`].
pub fn read_moved_run_list(file: &Path, data: &Path, before: &Path) -> Result<ImageList, DataError> {
    let bytes = read_file(file, table::BYTE_LIMIT)?;
    if DataKind::of(data)? == DataKind::Archive {
        return read_archive(file, &bytes, data);
    }
    // What is not there any more was of the kind that is there now.
    let root = |path: &Path| match data.is_dir() {
        true => path.to_path_buf(),
        false => path.parent().unwrap_or(Path::new("")).to_path_buf(),
    };
    read_files(file, &bytes, &root(data), &root(before))
}

/// Whether a table is the list of a run.
pub fn is_one(bytes: &[u8]) -> bool {
    KINDS.into_iter().any(|kind| {
        let rest = bytes.strip_prefix(columns(kind).join(",").as_bytes());
        rest.is_some_and(|rest| rest.starts_with(b"\n,") || rest.starts_with(b"\r\n,"))
    })
}

/// The list in a file, of images in files; their names begin at `root`, where what lay in `before` lies now.
pub fn read_files(file: &Path, bytes: &[u8], root: &Path, before: &Path) -> Result<ImageList, DataError> {
    let absolute = |root: &Path| {
        let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
        std::path::absolute(root).unwrap_or_else(|_| root.to_path_buf())
    };
    let (root, before) = (absolute(root), absolute(before));
    let mut list = parse(file, bytes, |path| {
        let path = PathBuf::from(os_string(path));
        let path = match path.strip_prefix(&before) {
            Ok(inner) if before != root => root.join(inner),
            _ => path,
        };
        let name = name_of(&path, &root);
        Some((Source::File(path), name))
    })?;
    let gone = |e: &&Entry| matches!(&e.source, Source::File(path) if !path.is_file());
    let missing: Vec<&String> = list.entries.iter().filter(gone).map(|e| &e.name).collect();
    if !missing.is_empty() {
        let line = format!("{} of its files not found: {}", missing.len(), some(&missing));
        if missing.len() == list.entries.len() {
            return Err(DataError::images(file, line));
        }
        list.notes.push(line);
    }
    Ok(list)
}

fn read_archive(file: &Path, bytes: &[u8], archive: &Path) -> Result<ImageList, DataError> {
    let inside = tar::by_name(archive)?;
    let mut missing = Vec::new();
    let list = parse(file, bytes, |path| {
        let name = os_string(path);
        let found = inside.get(&name).cloned();
        if found.is_none() {
            missing.push(name);
        }
        found
    })?;
    if !missing.is_empty() {
        let line = format!("{} lacks {}: {}", shown(archive), count(missing.len(), "image"), some(&missing));
        return Err(DataError::images(file, line));
    }
    Ok(list)
}

fn parse(
    file: &Path,
    bytes: &[u8],
    mut find: impl FnMut(Vec<u8>) -> Option<(Source, String)>,
) -> Result<ImageList, DataError> {
    let bad = |reason: String| DataError::images(file, reason);
    let damaged = |line: usize, what: &str| bad(format!("line {line}: {what}; the list of a run cannot be changed"));
    let content = std::str::from_utf8(bytes).map_err(|e| bad(format!("not the list of a run: {e}")))?;
    let mut reader = table::Reader::new(content, ',');
    let header = reader.next().transpose().map_err(bad)?.map(|r| r.fields).unwrap_or_default();
    let Some(kind) = KINDS.into_iter().find(|&kind| header.iter().map(|f| f.text.as_str()).eq(columns(kind))) else {
        let names = columns(TargetKind::Class).join(", ");
        return Err(bad(format!("not the list of a run: its columns are not {names}")));
    };
    let mut classes = Vec::<String>::new();
    let mut labels = BTreeMap::<String, usize>::new();
    let (mut palettes, mut entries) = (Palettes::default(), Vec::new());
    for row in reader {
        let row = row.map_err(bad)?;
        let line = row.line;
        let [path, label, split, group, fingerprint] = &row.fields[..] else {
            return Err(damaged(line, "there are not five fields"));
        };
        let bytes = |text: &str| unescaped(text).ok_or_else(|| damaged(line, "an escape is not one"));
        let name = |text: &str| String::from_utf8(bytes(text)?).map_err(|_| damaged(line, "a name is not UTF-8"));
        if path.text.is_empty() && split.text == PALETTE {
            let palette = text::read_palette(&label.text).ok_or_else(|| damaged(line, "its palette is none"))?;
            palettes.0.push(palette.into());
            continue;
        }
        if path.text.is_empty() {
            let class = name(&label.text)?;
            if !entries.is_empty() || labels.insert(class.clone(), classes.len()).is_some() {
                return Err(damaged(line, "a class stands twice, or after an image"));
            }
            classes.push(class);
            continue;
        }
        let known = |class: String| {
            labels.get(&class).copied().ok_or_else(|| damaged(line, "its class is not among the first lines"))
        };
        let parts = || label.text.split(SEPARATOR).filter(|part| !part.is_empty());
        let target = match kind {
            TargetKind::Class => Target::Class(known(name(&label.text)?)?),
            TargetKind::Labels => {
                let has = parts().map(|part| known(name(part)?)).collect::<Result<_, _>>()?;
                Target::Labels { has, of: classes.len() }
            }
            TargetKind::Numbers => {
                let numbers: Result<Vec<f32>, _> = parts().map(str::parse).collect();
                let numbers = numbers.ok().filter(|n| n.len() == classes.len());
                Target::Numbers(numbers.ok_or_else(|| damaged(line, "there is not one number for each column"))?)
            }
            TargetKind::Objects => {
                let objects = text::read_objects(&label.text, classes.len());
                Target::Objects(objects.ok_or_else(|| damaged(line, "its objects are none of the list's"))?)
            }
            TargetKind::Mask => {
                let mut find = |path| find(path).map(|(source, _)| source);
                let mask = text::read_mask(&label.text, &palettes, &mut find);
                Target::Mask(mask.ok_or_else(|| damaged(line, "its mask is not there, or is none"))?)
            }
        };
        let split = match split.text.as_str() {
            "" => None,
            word => Some(Split::named(word).ok_or_else(|| damaged(line, "the split is not train, val or test"))?),
        };
        let group = if group.text.is_empty() && !group.quoted { None } else { Some(name(&group.text)?) };
        let fingerprint = match fingerprint.text.as_str() {
            "" => None,
            digits => {
                let number = u64::from_str_radix(digits, 16).map_err(|_| damaged(line, "the fingerprint is no number"));
                Some(number?)
            }
        };
        if let Some((source, name)) = find(bytes(&path.text)?) {
            entries.push(Entry { split, group, fingerprint, ..Entry::new(source, name, target) });
        }
    }
    if entries.is_empty() && classes.is_empty() {
        return Err(bad("the list of a run without any image".into()));
    }
    Ok(ImageList { path: file.to_path_buf(), kind, classes, entries, ..ImageList::default() })
}
