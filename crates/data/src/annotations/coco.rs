//! COCO: one JSON file for the images of a split.

use super::issue::{Issue, IssueKind, Place};
use super::tree::{self, Lines, Parts, Tree, quoted, split_of, split_of_folders, stem};
use super::{AnnotatedImage, Annotation, Annotations, Rle, Shape, stated};
use crate::error::DataError;
use crate::images::some;
use crate::source::Source;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Deserialize)]
struct Top<'a> {
    #[serde(borrow)]
    images: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    annotations: Option<Vec<&'a RawValue>>,
    #[serde(borrow)]
    categories: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
    width: Option<usize>,
    height: Option<usize>,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

#[derive(Deserialize)]
struct Object<'a> {
    id: Option<u64>,
    image_id: u64,
    category_id: u64,
    bbox: Option<Vec<f64>>,
    area: Option<f64>,
    iscrowd: Option<Flag>,
    #[serde(borrow)]
    segmentation: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(f64),
}

#[derive(Deserialize)]
struct Runs {
    size: [usize; 2],
    counts: Counts,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Counts {
    Text(String),
    Numbers(Vec<u32>),
}

/// Where in a file one of its lists begins at the latest.
const START: usize = 1 << 16;

/// Whether a file begins as COCO's do, whatever comes later.
fn begins_so(source: &Source) -> bool {
    let bytes = source.read(tree::BYTE_LIMIT).unwrap_or_default();
    let start = String::from_utf8_lossy(&bytes[..bytes.len().min(START)]);
    ["\"images\"", "\"annotations\"", "\"categories\""].iter().any(|key| start.contains(key))
}

/// The COCO files of a tree; of several those called `instances…` alone count.
pub fn files(tree: &Tree) -> Vec<&Parts> {
    let all = tree.with_ending(&["json"]).filter(|(_, source)| begins_so(source));
    let all: Vec<&Parts> = all.map(|(parts, _)| parts).collect();
    let is_instances = |parts: &&Parts| {
        parts.last().is_some_and(|name| name.to_string_lossy().to_lowercase().starts_with("instances"))
    };
    let instances: Vec<&Parts> = all.iter().copied().filter(is_instances).collect();
    if instances.is_empty() { all } else { instances }
}

/// The annotations of these JSON files, whose images lie in the tree.
pub fn read(tree: &Tree, files: &[&Parts], whole: bool) -> Result<Annotations, DataError> {
    let mut all = Annotations { path: tree.path.clone(), ..Annotations::default() };
    let mut by_name = BTreeMap::<&OsStr, Vec<&Parts>>::new();
    for (parts, _) in tree.images() {
        by_name.entry(parts.last().expect("a file has a name")).or_default().push(parts);
    }
    let mut order: Vec<&&Parts> = files.iter().collect();
    order.sort_by_key(|parts| (split_of_file(parts), parts.len()));
    let mut used = BTreeSet::new();
    for &&parts in &order {
        let source = &tree.files[parts];
        match file(tree, parts, source, &by_name, &mut all)? {
            Some(found) => used.extend(found),
            None => all.notes.push(format!("left out, no COCO annotations: {}", tree::name(parts))),
        }
    }
    if whole {
        for (parts, source) in tree.images().filter(|(parts, _)| !used.contains(*parts)) {
            let what = "no annotation file names it: left out";
            all.issues.file(IssueKind::Unannotated, &source.path(), Some(&tree::name(parts)), what);
        }
    }
    all.settle_repeats();
    Ok(all)
}

fn split_of_file(parts: &Parts) -> Option<striate_imaging::Split> {
    let (name, folders) = parts.split_last()?;
    split_of(stem(name)).or_else(|| split_of_folders(folders))
}

/// Reads one file into `all`; gives the images that it names, or nothing if it is something else.
fn file(
    tree: &Tree,
    parts: &Parts,
    source: &Source,
    by_name: &BTreeMap<&OsStr, Vec<&Parts>>,
    all: &mut Annotations,
) -> Result<Option<Vec<Parts>>, DataError> {
    let text = tree::text(source)?;
    let path = Arc::new(source.path());
    let bad = |reason: String| DataError::images(&path, reason);
    if !text.trim_start().starts_with('{') {
        return Ok(None);
    }
    let top: Top = serde_json::from_str(&text).map_err(|e| bad(format!("not a COCO file, or a damaged one: {e}")))?;
    let Top { images: Some(images), annotations: Some(annotations), categories: Some(categories) } = top else {
        return Ok(None);
    };
    let at = |list: &str, index: usize, e: serde_json::Error| {
        let line = e.to_string();
        let reason = line.split(" at line ").next().unwrap_or_default();
        bad(format!("{list}[{index}]: {reason}"))
    };
    let class_of = classes(&categories, all, &at, &bad)?;
    let split = split_of_file(parts);
    let mut of_id = HashMap::<u64, Option<usize>>::new();
    let mut used = Vec::new();
    for (index, raw) in images.iter().enumerate() {
        let image: Image = serde_json::from_str(raw.get()).map_err(|e| at("images", index, e))?;
        let place = Place { line: None, index: None };
        let found = find(tree, parts, split, &image.file_name, by_name, &path)?;
        if of_id.insert(image.id, found.map(|_| all.images.len())).is_some() {
            return Err(bad(format!("images[{index}]: the id {} is that of another image too", image.id)));
        }
        let Some(found) = found else {
            let (file, name) = (path.clone(), Some(image.file_name.clone()));
            let what = format!("images[{index}]: {} is not there", quoted(&image.file_name));
            all.issues.add(Issue { kind: IssueKind::NoImage, file, place, image: name, what });
            continue;
        };
        used.push(found.clone());
        all.images.push(AnnotatedImage {
            stated: stated(image.height, image.width),
            split: split.or_else(|| split_of_folders(&found[..found.len() - 1])),
            id: Some(image.id),
            file: Some(path.clone()),
            ..AnnotatedImage::new(tree.files[found].clone(), tree::name(found))
        });
    }
    objects(&text, &annotations, &class_of, &of_id, all, &path)?;
    Ok(Some(used))
}

/// The class of each category id: categories by their ids, those that another file has named before by their names.
fn classes(
    categories: &[&RawValue],
    all: &mut Annotations,
    at: &dyn Fn(&str, usize, serde_json::Error) -> DataError,
    bad: &dyn Fn(String) -> DataError,
) -> Result<BTreeMap<u64, usize>, DataError> {
    let mut names = BTreeMap::new();
    for (index, raw) in categories.iter().enumerate() {
        let category: Category = serde_json::from_str(raw.get()).map_err(|e| at("categories", index, e))?;
        if names.insert(category.id, category.name).is_some() {
            return Err(bad(format!("categories[{index}]: the id {} is that of another category too", category.id)));
        }
    }
    let class = |name: String| {
        all.classes.iter().position(|class| *class == name).unwrap_or_else(|| {
            all.classes.push(name);
            all.classes.len() - 1
        })
    };
    let classes: Vec<usize> = names.values().cloned().map(class).collect();
    if all.category_ids.is_empty() && classes.iter().enumerate().all(|(i, class)| i == *class) {
        all.category_ids = names.keys().copied().collect();
    }
    Ok(names.into_keys().zip(classes).collect())
}

fn objects(
    text: &str,
    annotations: &[&RawValue],
    class_of: &BTreeMap<u64, usize>,
    of_id: &HashMap<u64, Option<usize>>,
    all: &mut Annotations,
    path: &Arc<PathBuf>,
) -> Result<(), DataError> {
    let mut lines = Lines::new(text);
    let (mut ids, mut unknown) = (std::collections::HashSet::new(), Vec::new());
    for (index, raw) in annotations.iter().enumerate() {
        let line = lines.of(raw.get().as_ptr() as usize - text.as_ptr() as usize);
        let place = Place { line: Some(line), index: Some(index) };
        let bad = |reason: String| DataError::images(path, format!("{}: {reason}", place.text().trim_start()));
        let object: Object = serde_json::from_str(raw.get())
            .map_err(|e| bad(e.to_string().split(" at line ").next().unwrap_or_default().to_string()))?;
        let issue = |kind, what| Issue { kind, file: path.clone(), place, image: None, what };
        if object.id.is_some_and(|id| !ids.insert(id)) {
            let what = format!("the id {} is that of another annotation too", object.id.unwrap_or_default());
            all.issues.add(issue(IssueKind::SameId, what));
        }
        let Some(&class) = class_of.get(&object.category_id) else {
            unknown.push(format!("{} has category {}", place.text().trim_start(), object.category_id));
            continue;
        };
        let image = match of_id.get(&object.image_id) {
            Some(Some(image)) => *image,
            // Its image is not there, which has been said.
            Some(None) => continue,
            None => {
                let what = format!("there is no image with the id {}", object.image_id);
                all.issues.add(issue(IssueKind::NoImage, what));
                continue;
            }
        };
        let shape = object.segmentation.map(|raw| shape(raw.get())).transpose().map_err(&bad)?.flatten();
        let bbox = match object.bbox.as_deref() {
            Some(&[x, y, w, h]) => [x, y, x + w, y + h],
            Some([]) | None => match shape.as_ref().and_then(Shape::bounds) {
                Some(bounds) => bounds,
                None => return Err(bad("there is neither a bbox nor a segmentation".into())),
            },
            Some(other) => return Err(bad(format!("the bbox has {} numbers, it must have 4", other.len()))),
        };
        let crowd = match object.iscrowd {
            Some(Flag::Bool(crowd)) => crowd,
            Some(Flag::Number(number)) => number != 0.0,
            None => false,
        };
        all.images[image].objects.push(Annotation {
            shape,
            crowd,
            area: object.area,
            id: object.id,
            place,
            ..Annotation::new(class, bbox)
        });
    }
    if !unknown.is_empty() {
        let reason =
            format!("{} of its annotations are of no category that it lists: {}", unknown.len(), some(&unknown));
        return Err(DataError::images(path, reason));
    }
    Ok(())
}

/// Polygons or runs.
fn shape(text: &str) -> Result<Option<Shape>, String> {
    let wrong = |e: serde_json::Error| {
        format!(
            "the segmentation is neither polygons nor runs: {}",
            e.to_string().split(" at line ").next().unwrap_or_default()
        )
    };
    match text.as_bytes().first() {
        Some(b'[') => {
            let polygons: Vec<Vec<f64>> = serde_json::from_str(text).map_err(wrong)?;
            Ok(if polygons.is_empty() { None } else { Some(Shape::Polygons(polygons)) })
        }
        Some(b'{') => {
            let runs: Runs = serde_json::from_str(text).map_err(wrong)?;
            let rle = match runs.counts {
                Counts::Numbers(counts) => Rle { size: runs.size, counts },
                Counts::Text(counts) => Rle::from_text(runs.size, &counts)?,
            };
            Ok(Some(Shape::Rle(rle)))
        }
        _ => Err("the segmentation is neither polygons nor runs".into()),
    }
}

/// The image that a file names: the path from its own folder or one above, or else anywhere in the tree; of several the one whose folder means the file's split.
fn find<'a>(
    tree: &Tree,
    parts: &Parts,
    split: Option<striate_imaging::Split>,
    name: &str,
    by_name: &BTreeMap<&OsStr, Vec<&'a Parts>>,
    path: &Path,
) -> Result<Option<&'a Parts>, DataError> {
    let wanted: Parts =
        name.split(['/', '\\']).filter(|part| !matches!(*part, "" | "." | "..")).map(Into::into).collect();
    let Some(last) = wanted.last() else { return Ok(None) };
    let ends: Vec<&Parts> =
        by_name.get(last.as_os_str()).into_iter().flatten().copied().filter(|p| p.ends_with(&wanted)).collect();
    let folders = |p: &Parts| p[..p.len() - 1].to_vec();
    let own = &parts[..parts.len() - 1];
    let near: Vec<&Parts> =
        ends.iter().copied().filter(|p| split.is_some() && split_of_folders(&folders(p)) == split).collect();
    let beside: Vec<&Parts> =
        ends.iter().copied().filter(|p| p.starts_with(own) && p.len() == own.len() + wanted.len()).collect();
    for found in [&beside, &near, &ends] {
        match found[..] {
            [] => {}
            [one] => return Ok(Some(one)),
            _ => {
                let names: Vec<String> = found.iter().map(|p| tree::name(p)).collect();
                let reason = format!("{} could be any of {} in {}", quoted(name), some(&names), tree.path.display());
                return Err(DataError::images(path, reason));
            }
        }
    }
    Ok(None)
}
