//! Pictures from files.

use crate::error::DataError;
use crate::image::Image;
use image::{ColorType, DynamicImage, ImageDecoder, ImageReader, Limits};
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

/// The longest side accepted.
const SIDE_LIMIT: u32 = 30_000;
/// The most pixels accepted.
const PIXEL_LIMIT: u64 = 200_000_000;
/// The most memory that a decoder may take.
const BYTE_LIMIT: u64 = 2 << 30;

/// Decodes a PNG or JPEG picture: grey ones to 1 channel, others to 3. Transparent parts show white; 16-bit values are
/// rounded to bytes; the orientation that a camera noted is applied.
///
/// # Errors
/// If the file cannot be read, is no PNG or JPEG picture, is damaged, or has more pixels than any honest one.
pub fn decode(path: &Path) -> Result<Image, DataError> {
    let read = |source| DataError::Read { path: path.to_path_buf(), source };
    let bad = |reason: String| DataError::Image { path: path.to_path_buf(), reason };
    let file = File::open(path).map_err(read)?;
    if file.metadata().map_err(read)?.is_dir() {
        return Err(read(std::io::ErrorKind::IsADirectory.into()));
    }
    let mut reader = ImageReader::new(BufReader::new(file)).with_guessed_format().map_err(read)?;
    if reader.format().is_none_or(|f| !f.reading_enabled()) {
        return Err(bad("not a PNG or JPEG picture: convert it to one of these".into()));
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_LIMIT);
    limits.max_image_height = Some(SIDE_LIMIT);
    limits.max_alloc = Some(BYTE_LIMIT);
    reader.limits(limits);
    let damaged = |e: image::ImageError| bad(format!("cannot decode it: {}", e.to_string().replace('\n', " ")));
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    if width as u64 * height as u64 > PIXEL_LIMIT || width == 0 || height == 0 {
        return Err(bad(format!("its size of {width}×{height} pixels is not between 1 and {PIXEL_LIMIT} pixels")));
    }
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    picture.apply_orientation(orientation);
    Ok(flatten(picture))
}

fn flatten(picture: DynamicImage) -> Image {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let over_white = |v: u8, alpha: u8| ((v as u32 * alpha as u32 + 255 * (255 - alpha as u32) + 127) / 255) as u8;
    let (channels, data) = match picture.color() {
        ColorType::L8 | ColorType::L16 => (1, picture.into_luma8().into_raw()),
        ColorType::La8 | ColorType::La16 => {
            let pixels = picture.into_luma_alpha8().into_raw();
            (1, pixels.as_chunks().0.iter().map(|&[v, a]| over_white(v, a)).collect())
        }
        ColorType::Rgba8 | ColorType::Rgba16 | ColorType::Rgba32F => {
            let pixels = picture.into_rgba8().into_raw();
            (3, pixels.as_chunks().0.iter().flat_map(|&[r, g, b, a]| [r, g, b].map(|v| over_white(v, a))).collect())
        }
        _ => (3, picture.into_rgb8().into_raw()),
    };
    Image { width, height, channels, data }
}
