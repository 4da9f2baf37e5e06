//! Writes masks as PNG files with a palette.

use super::place::{Output, names};
use super::{ConvertOptions, ConvertReport, Placement};
use crate::annotations::{AnnotatedImage, header};
use crate::error::DataError;
use crate::images::{ImageList, table};
use crate::mask::VOID;
use crate::target::Target;
use std::path::Path;
use striate_imaging::{Image, Split, turn};

/// Writes the masks of a list into a new folder, all or nothing: `images/`, `masks/` with PNG files whose indices are the classes (255: void), and `palette.csv` with their names.
/// Images with a split lie in a folder of it. Where an image is turned by its EXIF note, the mask lies as the image's pixels do.
///
/// # Errors
/// If `out` exists and is not an empty folder, the list has no masks, a mask cannot be read, or a file cannot be written.
pub fn convert_masks(list: &ImageList, out: &Path, options: &ConvertOptions) -> Result<ConvertReport, DataError> {
    if options.images == Placement::Reference {
        return Err(DataError::images(out, "masks find their images by where they lie: link or copy them"));
    }
    let output = Output::new(out, options.images)?;
    let mut report = ConvertReport { path: out.to_path_buf(), ..ConvertReport::default() };
    let images: Vec<AnnotatedImage> = (list.entries.iter())
        .map(|entry| AnnotatedImage {
            split: entry.split,
            group: entry.group.clone(),
            ..AnnotatedImage::new(entry.source.clone(), entry.name.clone())
        })
        .collect();
    for (placed, entry) in names(images.iter()).iter().zip(&list.entries) {
        let Target::Mask(mask) = &entry.target else {
            return Err(DataError::images(&list.path, "its images have no masks"));
        };
        let mask = mask.classes()?;
        let mask = match header(&entry.source) {
            Ok(header) if [mask.height, mask.width] == header.upright() => lying((*mask).clone(), header.orientation),
            _ => (*mask).clone(),
        };
        let folder = entry.split.map_or("", Split::name);
        output.image(&entry.source, Path::new(folder).join("images").join(&placed.name))?;
        let name = Path::new(folder).join("masks").join(placed.with_ending(".png"));
        let bytes = png(&mask).map_err(|e| DataError::images(&output.file(&name), e))?;
        output.write(name, &bytes)?;
        report.images += 1;
        report.lose("groups", usize::from(entry.group.is_some()));
    }
    let mut palette = String::from("name,value\n");
    for (value, class) in list.classes.iter().enumerate() {
        table::write(&mut palette, &[class, &value.to_string()]);
    }
    table::write(&mut palette, &["void", &VOID.to_string()]);
    output.write("palette.csv", palette.as_bytes())?;
    output.finish()?;
    Ok(report)
}

/// A mask of the upright image as it lies for an image of this orientation.
fn lying(mask: Image, orientation: u8) -> Image {
    turn(
        mask,
        match orientation {
            6 => 8,
            8 => 6,
            other => other,
        },
    )
}

/// A PNG file with a palette: Pascal VOC's colours, whose bits come from those of the index.
fn png(mask: &Image) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, mask.width as u32, mask.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette((0..=255).flat_map(colour).collect::<Vec<u8>>());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&mask.data)?;
    writer.finish()?;
    Ok(bytes)
}

/// Pascal VOC's colour of an index.
fn colour(index: u8) -> [u8; 3] {
    let bit = |channel: u8, i: u8| if 3 * i + channel < 8 { (index >> (3 * i + channel) & 1) << (7 - i) } else { 0 };
    [0, 1, 2].map(|channel| (0..3).fold(0, |value, i| value | bit(channel, i)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_pascal_vocs() {
        assert_eq!(
            [0, 1, 2, 15, 20, 255].map(colour),
            [[0, 0, 0], [128, 0, 0], [0, 128, 0], [192, 128, 128], [0, 64, 128], [224, 224, 192]]
        );
    }
}
