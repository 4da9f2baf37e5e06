//! Images from files of any common format.

mod bmp;
mod flatten;
mod foreign;
mod guard;
mod header;
mod indices;
mod jpeg;
mod orientation;
mod tiff;

pub use header::{Header, turn};
pub use indices::{Values, decode_values};

use crate::error::ImageError;
use crate::image::{AnyImage, Image};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits};
use std::fs::File;
use std::io::{Cursor, Read};
use std::path::Path;

/// The longest side accepted.
const SIDE_LIMIT: u32 = 65_535;

/// What is accepted, and what shows through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The colour behind transparent parts: red, green, blue.
    pub background: [u8; 3],
    /// The most pixels that an image may have.
    pub pixel_limit: u64,
    /// The most bytes that a file may have, and that its decoder may take.
    pub byte_limit: u64,
}

impl Default for DecodeOptions {
    /// White behind transparent parts, at most 200 million pixels, at most 2 GiB.
    fn default() -> Self {
        DecodeOptions { background: [255; 3], pixel_limit: 200_000_000, byte_limit: 2 << 30 }
    }
}

/// An image from a file, with its values rounded to bytes: see [`decode_image`].
///
/// # Errors
/// As [`decode_image`].
pub fn decode(path: &Path) -> Result<Image, ImageError> {
    decode_image(path, &DecodeOptions::default()).map(AnyImage::into_bytes)
}

/// Decodes a JPEG, PNG, WebP, GIF, TIFF, BMP or PNM image, the first one of several: grey ones to 1 channel, others to 3. Transparent
/// parts show the background; the orientation that a camera noted is applied.
///
/// # Errors
/// If the file cannot be read, is no such image, is damaged or cut short, or has more pixels or bytes than the options accept.
pub fn decode_image(path: &Path, options: &DecodeOptions) -> Result<AnyImage, ImageError> {
    decode_bytes(&read_file(path, options.byte_limit)?, path, options)
}

/// The bytes of a file that has at most `limit` of them. A pipe, socket or device is refused unopened: it might never end, or never begin.
pub fn read_file(path: &Path, limit: u64) -> Result<Vec<u8>, ImageError> {
    let read = |source| ImageError::Read { path: path.to_path_buf(), source };
    let metadata = std::fs::metadata(path).map_err(read)?;
    if metadata.is_dir() {
        return Err(read(std::io::ErrorKind::IsADirectory.into()));
    }
    if !metadata.is_file() {
        return Err(ImageError::image(
            path,
            "not a file but a pipe, a socket or a device: copy its content into a file",
        ));
    }
    let too_large = || ImageError::image(path, format!("it has more than {limit} bytes, the limit for an image"));
    if metadata.len() > limit {
        return Err(too_large());
    }
    let file = File::open(path).map_err(read)?;
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(read)?;
    if bytes.len() as u64 > limit {
        return Err(too_large());
    }
    Ok(bytes)
}

/// As [`decode_image`], from the bytes of the file; `path` is what errors call it.
///
/// # Errors
/// As [`decode_image`].
pub fn decode_bytes(bytes: &[u8], path: &Path, options: &DecodeOptions) -> Result<AnyImage, ImageError> {
    decode_noting(bytes, path, options).map(|(image, _)| image)
}

/// As [`decode_bytes`], and whether the image was turned upright.
///
/// # Errors
/// As [`decode_image`].
pub fn decode_noting(bytes: &[u8], path: &Path, options: &DecodeOptions) -> Result<(AnyImage, bool), ImageError> {
    let decoded = guard::guarded(|| decoded(bytes, options)).map_err(|reason| ImageError::image(path, reason))?;
    let turned = decoded.orientation != Orientation::NoTransforms;
    Ok((orientation::upright(decoded.image, decoded.orientation), turned))
}

/// An image as it lies in its file.
struct Decoded {
    image: AnyImage,
    orientation: Orientation,
}

fn decoded(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, String> {
    if bytes.is_empty() {
        return Err("the file is empty".into());
    }
    if let Some(line) = foreign::name_of(bytes) {
        return Err(line);
    }
    match format_of(bytes) {
        Some(ImageFormat::Jpeg) => jpeg::decode(bytes, options),
        Some(ImageFormat::Tiff) => tiff::decode(bytes, options),
        Some(ImageFormat::Bmp) => bmp::decode(bytes, options),
        Some(format) => by_image(bytes, format, options),
        None => Err("not an image: JPEG, PNG, WebP, GIF, TIFF, BMP and PNM can be read".into()),
    }
}

/// The format that the first bytes tell.
pub fn format_of(bytes: &[u8]) -> Option<ImageFormat> {
    // The `image` crate knows no TIFF of more than 4 GiB by its first bytes.
    if bytes.starts_with(b"II\x2b\0") || bytes.starts_with(b"MM\0\x2b") {
        return Some(ImageFormat::Tiff);
    }
    let read = |f: &ImageFormat| f.reading_enabled() || *f == ImageFormat::Tiff;
    image::guess_format(bytes).ok().filter(read)
}

/// Whether what a decoder makes of the file depends on how it rounds: JPEG, lossy WebP, and TIFF that holds JPEG.
pub fn is_lossy(bytes: &[u8]) -> bool {
    match format_of(bytes) {
        Some(ImageFormat::Jpeg) => true,
        Some(ImageFormat::WebP) => holds_vp8(bytes.get(12..).unwrap_or_default()),
        Some(ImageFormat::Tiff) => tiff::holds_jpeg(bytes),
        _ => false,
    }
}

/// Whether one of these chunks of a WebP file, or of its frames, is a lossy image.
fn holds_vp8(mut chunks: &[u8]) -> bool {
    while let Some((name, rest)) = chunks.split_first_chunk::<4>()
        && let Some((size, rest)) = rest.split_first_chunk::<4>()
    {
        let size = u32::from_le_bytes(*size) as usize;
        let content = rest.get(..size).unwrap_or(rest);
        // A frame's own chunks stand after 16 bytes on its place and time.
        if name == b"VP8 " || (name == b"ANMF" && holds_vp8(content.get(16..).unwrap_or_default())) {
            return true;
        }
        chunks = rest.get(size + size % 2..).unwrap_or_default();
    }
    false
}

/// Checks a size that a header claims.
fn check_size(width: u64, height: u64, options: &DecodeOptions) -> Result<(), String> {
    let limit = options.pixel_limit;
    let side = SIDE_LIMIT as u64;
    if width == 0 || height == 0 {
        return Err(format!("it has no pixels ({width}×{height})"));
    }
    if width > side || height > side || width * height > limit {
        return Err(format!("it claims {width}×{height} pixels; at most {limit} are accepted, {side} on a side"));
    }
    Ok(())
}

/// Checks the memory that an image takes.
fn check_bytes(bytes: u64, options: &DecodeOptions) -> Result<(), String> {
    let limit = options.byte_limit;
    if bytes > limit { Err(format!("it takes {bytes} bytes of memory; at most {limit} are accepted")) } else { Ok(()) }
}

/// An error of a decoder in one line.
fn damaged(error: impl ToString) -> String {
    format!("cannot decode it: {}", error.to_string().replace('\n', " "))
}

fn by_image(bytes: &[u8], format: ImageFormat, options: &DecodeOptions) -> Result<Decoded, String> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_LIMIT);
    limits.max_image_height = Some(SIDE_LIMIT);
    limits.max_alloc = Some(options.byte_limit);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    check_size(width.into(), height.into(), options)?;
    // A note on the orientation that cannot be read is none.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let image = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok(Decoded { image: flatten::flatten(image, options.background)?, orientation })
}
