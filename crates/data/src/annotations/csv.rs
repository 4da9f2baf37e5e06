//! Tables with a line for each box.

use super::issue::{Issue, IssueKind, Place};
use super::tree::{self, Parts, Tree, quoted};
use super::{AnnotatedImage, Annotation, Annotations, stated};
use crate::error::DataError;
use crate::images::columns::{LABELS, PATHS, plain, shown_header};
use crate::images::files::{Beside, Files, Look};
use crate::images::{ListOptions, manifest, name_of, os_string, table, unescaped};
use crate::source::Source;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use striate_imaging::{Split, shown};

const EDGES: [&[&str]; 4] = [
    &["xmin", "x_min", "x1", "x_1", "left", "xmin_px", "bbox_x1"],
    &["ymin", "y_min", "y1", "y_1", "top", "ymin_px", "bbox_y1"],
    &["xmax", "x_max", "x2", "x_2", "right", "xmax_px", "bbox_x2"],
    &["ymax", "y_max", "y2", "y_2", "bottom", "ymax_px", "bbox_y2"],
];
const SIZED: [&[&str]; 4] = [
    &["x", "bbox_x", "box_x", "x_min", "xmin", "left"],
    &["y", "bbox_y", "box_y", "y_min", "ymin", "top"],
    &["w", "width", "bbox_width", "bbox_w", "box_width"],
    &["h", "height", "bbox_height", "bbox_h", "box_height"],
];

/// The places of the columns.
struct Columns {
    path: usize,
    escaped: bool,
    label: usize,
    edges: [usize; 4],
    /// Whether the last two edges are a width and a height.
    sized: bool,
    size: Option<[usize; 2]>,
    split: Option<usize>,
    group: Option<usize>,
    difficult: Option<usize>,
    crowd: Option<usize>,
}

impl Columns {
    fn find(header: &[&str], options: &ListOptions) -> Result<Columns, String> {
        let there = || format!("the columns are {}", shown_header(header));
        let names: Vec<String> = header.iter().map(|name| plain(name)).collect();
        let at = |wanted: &[&str]| wanted.iter().find_map(|wanted| names.iter().position(|name| name == wanted));
        let corners = EDGES.map(at);
        let sized = SIZED.map(at);
        let (edges, is_sized) = match (corners, sized) {
            ([Some(a), Some(b), Some(c), Some(d)], _) => ([a, b, c, d], false),
            (_, [Some(a), Some(b), Some(c), Some(d)]) => ([a, b, c, d], true),
            _ => return Err(format!("no columns xmin, ymin, xmax and ymax of boxes: {}", there())),
        };
        // `y` may be an edge and a label.
        let free = |wanted: &[&str]| {
            let is = |(i, name): (usize, &String), wanted: &&str| name == wanted && !edges.contains(&i);
            wanted.iter().find_map(|wanted| names.iter().enumerate().position(|named| is(named, wanted)))
        };
        let asked = |asked: &Option<String>, usual: &[&str], what: &str| match asked {
            Some(name) => (header.iter().position(|h| h == name).or_else(|| at(&[&plain(name)])))
                .ok_or_else(|| format!("no column '{}': {}", shown(name), there())),
            None => free(usual).ok_or_else(|| {
                format!("no column '{what}', nor one that is called as such columns usually are: {}", there())
            }),
        };
        let path = asked(&options.path_column, &[&["path", "path_escaped"], &PATHS[..]].concat(), "path")?;
        let size = if is_sized { None } else { at(&["height", "image_height"]).zip(at(&["width", "image_width"])) };
        Ok(Columns {
            path,
            escaped: names[path] == "path_escaped",
            label: asked(&options.label_column, &[&["label"], &LABELS[..]].concat(), "label")?,
            edges,
            sized: is_sized,
            size: size.map(|(h, w)| [h, w]),
            split: at(&["split", "set"]),
            group: at(&["group"]),
            difficult: at(&["difficult"]),
            crowd: at(&["crowd", "iscrowd", "is_crowd"]),
        })
    }
}

/// Whether the first line of a table names the columns of boxes.
pub fn is_one(bytes: &[u8]) -> bool {
    let start = &bytes[..bytes.len().min(1 << 16)];
    let line = start.split(|b| matches!(b, b'\n' | b'\r')).next().unwrap_or_default();
    let Ok(text) = std::str::from_utf8(line) else { return false };
    let text = text.trim_start_matches('\u{feff}');
    let Some(Ok(row)) = table::Reader::new(text, table::delimiter(text)).next() else { return false };
    let header: Vec<&str> = row.fields.iter().map(|f| f.text.as_str()).collect();
    Columns::find(&header, &ListOptions::default()).is_ok()
}

/// The tables of a tree that hold boxes.
pub fn files(tree: &Tree) -> Vec<&Parts> {
    let all = tree.with_ending(&["csv", "tsv"]);
    all.filter(|(_, source)| source.read(table::BYTE_LIMIT).is_ok_and(|bytes| is_one(&bytes)))
        .map(|(parts, _)| parts)
        .collect()
}

/// The annotations of a table in a tree, whose paths start from where it lies or from a folder of images there.
pub fn read(tree: &Tree, files: &[&Parts], options: &ListOptions) -> Result<Annotations, DataError> {
    let mut all = Annotations { path: tree.path.clone(), ..Annotations::default() };
    let mut tables = Vec::new();
    for parts in files {
        let folder = &parts[..parts.len() - 1];
        let split = tree::split_of(tree::stem(&parts[folder.len()])).or_else(|| tree::split_of_folders(folder));
        tables.push(table_of(&tree.files[*parts], &Within { tree, folder }, split, options, &mut all)?);
    }
    finish(all, tables)
}

/// The annotations of a table in a file.
pub fn open(path: &Path, options: &ListOptions) -> Result<Annotations, DataError> {
    let mut all = Annotations { path: path.to_path_buf(), ..Annotations::default() };
    let beside = Beside(path.parent().unwrap_or(Path::new("")));
    let table = table_of(&Source::File(path.to_path_buf()), &beside, None, options, &mut all)?;
    finish(all, vec![table])
}

/// Images with the names of the classes of their objects.
type Table = Vec<(AnnotatedImage, Vec<String>)>;

fn finish(mut all: Annotations, tables: Vec<Table>) -> Result<Annotations, DataError> {
    let images: Table = tables.into_iter().flatten().collect();
    let classes: BTreeSet<&String> = images.iter().flat_map(|(_, classes)| classes).collect();
    all.classes = classes.into_iter().cloned().collect();
    for (mut image, classes) in images {
        for (object, class) in image.objects.iter_mut().zip(&classes) {
            object.class = all.classes.binary_search(class).expect("each class is among them");
        }
        all.images.push(image);
    }
    all.settle_repeats();
    Ok(all)
}

/// An image of a table, whose file is yet to be found.
struct Rows {
    line: usize,
    image: AnnotatedImage,
    classes: Vec<String>,
}

fn table_of(
    source: &Source,
    files: &dyn Files,
    split: Option<Split>,
    options: &ListOptions,
    all: &mut Annotations,
) -> Result<Table, DataError> {
    let path = source.path();
    let bad = |reason: String| DataError::images(&path, reason);
    let bytes = source.read(table::BYTE_LIMIT)?;
    let text = std::str::from_utf8(&bytes).map_err(|e| bad(format!("not UTF-8 text ({e}): save it as UTF-8")))?;
    let text = text.trim_start_matches('\u{feff}');
    let mut reader = table::Reader::new(text, table::delimiter(text));
    let header = reader.next().ok_or_else(|| bad("it is empty".into()))?.map_err(bad)?;
    let header: Vec<&str> = header.fields.iter().map(|f| f.text.as_str()).collect();
    let columns = Columns::find(&header, options).map_err(|reason| DataError::columns(&path, reason))?;
    let file = Arc::new(path.clone());
    let (mut images, mut order) = (BTreeMap::<PathBuf, Rows>::new(), Vec::new());
    for row in reader {
        let row = row.map_err(bad)?;
        let line = row.line;
        if row.fields.len() != header.len() {
            return Err(bad(format!(
                "line {line} has {} fields, the first line {}: {}",
                row.fields.len(),
                header.len(),
                shown_header(&header)
            )));
        }
        let row = Row { texts: row.fields.iter().map(|f| f.text.as_str()).collect(), line };
        let (name, entry) = row.image(&columns).map_err(|reason| bad(format!("line {line}: {reason}")))?;
        let rows = images.entry(name.clone()).or_insert_with(|| {
            order.push(name);
            let image = AnnotatedImage { file: Some(file.clone()), ..entry.clone() };
            Rows { line, image, classes: Vec::new() }
        });
        if rows.image.split != entry.split || rows.image.group != entry.group {
            let what = format!("its split or group differs from that in line {}", rows.line);
            let place = Place::line(line);
            let name = Some(rows.image.name.clone());
            all.issues.add(Issue { kind: IssueKind::TwoSplits, file: file.clone(), place, image: name, what });
            rows.image.split = rows.image.split.max(entry.split);
        }
        if let Some((class, object)) = row.object(&columns).map_err(|reason| bad(format!("line {line}: {reason}")))? {
            rows.classes.push(class);
            rows.image.objects.push(object);
        }
    }
    let lines: Vec<(usize, PathBuf)> = order.iter().map(|name| (images[name].line, name.clone())).collect();
    let found = manifest::locate(&path, &lines, files)?;
    let root = files.root();
    let unsaid = images.values().filter(|rows| rows.image.split.is_none()).count();
    if unsaid > 0 && unsaid < images.len() {
        let reason = format!("{unsaid} of {} images have no split: give it for all or for none", images.len());
        return Err(bad(reason));
    }
    let mut done = Vec::new();
    for (name, (source, place)) in order.iter().zip(found) {
        let Rows { mut image, classes, .. } = images.remove(name).expect("each image once");
        image.split = image.split.or(split);
        image.name = name_of(&root.join(place), &root);
        image.source = source;
        done.push((image, classes));
    }
    Ok(done)
}

/// A line of a table.
struct Row<'a> {
    texts: Vec<&'a str>,
    line: usize,
}

impl Row<'_> {
    /// The path of its image, and what else the line says of that.
    fn image(&self, columns: &Columns) -> Result<(PathBuf, AnnotatedImage), String> {
        let name = self.texts[columns.path];
        if name.is_empty() {
            return Err("the path is empty".into());
        }
        let path = match columns.escaped {
            true => unescaped(name).map(|bytes| PathBuf::from(os_string(bytes))),
            false => Some(PathBuf::from(name)),
        };
        let path = path.ok_or_else(|| format!("{} is not escaped as it should be", quoted(name)))?;
        let mut image = AnnotatedImage::new(Source::File(path.clone()), name);
        let text = |at: Option<usize>| at.map(|at| self.texts[at]).filter(|text| !text.is_empty());
        if let Some(word) = text(columns.split) {
            let split = Split::named(word);
            image.split =
                Some(split.ok_or_else(|| format!("the split is {}, it must be train, val or test", quoted(word)))?);
        }
        image.group = text(columns.group).map(String::from);
        if let Some([height, width]) = columns.size {
            let side = |at: usize| self.texts[at].parse::<f64>().ok().map(|side| side as usize);
            image.stated = stated(side(height), side(width));
        }
        Ok((path, image))
    }

    /// Its box with the name of the class; none where the label is empty.
    fn object(&self, columns: &Columns) -> Result<Option<(String, Annotation)>, String> {
        let class = self.texts[columns.label];
        let texts = columns.edges.map(|at| self.texts[at]);
        if class.is_empty() {
            return match texts.iter().all(|text| text.is_empty()) {
                true => Ok(None),
                false => Err("there is a box, and the label is empty".into()),
            };
        }
        let mut bbox = [0.0; 4];
        for (edge, text) in bbox.iter_mut().zip(texts) {
            *edge = text
                .parse::<f64>()
                .map_err(|_| format!("{} in a column of boxes, it must be a number", quoted(text)))?;
        }
        if columns.sized {
            bbox = [bbox[0], bbox[1], bbox[0] + bbox[2], bbox[1] + bbox[3]];
        }
        let flag = |at: Option<usize>| match at.map(|at| self.texts[at].to_lowercase()).as_deref() {
            None | Some("" | "0" | "0.0" | "false" | "no") => Ok(false),
            Some("1" | "1.0" | "true" | "yes") => Ok(true),
            Some(other) => Err(format!("{} must be 0 or 1", quoted(other))),
        };
        let object = Annotation {
            difficult: flag(columns.difficult)?,
            crowd: flag(columns.crowd)?,
            place: Place::line(self.line),
            ..Annotation::new(0, bbox)
        };
        Ok(Some((class.to_string(), object)))
    }
}

/// The files of a tree that a table in one of its folders may name.
struct Within<'a> {
    tree: &'a Tree,
    folder: &'a [OsString],
}

impl Within<'_> {
    /// The whole path of one that starts from the table's folder.
    fn whole(&self, path: &Path) -> Option<Parts> {
        let mut whole = self.folder.to_vec();
        for part in path.components() {
            match part {
                Component::Normal(name) => whole.push(name.to_os_string()),
                Component::CurDir => {}
                Component::ParentDir => drop(whole.pop()?),
                _ => return None,
            }
        }
        Some(whole)
    }
}

impl Files for Within<'_> {
    fn root(&self) -> PathBuf {
        self.folder.iter().fold(self.tree.path.clone(), |path, part| path.join(part))
    }

    fn file(&self, path: &Path) -> Look {
        let found = self.whole(path).and_then(|parts| self.tree.files.get(&parts));
        found.map_or(Look::Missing, |source| Look::Found(source.clone()))
    }

    fn names(&self, folder: &Path) -> Vec<OsString> {
        let folder = self.whole(folder).unwrap_or_default();
        let inside = self.tree.files.keys().filter(|p| p.len() == folder.len() + 1 && p.starts_with(&folder));
        inside.map(|p| p[folder.len()].clone()).collect()
    }

    fn folders(&self) -> Vec<OsString> {
        let depth = self.folder.len();
        let inside = self.tree.files.keys().filter(|p| p.len() > depth + 1 && p.starts_with(self.folder));
        let mut all: Vec<OsString> = inside.map(|p| p[depth].clone()).collect();
        all.dedup();
        all
    }
}

/// The columns that [`write`] writes.
const WRITTEN: [&str; 10] = ["path", "label", "xmin", "ymin", "xmax", "ymax", "split", "group", "difficult", "crowd"];

/// A table that [`open`] reads: a line for each box, and one for each image without any. Paths are taken as they are, escaped if one of them is not UTF-8.
pub fn write<'a, B: std::fmt::Display>(
    images: impl Iterator<Item = (&'a OsStr, Option<Split>, Option<&'a str>, Vec<(&'a str, [B; 4], bool, bool)>)> + Clone,
) -> String {
    let odd = images.clone().any(|(path, ..)| path.to_str().is_none());
    let mut out = String::new();
    let mut header = WRITTEN;
    if odd {
        header[0] = "path_escaped";
    }
    table::write(&mut out, &header);
    for (path, split, group, objects) in images {
        let path = match path.to_str() {
            Some(path) if !odd => path.to_string(),
            _ => crate::images::escaped(path.as_encoded_bytes(), false),
        };
        let (split, group) = (split.map_or("", Split::name), group.unwrap_or_default());
        if objects.is_empty() {
            table::write(&mut out, &[&path, "", "", "", "", "", split, group, "", ""]);
        }
        for (class, bbox, difficult, crowd) in objects {
            let [a, b, c, d] = bbox.map(|v| v.to_string());
            let flag = |flag: bool| if flag { "1" } else { "0" };
            table::write(&mut out, &[&path, class, &a, &b, &c, &d, split, group, flag(difficult), flag(crowd)]);
        }
    }
    out
}
