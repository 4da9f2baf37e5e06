//! What the folders that an image lies in say of it.

use super::files::{Found, is_image};
use super::kind::is_table;
use super::list::{Entry, ImageList, ListOptions};
use super::names::{count, some, text_of};
use crate::error::DataError;
use crate::target::TargetKind;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use striate_imaging::{Split, shown};

impl Found {
    fn name(&self) -> String {
        self.parts.iter().map(|p| text_of(p)).collect::<Vec<_>>().join("/")
    }

    fn split(&self) -> Option<Split> {
        if self.parts.len() >= 3 { split_of(&self.parts[0]) } else { None }
    }
}

fn split_of(name: &OsStr) -> Option<Split> {
    name.to_str().and_then(Split::named)
}

/// Whether a name means a split, as `train2017` and `test_images` do.
fn means_split(name: &OsStr) -> bool {
    const WORDS: [&str; 12] =
        ["image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "data", "set", "dataset", "split"];
    let Some(name) = name.to_str().map(str::to_lowercase) else { return false };
    let name = name.trim_end_matches(|c: char| c.is_ascii_digit());
    let parts = |c: char| matches!(c, '_' | '-' | ' ' | '.');
    let mut name = name.trim_matches(parts);
    if let Some(word) = WORDS.iter().filter(|w| name.ends_with(**w)).max_by_key(|w| w.len()) {
        name = name[..name.len() - word.len()].trim_end_matches(parts);
    }
    Split::named(name).is_some() || matches!(name, "dev" | "eval" | "holdout")
}

/// Takes away a folder that holds all the rest, as archives of a folder have it: one that is no class of its own, for it holds splits or a
/// table, or, if `deep`, other folders.
pub fn strip_top(found: &mut [Found], deep: bool) {
    let Some(top) = found.first().map(|f| f.parts[0].clone()) else { return };
    let holds_all = found.iter().all(|f| f.parts.len() >= 2 && f.parts[0] == top);
    let tells = |f: &Found| match f.parts.len() {
        2 => is_table(Path::new(&f.parts[1])),
        n => n > 2 && (deep || split_of(&f.parts[1]).is_some()),
    };
    if holds_all && !means_split(&top) && found.iter().any(tells) {
        found.iter_mut().for_each(|f| drop(f.parts.remove(0)));
    }
}

/// The images among `files`, classed by their folders or, where these say nothing, by a table beside them, which `table` reads.
pub fn arranged(
    path: &Path,
    mut files: Vec<Found>,
    notes: Vec<String>,
    options: &ListOptions,
    table: &dyn Fn(&Found) -> Result<ImageList, DataError>,
) -> Result<ImageList, DataError> {
    if path.is_dir() {
        strip_top(&mut files, false);
    }
    let tables: Vec<usize> =
        (0..files.len()).filter(|&i| files[i].parts.len() == 1 && is_table(Path::new(&files[i].parts[0]))).collect();
    let doubt = doubt(&files);
    // An archive's table is there to be read; a folder's may be about anything, unless its columns are named.
    let named = *options != ListOptions::default();
    if named && tables.is_empty() {
        let reason = match options.target {
            TargetKind::Class => return Err(DataError::NoTable { path: path.to_path_buf() }),
            TargetKind::Labels => "the labels of images are read from a table (.csv), and there is none in it",
            TargetKind::Numbers => "the numbers of images are read from a table (.csv), and there is none in it",
            TargetKind::Objects => "the objects of images are read from annotations, and there are none in it",
            TargetKind::Mask => "the masks of images are read from annotations, and there are none in it",
        };
        return Err(DataError::images(path, reason));
    }
    let asked = named || (!path.is_dir() && !tables.is_empty());
    if !asked && !doubt.as_ref().is_some_and(|d| d.empty || d.split_names || !tables.is_empty()) {
        return by_folders(path, files, notes);
    }
    let read: Vec<(usize, Result<ImageList, DataError>)> = tables.into_iter().map(|i| (i, table(&files[i]))).collect();
    let usable: Vec<String> = read.iter().filter(|(_, t)| t.is_ok()).map(|(i, _)| files[*i].name()).collect();
    if usable.len() > 1 {
        let reason = format!("{} name its images: use one of them in its place", some(&usable));
        return Err(DataError::images(path, reason));
    }
    let images = files.iter().filter(|f| f.parts.last().is_some_and(|n| is_image(n))).count();
    let mut refusal = None;
    for (i, list) in read {
        match list {
            Ok(mut list) => {
                let name = shown(files[i].name());
                list.notes.extend(notes);
                let folders = match &doubt {
                    Some(doubt) if doubt.split_names => format!(", as {} are not classes", doubt.folders),
                    _ => String::new(),
                };
                list.notes.push(format!("classes are read from {name}{folders}"));
                if list.entries.len() < images {
                    let rest = count(images - list.entries.len(), "image");
                    list.notes.push(format!("left out, not named in {name}: {rest}"));
                }
                return Ok(list);
            }
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    match (doubt, refusal) {
        (Some(doubt), refusal) if doubt.split_names => {
            let table = match refusal {
                Some(error) => format!("; the table beside them cannot be used: {error}"),
                None => String::new(),
            };
            Err(DataError::images(path, format!("{}{table}", doubt.line)))
        }
        (Some(doubt), Some(error)) if doubt.empty || asked => Err(error),
        (None, Some(error)) if named || asked && !matches!(error, DataError::Columns { .. }) => Err(error),
        (_, refusal) => {
            let mut list = by_folders(path, files, notes)?;
            list.notes.extend(refusal.map(|error| format!("a table is not used: {error}")));
            Ok(list)
        }
    }
}

/// Why folders hardly mean classes.
struct Doubt {
    line: String,
    /// The folders named as splits are, a few of them.
    folders: String,
    /// There are no images in folders.
    empty: bool,
    /// The folders are named as splits are.
    split_names: bool,
}

fn doubt(files: &[Found]) -> Option<Doubt> {
    let images: Vec<&Found> = files.iter().filter(|f| f.parts.last().is_some_and(|n| is_image(n))).collect();
    if images.iter().any(|f| f.split().is_some()) {
        return None;
    }
    let mut folders: Vec<&OsString> = images.iter().filter(|f| f.parts.len() >= 2).map(|f| &f.parts[0]).collect();
    folders.sort();
    folders.dedup();
    let splits: Vec<&OsString> = folders.iter().copied().filter(|f| means_split(f)).collect();
    let split_names = !splits.is_empty() && (splits.len() >= 2 || splits.len() == folders.len());
    if !split_names && folders.len() > 1 {
        return None;
    }
    let line = format!(
        "{} hold images, not a folder for each class: nothing says what their classes are; put them into {}/CLASS/, or name them in a \
         manifest with the columns path and label",
        some(&splits),
        splits.first().map_or_else(String::new, shown),
    );
    Some(Doubt { line, folders: some(&splits), empty: folders.is_empty(), split_names })
}

/// Images by their folders: `class/…/file`, or `split/class/…/file` if a folder called train, val or test holds folders, or
/// `class/split/file` if all class folders do so.
fn by_folders(path: &Path, files: Vec<Found>, mut notes: Vec<String>) -> Result<ImageList, DataError> {
    let (mut images, mut others) = (Vec::new(), Vec::new());
    for file in files {
        if is_image(file.parts.last().expect("a file has a name")) {
            images.push(file)
        } else {
            others.push(file.name())
        }
    }
    if !others.is_empty() {
        notes.push(format!("left out, not images ({}): {}", others.len(), some(&others)));
    }
    let in_splits = images.iter().any(|f| f.split().is_some());
    let inside = |f: &Found| f.parts.len() == 3 && split_of(&f.parts[1]).is_some();
    let holds_splits = !in_splits && !images.is_empty() && images.iter().all(inside);
    if holds_splits {
        notes.push("the folders inside the class folders are taken as splits".into());
    }
    let depth = if in_splits { 3 } else { 2 };
    let (mut kept, mut outside) = (Vec::new(), Vec::new());
    for file in images {
        let fits = file.parts.len() >= depth && (!in_splits || file.split().is_some());
        if fits { kept.push(file) } else { outside.push(file.name()) }
    }
    if !outside.is_empty() {
        let place = if in_splits { "a class folder of train, val or test" } else { "a class folder" };
        notes.push(format!("left out, not in {place} ({}): {}", outside.len(), some(&outside)));
    }
    let mut classes = BTreeMap::<String, OsString>::new();
    for file in &kept {
        let folder = &file.parts[depth - 2];
        let first = classes.entry(text_of(folder)).or_insert_with(|| folder.clone());
        if first != folder {
            let reason = format!("two folders would be one class, '{}': rename one of them", shown(text_of(folder)));
            return Err(DataError::images(path, reason));
        }
    }
    let classes: Vec<String> = classes.into_keys().collect();
    let entry = |f: Found| {
        let class = text_of(&f.parts[depth - 2]);
        let split = match holds_splits {
            true => split_of(&f.parts[1]),
            false => f.split().filter(|_| in_splits),
        };
        let label = classes.binary_search(&class).expect("each class is among them");
        Entry { split, ..Entry::new(f.source.clone(), f.name(), label) }
    };
    let mut entries: Vec<Entry> = kept.into_iter().map(entry).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(ImageList { path: path.to_path_buf(), kind: TargetKind::Class, classes, entries, notes, ..ImageList::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_splits() {
        for name in
            ["train", "Test", "train2017", "test_images", "val-img", "training set", "TestData", "dev", "validation"]
        {
            assert!(means_split(OsStr::new(name)), "{name}");
        }
        for name in ["trains", "test tube", "train station", "cat", "2017", "images", "", "set", "developer"] {
            assert!(!means_split(OsStr::new(name)), "{name}");
        }
    }
}
