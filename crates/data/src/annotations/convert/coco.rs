//! Writes COCO.

use super::place::names;
use super::{ConvertReport, Output, lose, objects, size};
use crate::annotations::{AnnotatedImage, Annotation, Annotations, Rle, Shape};
use crate::error::DataError;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;
use striate_imaging::Split;

#[derive(Serialize)]
struct File {
    images: Vec<Value>,
    annotations: Vec<Value>,
    categories: Vec<Value>,
}

pub fn write(annotations: &Annotations, output: &Output, report: &mut ConvertReport) -> Result<(), DataError> {
    let splits: Vec<Option<Split>> = [None].into_iter().chain(Split::ALL.map(Some)).collect();
    // Ids stay where they are whole; else all are new.
    let image_ids = whole(annotations.images.iter().map(|image| image.id));
    let object_ids = whole(objects(annotations).map(|object| object.id));
    let category_id = |class: usize| annotations.category_ids.get(class).copied().unwrap_or(class as u64 + 1);
    let (mut next_image, mut next_object) = (1, 1);
    for split in splits {
        let mut images = annotations.images.iter().filter(|image| image.split == split).peekable();
        if images.peek().is_none() {
            continue;
        }
        let folder = split.map_or("all", Split::name);
        let categories = annotations.classes.iter().enumerate();
        let categories = categories.map(|(i, name)| json!({ "id": category_id(i), "name": name }));
        let mut file = File { images: Vec::new(), annotations: Vec::new(), categories: categories.collect() };
        for placed in names(images) {
            let (image, name) = (placed.image, placed.text()?);
            output.image(&image.source, Path::new("images").join(folder).join(name))?;
            let [height, width] = size(image)?;
            let image_id = image.id.filter(|_| image_ids).unwrap_or(next_image);
            next_image += 1;
            file.images.push(json!({ "id": image_id, "file_name": name, "height": height, "width": width }));
            for object in &image.objects {
                if object.bbox.iter().any(|v| !v.is_finite()) {
                    report.lose("boxes that are not finite numbers", 1);
                    continue;
                }
                let id = object.id.filter(|_| object_ids).unwrap_or(next_object);
                next_object += 1;
                file.annotations.push(annotation(image, object, [id, image_id, category_id(object.class)]));
                report.objects += 1;
            }
        }
        let name = format!("annotations/instances_{folder}.json");
        let text = serde_json::to_vec(&file).map_err(|e| DataError::images(&output.file(&name), e))?;
        output.write(&name, &text)?;
    }
    if !object_ids {
        lose(annotations, report, &["ids"]);
    }
    lose(annotations, report, &["groups", "difficult flags", "truncated flags", "poses"]);
    Ok(())
}

/// Whether all have an id of their own.
fn whole(ids: impl Iterator<Item = Option<u64>>) -> bool {
    let mut seen = HashSet::new();
    for id in ids {
        match id {
            Some(id) if seen.insert(id) => {}
            _ => return false,
        }
    }
    true
}

fn annotation(image: &AnnotatedImage, object: &Annotation, [id, image_id, category_id]: [u64; 3]) -> Value {
    let [left, top, right, bottom] = object.bbox;
    let segmentation = match &object.shape {
        None => json!([]),
        Some(Shape::Polygons(polygons)) => json!(polygons),
        Some(Shape::Rle(rle)) => json!({ "size": rle.size, "counts": rle.counts }),
    };
    let covered = |rle: &Rle| rle.counts.iter().skip(1).step_by(2).map(|&n| f64::from(n)).sum::<f64>();
    let drawn = |shape: &Shape| match shape {
        Shape::Rle(rle) => covered(rle),
        Shape::Polygons(_) => covered(&Rle::of(shape, image.stated.or(image.size()).unwrap_or_default())),
    };
    let area = object.area.or_else(|| object.shape.as_ref().map(drawn)).unwrap_or((right - left) * (bottom - top));
    json!({
        "id": id, "image_id": image_id, "category_id": category_id, "bbox": [left, top, right - left, bottom - top],
        "area": area, "iscrowd": u8::from(object.crowd), "segmentation": segmentation,
    })
}
