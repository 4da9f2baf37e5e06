//! Writes YOLO.

use super::place::names;
use super::{ConvertReport, Output, left_out, lose, objects, unwritable, upright_boxes};
use crate::annotations::{Annotations, Shape};
use crate::error::DataError;
use std::fmt::Write;
use std::path::Path;
use striate_imaging::Split;

pub fn write(annotations: &Annotations, output: &Output, report: &mut ConvertReport) -> Result<(), DataError> {
    for class in &annotations.classes {
        if class.chars().any(char::is_control) {
            return Err(unwritable(&annotations.path, class, "data.yaml cannot hold control characters; rename it"));
        }
    }
    // A file has either polygons or boxes.
    let single = |shape: &Shape| matches!(shape, Shape::Polygons(p) if p.len() == 1 && p[0].len() >= 6);
    let mut kept = objects(annotations).filter(|object| !object.crowd).peekable();
    let lies = |image: &crate::annotations::AnnotatedImage| image.stated.is_none() || image.stated == image.size();
    let outlines = kept.peek().is_some()
        && kept.all(|object| object.shape.as_ref().is_some_and(single))
        && annotations.images.iter().all(lies);
    let (mut crowds, mut odd) = (0, 0);
    let splits: Vec<Option<Split>> = [None].into_iter().chain(Split::ALL.map(Some)).collect();
    let mut yaml = String::from("path: .\n");
    for split in splits {
        let mut images = annotations.images.iter().filter(|image| image.split == split).peekable();
        if images.peek().is_none() {
            continue;
        }
        let folder = split.map_or("all", Split::name);
        let _ = writeln!(yaml, "{}: images/{folder}", split.map_or("train", Split::name));
        for placed in names(images) {
            let image = placed.image;
            output.image(&image.source, Path::new("images").join(folder).join(&placed.name))?;
            let ([height, width], boxes) = upright_boxes(image)?;
            let (w, h) = (width as f64, height as f64);
            let mut text = String::new();
            for (object, [left, top, right, bottom]) in image.objects.iter().zip(boxes) {
                if object.crowd {
                    crowds += 1;
                    continue;
                }
                if ![left, top, right, bottom].iter().all(|v| v.is_finite()) {
                    odd += 1;
                    continue;
                }
                let _ = write!(text, "{}", object.class);
                match &object.shape {
                    Some(Shape::Polygons(polygons)) if outlines => {
                        for [x, y] in polygons[0].as_chunks::<2>().0 {
                            let _ = write!(text, " {:.8} {:.8}", x / w, y / h);
                        }
                    }
                    _ => {
                        let [x, y] = [(left + right) / 2.0 / w, (top + bottom) / 2.0 / h];
                        let _ = write!(text, " {x:.8} {y:.8} {:.8} {:.8}", (right - left) / w, (bottom - top) / h);
                    }
                }
                text.push('\n');
                report.objects += 1;
            }
            output.write(Path::new("labels").join(folder).join(placed.with_ending(".txt")), text.as_bytes())?;
        }
    }
    yaml.push_str("names:\n");
    for (i, class) in annotations.classes.iter().enumerate() {
        let _ = writeln!(yaml, "  {i}: '{}'", class.replace('\'', "''"));
    }
    output.write("data.yaml", yaml.as_bytes())?;
    if annotations.images.iter().all(|image| image.split.is_none()) {
        report.notes.push("there is no split: data.yaml has all images as train".into());
    }
    left_out(report, crowds, "that are crowds");
    left_out(report, odd, "with a coordinate that is not a finite number");
    report.lose("crowds", crowds);
    report.lose("boxes that are not finite numbers", odd);
    if !outlines {
        lose(annotations, report, &["outlines"]);
    }
    lose(annotations, report, &["groups", "difficult flags", "truncated flags", "poses", "areas", "ids"]);
    Ok(())
}
