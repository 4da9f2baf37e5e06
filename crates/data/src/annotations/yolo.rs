//! YOLO: a text file for each image, with a line for each object in fractions of the image's size.

use super::issue::{Issue, IssueKind, Place};
use super::tree::{self, Parts, Tree, is_named, quoted, stem};
use super::yaml::{self, Yaml};
use super::{AnnotatedImage, Annotation, Annotations, Shape, header};
use crate::error::DataError;
use crate::images::some;
use crate::parallel;
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::sync::Arc;
use std::thread::available_parallelism;
use striate_imaging::{Split, shown};

/// Files that name the classes, one in each line.
const NAMES: [&str; 4] = ["classes.txt", "obj.names", "classes.names", "labels.names"];
/// Fractions beyond this are none.
const FAR: f64 = 2.0;
/// The most classes.
const CLASSES: usize = 100_000;

/// What a `data.yaml` says.
struct Data {
    names: Vec<String>,
    root: Option<String>,
    splits: Vec<(Split, Vec<String>)>,
}

/// The `data.yaml` of a tree: the one nearest to its root that names classes.
pub fn data_file(tree: &Tree) -> Option<&Parts> {
    let names = |source: &Source| {
        let text = source.read(1 << 20).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().any(|line| line.starts_with("names"))
    };
    let mut all: Vec<(&Parts, &Source)> =
        tree.with_ending(&["yaml", "yml"]).filter(|(_, source)| names(source)).collect();
    all.sort_by_key(|(parts, _)| parts.len());
    all.first().map(|(parts, _)| *parts)
}

/// Whether a tree without a `data.yaml` has YOLO's labels.
pub fn has_labels(tree: &Tree) -> bool {
    tree.with_ending(&["txt"]).any(|(parts, _)| parts[..parts.len() - 1].iter().any(|f| is_named(f, &["labels"])))
        || (classes_file(tree).is_some() && {
            let stems = tree.stems();
            labels(tree).keys().any(|key| stems.contains_key(&(&key[..key.len() - 1], key[key.len() - 1].as_os_str())))
        })
}

fn classes_file(tree: &Tree) -> Option<(&Parts, &Source)> {
    let named = tree.files.iter().filter(|(parts, _)| parts.last().is_some_and(|name| is_named(name, &NAMES)));
    named.min_by_key(|(parts, _)| parts.len())
}

/// The text files of a tree by their paths without the ending.
fn labels(tree: &Tree) -> BTreeMap<Parts, &Source> {
    let mut all = BTreeMap::new();
    for (parts, source) in tree.with_ending(&["txt"]) {
        let (name, folders) = parts.split_last().expect("a file has a name");
        if !is_named(name, &NAMES) {
            all.insert([folders, &[stem(name).to_os_string()]].concat(), source);
        }
    }
    all
}

/// The annotations of a tree, by its `data.yaml` if there is one.
pub fn read(tree: &Tree, data: Option<&Parts>) -> Result<Annotations, DataError> {
    let mut all = Annotations { path: tree.path.clone(), ..Annotations::default() };
    let mut images: Vec<(&Parts, Option<Split>)> = Vec::new();
    let mut names = None;
    match data {
        Some(parts) => {
            let data = Data::read(&tree.files[parts])?;
            for (split, entries) in &data.splits {
                for entry in entries {
                    images.extend(data.images(tree, parts, entry)?.into_iter().map(|image| (image, Some(*split))));
                }
            }
            names = Some(data.names);
        }
        None => {
            let all = tree.images().map(|(parts, _)| (parts, tree::split_of_folders(&parts[..parts.len() - 1])));
            images.extend(all);
        }
    }
    if names.is_none()
        && let Some((parts, source)) = classes_file(tree)
    {
        all.notes.push(format!("classes are read from {}", shown(tree::name(parts))));
        names = Some(
            tree::text(source)?.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect(),
        );
    }
    let labels = labels(tree);
    let threads = available_parallelism().map_or(1, usize::from);
    let headers = parallel::map(images.len(), threads, |i| header(&tree.files[images[i].0]).ok());
    let (mut most, mut used) = (0, BTreeSet::new());
    for ((parts, split), header) in images.into_iter().zip(headers) {
        let name = tree::name(parts);
        let mut image =
            AnnotatedImage { split, header, ..AnnotatedImage::new(tree.files[parts].clone(), name.clone()) };
        let candidates = label_paths(parts);
        let found = candidates.iter().find_map(|key| labels.get_key_value(key));
        let Some((key, source)) = found else {
            let what = "it has no file of labels: taken as an image without objects";
            all.issues.file(IssueKind::Unannotated, &image.source.path(), Some(&name), what);
            all.images.push(image);
            continue;
        };
        used.insert(key.clone());
        let file = Arc::new(source.path());
        let objects = parse(source, names.as_deref(), header.map(|h| h.upright()))?;
        if objects.is_empty() {
            all.issues.file(IssueKind::Empty, &file, Some(&name), "it has no object");
        }
        if header.is_none() && !objects.is_empty() {
            let what = "its size cannot be read, so that its boxes are left out".into();
            let place = Place::default();
            all.issues.add(Issue {
                kind: IssueKind::Unread,
                file: Arc::new(image.source.path()),
                place,
                image: Some(name),
                what,
            });
        }
        most = objects.iter().map(|o| o.class + 1).fold(most, usize::max);
        image.file = Some(file);
        image.objects = if header.is_some() { objects } else { Vec::new() };
        all.images.push(image);
    }
    for (key, source) in &labels {
        let is_label = key[..key.len() - 1].iter().any(|folder| is_named(folder, &["labels"]));
        if is_label && !used.contains(key) {
            all.issues.file(IssueKind::NoImage, &source.path(), None, "there is no image of this name: left out");
        }
    }
    all.classes = names.unwrap_or_else(|| {
        all.notes.push("no data.yaml or classes.txt names the classes: they are called by their numbers".into());
        (0..most).map(|class| class.to_string()).collect()
    });
    all.settle_repeats();
    Ok(all)
}

/// Where the labels of an image may be: with the last folder `images` called `labels`, or beside it.
fn label_paths(parts: &Parts) -> Vec<Parts> {
    let (name, folders) = parts.split_last().expect("a file has a name");
    let stem = stem(name).to_os_string();
    let mut all = Vec::new();
    if let Some(at) = folders.iter().rposition(|folder| is_named(folder, &["images"])) {
        all.push([&folders[..at], &["labels".into()], &folders[at + 1..], std::slice::from_ref(&stem)].concat());
    }
    all.push([folders, std::slice::from_ref(&stem)].concat());
    all.push([folders, &["labels".into(), stem]].concat());
    all
}

impl Data {
    fn read(source: &Source) -> Result<Data, DataError> {
        let path = source.path();
        let bad = |reason: String| DataError::images(&path, reason);
        let keys = yaml::parse(&tree::text(source)?).map_err(bad)?;
        let get = |key: &str| keys.iter().find(|(k, _)| k == key).map(|(_, value)| value);
        let names = match get("names") {
            Some(Yaml::List(names)) => names.clone(),
            Some(Yaml::Map(pairs)) => {
                let mut by_number = BTreeMap::new();
                for (key, name) in pairs {
                    let number = key.parse::<usize>().ok().filter(|n| *n < CLASSES);
                    let number =
                        number.ok_or_else(|| bad(format!("{} in names is no number of a class", quoted(key))))?;
                    by_number.insert(number, name.clone());
                }
                let count = by_number.last_key_value().map_or(0, |(last, _)| last + 1);
                (0..count).map(|number| by_number.remove(&number).unwrap_or_else(|| number.to_string())).collect()
            }
            _ => return Err(bad("its names are neither a list nor a map".into())),
        };
        let mut sorted = names.clone();
        sorted.sort();
        if let Some(twice) = sorted.windows(2).find(|w| w[0] == w[1]) {
            return Err(bad(format!("the name {} stands twice", quoted(&twice[0]))));
        }
        let root = match get("path") {
            Some(Yaml::Text(path)) => Some(path.clone()),
            _ => None,
        };
        let mut splits = Vec::new();
        for (key, value) in &keys {
            let entries = match value {
                Yaml::Text(entry) => vec![entry.clone()],
                Yaml::List(entries) => entries.clone(),
                Yaml::Map(_) => continue,
            };
            splits.extend(Split::named(key).map(|split| (split, entries)));
        }
        if splits.is_empty() {
            return Err(bad("it names no images: it needs train, val or test".into()));
        }
        Ok(Data { names, root, splits })
    }

    /// The images of a folder, or of a list of images in a `.txt`.
    fn images<'a>(&self, tree: &'a Tree, own: &Parts, entry: &str) -> Result<Vec<&'a Parts>, DataError> {
        let source = &tree.files[own];
        let folder = &own[..own.len() - 1];
        let parts = |text: &str| -> Parts {
            text.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | "..")).map(Into::into).collect()
        };
        let entry_parts = parts(entry);
        let mut candidates = vec![[folder, &entry_parts].concat()];
        if let Some(root) = &self.root {
            let root = parts(root);
            for start in 0..root.len() {
                candidates.push([folder, &root[start..], &entry_parts].concat());
            }
        }
        // A path from anywhere else, such as an absolute one: what of it lies in the tree.
        candidates.extend((1..entry_parts.len()).map(|start| [folder, &entry_parts[start..]].concat()));
        for candidate in &candidates {
            if let Some(list) = tree.files.get(candidate) {
                return listed(tree, candidate, list);
            }
            let inside: Vec<&Parts> =
                tree.images().map(|(parts, _)| parts).filter(|p| p.starts_with(candidate)).collect();
            if !inside.is_empty() {
                return Ok(inside);
            }
        }
        let reason = format!("there are no images in {} of {}", quoted(entry), shown(&tree.path));
        Err(DataError::images(&source.path(), reason))
    }
}

/// The images that a text file lists, one in each line.
fn listed<'a>(tree: &'a Tree, own: &Parts, source: &Source) -> Result<Vec<&'a Parts>, DataError> {
    let folder = &own[..own.len() - 1];
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    for (number, line) in tree::text(source)?.lines().enumerate() {
        let parts: Parts = line
            .trim()
            .split(['/', '\\'])
            .filter(|part| !matches!(*part, "" | "." | ".."))
            .map(OsString::from)
            .collect();
        if parts.is_empty() {
            continue;
        }
        let image = (0..parts.len()).find_map(|start| {
            [[folder, &parts[start..]].concat(), parts[start..].to_vec()]
                .iter()
                .find_map(|p| tree.files.get_key_value(p))
        });
        match image {
            Some((parts, _)) => found.push(parts),
            None => missing.push(format!("{} (line {})", line.trim(), number + 1)),
        }
    }
    match missing.len() {
        0 => Ok(found),
        n => Err(DataError::images(&source.path(), format!("{n} of its images not found: {}", some(&missing)))),
    }
}

/// The objects of a file of labels: a class and a box (middle, width and height), or a class and the corners of a polygon.
fn parse(source: &Source, names: Option<&[String]>, size: Option<[usize; 2]>) -> Result<Vec<Annotation>, DataError> {
    let text = tree::text(source)?;
    let [height, width] = size.unwrap_or([1, 1]).map(|v| v as f64);
    let mut all = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let bad = |reason: String| tree::refused(source, number + 1, reason);
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        let class = first.parse::<f64>().ok().filter(|c| c.fract() == 0.0 && (0.0..CLASSES as f64).contains(c));
        let class = class.ok_or_else(|| bad(format!("{} is no number of a class", quoted(first))))? as usize;
        if let Some(names) = names
            && class >= names.len()
        {
            return Err(bad(format!("the class is {class}, and {} are named, from 0", names.len())));
        }
        let number_of = |word: &str| word.parse::<f64>().map_err(|_| bad(format!("{} is no number", quoted(word))));
        let values = words.map(number_of).collect::<Result<Vec<f64>, _>>()?;
        if let Some(far) = values.iter().find(|v| v.is_finite() && v.abs() > FAR) {
            return Err(bad(format!(
                "{far} is no fraction of the image's size: pixels must be divided by its width or height"
            )));
        }
        let place = Place::line(number + 1);
        let object = match values[..] {
            [x, y, w, h] => {
                let bbox =
                    [(x - w / 2.0) * width, (y - h / 2.0) * height, (x + w / 2.0) * width, (y + h / 2.0) * height];
                Annotation { place, ..Annotation::new(class, bbox) }
            }
            _ if values.len() >= 6 && values.len() % 2 == 0 => {
                let polygon: Vec<f64> =
                    values.as_chunks::<2>().0.iter().flat_map(|[x, y]| [x * width, y * height]).collect();
                let shape = Shape::Polygons(vec![polygon]);
                let bbox = shape.bounds().unwrap_or_default();
                Annotation { place, shape: Some(shape), ..Annotation::new(class, bbox) }
            }
            _ => {
                let reason = format!(
                    "there are {} numbers after the class: a box has 4 (x, y, width, height), a polygon 6 or more, in pairs",
                    values.len()
                );
                return Err(bad(reason));
            }
        };
        all.push(object);
    }
    Ok(all)
}
