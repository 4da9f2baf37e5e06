//! PNG files with a palette.

use crate::error::ImageError;
use crate::image::Image;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Writes a mask of one channel as a PNG file with a palette, whose indices are the mask's values. Values beyond the palette, such as 255 for void, are black there.
///
/// # Errors
/// If the file cannot be written.
///
/// # Panics
/// If the mask has not 1 channel, or no pixels.
pub fn write_indexed_png(mask: &Image, path: &Path, palette: &[[u8; 3]]) -> Result<(), ImageError> {
    assert!(mask.channels == 1 && !mask.data.is_empty(), "write_indexed_png: needs pixels of 1 channel");
    let failed = |e: &dyn std::fmt::Display| ImageError::image(path, format!("cannot write it: {e}"));
    let mut colours: Vec<u8> = palette.concat();
    colours.resize(256 * 3, 0);
    let file = File::create(path).map_err(|e| failed(&e))?;
    let mut out = BufWriter::new(file);
    let mut encoder = png::Encoder::new(&mut out, mask.width as u32, mask.height as u32);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(colours);
    let mut writer = encoder.write_header().map_err(|e| failed(&e))?;
    writer.write_image_data(&mask.data).map_err(|e| failed(&e))?;
    writer.finish().map_err(|e| failed(&e))?;
    out.flush().map_err(|e| failed(&e))
}
