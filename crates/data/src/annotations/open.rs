//! Opens annotations of any format.

use super::tree::{self, Tree};
use super::{Annotations, Issue, IssueKind, Place, coco, csv, header, open_masks, voc, yolo};
use crate::error::DataError;
use crate::images::{DataKind, Found, ImageList, ListOptions, folder, tar};
use crate::parallel;
use crate::source::Source;
use crate::target::TargetKind;
use std::path::Path;
use std::sync::Arc;
use std::thread::available_parallelism;

/// A list of objects or masks from the files of a folder or an archive.
pub fn list(path: &Path, found: Vec<Found>, notes: Vec<String>, options: &ListOptions) -> Result<ImageList, DataError> {
    let tree = Tree::new(path, found);
    if options.target == TargetKind::Mask
        && let Some(mut list) = open_masks(&tree)?
    {
        list.notes.extend(notes);
        return Ok(list);
    }
    let mut annotations = of_tree(&tree, options)?;
    annotations.notes.extend(notes);
    annotations.into_list(options.target)
}

/// Whether a file of annotations has this ending, in small letters.
pub fn is_annotation(ending: &str) -> bool {
    matches!(ending, "json" | "yaml" | "yml" | "xml")
}

/// A list of objects or masks by one annotation file: a COCO `.json`, YOLO's `data.yaml`, a `.csv` of boxes.
pub fn file(path: &Path, options: &ListOptions) -> Result<ImageList, DataError> {
    Annotations::open_with(path, options)?.into_list(options.target)
}

impl Annotations {
    /// Reads annotations: those of a folder or `.tar` that holds Pascal VOC XML files, COCO JSON files, YOLO's `data.yaml` or `labels/`, or a table of boxes; or those of one COCO
    /// `.json`, one `data.yaml` or one table with the images that it names.
    ///
    /// The numbers of boxes are taken as they stand, as edges in pixels: Pascal VOC's `xmax` is the right edge, without one added.
    ///
    /// # Errors
    /// If there are none, a file is damaged, or names a class that it does not list.
    pub fn open(path: &Path) -> Result<Annotations, DataError> {
        Annotations::open_with(path, &ListOptions::default())
    }

    /// As [`Annotations::open`], with the columns of a table named.
    ///
    /// # Errors
    /// As [`Annotations::open`].
    pub fn open_with(path: &Path, options: &ListOptions) -> Result<Annotations, DataError> {
        match DataKind::of(path)? {
            DataKind::Folder => {
                let (found, notes) = folder::files(path)?;
                let mut all = of_tree(&Tree::new(path, found), options)?;
                all.notes.extend(notes);
                Ok(all)
            }
            DataKind::Archive => {
                let (found, notes) = tar::files(path)?;
                let mut all = of_tree(&Tree::new(path, found), options)?;
                all.notes.extend(notes);
                Ok(all)
            }
            DataKind::Idx => Err(DataError::images(path, "a folder of idx files, which have no annotations")),
            DataKind::Manifest => of_file(path, options),
        }
    }
}

/// The annotations of a tree, of the first format that it has.
fn of_tree(tree: &Tree, options: &ListOptions) -> Result<Annotations, DataError> {
    let coco = coco::files(tree);
    let data = yolo::data_file(tree);
    let has_xml = tree.with_ending(&["xml"]).next().is_some();
    let tables = csv::files(tree);
    let mut formats = Vec::new();
    let mut all = None;
    if has_xml {
        let read = voc::read(tree)?;
        if !read.images.is_empty() || (coco.is_empty() && data.is_none() && tables.is_empty()) {
            (all, formats) = (Some(read), vec!["Pascal VOC XML"]);
        }
    }
    if !coco.is_empty() {
        if all.is_none() {
            let read = coco::read(tree, &coco, true)?;
            all = Some(read).filter(|read| !read.images.is_empty() || !read.classes.is_empty());
        }
        if all.is_some() {
            formats.push("COCO");
        }
    }
    if data.is_some() || yolo::has_labels(tree) {
        if all.is_none() {
            all = Some(yolo::read(tree, data)?);
        }
        formats.push("YOLO");
    }
    if !tables.is_empty() {
        if all.is_none() {
            all = Some(csv::read(tree, &tables, options)?);
        }
        formats.push("a table of boxes");
    }
    let Some(mut all) = all else {
        let reason = "no annotations found: it should hold Pascal VOC XML files, a COCO .json, YOLO's data.yaml or labels/, or a .csv of boxes; or masks in a folder beside that of the images (images/ and masks/)";
        return Err(DataError::images(&tree.path, reason));
    };
    if let [first, others @ ..] = &formats[..]
        && !others.is_empty()
    {
        all.notes.push(format!("annotations are read from {first}; {} is there too and not read", others.join(", ")));
    }
    Ok(all.finished())
}

/// The annotations of one file, whose images lie beside it or, if it lies in a folder of annotations, beside that.
fn of_file(path: &Path, options: &ListOptions) -> Result<Annotations, DataError> {
    let ending = tree::ending(path.as_os_str());
    if !is_annotation(&ending) {
        return csv::open(path, options).map(Annotations::finished);
    }
    let name = path.file_name().unwrap_or_default();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let above = folder.file_name().filter(|name| tree::is_named(name, &["annotations", "annotation", "labels"]));
    let (root, parts) = match (above, folder.parent()) {
        (Some(above), Some(root)) => {
            let root = if root.as_os_str().is_empty() { Path::new(".") } else { root };
            (root, vec![above.to_os_string(), name.to_os_string()])
        }
        _ => (folder, vec![name.to_os_string()]),
    };
    let (found, notes) = folder::files(root)?;
    let mut tree = Tree::new(root, found);
    tree.files.entry(parts.clone()).or_insert_with(|| Source::File(path.to_path_buf()));
    let mut all = match ending.as_str() {
        "json" => coco::read(&tree, &[&parts], false)?,
        "xml" => {
            let reason = "one Pascal VOC file annotates one image: give the folder that holds them";
            return Err(DataError::images(path, reason));
        }
        _ => yolo::read(&tree, Some(&parts))?,
    };
    if all.images.is_empty() && all.classes.is_empty() {
        let reason = "not a COCO file: it has no images, annotations and categories";
        return Err(DataError::images(path, reason));
    }
    all.path = path.to_path_buf();
    all.notes.extend(notes);
    Ok(all.finished())
}

impl Annotations {
    fn finished(mut self) -> Annotations {
        self.images.sort_by(|a, b| a.name.cmp(&b.name));
        self.read_headers();
        self.drop_without_split();
        self
    }

    /// Keeps one of the images that are listed several times: where they are in several splits, that of the one that is measured on last.
    pub(crate) fn settle_repeats(&mut self) {
        let mut images = std::mem::take(&mut self.images);
        images.sort_by(|a, b| (&a.name, std::cmp::Reverse(a.split)).cmp(&(&b.name, std::cmp::Reverse(b.split))));
        for image in images {
            let Some(last) = self.images.last().filter(|last| last.source == image.source) else {
                self.images.push(image);
                continue;
            };
            let file = image.file.clone().unwrap_or_else(|| Arc::new(image.source.path()));
            let (kind, what) = match (last.split, image.split) {
                (Some(kept), Some(other)) if kept != other => {
                    (IssueKind::TwoSplits, format!("{} is in {kept} and in {other}", image.name))
                }
                _ => (IssueKind::AnnotatedTwice, format!("{} stands there twice", image.name)),
            };
            let (place, image) = (Place::default(), Some(image.name));
            self.issues.add(Issue { kind, file, place, image, what });
        }
    }

    /// Reads the headers of the images that have none yet.
    pub(crate) fn read_headers(&mut self) {
        let threads = available_parallelism().map_or(1, usize::from);
        let images = &self.images;
        let headers =
            parallel::map(images.len(), threads, |i| images[i].header.or_else(|| header(&images[i].source).ok()));
        self.images.iter_mut().zip(headers).for_each(|(image, header)| image.header = header);
    }

    /// Leaves out images that are in no split where others are in one.
    pub(crate) fn drop_without_split(&mut self) {
        if self.images.iter().all(|image| image.split.is_none()) {
            return;
        }
        let (kept, rest): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.images).into_iter().partition(|image| image.split.is_some());
        self.images = kept;
        if !rest.is_empty() {
            let names: Vec<&String> = rest.iter().map(|image| &image.name).collect();
            self.notes.push(format!("left out, in no split ({}): {}", rest.len(), crate::images::some(&names)));
        }
    }
}
