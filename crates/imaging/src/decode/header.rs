//! [`Header`]: size and orientation of an image, without its pixels.

use super::orientation::turned;
use super::{DecodeOptions, decoded, format_of, guard};
use crate::error::ImageError;
use crate::image::{Depth, Image};
use image::metadata::Orientation;
use image::{ImageDecoder, ImageFormat, ImageReader};
use std::io::{BufRead, Read, Seek, SeekFrom};
use std::path::Path;

/// What a file says of its image before the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Height and width as the pixels lie in the file.
    pub size: [usize; 2],
    /// How the image is turned to be upright, as EXIF numbers it: 1 to 8, 1 for not at all.
    pub orientation: u8,
}

impl Header {
    /// Height and width of the upright image.
    pub fn upright(&self) -> [usize; 2] {
        let [height, width] = self.size;
        if self.orientation >= 5 { [width, height] } else { [height, width] }
    }

    /// Reads the header of an image; `path` is what errors call it. Only TIFF files are read and decoded as a whole.
    ///
    /// # Errors
    /// If the file cannot be read, or has no size that is accepted.
    pub fn read(mut file: impl BufRead + Seek, path: &Path, options: &DecodeOptions) -> Result<Header, ImageError> {
        guard::guarded(|| read(&mut file, options)).map_err(|reason| ImageError::image(path, reason))
    }
}

fn read(file: &mut (impl BufRead + Seek), options: &DecodeOptions) -> Result<Header, String> {
    let failed = |e: std::io::Error| format!("cannot be read: {e}");
    let start = file.fill_buf().map_err(failed)?;
    let format = format_of(start);
    let header = match format {
        Some(ImageFormat::Jpeg) => jpeg(file).map_err(failed)?.ok_or("not a JPEG file, or one that is cut short")?,
        Some(format) if format != ImageFormat::Tiff => {
            let mut decoder = ImageReader::with_format(file, format).into_decoder().map_err(super::damaged)?;
            let (width, height) = decoder.dimensions();
            let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
            Header { size: [height as usize, width as usize], orientation: orientation.to_exif() }
        }
        _ => {
            let mut bytes = Vec::new();
            file.take(options.byte_limit).read_to_end(&mut bytes).map_err(failed)?;
            let whole = decoded(&bytes, options)?;
            Header { size: [whole.image.height(), whole.image.width()], orientation: whole.orientation.to_exif() }
        }
    };
    let [height, width] = header.size;
    super::check_size(width as u64, height as u64, options)?;
    Ok(header)
}

const APP1: u8 = 0xe1;
const START_OF_SCAN: u8 = 0xda;
const END_OF_IMAGE: u8 = 0xd9;
const EXIF: &[u8] = b"Exif\0\0";

/// The size in the first frame header, and the orientation in the EXIF segment before it.
fn jpeg(file: &mut (impl BufRead + Seek)) -> std::io::Result<Option<Header>> {
    let mut orientation = Orientation::NoTransforms;
    file.seek_relative(2)?;
    loop {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        if byte[0] != 0xff {
            continue;
        }
        while byte[0] == 0xff {
            file.read_exact(&mut byte)?;
        }
        let marker = byte[0];
        if matches!(marker, 0 | 1 | 0xd0..=0xd8) {
            continue;
        }
        if matches!(marker, START_OF_SCAN | END_OF_IMAGE) {
            return Ok(None);
        }
        let mut length = [0; 2];
        file.read_exact(&mut length)?;
        let length = u16::from_be_bytes(length).saturating_sub(2);
        match marker {
            // Frame headers; c4, c8 and cc are tables.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let mut frame = [0; 5];
                file.read_exact(&mut frame)?;
                let [_, a, b, c, d] = frame;
                let size = [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])].map(usize::from);
                return Ok(Some(Header { size, orientation: orientation.to_exif() }));
            }
            APP1 => {
                let mut segment = vec![0; length.into()];
                file.read_exact(&mut segment)?;
                let exif = segment.strip_prefix(EXIF).and_then(Orientation::from_exif_chunk);
                orientation = exif.unwrap_or(orientation);
            }
            _ => drop(file.seek(SeekFrom::Current(length.into()))?),
        }
    }
}

/// An image of classes, turned as an image of this [`Header::orientation`] is.
///
/// # Panics
/// If the number is not 1 to 8.
pub fn turn<T: Depth>(image: Image<T>, orientation: u8) -> Image<T> {
    turned(image, Orientation::from_exif(orientation).expect("turn: EXIF knows the orientations 1 to 8"))
}
