//! JPEG files.

use super::{DecodeOptions, check_size, damaged};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, RgbImage};
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

pub fn decode(bytes: &[u8], limits: &DecodeOptions) -> Result<DynamicImage, String> {
    let structure = structure(bytes);
    if !structure.has_end {
        return Err("it is cut short: the end of the JPEG data is missing".into());
    }
    let whole;
    let bytes = match structure.short_adobe {
        Some(part) => {
            whole = [&bytes[..part.start], &bytes[part.end..]].concat();
            &whole
        }
        None => bytes,
    };
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or("it states no size")?;
    check_size(width as u64, height as u64, limits)?;
    let out = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => ColorSpace::Luma,
        Some(ColorSpace::CMYK) => ColorSpace::CMYK,
        _ => ColorSpace::RGB,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let data = decoder.decode().map_err(damaged)?;
    let orientation = decoder.exif().and_then(|e| Orientation::from_exif_chunk(e));
    let (w, h) = (width as u32, height as u32);
    let image = match out {
        ColorSpace::Luma => GrayImage::from_raw(w, h, data).map(DynamicImage::from),
        ColorSpace::CMYK => {
            RgbImage::from_raw(w, h, data.as_chunks().0.iter().flat_map(rgb_of_cmyk).collect()).map(DynamicImage::from)
        }
        _ => RgbImage::from_raw(w, h, data).map(DynamicImage::from),
    };
    let mut image = image.ok_or("its data does not fill its size")?;
    image.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(image)
}

/// Ink as light. JPEG files hold ink inverted, as Adobe's programs write it: 255 is none.
fn rgb_of_cmyk(&[c, m, y, k]: &[u8; 4]) -> [u8; 3] {
    [c, m, y].map(|v| ((v as u32 * k as u32 + 127) / 255) as u8)
}

const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
const ADOBE: u8 = 0xee;
/// The length that an Adobe segment has at least.
const ADOBE_LENGTH: usize = 14;

/// What the segments before the first scan tell.
#[derive(Default)]
struct Structure {
    /// Whether the end-of-image marker comes after the first scan's start. A thumbnail in the metadata has its own, which does not count.
    has_end: bool,
    /// Where an Adobe segment lies that is too short to say anything. Decoders stumble over it.
    short_adobe: Option<std::ops::Range<usize>>,
}

fn structure(bytes: &[u8]) -> Structure {
    let mut found = Structure::default();
    let mut at = 2;
    while let Some(&[lead, marker]) = bytes.get(at..at + 2) {
        if lead != 0xff || marker == 0xff {
            // Some files have filling between segments.
            at += 1;
            continue;
        }
        if marker == START_OF_SCAN {
            // Where the end lies is near the last byte of a sound file.
            found.has_end = bytes[at..].windows(2).rev().any(|w| w == [0xff, END_OF_IMAGE]);
            return found;
        }
        let alone = matches!(marker, 0x00 | 0x01 | 0xd0..=0xd9);
        let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return found };
        let length = u16::from_be_bytes([high, low]) as usize;
        if marker == ADOBE && length < ADOBE_LENGTH {
            found.short_adobe = Some(at..(at + 2 + length).min(bytes.len()));
        }
        at += if alone { 2 } else { 2 + length };
    }
    found
}
