//! Writes a table of boxes.

use super::place::names;
use super::{ConvertReport, Output, Placed, lose, upright_boxes};
use crate::annotations::{Annotations, write_csv};
use crate::error::DataError;
use crate::source::{Source, path_of};
use std::ffi::{OsStr, OsString};
use std::path::Path;

pub fn write(annotations: &Annotations, output: &Output, report: &mut ConvertReport) -> Result<(), DataError> {
    let mut rows = Vec::new();
    for placed in names(annotations.images.iter()) {
        let Placed { image, name } = &placed;
        let path: OsString = match (&image.source, output.refers()) {
            (Source::File(_), true) => path_of(&image.source),
            _ => {
                let path = Path::new("images").join(name);
                output.image(&image.source, &path)?;
                path.into_os_string()
            }
        };
        let (_, boxes) = upright_boxes(image)?;
        let mut objects = Vec::new();
        for (object, bbox) in image.objects.iter().zip(boxes) {
            let class = annotations.classes[object.class].as_str();
            if class.is_empty() {
                report.lose("objects whose class has no name", 1);
                continue;
            }
            objects.push((class, bbox, object.difficult, object.crowd));
        }
        report.objects += objects.len();
        rows.push((path, *image, objects));
    }
    let rows = rows
        .iter()
        .map(|(path, image, objects)| (path as &OsStr, image.split, image.group.as_deref(), objects.clone()));
    output.write("boxes.csv", write_csv(rows).as_bytes())?;
    lose(annotations, report, &["outlines", "truncated flags", "poses", "areas", "ids"]);
    Ok(())
}
