//! TIFF files: what the `image` crate leaves out of what the `tiff` crate reads, namely palettes, grey of 2 and 4 bits, and signed values.

use super::{DecodeOptions, by_image, check_size, damaged};
use image::metadata::Orientation;
use image::{DynamicImage, GrayImage, ImageBuffer, ImageFormat, Luma, RgbImage, RgbaImage};
use std::io::Cursor;
use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::Tag;

const PALETTE: u64 = 3;
/// The value of the fill-order tag that says that a byte's first value is in its lowest bits.
const LOW_BITS_FIRST: u64 = 2;

pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<DynamicImage, String> {
    let kind = open(bytes, options)?.find_tag_unsigned::<u64>(Tag::PhotometricInterpretation).map_err(damaged)?;
    if kind == Some(PALETTE) {
        return palette(bytes, options);
    }
    let by_image = by_image(bytes, ImageFormat::Tiff, options);
    let Err(reason) = by_image else { return by_image };
    let mut decoder = open(bytes, options)?;
    match (decoder.colortype(), decoder.find_tag_unsigned::<u64>(Tag::SampleFormat)) {
        (Ok(ColorType::Gray(bits @ (2 | 4))), _) => grey(&mut decoder, bits),
        (Ok(ColorType::Gray(16)), Ok(Some(2))) => signed(&mut decoder),
        _ => Err(reason),
    }
}

type File<'a> = Decoder<Cursor<&'a [u8]>>;

fn open<'a>(bytes: &'a [u8], options: &DecodeOptions) -> Result<File<'a>, String> {
    let mut limits = Limits::default();
    limits.decoding_buffer_size = options.byte_limit as usize;
    limits.intermediate_buffer_size = options.byte_limit as usize;
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(damaged)?.with_limits(limits);
    let (width, height) = decoder.dimensions().map_err(damaged)?;
    check_size(width.into(), height.into(), options)?;
    Ok(decoder)
}

fn upright(mut image: DynamicImage, decoder: &mut File) -> DynamicImage {
    let noted = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
    if let Some(orientation) = noted.and_then(Orientation::from_exif) {
        image.apply_orientation(orientation);
    }
    image
}

const FILLS: &str = "there is a value for each pixel";

/// The values of each pixel, of `bits` bits each, of an image of `samples` values per pixel.
fn values(decoder: &mut File, bits: u8, samples: usize) -> Result<Vec<u8>, String> {
    let (width, height) = decoder.dimensions().map_err(damaged)?;
    let low_first = decoder.find_tag_unsigned::<u64>(Tag::FillOrder).map_err(damaged)? == Some(LOW_BITS_FIRST);
    let DecodingResult::U8(mut packed) = decoder.read_image().map_err(damaged)? else {
        return Err("its values are of a type that cannot be read".into());
    };
    let row = width as usize * samples;
    if bits == 8 {
        packed.truncate(row * height as usize);
        return if packed.len() == row * height as usize { Ok(packed) } else { Err("it is cut short".into()) };
    }
    if low_first {
        packed.iter_mut().for_each(|b| *b = b.reverse_bits());
    }
    let bits = bits as usize;
    let bytes = (row * bits).div_ceil(8);
    if packed.len() < bytes * height as usize {
        return Err("it is cut short".into());
    }
    let value = |line: &[u8], i: usize| (line[i * bits / 8] >> (8 - bits - i * bits % 8)) & ((1 << bits) - 1);
    Ok(packed.chunks_exact(bytes).take(height as usize).flat_map(|l| (0..row).map(move |i| value(l, i))).collect())
}

fn grey(decoder: &mut File, bits: u8) -> Result<DynamicImage, String> {
    let (width, height) = decoder.dimensions().map_err(damaged)?;
    let scale = 255 / ((1u8 << bits) - 1);
    let data = values(decoder, bits, 1)?.into_iter().map(|v| v * scale).collect();
    let image = GrayImage::from_raw(width, height, data).expect(FILLS);
    Ok(upright(image.into(), decoder))
}

fn signed(decoder: &mut File) -> Result<DynamicImage, String> {
    let (width, height) = decoder.dimensions().map_err(damaged)?;
    let DecodingResult::I16(values) = decoder.read_image().map_err(damaged)? else {
        return Err("its values are of a type that cannot be read".into());
    };
    let word = |v: i16| u16::try_from(v).map_err(|_| "it holds negative values, which have no colour".to_string());
    let words = values.into_iter().map(word).collect::<Result<Vec<u16>, _>>()?;
    let image = ImageBuffer::<Luma<u16>, _>::from_raw(width, height, words).ok_or("it is cut short")?;
    Ok(upright(image.into(), decoder))
}

/// An image of indices into a table of colours, with or without alpha. The `tiff` crate reads the indices as grey once the file says so.
fn palette(bytes: &[u8], options: &DecodeOptions) -> Result<DynamicImage, String> {
    let mut grey = bytes.to_vec();
    say_grey(&mut grey).ok_or("its directory is damaged")?;
    let mut decoder = open(&grey, options)?;
    let table = decoder.get_tag_u16_vec(Tag::ColorMap).map_err(damaged)?;
    let (bits, samples) = match decoder.colortype().map_err(damaged)? {
        ColorType::Gray(bits @ (1 | 2 | 4 | 8)) => (bits, 1),
        ColorType::Multiband { bit_depth: 8, num_samples: 2 } | ColorType::GrayA(8) => (8, 2),
        other => return Err(format!("palettes with values of kind {other:?} cannot be read")),
    };
    let entries = 1usize << bits;
    if table.len() != 3 * entries {
        return Err(format!("its palette has {} numbers, {} are needed", table.len(), 3 * entries));
    }
    let (width, height) = decoder.dimensions().map_err(damaged)?;
    let values = values(&mut decoder, bits, samples)?;
    let colour = |i: u8| [0, 1, 2].map(|c| (table[c * entries + i as usize] >> 8) as u8);
    let image = if samples == 1 {
        let data = values.into_iter().flat_map(colour).collect();
        DynamicImage::from(RgbImage::from_raw(width, height, data).expect(FILLS))
    } else {
        let pixel = |&[i, alpha]: &[u8; 2]| {
            let [r, g, b] = colour(i);
            [r, g, b, alpha]
        };
        let data = values.as_chunks().0.iter().flat_map(pixel).collect();
        DynamicImage::from(RgbaImage::from_raw(width, height, data).expect(FILLS))
    };
    Ok(upright(image, &mut decoder))
}

/// Changes the first directory's photometric interpretation from palette to grey; nothing if there is no such entry.
fn say_grey(file: &mut [u8]) -> Option<()> {
    const PHOTOMETRIC: u16 = 262;
    let little = file.starts_with(b"II");
    let short = |b: &[u8]| -> Option<u16> {
        let b = b.first_chunk()?;
        Some(if little { u16::from_le_bytes(*b) } else { u16::from_be_bytes(*b) })
    };
    let start: [u8; 4] = *file.get(4..)?.first_chunk()?;
    let start = if little { u32::from_le_bytes(start) } else { u32::from_be_bytes(start) } as usize;
    let entries = short(file.get(start..)?)? as usize;
    let entry =
        (0..entries).map(|i| start + 2 + 12 * i).find(|&at| file.get(at..).and_then(short) == Some(PHOTOMETRIC))?;
    let one: [u8; 2] = if little { [1, 0] } else { [0, 1] };
    file.get_mut(entry + 8..entry + 10)?.copy_from_slice(&one);
    Some(())
}
