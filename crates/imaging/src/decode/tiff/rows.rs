//! The samples of a TIFF file, strip by strip and tile by tile, a row at a time.

use super::super::damaged;
use super::directory::Directory;
use super::inflate::{CUT, cut_or};
use super::layout::{Format, JPEG, Layout, NO_COMPRESSION, Photometric};
use super::{inflate, tag, ycbcr};
use crate::image::Depth;
use std::borrow::Cow;
use std::io::Read;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// The samples that the layout picks, side by side for each pixel: indices as they are, other values as wide as their type.
pub fn samples<T: Depth>(file: &[u8], directory: &Directory, layout: &Layout) -> Result<Vec<T>, String> {
    let [width, height] = [layout.width, layout.height];
    let mut out = vec![T::default(); width * height * layout.picked.len()];
    let table = table::<T>(layout);
    let [across, down] = [width.div_ceil(layout.chunk[0]), height.div_ceil(layout.chunk[1])];
    let planes = if layout.planar { layout.samples } else { 1 };
    for plane in (0..planes).filter(|p| !layout.planar || layout.picked.contains(p)) {
        for i in 0..across * down {
            let (left, top) = (i % across * layout.chunk[0], i / across * layout.chunk[1]);
            let rows = layout.chunk[1].min(height - top);
            let columns = layout.chunk[0].min(width - left);
            let data = data(file, layout, plane * across * down + i, rows)?;
            chunk(&data, directory, layout, rows, &mut |y, line| {
                let to = ((top + y) * width + left) * layout.picked.len();
                let to = &mut out[to..][..columns * layout.picked.len()];
                match &table {
                    None => put(to, line, layout, plane, |v| T::from_u32(v.into())),
                    Some(table) => put(to, line, layout, plane, |v| table[v as usize]),
                }
            })?;
        }
    }
    Ok(out)
}

/// The values of a row of a strip or tile, to where they belong.
fn put<T: Depth>(to: &mut [T], line: &[u16], layout: &Layout, plane: usize, scale: impl Fn(u16) -> T) {
    let (n, together) = (layout.picked.len(), layout.together());
    if layout.planar {
        let place = layout.picked.iter().position(|p| *p == plane).expect("only picked planes are read");
        to.chunks_exact_mut(n).zip(line).for_each(|(pixel, v)| pixel[place] = scale(*v));
    } else if n == together {
        to.iter_mut().zip(line).for_each(|(to, v)| *to = scale(*v));
    } else {
        for (pixel, from) in to.chunks_exact_mut(n).zip(line.chunks_exact(together)) {
            pixel.iter_mut().zip(&layout.picked).for_each(|(to, i)| *to = scale(from[*i]));
        }
    }
}

/// What each value of the layout's bits is in the type of the image; none if it is the same.
fn table<T: Depth>(layout: &Layout) -> Option<Vec<T>> {
    let most = (1u32 << layout.bits.min(16)) - 1;
    let same = layout.photometric == Photometric::Palette || layout.format != Format::Unsigned || most == T::MAX;
    (!same).then(|| (0..=most).map(|v| T::from_u32((v * T::MAX + most / 2) / most)).collect())
}

/// The compressed bytes of a strip or tile.
fn data<'a>(file: &'a [u8], layout: &Layout, i: usize, rows: usize) -> Result<Cow<'a, [u8]>, String> {
    let start = layout.offsets[i];
    let length = match &layout.lengths {
        Some(lengths) => lengths[i],
        None if layout.compression == NO_COMPRESSION => row_bytes(layout) * rows,
        None => return Err("damaged: it does not say how long its strips are".into()),
    };
    // A last strip that claims more than there is may still hold all its pixels.
    let end = start.saturating_add(length).min(file.len());
    let data = file.get(start..end).ok_or(CUT)?;
    if layout.low_bits_first && layout.compression != JPEG {
        return Ok(Cow::Owned(data.iter().map(|b| b.reverse_bits()).collect()));
    }
    Ok(Cow::Borrowed(data))
}

fn row_bytes(layout: &Layout) -> usize {
    (layout.chunk[0] * layout.together() * layout.bits).div_ceil(8)
}

/// Gives `row` each of the first rows of a strip or tile, by its number.
fn chunk(
    data: &[u8],
    directory: &Directory,
    layout: &Layout,
    rows: usize,
    row: &mut dyn FnMut(usize, &[u16]),
) -> Result<(), String> {
    if layout.compression == JPEG {
        return jpeg(data, directory, layout, rows, row);
    }
    let mut reader = inflate::reader(layout.compression, data, layout.chunk[0], rows)?;
    if layout.photometric == Photometric::YCbCr && layout.subsampling != [1, 1] {
        return ycbcr::units(&mut reader, layout, rows, row);
    }
    let mut bytes = vec![0; row_bytes(layout)];
    let mut line = Vec::with_capacity(layout.chunk[0] * layout.together());
    for y in 0..rows {
        reader.read_exact(&mut bytes).map_err(|e| cut_or(&e))?;
        line.clear();
        unpack(&mut bytes, directory.little, layout, &mut line)?;
        row(y, &line);
    }
    Ok(())
}

/// The values of a row's bytes.
fn unpack(bytes: &mut [u8], little: bool, layout: &Layout, line: &mut Vec<u16>) -> Result<(), String> {
    let (bits, stride) = (layout.bits, layout.together());
    let word = |b: &[u8; 2]| if little { u16::from_le_bytes(*b) } else { u16::from_be_bytes(*b) };
    match (layout.format, bits) {
        (Format::Float, _) => return floats(bytes, little, layout, line),
        (_, 8) => line.extend(bytes.iter().map(|b| *b as u16)),
        (_, 16) => line.extend(bytes.as_chunks().0.iter().map(word)),
        _ => {
            let most = (1u32 << bits) - 1;
            let value = |i: usize| {
                let at = i * bits;
                // Up to 16 bits lie in three bytes.
                let three = (0..3).fold(0, |sum, k| sum << 8 | *bytes.get(at / 8 + k).unwrap_or(&0) as u32);
                ((three >> (24 - bits - at % 8)) & most) as u16
            };
            line.extend((0..layout.chunk[0] * stride).map(value));
        }
    }
    match layout.predictor {
        1 => {}
        2 if bits == 8 || bits == 16 => {
            let mask = (u16::MAX as u32 >> (16 - bits)) as u16;
            for i in stride..line.len() {
                line[i] = line[i].wrapping_add(line[i - stride]) & mask;
            }
        }
        other => return Err(format!("TIFF of {bits} bits with predictor {other} is not read: save it as PNG")),
    }
    if layout.format == Format::Signed && line.iter().any(|v| *v > i16::MAX as u16) {
        return Err("it holds negative values, which have no colour".into());
    }
    Ok(())
}

/// Numbers from 0 to 1 as 16 bits. Others have no meaning that an image states.
fn floats(bytes: &mut [u8], little: bool, layout: &Layout, line: &mut Vec<u16>) -> Result<(), String> {
    let stride = layout.together();
    let count = bytes.len() / 4;
    let mut values: Vec<u32> = match layout.predictor {
        // The bytes of all values, highest first, as differences (Adobe's technical note 3).
        3 => {
            for i in stride..bytes.len() {
                bytes[i] = bytes[i].wrapping_add(bytes[i - stride]);
            }
            (0..count).map(|i| (0..4).fold(0, |sum, k| sum << 8 | bytes[k * count + i] as u32)).collect()
        }
        1 | 2 => {
            let word = |b: &[u8; 4]| if little { u32::from_le_bytes(*b) } else { u32::from_be_bytes(*b) };
            bytes.as_chunks().0.iter().map(word).collect()
        }
        other => return Err(format!("TIFF with predictor {other} is not read: save it as PNG")),
    };
    if layout.predictor == 2 {
        for i in stride..values.len() {
            values[i] = values[i].wrapping_add(values[i - stride]);
        }
    }
    for value in values {
        let value = f32::from_bits(value);
        if !(0.0..=1.0).contains(&value) {
            return Err(format!(
                "it holds floating-point values such as {value}; only 0 (black) to 1 (white) can be read"
            ));
        }
        line.push(u16::from_f32(value * u16::MAX as f32));
    }
    Ok(())
}

/// A strip or tile that is a JPEG file of its own, perhaps with tables from elsewhere.
fn jpeg(
    data: &[u8],
    directory: &Directory,
    layout: &Layout,
    rows: usize,
    row: &mut dyn FnMut(usize, &[u16]),
) -> Result<(), String> {
    let whole = match directory.bytes(tag::JPEG_TABLES)? {
        // The tables end with an end marker, the data begins with a start marker: neither belongs between them.
        Some(tables) if tables.len() >= 4 => [&tables[..tables.len() - 2], data.get(2..).ok_or(CUT)?].concat(),
        _ => data.to_vec(),
    };
    let options = DecoderOptions::default().set_strict_mode(false).set_max_width(usize::MAX).set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&whole), options);
    decoder.decode_headers().map_err(damaged)?;
    let (width, height) = decoder.dimensions().ok_or(CUT)?;
    let input = decoder.input_colorspace().ok_or(CUT)?;
    let together = layout.together();
    let fits = width >= layout.chunk[0] && height >= rows && input.num_components() == together && layout.bits == 8;
    if !fits || width > layout.chunk[0] + 16 || height > layout.chunk[1] + 16 {
        return Err("damaged: a strip or tile is a JPEG of another size or depth".into());
    }
    // The directory, not the JPEG, says what the values mean.
    let colours = layout.photometric == Photometric::YCbCr && together == 3;
    let out = if colours { ColorSpace::RGB } else { input };
    let ends = whole.windows(2).rev().take(64).any(|w| w == [0xff, 0xd9]);
    if !ends {
        return Err(CUT.into());
    }
    decoder.set_options(options.jpeg_set_out_colorspace(out));
    let values = decoder.decode().map_err(damaged)?;
    let mut line = Vec::new();
    for y in 0..rows {
        line.clear();
        let from = values.get(y * width * together..).and_then(|v| v.get(..layout.chunk[0] * together)).ok_or(CUT)?;
        line.extend(from.iter().map(|v| *v as u16));
        row(y, &line);
    }
    Ok(())
}
