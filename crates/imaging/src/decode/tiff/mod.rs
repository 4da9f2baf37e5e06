//! TIFF files: strips and tiles, interleaved or planar, of up to 16 bits a value or of floating-point values.

mod colour;
mod directory;
mod inflate;
mod layout;
mod rows;
mod ycbcr;

use super::{DecodeOptions, Decoded, check_bytes, check_size};
use crate::image::{AnyImage, Depth};
use directory::Directory;
use image::metadata::Orientation;
use layout::Layout;

mod tag {
    pub const SUBFILE: u16 = 254;
    pub const WIDTH: u16 = 256;
    pub const HEIGHT: u16 = 257;
    pub const BITS: u16 = 258;
    pub const COMPRESSION: u16 = 259;
    pub const PHOTOMETRIC: u16 = 262;
    pub const FILL_ORDER: u16 = 266;
    pub const STRIP_OFFSETS: u16 = 273;
    pub const ORIENTATION: u16 = 274;
    pub const SAMPLES: u16 = 277;
    pub const ROWS_PER_STRIP: u16 = 278;
    pub const STRIP_BYTES: u16 = 279;
    pub const PLANAR: u16 = 284;
    pub const PREDICTOR: u16 = 317;
    pub const COLOUR_MAP: u16 = 320;
    pub const TILE_WIDTH: u16 = 322;
    pub const TILE_HEIGHT: u16 = 323;
    pub const TILE_OFFSETS: u16 = 324;
    pub const TILE_BYTES: u16 = 325;
    pub const INK_SET: u16 = 332;
    pub const EXTRA_SAMPLES: u16 = 338;
    pub const SAMPLE_FORMAT: u16 = 339;
    pub const JPEG_TABLES: u16 = 347;
    pub const YCBCR_COEFFICIENTS: u16 = 529;
    pub const YCBCR_SUBSAMPLING: u16 = 530;
    pub const REFERENCE_BLACK_WHITE: u16 = 532;
    pub const DNG_VERSION: u16 = 50706;
}

/// Whether its pixels are compressed as JPEG, in the old way (6) or the new (7).
pub fn holds_jpeg(bytes: &[u8]) -> bool {
    let compression = Directory::open(bytes).and_then(|directory| directory.number(tag::COMPRESSION));
    matches!(compression, Ok(Some(6 | 7)))
}

pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, String> {
    let directory = Directory::open(bytes)?;
    // Camera raw files begin with a small preview, or hold what the sensor saw.
    if directory.has(tag::DNG_VERSION) || bytes.get(8..10) == Some(b"CR") {
        return Err("camera raw images are not read: save it as JPEG, PNG or TIFF".into());
    }
    if directory.number(tag::SUBFILE)?.unwrap_or(0) & 1 == 1 {
        return Err("its first image is a small preview, as in camera raw files: save it as JPEG, PNG or TIFF".into());
    }
    let need = |tag, name: &str| directory.number(tag)?.ok_or_else(|| format!("damaged: it states no {name}"));
    let (width, height) = (need(tag::WIDTH, "width")?, need(tag::HEIGHT, "height")?);
    check_size(width as u64, height as u64, options)?;
    let layout = Layout::new(&directory, width, height)?;
    let orientation = directory.number(tag::ORIENTATION)?.and_then(|n| Orientation::from_exif(n as u8));
    let image = if layout.is_deep() {
        AnyImage::U16(pixels(bytes, &directory, &layout, options)?)
    } else {
        AnyImage::U8(pixels(bytes, &directory, &layout, options)?)
    };
    Ok(Decoded { image, orientation: orientation.unwrap_or(Orientation::NoTransforms) })
}

fn pixels<T: Depth>(
    bytes: &[u8],
    directory: &Directory,
    layout: &Layout,
    options: &DecodeOptions,
) -> Result<crate::image::Image<T>, String> {
    let values = layout.width * layout.height * layout.picked.len().max(3);
    check_bytes((values * size_of::<T>()) as u64, options)?;
    let colours = colour::Colours::new(directory, layout)?;
    let samples = rows::samples::<T>(bytes, directory, layout)?;
    colours.pixels(samples, layout, options.background)
}
