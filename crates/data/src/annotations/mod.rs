//! Annotations of images: objects with boxes and outlines, and masks, as the field's formats hold them.

mod coco;
mod convert;
mod csv;
mod issue;
mod list;
mod masks;
mod open;
mod palette;
mod pixels;
mod shape;
mod size;
mod stats;
pub(crate) mod text;
mod tree;
mod voc;
mod yaml;
mod yolo;

use crate::source::Source;
pub use convert::{ConvertOptions, ConvertReport, Format, Placement, convert, convert_masks};
pub use issue::{Issue, IssueKind, Issues, Place};
pub use palette::Palette;
pub use pixels::{MaskFile, MaskShapes};
pub use shape::{Rle, Shape};
pub(crate) use size::header;
pub(crate) use stats::pixel_counts;
pub use stats::{ObjectCount, PixelCount, object_counts};
use std::path::PathBuf;
use std::sync::Arc;
use striate_imaging::{DecodeOptions, Header, Split};

pub(crate) use csv::{is_one as is_csv, write as write_csv};
pub(crate) use masks::{check as check_masks, manifest as mask_manifest, open as open_masks};
pub(crate) use open::{file, is_annotation, list};

/// Everything that annotation files say of a set of images.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Annotations {
    /// The folder, archive or annotation file.
    pub path: PathBuf,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The numbers of the classes in a COCO file; empty of other formats.
    pub category_ids: Vec<u64>,
    /// The images, sorted by name.
    pub images: Vec<AnnotatedImage>,
    /// What was left out, a line each.
    pub notes: Vec<String>,
    /// What is odd in the annotation files.
    pub issues: Issues,
}

/// An image with its annotations.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotatedImage {
    /// Where its bytes are.
    pub source: Source,
    /// Its path from where the annotations begin, with `/` between the parts.
    pub name: String,
    /// Height, width and orientation by the image's file; none if it cannot be read.
    pub header: Option<Header>,
    /// Height and width as its annotations state them.
    pub stated: Option<[usize; 2]>,
    /// What it is for, if that is said.
    pub split: Option<Split>,
    /// What must stay on one side of a split.
    pub group: Option<String>,
    /// Its number in a COCO file.
    pub id: Option<u64>,
    /// The file that annotates it.
    pub file: Option<Arc<PathBuf>>,
    /// Its objects, in the order of the file.
    pub objects: Vec<Annotation>,
}

/// An object as its file describes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Annotation {
    /// The number of its class.
    pub class: usize,
    /// The left, top, right and bottom edge of its box in pixels, as the file has them: they may stick out of the image. Without a box of its own, that of its outline.
    pub bbox: [f64; 4],
    /// Its outline, if there is one.
    pub shape: Option<Shape>,
    /// Whether it is a group of objects (COCO's `iscrowd`).
    pub crowd: bool,
    /// Whether it is hard to see (Pascal VOC).
    pub difficult: bool,
    /// Whether a part of it lies outside the image (Pascal VOC).
    pub truncated: bool,
    /// From where it is seen (Pascal VOC).
    pub pose: Option<String>,
    /// Its area in pixels (COCO).
    pub area: Option<f64>,
    /// Its number in a COCO file.
    pub id: Option<u64>,
    /// Where it stands.
    pub place: Place,
}

impl Annotation {
    /// An object of this class with this box of which nothing else is known.
    pub fn new(class: usize, bbox: [f64; 4]) -> Annotation {
        Annotation {
            class,
            bbox,
            shape: None,
            crowd: false,
            difficult: false,
            truncated: false,
            pose: None,
            area: None,
            id: None,
            place: Place::default(),
        }
    }
}

impl AnnotatedImage {
    /// An image of which nothing is known.
    pub fn new(source: Source, name: impl Into<String>) -> AnnotatedImage {
        AnnotatedImage {
            source,
            name: name.into(),
            header: None,
            stated: None,
            split: None,
            group: None,
            id: None,
            file: None,
            objects: Vec::new(),
        }
    }

    /// Height and width of the upright image, if its file can be read.
    pub fn size(&self) -> Option<[usize; 2]> {
        self.header.map(|header| header.upright())
    }
}

/// A size that annotations state, if an image of it would be decoded.
fn stated(height: Option<usize>, width: Option<usize>) -> Option<[usize; 2]> {
    let pixels = height?.checked_mul(width?)? as u64;
    (1..=DecodeOptions::default().pixel_limit).contains(&pixels).then_some([height?, width?])
}
