//! What a TIFF directory says of its pixels.

use super::directory::Directory;
use super::tag;

/// What the samples of a pixel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Photometric {
    /// Grey, white as 0.
    WhiteIsZero,
    /// Grey, black as 0.
    BlackIsZero,
    Rgb,
    Palette,
    /// Four inks.
    Cmyk,
    YCbCr,
    /// L*a*b*, a* and b* signed.
    CieLab,
    /// L*a*b*, a* and b* from 0 on.
    IccLab,
}

/// The type of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Unsigned,
    Signed,
    Float,
}

/// What becomes of the extra sample that says how opaque a pixel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alpha {
    None,
    /// Colours have been multiplied with it.
    Associated,
    Unassociated,
}

pub const NO_COMPRESSION: usize = 1;
pub const JPEG: usize = 7;

pub struct Layout {
    pub width: usize,
    pub height: usize,
    pub photometric: Photometric,
    pub bits: usize,
    pub format: Format,
    /// Values per pixel, extra ones among them.
    pub samples: usize,
    /// The samples that are used: colours, then alpha.
    pub picked: Vec<usize>,
    pub alpha: Alpha,
    /// Whether samples lie in planes of their own.
    pub planar: bool,
    /// Width and height of a strip or tile.
    pub chunk: [usize; 2],
    pub offsets: Vec<usize>,
    /// The bytes of each; those of uncompressed strips may be unsaid.
    pub lengths: Option<Vec<usize>>,
    pub compression: usize,
    pub predictor: usize,
    /// Whether a byte's first value lies in its lowest bits.
    pub low_bits_first: bool,
    /// How many pixels of a row, and rows, share a colour.
    pub subsampling: [usize; 2],
}

fn refused(what: &str) -> String {
    format!("TIFF {what} is not read: save it as PNG, or as TIFF of 8 or 16 bits")
}

impl Layout {
    pub fn new(directory: &Directory, width: usize, height: usize) -> Result<Layout, String> {
        let number = |tag, default| Ok::<_, String>(directory.number(tag)?.unwrap_or(default));
        let photometric = photometric(directory)?;
        let compression = number(tag::COMPRESSION, NO_COMPRESSION)?;
        let samples = number(tag::SAMPLES, 1)?;
        let bits = directory.numbers(tag::BITS)?.unwrap_or_else(|| vec![1]);
        let formats = directory.numbers(tag::SAMPLE_FORMAT)?.unwrap_or_else(|| vec![1]);
        let (Some(&depth), Some(&format)) = (bits.first(), formats.first()) else {
            return Err("damaged: it states no bits per sample".into());
        };
        if bits.iter().any(|b| *b != depth) || formats.iter().any(|f| *f != format) {
            return Err(refused("with samples of different depths"));
        }
        let format = match format {
            1 | 4 => Format::Unsigned,
            2 => Format::Signed,
            3 => Format::Float,
            _ => return Err(refused("of complex numbers")),
        };
        match (format, depth) {
            (Format::Unsigned, 1..=16) | (Format::Signed, 16) | (Format::Float, 32) => {}
            (Format::Float, _) => return Err(refused(&format!("with {depth}-bit floating-point values"))),
            (Format::Signed, _) => return Err(refused(&format!("with signed {depth}-bit values"))),
            _ => return Err(refused(&format!("with {depth}-bit integers"))),
        }
        let colours = match photometric {
            Photometric::WhiteIsZero | Photometric::BlackIsZero | Photometric::Palette => 1,
            Photometric::Cmyk => 4,
            _ => 3,
        };
        if !(colours..=1024).contains(&samples) {
            return Err(format!("damaged: it has {samples} samples per pixel, its colours need {colours}"));
        }
        let (picked, alpha) = alpha(directory, samples, colours)?;
        let planar = number(tag::PLANAR, 1)? == 2 && samples > 1;
        let tiled = directory.has(tag::TILE_OFFSETS);
        let chunk = if tiled {
            [number(tag::TILE_WIDTH, 0)?, number(tag::TILE_HEIGHT, 0)?]
        } else {
            [width, number(tag::ROWS_PER_STRIP, height)?.min(height)]
        };
        // A tile may be larger than the image, but not without bounds.
        let room = |side: usize| 2 * side.max(4096);
        if chunk.contains(&0) || chunk[0] > room(width) || chunk[1] > room(height) {
            return Err(format!("damaged: its strips or tiles have {}×{} pixels", chunk[0], chunk[1]));
        }
        let [offsets, lengths] =
            if tiled { [tag::TILE_OFFSETS, tag::TILE_BYTES] } else { [tag::STRIP_OFFSETS, tag::STRIP_BYTES] };
        let offsets = directory.numbers(offsets)?.ok_or("damaged: it does not say where its pixels are")?;
        let lengths = directory.numbers(lengths)?;
        let planes = if planar { samples } else { 1 };
        let chunks = width.div_ceil(chunk[0]) * height.div_ceil(chunk[1]) * planes;
        if offsets.len() < chunks || lengths.as_ref().is_some_and(|l| l.len() < chunks) {
            return Err(format!("damaged: it has {} strips or tiles, {chunks} are needed", offsets.len()));
        }
        let subsampling = directory.numbers(tag::YCBCR_SUBSAMPLING)?;
        let subsampling = match subsampling.as_deref() {
            None => [2, 2],
            Some(&[across @ (1 | 2 | 4), down @ (1 | 2 | 4)]) => [across, down],
            Some(_) => return Err("damaged: its colours are subsampled by a strange number".into()),
        };
        Ok(Layout {
            width,
            height,
            photometric,
            bits: depth,
            format,
            samples,
            picked,
            alpha,
            planar,
            chunk,
            offsets,
            lengths,
            compression,
            predictor: number(tag::PREDICTOR, 1)?,
            low_bits_first: number(tag::FILL_ORDER, 1)? == 2,
            subsampling,
        })
    }

    /// Whether 8 bits do not hold its values.
    pub fn is_deep(&self) -> bool {
        self.bits > 8
    }

    /// Samples that lie side by side in a strip or tile.
    pub fn together(&self) -> usize {
        if self.planar { 1 } else { self.samples }
    }
}

fn photometric(directory: &Directory) -> Result<Photometric, String> {
    let number = directory.number(tag::PHOTOMETRIC)?;
    Ok(match number.ok_or("damaged: it does not say what its values mean (photometric interpretation)")? {
        0 => Photometric::WhiteIsZero,
        1 => Photometric::BlackIsZero,
        2 => Photometric::Rgb,
        3 => Photometric::Palette,
        4 => return Err(refused("that is a transparency mask")),
        5 if directory.number(tag::INK_SET)?.unwrap_or(1) != 1 => return Err(refused("of inks other than CMYK")),
        5 => Photometric::Cmyk,
        6 => Photometric::YCbCr,
        8 => Photometric::CieLab,
        9 => Photometric::IccLab,
        10 => return Err(refused("of ITU L*a*b* colours")),
        32803 | 34892 => return Err("camera raw images are not read: save it as JPEG, PNG or TIFF".into()),
        32844 | 32845 => return Err(refused("of LogLuv colours")),
        other => return Err(format!("TIFF with photometric interpretation {other} is not read: save it as PNG")),
    })
}

/// The samples that are used, and what the last one is.
fn alpha(directory: &Directory, samples: usize, colours: usize) -> Result<(Vec<usize>, Alpha), String> {
    let mut picked: Vec<usize> = (0..colours).collect();
    let extra = directory.numbers(tag::EXTRA_SAMPLES)?;
    let found = match &extra {
        Some(kinds) => kinds.iter().position(|k| matches!(k, 1 | 2)).map(|i| (i, kinds[i] == 1)),
        // Where it is unsaid, readers agree on one more sample to be alpha.
        None => (samples == colours + 1 && colours != 4).then_some((0, false)),
    };
    // Extra samples come last.
    let first = extra.as_ref().map_or(colours, |kinds| samples.saturating_sub(kinds.len()));
    let Some((i, associated)) = found else { return Ok((picked, Alpha::None)) };
    if first < colours || first + i >= samples {
        return Err("damaged: its extra samples and its colours are more than its samples".into());
    }
    picked.push(first + i);
    Ok((picked, if associated { Alpha::Associated } else { Alpha::Unassociated }))
}
