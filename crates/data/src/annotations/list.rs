//! An [`ImageList`] of annotations: boxes within their images, or masks drawn from outlines.

use super::{AnnotatedImage, Annotations, Issue, IssueKind, MaskShapes, Place, Shape};
use crate::error::DataError;
use crate::images::{Entry, ImageList};
use crate::mask::{Mask, VOID};
use crate::object::Object;
use crate::target::{Target, TargetKind};
use std::collections::BTreeSet;
use std::sync::Arc;
use striate_imaging::{Header, shown};

/// Coordinates beyond this belong to no image.
const FAR: f64 = 1e6;
/// How far a box may reach outside its image unmentioned, in pixels: what rounding does.
const ROUNDING: f64 = 0.51;

impl Annotations {
    /// The annotations as a list for training: with the objects' boxes ([`TargetKind::Objects`]), or with masks that are drawn from their outlines ([`TargetKind::Mask`]), whose
    /// class 0 is `background`.
    ///
    /// Boxes are clipped to their images, and left out where no area stays. They are of the upright image, unless the size that the annotations state is that of the image as
    /// it lies in its file.
    ///
    /// # Errors
    /// If another kind is asked for, or masks of objects that have no outline.
    pub fn into_list(self, kind: TargetKind) -> Result<ImageList, DataError> {
        let Annotations { path, mut classes, images, notes, mut issues, .. } = self;
        let mut add = |image: &AnnotatedImage, kind, place, what| {
            let file = image.file.clone().unwrap_or_else(|| Arc::new(image.source.path()));
            issues.add(Issue { kind, file, place, image: Some(image.name.clone()), what });
        };
        let mut lower = std::collections::BTreeMap::<String, &String>::new();
        let mut alike = Vec::new();
        for class in &classes {
            if let Some(other) = lower.insert(class.to_lowercase(), class) {
                alike.push(format!("'{}' and '{}' are two classes", shown(other), shown(class)));
            }
        }
        let mut entries = Vec::new();
        for image in &images {
            if let (Some(stated), Some(header)) = (image.stated, image.header)
                && stated != header.size
                && stated != header.upright()
            {
                let [[h, w], [height, width]] = [stated, header.upright()];
                let what = format!("{w}×{h} pixels are stated, the image has {width}×{height}");
                add(image, IssueKind::Size, Place::default(), what);
            }
            let target = match kind {
                TargetKind::Objects => Target::Objects(objects(image, &classes, &mut add)),
                TargetKind::Mask => mask(image, &path, &mut add)?,
                _ => {
                    let reason = "annotations hold objects: ask for objects or masks";
                    return Err(DataError::images(&path, reason));
                }
            };
            entries.push(Entry {
                split: image.split,
                group: image.group.clone(),
                ..Entry::new(image.source.clone(), image.name.clone(), target)
            });
        }
        alike.into_iter().for_each(|what| issues.file(IssueKind::Case, &path, None, what));
        if kind == TargetKind::Mask {
            classes.insert(0, "background".into());
        }
        Ok(ImageList { path, kind, classes, entries, notes, issues })
    }
}

type Add<'a> = dyn FnMut(&AnnotatedImage, IssueKind, Place, String) + 'a;

/// Whether the annotations are of the pixels as they lie in the file, and the image is turned.
fn is_turned(image: &AnnotatedImage) -> Option<Header> {
    image.header.filter(|header| image.stated == Some(header.size) && header.size != header.upright())
}

fn objects(image: &AnnotatedImage, classes: &[String], add: &mut Add) -> Vec<Object> {
    let mut seen = BTreeSet::new();
    let mut kept = Vec::with_capacity(image.objects.len());
    for object in &image.objects {
        let name = || shown(&classes[object.class]);
        let numbers = || format!("{} {:?}", name(), object.bbox);
        if object.bbox.iter().any(|v| !v.is_finite())
            || (image.header.is_none() && object.bbox.iter().any(|v| v.abs() > FAR))
        {
            add(image, IssueKind::NotANumber, object.place, numbers());
            continue;
        }
        let [left, top, right, bottom] = upright(image, object.bbox);
        let [height, width] = image.size().map_or([f64::MAX; 2], |size| size.map(|v| v as f64));
        let clipped =
            [left.clamp(0.0, width), top.clamp(0.0, height), right.clamp(0.0, width), bottom.clamp(0.0, height)];
        let bbox = clipped.map(|v| v as f32);
        if !(bbox[0] < bbox[2] && bbox[1] < bbox[3]) {
            add(image, IssueKind::NoArea, object.place, numbers());
            continue;
        }
        let size = is_turned(image).map(|header| header.size).or(image.size());
        if let Some((shape, size)) = object.shape.as_ref().zip(size)
            && let Some(why) = unusable(shape, size)
        {
            add(image, IssueKind::Outline, object.place, why);
        }
        if !seen.insert((object.class, bbox.map(f32::to_bits))) {
            add(image, IssueKind::Twice, object.place, numbers());
        }
        let out = (0..4).map(|i| (clipped[i] - [left, top, right, bottom][i]).abs()).fold(0.0, f64::max);
        if out > ROUNDING {
            add(image, IssueKind::Outside, object.place, format!("{} in {width}×{height} pixels", numbers()));
        }
        kept.push(Object { class: object.class, bbox, crowd: object.crowd, difficult: object.difficult });
    }
    kept
}

/// A box of an image's annotations, in the upright image.
pub(super) fn upright(image: &AnnotatedImage, bbox: [f64; 4]) -> [f64; 4] {
    is_turned(image).map_or(bbox, |header| turned(bbox, header))
}

/// A box of an image as it lies, in the upright one.
fn turned([left, top, right, bottom]: [f64; 4], header: Header) -> [f64; 4] {
    let [h, w] = header.size.map(|v| v as f64);
    match header.orientation {
        2 => [w - right, top, w - left, bottom],
        3 => [w - right, h - bottom, w - left, h - top],
        4 => [left, h - bottom, right, h - top],
        5 => [top, left, bottom, right],
        6 => [h - bottom, left, h - top, right],
        7 => [h - bottom, w - right, h - top, w - left],
        8 => [top, w - right, bottom, w - left],
        _ => [left, top, right, bottom],
    }
}

fn mask(image: &AnnotatedImage, path: &std::path::Path, add: &mut Add) -> Result<Target, DataError> {
    let lying = is_turned(image);
    let size = lying.map(|header| header.size).or(image.size()).or(image.stated).unwrap_or([0, 0]);
    let mut shapes = Vec::new();
    for object in &image.objects {
        let Some(shape) = &object.shape else {
            let place =
                format!("{}{}", image.file.as_ref().map_or_else(String::new, |f| shown(&***f)), object.place.text());
            let reason = format!("an object has a box and no outline, of which no mask can be drawn ({place})");
            return Err(DataError::images(path, reason));
        };
        if let Some(why) = unusable(shape, size) {
            add(image, IssueKind::Outline, object.place, why);
            continue;
        }
        let class = if object.crowd { VOID } else { (object.class + 1).min(usize::from(VOID)) as u8 };
        shapes.push((class, shape.clone()));
    }
    let orientation = lying.map_or(1, |header| header.orientation);
    Ok(Target::Mask(Mask::Shapes(Arc::new(MaskShapes { size, orientation, shapes }))))
}

/// Why no pixels can be filled by an outline.
fn unusable(shape: &Shape, size: [usize; 2]) -> Option<String> {
    match shape {
        Shape::Polygons(polygons) => {
            let bad = polygons.iter().find(|p| p.len() < 6 || p.iter().any(|v| !v.is_finite()));
            bad.map(|p| match p.len() {
                0..6 => format!("a polygon of {} points", p.len() / 2),
                _ => "a polygon with a coordinate that is not a finite number".into(),
            })
        }
        Shape::Rle(rle) if rle.size != size => {
            let [[h, w], [height, width]] = [rle.size, size];
            Some(format!("runs of {w}×{h} pixels in an image of {width}×{height}"))
        }
        Shape::Rle(rle) if !rle.is_whole() => Some("runs that do not fill their size".into()),
        Shape::Rle(_) => None,
    }
}
