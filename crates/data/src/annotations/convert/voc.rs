//! Writes Pascal VOC.

use super::place::names;
use super::{ConvertReport, Output, lose, size, unwritable};
use crate::annotations::Annotations;
use crate::error::DataError;
use quick_xml::escape::escape;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

pub fn write(annotations: &Annotations, output: &Output, report: &mut ConvertReport) -> Result<(), DataError> {
    for class in &annotations.classes {
        if class.trim() != class || class.is_empty() || class.chars().any(|c| c.is_control()) {
            return Err(unwritable(&annotations.path, class, "XML trims it or cannot hold it; rename it"));
        }
    }
    let mut sets = BTreeMap::<&str, String>::new();
    for placed in names(annotations.images.iter()) {
        let (image, name) = (placed.image, placed.text()?);
        output.image(&image.source, Path::new("JPEGImages").join(name))?;
        let [height, width] = size(image)?;
        let mut xml = format!(
            "<annotation>\n\t<folder>JPEGImages</folder>\n\t<filename>{}</filename>\n\t<size>\n\t\t<width>{width}</width>\n\
             \t\t<height>{height}</height>\n\t\t<depth>3</depth>\n\t</size>\n\t<segmented>0</segmented>\n",
            escape(name)
        );
        for object in &image.objects {
            let [left, top, right, bottom] = object.bbox;
            let _ = write!(
                xml,
                "\t<object>\n\t\t<name>{}</name>\n\t\t<pose>{}</pose>\n\t\t<truncated>{}</truncated>\n\
                 \t\t<difficult>{}</difficult>\n\t\t<bndbox>\n\t\t\t<xmin>{left}</xmin>\n\t\t\t<ymin>{top}</ymin>\n\
                 \t\t\t<xmax>{right}</xmax>\n\t\t\t<ymax>{bottom}</ymax>\n\t\t</bndbox>\n\t</object>\n",
                escape(&annotations.classes[object.class]),
                escape(object.pose.as_deref().unwrap_or("Unspecified")),
                u8::from(object.truncated),
                u8::from(object.difficult),
            );
        }
        xml.push_str("</annotation>\n");
        output.write(Path::new("Annotations").join(placed.with_ending(".xml")), xml.as_bytes())?;
        report.objects += image.objects.len();
        if let Some(split) = image.split {
            let stem = placed.with_ending("");
            let set = sets.entry(split.name()).or_default();
            let _ = writeln!(set, "{}", stem.to_string_lossy());
        }
    }
    for (split, ids) in sets {
        output.write(Path::new("ImageSets/Main").join(format!("{split}.txt")), ids.as_bytes())?;
    }
    lose(annotations, report, &["groups", "outlines", "crowd flags", "areas", "ids"]);
    Ok(())
}
