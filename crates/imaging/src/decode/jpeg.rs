//! JPEG files.

use super::flatten::compact;
use super::{DecodeOptions, Decoded, check_bytes, check_size, damaged};
use crate::image::{AnyImage, Image};
use image::metadata::Orientation;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

pub fn decode(bytes: &[u8], limits: &DecodeOptions) -> Result<Decoded, String> {
    let structure = structure(bytes);
    if let Some(kind) = structure.unread {
        return Err(format!("{kind} JPEG files are not read: save it as an ordinary JPEG or PNG"));
    }
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
    // A progressive file's coefficients, of 16 bits, are all kept until its end.
    let components = decoder.input_colorspace().map_or(3, |c| c.num_components());
    let kept = if structure.progressive { 2 * components } else { 0 };
    check_bytes((width * height * (out.num_components() + kept)) as u64, limits)?;
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let data = decoder.decode().map_err(damaged)?;
    let orientation = decoder.exif().and_then(|e| Orientation::from_exif_chunk(e));
    let (channels, data) = match out {
        ColorSpace::Luma => (1, data),
        ColorSpace::CMYK => (3, compact(data, |cmyk| rgb_of_cmyk(&cmyk))),
        _ => (3, data),
    };
    if data.len() != width * height * channels {
        return Err("its data does not fill its size".into());
    }
    let image = AnyImage::U8(Image::new(width, height, channels, data));
    Ok(Decoded { image, orientation: orientation.unwrap_or(Orientation::NoTransforms) })
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
    /// Whether it is sent in passes of growing detail.
    progressive: bool,
    /// What kind it is, of those that are not read.
    unread: Option<&'static str>,
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
        match (marker, bytes.get(at + 4)) {
            (0xc0..=0xc2, Some(12)) => found.unread = Some("12-bit"),
            (0xc3 | 0xc7 | 0xcb | 0xcf | 0xf7, _) => found.unread = Some("lossless"),
            (0xc5 | 0xc6 | 0xcd | 0xce, _) => found.unread = Some("hierarchical"),
            (0xc9 | 0xca, _) => found.unread = Some("arithmetically coded"),
            _ => {}
        }
        found.progressive |= marker == 0xc2;
        if marker == ADOBE && length < ADOBE_LENGTH {
            found.short_adobe = Some(at..(at + 2 + length).min(bytes.len()));
        }
        at += if alone { 2 } else { 2 + length };
    }
    found
}
