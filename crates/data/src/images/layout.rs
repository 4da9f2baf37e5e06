//! What the folders that an image lies in say of it.

use super::list::{Entry, ImageList, Source, Split};
use std::collections::BTreeSet;
use std::path::Path;

/// The endings of image files.
const ENDINGS: [&str; 16] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "tif", "tiff", "bmp", "dib", "pbm", "pgm", "ppm", "pnm",
];

/// Whether a file's name says that it is an image.
pub fn is_image(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|e| ENDINGS.contains(&e.to_string_lossy().to_lowercase().as_str()))
}

/// Whether a file or folder is the system's and not the user's.
pub fn is_hidden(name: &str) -> bool {
    name.starts_with('.') || name == "__MACOSX" || name == "Thumbs.db" || name == "desktop.ini"
}

/// A file: the folders and the name that lead to it, and where its bytes are.
pub struct Found {
    pub parts: Vec<String>,
    pub source: Source,
}

/// A few names, and how many more there are.
pub fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(3).map(String::as_str).collect();
    let more = names.len() - shown.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    shown.join(", ") + &more
}

/// The images among `files`, classed by their folders: `class/…/file`, or `split/class/…/file` if a folder called train, val or test holds
/// folders.
pub fn by_folders(path: &Path, files: Vec<Found>, mut notes: Vec<String>) -> ImageList {
    let split_of = |f: &Found| if f.parts.len() >= 3 { Split::named(&f.parts[0]) } else { None };
    let (mut images, mut others) = (Vec::new(), Vec::new());
    for file in files {
        if is_image(file.parts.last().expect("a file has a name")) {
            images.push(file)
        } else {
            others.push(file.parts.join("/"))
        }
    }
    if !others.is_empty() {
        notes.push(format!("left out as no images: {}", some(&others)));
    }
    let in_splits = images.iter().any(|f| split_of(f).is_some());
    let depth = if in_splits { 3 } else { 2 };
    let (mut kept, mut outside) = (Vec::new(), Vec::new());
    for file in images {
        let fits = file.parts.len() >= depth && (!in_splits || split_of(&file).is_some());
        if fits { kept.push(file) } else { outside.push(file.parts.join("/")) }
    }
    if !outside.is_empty() {
        let place = if in_splits { "a class folder of train, val or test" } else { "a class folder" };
        notes.push(format!("left out as not in {place}: {}", some(&outside)));
    }
    let class = |f: &Found| f.parts[depth - 2].clone();
    let classes: Vec<String> = kept.iter().map(class).collect::<BTreeSet<_>>().into_iter().collect();
    let entry = |f: Found| Entry {
        label: classes.binary_search(&class(&f)).expect("each class is among them"),
        split: in_splits.then(|| split_of(&f)).flatten(),
        name: f.parts.join("/"),
        source: f.source,
        group: None,
    };
    let mut entries: Vec<Entry> = kept.into_iter().map(entry).collect();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    ImageList { path: path.to_path_buf(), classes, entries, notes }
}
