//! Pascal VOC: an XML file for each image.

use super::issue::{IssueKind, Place};
use super::tree::{self, Lines, Parts, Tree, is_named, refused, stem};
use super::{AnnotatedImage, Annotation, Annotations, stated};
use crate::error::DataError;
use crate::images::{count, some};
use crate::source::Source;
use quick_xml::Reader;
use quick_xml::events::Event;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::sync::Arc;
use striate_imaging::Split;

/// Folders that images lie in, beside one of annotations.
const IMAGES: [&str; 4] = ["jpegimages", "images", "image", "img"];
/// How deep elements may lie in each other.
const DEPTH: usize = 32;
/// The most bytes of a text that counts.
const TEXT: usize = 4096;

/// An annotation file, with the names of classes in the place of their numbers.
struct File {
    filename: Option<String>,
    stated: Option<[usize; 2]>,
    objects: Vec<(String, Annotation)>,
}

/// The annotations of all XML files of a tree.
pub fn read(tree: &Tree) -> Result<Annotations, DataError> {
    let mut all = Annotations { path: tree.path.clone(), ..Annotations::default() };
    let stems = tree.stems();
    let folders = image_folders(tree);
    let mut seen = BTreeMap::<Parts, Arc<std::path::PathBuf>>::new();
    let mut classes = BTreeSet::new();
    let mut images = Vec::new();
    for (parts, source) in tree.with_ending(&["xml"]) {
        let Some(file) = parse(source)? else {
            all.notes.push(format!("left out, no annotation: {}", tree::name(parts)));
            continue;
        };
        let path = Arc::new(source.path());
        let Some(image) = find(&folders, &stems, parts, file.filename.as_deref(), source)? else {
            let what = "there is no image of this name beside it, in JPEGImages or in images";
            all.issues.file(IssueKind::NoImage, &path, None, what);
            continue;
        };
        let name = tree::name(image);
        if let Some(first) = seen.insert(image.clone(), path.clone()) {
            let what = format!("{name} is annotated in {} too", first.display());
            all.issues.file(IssueKind::AnnotatedTwice, &path, Some(&name), what);
            seen.insert(image.clone(), first);
            continue;
        }
        if file.objects.is_empty() {
            all.issues.file(IssueKind::Empty, &path, Some(&name), "it has no object");
        }
        classes.extend(file.objects.iter().map(|(class, _)| class.clone()));
        let split = tree::split_of_folders(&image[..image.len() - 1]);
        let image = AnnotatedImage {
            stated: file.stated,
            split,
            file: Some(path),
            ..AnnotatedImage::new(tree.files[image].clone(), name)
        };
        images.push((image, file.objects, stem(parts.last().expect("a file has a name")).to_os_string()));
    }
    for (parts, source) in tree.images().filter(|(parts, _)| !seen.contains_key(*parts)) {
        if !is_mask(parts) {
            let what = "no XML file names it: left out";
            all.issues.file(IssueKind::Unannotated, &source.path(), Some(&tree::name(parts)), what);
        }
    }
    all.classes = classes.into_iter().collect();
    let sets = sets(tree, "main", &mut all)?;
    let mut unlisted = Vec::new();
    for (mut image, objects, id) in images {
        if let Some(sets) = &sets {
            let Some(split) = sets.get(&id) else {
                unlisted.push(image.name);
                continue;
            };
            image.split = Some(*split);
        }
        let number = |class: &String| all.classes.binary_search(class).expect("each class is among them");
        image.objects = objects.into_iter().map(|(class, o)| Annotation { class: number(&class), ..o }).collect();
        all.images.push(image);
    }
    if !unlisted.is_empty() {
        all.notes.push(format!("left out, in no file of ImageSets/Main ({}): {}", unlisted.len(), some(&unlisted)));
        let used: BTreeSet<usize> = all.images.iter().flat_map(|i| i.objects.iter().map(|o| o.class)).collect();
        let kept: Vec<usize> = used.into_iter().collect();
        for object in all.images.iter_mut().flat_map(|image| &mut image.objects) {
            object.class = kept.binary_search(&object.class).expect("each class is among those in use");
        }
        all.classes = kept.into_iter().map(|class| std::mem::take(&mut all.classes[class])).collect();
    }
    all.images.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(all)
}

/// Whether an image is one of VOC's masks.
fn is_mask(parts: &[OsString]) -> bool {
    parts.iter().any(|part| is_named(part, &["segmentationclass", "segmentationobject"]))
}

/// The folders called as folders of images are, by the one that they lie in.
type ImageFolders<'a> = BTreeMap<&'a [OsString], BTreeSet<&'a OsString>>;

fn image_folders(tree: &Tree) -> ImageFolders<'_> {
    let mut all = ImageFolders::new();
    for (parts, _) in tree.images() {
        for at in (0..parts.len() - 1).filter(|&at| is_named(&parts[at], &IMAGES)) {
            all.entry(&parts[..at]).or_default().insert(&parts[at]);
        }
    }
    all
}

/// The image of an annotation file: beside it or in a sibling folder of images, called as the XML file is, or else as its `filename` says.
fn find<'a>(
    folders_of: &ImageFolders,
    stems: &BTreeMap<(&[OsString], &OsStr), Vec<&'a Parts>>,
    parts: &Parts,
    filename: Option<&str>,
    source: &Source,
) -> Result<Option<&'a Parts>, DataError> {
    let (name, folder) = parts.split_last().expect("a file has a name");
    let mut folders = vec![folder.to_vec()];
    // DIR/Annotations/a.xml and DIR/JPEGImages/a.jpg; DIR/Annotations/train/a.xml and DIR/JPEGImages/train/a.jpg.
    if let Some(at) = folder.iter().rposition(|f| is_named(f, &["annotations", "annotation", "xml", "xmls", "labels"]))
    {
        for sibling in folders_of.get(&folder[..at]).into_iter().flatten() {
            folders.push([&folder[..at], std::slice::from_ref(*sibling), &folder[at + 1..]].concat());
        }
        folders.push(folder[..at].to_vec());
    }
    let filename = filename.map(|f| f.rsplit(['/', '\\']).next().unwrap_or(f));
    let tagged = filename.map(OsStr::new);
    for wanted in [Some(stem(name)), tagged.map(stem)].into_iter().flatten() {
        for folder in &folders {
            match stems.get(&(&folder[..], wanted)).map(Vec::as_slice) {
                None => {}
                Some([one]) => return Ok(Some(one)),
                Some(several) => {
                    let exact = several.iter().find(|p| p.last().map(OsString::as_os_str) == tagged);
                    let names: Vec<String> = several.iter().map(|p| tree::name(p)).collect();
                    let reason = || format!("its image could be any of {}: name it in <filename>", some(&names));
                    return exact.map(|p| Some(*p)).ok_or_else(|| DataError::images(&source.path(), reason()));
                }
            }
        }
    }
    Ok(None)
}

/// The splits of `ImageSets/Main` or another folder of sets, by the names of images without endings; none if there are no such files. `trainval` is what is learnt from
/// where there is no `train`.
pub fn sets(tree: &Tree, which: &str, all: &mut Annotations) -> Result<Option<BTreeMap<OsString, Split>>, DataError> {
    let mut files = BTreeMap::new();
    for (parts, source) in tree.with_ending(&["txt"]) {
        let [.., above, folder, name] = &parts[..] else { continue };
        if !is_named(above, &["imagesets"]) || !is_named(folder, &[which]) {
            continue;
        }
        let name = stem(name).to_string_lossy().to_lowercase();
        if let Some(split) = Split::named(&name).or((name == "trainval").then_some(Split::Train)) {
            files.insert((name == "trainval", split), (source, name));
        }
    }
    if files.keys().any(|(both, split)| !both && *split == Split::Train) {
        files.retain(|(both, _), _| !both);
    }
    if files.is_empty() {
        return Ok(None);
    }
    let known: BTreeSet<&OsStr> = tree.images().map(|(p, _)| stem(p.last().expect("a file has a name"))).collect();
    let mut of = BTreeMap::<OsString, Split>::new();
    for ((_, split), (source, name)) in files {
        let path = Arc::new(source.path());
        for (i, line) in tree::text(source)?.lines().enumerate() {
            let Some(id) = line.split_whitespace().next() else { continue };
            let place = Place::line(i + 1);
            let issue = |kind, what| super::Issue { kind, file: path.clone(), place, image: Some(id.into()), what };
            if !known.contains(OsStr::new(id)) {
                all.issues.add(issue(IssueKind::NoImage, format!("{} is not among the images", tree::quoted(id))));
            }
            match of.get_mut(OsStr::new(id)) {
                Some(other) if *other != split => {
                    all.issues
                        .add(issue(IssueKind::TwoSplits, format!("{} is in {other} and in {name}", tree::quoted(id))));
                    *other = split.max(*other);
                }
                Some(_) => {}
                None => drop(of.insert(id.into(), split)),
            }
        }
    }
    let n = |split| of.values().filter(|s| **s == split).count();
    let counts: Vec<String> = Split::ALL.into_iter().filter(|s| n(*s) > 0).map(|s| format!("{s} {}", n(s))).collect();
    all.notes.push(format!("splits are read from ImageSets: {} of {}", counts.join(", "), count(of.len(), "image")));
    Ok(Some(of))
}

/// The content of an annotation file; none of an XML file of something else.
fn parse(source: &Source) -> Result<Option<File>, DataError> {
    let text = tree::text(source)?;
    let mut lines = Lines::new(&text);
    let mut reader = Reader::from_str(&text);
    let mut file = File { filename: None, stated: None, objects: Vec::new() };
    let (mut path, mut content) = (Vec::<String>::new(), String::new());
    let (mut object, mut size) = (Open::default(), [None; 2]);
    loop {
        let at = reader.buffer_position() as usize;
        let event = reader.read_event().map_err(|e| {
            let line = lines.of(reader.error_position() as usize);
            refused(source, line, format!("not well-formed XML: {}", e.to_string().replace('\n', " ")))
        })?;
        match event {
            Event::DocType(_) => {
                let line = lines.of(at);
                return Err(refused(
                    source,
                    line,
                    "it has a document type (DTD), which is not read: remove the DOCTYPE",
                ));
            }
            Event::GeneralRef(entity) => {
                let resolved = entity.resolve_char_ref().ok().flatten().map(String::from);
                let name = entity.xml10_content();
                let known = quick_xml::escape::resolve_predefined_entity(&name).map(String::from);
                let Some(resolved) = resolved.or(known) else {
                    let line = lines.of(at);
                    return Err(refused(
                        source,
                        line,
                        format!("the entity {} is not expanded: write out what it stands for", tree::quoted(&name)),
                    ));
                };
                content.push_str(&resolved);
            }
            Event::Start(start) => {
                if path.is_empty() && start.local_name().as_ref() != "annotation" {
                    return Ok(None);
                }
                if path.len() >= DEPTH {
                    return Err(refused(source, lines.of(at), format!("more than {DEPTH} elements lie in each other")));
                }
                path.push(start.local_name().as_ref().to_string());
                content.clear();
                if path.len() == 2 && path[1] == "object" {
                    object = Open { line: lines.of(at), ..Open::default() };
                }
            }
            Event::Empty(start) if path.is_empty() => {
                return Ok((start.local_name().as_ref() == "annotation").then_some(file));
            }
            Event::Text(part) if content.len() < TEXT => content.push_str(&part.xml10_content()),
            Event::CData(part) if content.len() < TEXT => content.push_str(&part.xml10_content()),
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let value = content.trim();
                match &names[..] {
                    ["annotation", "filename"] => file.filename = Some(value.to_string()).filter(|v| !v.is_empty()),
                    ["annotation", "size", "height"] => size[0] = value.parse().ok(),
                    ["annotation", "size", "width"] => size[1] = value.parse().ok(),
                    ["annotation", "object", rest @ ..] if !rest.is_empty() => {
                        object.field(rest, value).map_err(|reason| refused(source, lines.of(at), reason))?;
                    }
                    ["annotation", "object"] => {
                        let line = object.line;
                        file.objects
                            .push(std::mem::take(&mut object).done().map_err(|reason| refused(source, line, reason))?);
                    }
                    ["annotation"] => {
                        file.stated = stated(size[0], size[1]);
                        return Ok(Some(file));
                    }
                    _ => {}
                }
                path.pop();
                content.clear();
            }
            Event::Eof => {
                let line = lines.of(text.len());
                return Err(match path.last() {
                    Some(open) => refused(source, line, format!("it is cut short: <{open}> is never closed")),
                    None => refused(source, line, "it is empty"),
                });
            }
            _ => {}
        }
    }
}

/// An object whose end has not come yet.
#[derive(Default)]
struct Open {
    line: usize,
    name: Option<String>,
    edges: [Option<f64>; 4],
    difficult: bool,
    truncated: bool,
    pose: Option<String>,
}

impl Open {
    fn field(&mut self, path: &[&str], value: &str) -> Result<(), String> {
        let number = || {
            value
                .parse::<f64>()
                .map_err(|_| format!("{} in <{}>, it must be a number", tree::quoted(value), path[path.len() - 1]))
        };
        let flag = || match value.to_lowercase().as_str() {
            "" | "0" | "false" | "unspecified" => Ok(false),
            "1" | "true" => Ok(true),
            _ => Err(format!("{} in <{}>, it must be 0 or 1", tree::quoted(value), path[0])),
        };
        match path {
            ["name"] => self.name = Some(value.to_string()).filter(|name| !name.is_empty()),
            ["difficult"] => self.difficult = flag()?,
            ["truncated"] => self.truncated = flag()?,
            ["pose"] => self.pose = Some(value.to_string()).filter(|p| !p.is_empty()),
            ["bndbox", "xmin"] => self.edges[0] = Some(number()?),
            ["bndbox", "ymin"] => self.edges[1] = Some(number()?),
            ["bndbox", "xmax"] => self.edges[2] = Some(number()?),
            ["bndbox", "ymax"] => self.edges[3] = Some(number()?),
            _ => {}
        }
        Ok(())
    }

    fn done(self) -> Result<(String, Annotation), String> {
        let name = self.name.ok_or("the object has no <name>")?;
        let [Some(left), Some(top), Some(right), Some(bottom)] = self.edges else {
            return Err(format!("the object {} has no <bndbox> with xmin, ymin, xmax and ymax", tree::quoted(&name)));
        };
        let annotation = Annotation {
            difficult: self.difficult,
            truncated: self.truncated,
            pose: self.pose,
            place: Place::line(self.line),
            ..Annotation::new(0, [left, top, right, bottom])
        };
        Ok((name, annotation))
    }
}
