//! [`decode_values`]: the values of a file's pixels, with the indices of a palette instead of its colours.

use super::{DecodeOptions, check_bytes, check_size, damaged, decoded, format_of, guard};
use crate::error::ImageError;
use crate::image::{AnyImage, Image};
use image::ImageFormat;
use png::{BitDepth, ColorType, Limits, Transformations};
use std::io::Cursor;
use std::path::Path;

/// Pixels as they lie in a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Indices into the palette where there is one; else grey or colours.
    pub image: AnyImage,
    /// Red, green and blue of each index of a PNG file with a palette.
    pub palette: Option<Vec<[u8; 3]>>,
}

/// The pixels of an image file as they lie in it, for files whose values are not light, such as masks of classes: a PNG file with a palette gives the indices, any other file
/// what [`decode_bytes`](super::decode_bytes) does, without turning it upright. What is transparent is black.
///
/// # Errors
/// As [`decode_image`](super::decode_image).
pub fn decode_values(bytes: &[u8], path: &Path, options: &DecodeOptions) -> Result<Values, ImageError> {
    let read = || {
        if format_of(bytes) == Some(ImageFormat::Png)
            && let Some(values) = indices(bytes, options)?
        {
            return Ok(values);
        }
        let options = DecodeOptions { background: [0; 3], ..*options };
        Ok(Values { image: decoded(bytes, &options)?.image, palette: None })
    };
    guard::guarded(read).map_err(|reason| ImageError::image(path, reason))
}

/// The indices of a PNG file with a palette; nothing of another.
fn indices(bytes: &[u8], options: &DecodeOptions) -> Result<Option<Values>, String> {
    let limits = Limits { bytes: options.byte_limit.try_into().unwrap_or(usize::MAX) };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    decoder.set_transformations(Transformations::IDENTITY);
    let mut reader = decoder.read_info().map_err(damaged)?;
    let info = reader.info();
    if info.color_type != ColorType::Indexed {
        return Ok(None);
    }
    let (width, height) = (info.width as usize, info.height as usize);
    check_size(width as u64, height as u64, options)?;
    check_bytes((width * height) as u64, options)?;
    let bits = match info.bit_depth {
        BitDepth::One => 1,
        BitDepth::Two => 2,
        BitDepth::Four => 4,
        _ => 8,
    };
    let palette = info.palette.as_ref().map_or(Vec::new(), |p| p.as_chunks::<3>().0.to_vec());
    let mut packed = vec![0; reader.output_buffer_size().ok_or("it claims too many pixels")?];
    let frame = reader.next_frame(&mut packed).map_err(damaged)?;
    if (frame.width as usize, frame.height as usize) != (width, height) {
        return Err("its first frame does not fill it".into());
    }
    let mut data = Vec::with_capacity(width * height);
    for row in packed.chunks(frame.line_size).take(height) {
        let of = |x: usize| (row[x * bits / 8] >> (8 - bits - x * bits % 8)) & (0xff >> (8 - bits));
        data.extend((0..width).map(of));
    }
    let image = Image { width, height, channels: 1, data };
    if image.data.len() != width * height {
        return Err("its data does not fill its size".into());
    }
    Ok(Some(Values { image: AnyImage::U8(image), palette: Some(palette) }))
}
