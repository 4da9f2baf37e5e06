//! [`convert`]: annotations in another format.

mod coco;
mod csv;
mod masks;
mod place;
mod voc;
mod yolo;

use super::{AnnotatedImage, Annotation, Annotations, list::upright};
use crate::error::DataError;
use crate::images::count;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use striate_imaging::shown;

pub use masks::convert_masks;
use place::{Output, Placed};

/// The formats of objects that can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Pascal VOC: `JPEGImages/`, `Annotations/` and `ImageSets/Main/`.
    Voc,
    /// COCO: `images/` and `annotations/instances_….json`.
    Coco,
    /// YOLO: `images/`, `labels/` and `data.yaml`.
    Yolo,
    /// A table, `boxes.csv`.
    Csv,
}

impl Format {
    /// All of them.
    pub const ALL: [Format; 4] = [Format::Voc, Format::Coco, Format::Yolo, Format::Csv];

    /// `voc`, `coco`, `yolo` or `csv`.
    pub fn name(self) -> &'static str {
        match self {
            Format::Voc => "voc",
            Format::Coco => "coco",
            Format::Yolo => "yolo",
            Format::Csv => "csv",
        }
    }

    /// The format of this name, in letters of any case.
    pub fn named(name: &str) -> Option<Format> {
        Format::ALL.into_iter().find(|format| format.name() == name.to_lowercase())
    }
}

/// What becomes of the images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Placement {
    /// Hard links where the file system allows, else copies. An image that is changed in one place is changed in the other.
    #[default]
    Link,
    /// Copies.
    Copy,
    /// They stay where they are, and are named by their whole paths: for tables alone.
    Reference,
}

/// How annotations are converted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConvertOptions {
    /// What becomes of the images.
    pub images: Placement,
}

/// What a conversion wrote, and what the format cannot hold.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ConvertReport {
    /// Where it lies.
    pub path: PathBuf,
    /// Images written.
    pub images: usize,
    /// Objects written.
    pub objects: usize,
    /// What was lost, with how many images or objects had it.
    pub lost: BTreeMap<&'static str, usize>,
    /// What else is to be known, a line each.
    pub notes: Vec<String>,
}

impl ConvertReport {
    pub(crate) fn lose(&mut self, what: &'static str, n: usize) {
        if n > 0 {
            *self.lost.entry(what).or_default() += n;
        }
    }

    /// A line for each thing that was lost.
    pub fn lines(&self) -> Vec<String> {
        self.lost.iter().map(|(what, n)| format!("not held by the format: {what} ({n})")).collect()
    }
}

/// Writes annotations in another format into a new folder, all or nothing. Boxes are written as they stand in the annotations, also where they stick out of the image; YOLO's
/// fractions are rounded to 10⁻⁸ of the image's size.
///
/// # Errors
/// If `out` exists and is not an empty folder, an image cannot be read, or a file cannot be written.
pub fn convert(
    annotations: &Annotations,
    format: Format,
    out: &Path,
    options: &ConvertOptions,
) -> Result<ConvertReport, DataError> {
    if annotations.images.is_empty() {
        return Err(DataError::images(&annotations.path, "there are no images to convert"));
    }
    if options.images == Placement::Reference && format != Format::Csv {
        let reason = format!("{} finds images by where they lie: link or copy them", format.name());
        return Err(DataError::images(out, reason));
    }
    let output = Output::new(out, options.images)?;
    let mut report = ConvertReport { path: out.to_path_buf(), ..ConvertReport::default() };
    report.images = annotations.images.len();
    report.notes.extend(annotations.notes.iter().cloned());
    match format {
        Format::Voc => voc::write(annotations, &output, &mut report)?,
        Format::Coco => coco::write(annotations, &output, &mut report)?,
        Format::Yolo => yolo::write(annotations, &output, &mut report)?,
        Format::Csv => csv::write(annotations, &output, &mut report)?,
    }
    output.finish()?;
    Ok(report)
}

fn objects(annotations: &Annotations) -> impl Iterator<Item = &Annotation> {
    annotations.images.iter().flat_map(|image| &image.objects)
}

/// Counts what only some formats hold.
fn lose(annotations: &Annotations, report: &mut ConvertReport, what: &[&'static str]) {
    for what in what {
        let n = match *what {
            "groups" => annotations.images.iter().filter(|image| image.group.is_some()).count(),
            "outlines" => objects(annotations).filter(|o| o.shape.is_some()).count(),
            "crowd flags" => objects(annotations).filter(|o| o.crowd).count(),
            "difficult flags" => objects(annotations).filter(|o| o.difficult).count(),
            "truncated flags" => objects(annotations).filter(|o| o.truncated).count(),
            "poses" => objects(annotations).filter(|o| o.pose.as_ref().is_some_and(|p| p != "Unspecified")).count(),
            "areas" => objects(annotations).filter(|o| o.area.is_some()).count(),
            "ids" => objects(annotations).filter(|o| o.id.is_some()).count(),
            _ => 0,
        };
        report.lose(what, n);
    }
}

/// The size of an image as its annotations have it.
fn size(image: &AnnotatedImage) -> Result<[usize; 2], DataError> {
    image.stated.or(image.size()).ok_or_else(|| {
        DataError::images(
            &image.source.path(),
            "its size is neither stated nor can it be read, so that it cannot be converted",
        )
    })
}

/// The size of the upright image, and the boxes in it.
fn upright_boxes(image: &AnnotatedImage) -> Result<([usize; 2], Vec<[f64; 4]>), DataError> {
    let size = image.size().or(image.stated).ok_or_else(|| {
        DataError::images(&image.source.path(), "its size cannot be read, so that it cannot be converted")
    })?;
    Ok((size, image.objects.iter().map(|object| upright(image, object.bbox)).collect()))
}

/// A class whose name a format cannot hold.
fn unwritable(path: &Path, class: &str, why: &str) -> DataError {
    DataError::images(path, format!("the class '{}' cannot be written: {why}", shown(class)))
}

fn left_out(report: &mut ConvertReport, n: usize, what: &str) {
    if n > 0 {
        report.notes.push(format!("left out: {} {what}", count(n, "object")));
    }
}
