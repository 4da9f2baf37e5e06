//! BMP files: those with a palette or a byte for each colour here, colours of other bits by the `image` crate.

use super::{DecodeOptions, Decoded, by_image, check_bytes, check_size};
use crate::image::{AnyImage, Image};
use image::ImageFormat;
use image::metadata::Orientation;

/// The length of the file's header, which a bitmap's follows.
const FILE_HEADER: usize = 14;
/// The length of OS/2's first header, with sides of 16 bits and palettes of 3 bytes an entry.
const CORE_HEADER: usize = 12;
const INFO_HEADER: usize = 40;
/// The length of the masks that follow an [`INFO_HEADER`].
const MASKS: usize = 12;

/// What the headers say.
struct Header {
    width: usize,
    height: usize,
    /// Whether the first row is the highest.
    top_down: bool,
    bits: usize,
    compression: u32,
    /// Where the palette begins, and how many bytes an entry has.
    palette: (usize, usize),
    /// How many entries it has, if that is said.
    colours: usize,
    /// Where the pixels begin.
    pixels: usize,
    /// Whether the file says so.
    says_where: bool,
    /// The length of the bitmap's header.
    length: usize,
}

const CUT: &str = "it is cut short";

pub fn decode(bytes: &[u8], options: &DecodeOptions) -> Result<Decoded, String> {
    let header = header(bytes).ok_or(CUT)?;
    check_size(header.width as u64, header.height as u64, options)?;
    let end = FILE_HEADER + header.length;
    match (header.compression, header.bits) {
        (0, 1 | 2 | 4 | 8) | (1, 8) | (2, 4) => palette(bytes, &header, options),
        (0, 24 | 32) => colours(bytes, &header, options),
        (0, 16) | (3, 16 | 32) => {
            let masks = if header.compression == 3 && header.length == INFO_HEADER { MASKS } else { 0 };
            if header.pixels < end + masks {
                return Err("damaged: its pixels begin within its header".into());
            }
            if !header.says_where {
                return Err("damaged: it does not say where its pixels begin".into());
            }
            by_image(bytes, ImageFormat::Bmp, options)
        }
        // Of OS/2's second header, these are other methods than of the others.
        (3 | 4, _) if header.length == 16 || header.length == 64 => Err(unread("by Huffman codes or runs of 24 bits")),
        (4, _) => Err(unread("as JPEG")),
        (5, _) => Err(unread("as PNG")),
        (11..=13, _) => Err("BMP files of CMYK colours are not read: save it as PNG".into()),
        (method, bits) => Err(format!("damaged: there is no BMP of {bits} bits a pixel with compression {method}")),
    }
}

fn unread(how: &str) -> String {
    format!("BMP files compressed {how} are not read: save it as PNG")
}

fn header(bytes: &[u8]) -> Option<Header> {
    let short = |at: usize| Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let long = |at: usize| Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?));
    let length = long(FILE_HEADER)? as usize;
    let core = length == CORE_HEADER;
    // OS/2's second header may end early: what it lacks is zero.
    let later = |at: usize| if at + 4 <= length { long(FILE_HEADER + at) } else { Some(0) };
    let (width, height, bits) = if core {
        (short(18)? as i32, short(20)? as i32, short(24)?)
    } else {
        (long(18)? as i32, long(22)? as i32, short(28)?)
    };
    let compression = if core { 0 } else { later(16)? };
    let colours = if core { 0 } else { later(32)? as usize };
    let masks = if compression == 3 && length == INFO_HEADER { MASKS } else { 0 };
    let palette = FILE_HEADER.checked_add(length)? + masks;
    let stated = long(10)? as usize;
    let pixels = match stated {
        // Some writers leave it out.
        0 => {
            let entries = if colours > 0 { colours } else { 1usize << bits.min(8) };
            palette + if bits <= 8 { entries.min(bytes.len()) * if core { 3 } else { 4 } } else { 0 }
        }
        _ => stated,
    };
    Some(Header {
        // A negative width has no meaning, and zero none either.
        width: width.max(0) as usize,
        height: height.unsigned_abs() as usize,
        top_down: height < 0,
        bits: bits.into(),
        compression,
        palette: (palette, if core { 3 } else { 4 }),
        colours,
        pixels,
        says_where: stated > 0,
        length,
    })
}

fn palette(bytes: &[u8], header: &Header, options: &DecodeOptions) -> Result<Decoded, String> {
    let (width, height) = (header.width, header.height);
    check_bytes((width * height * 4) as u64, options)?;
    let (start, each) = header.palette;
    if header.pixels < start {
        return Err("damaged: its pixels begin within its header".into());
    }
    let stated = if header.colours > 0 { header.colours } else { 1 << header.bits };
    // A palette that says nothing of its length may end where the pixels begin.
    let entries = stated.min((header.pixels - start) / each).min(1 << header.bits);
    let table = bytes.get(start..start + entries * each).ok_or(CUT)?;
    let colours: Vec<[u8; 3]> = table.chunks_exact(each).map(|e| [e[2], e[1], e[0]]).collect();
    let pixels = bytes.get(header.pixels..).ok_or(CUT)?;
    let indices = match header.compression {
        0 => packed(pixels, header).ok_or(CUT)?,
        _ => runs(pixels, header)?,
    };
    let mut data = Vec::with_capacity(indices.len() * 3);
    for index in indices {
        let colour = colours.get(index as usize).ok_or_else(|| {
            format!("damaged: a pixel has colour {index}, its palette has {} (numbered from 0)", colours.len())
        })?;
        data.extend(colour);
    }
    Ok(upright(header, data))
}

/// The image of colours whose rows come in the order of the file.
fn upright(header: &Header, data: Vec<u8>) -> Decoded {
    let image = AnyImage::U8(Image::new(header.width, header.height, 3, data));
    let order = if header.top_down { Orientation::NoTransforms } else { Orientation::FlipVertical };
    Decoded { image: super::orientation::upright(image, order), orientation: Orientation::NoTransforms }
}

/// Blue, green and red in a byte each, perhaps with a fourth that says nothing.
fn colours(bytes: &[u8], header: &Header, options: &DecodeOptions) -> Result<Decoded, String> {
    let (width, height, each) = (header.width, header.height, header.bits / 8);
    check_bytes((width * height * 3) as u64, options)?;
    if header.pixels < FILE_HEADER + header.length {
        return Err("damaged: its pixels begin within its header".into());
    }
    let pixels = bytes.get(header.pixels..).ok_or(CUT)?;
    let row = (width * each).next_multiple_of(4);
    if pixels.len() < row * (height - 1) + width * each {
        return Err(CUT.into());
    }
    let mut data = Vec::with_capacity(width * height * 3);
    for line in pixels.chunks(row).take(height) {
        data.extend(line[..width * each].chunks_exact(each).flat_map(|p| [p[2], p[1], p[0]]));
    }
    Ok(upright(header, data))
}

/// Indices of rows that are each filled to 4 bytes.
fn packed(pixels: &[u8], header: &Header) -> Option<Vec<u8>> {
    let (width, height, bits) = (header.width, header.height, header.bits);
    let row = (width * bits).div_ceil(32) * 4;
    let used = (width * bits).div_ceil(8);
    let mut indices = Vec::with_capacity(width * height);
    for y in 0..height {
        // The last row's filling may be missing.
        let line = pixels.get(y * row..y * row + used)?;
        indices.extend((0..width).map(|x| (line[x * bits / 8] >> (8 - bits - x * bits % 8)) & (255 >> (8 - bits))));
    }
    Some(indices)
}

/// Indices of run-length encoded rows. A pixel that is skipped has the palette's first colour, as Windows and Pillow show it.
fn runs(pixels: &[u8], header: &Header) -> Result<Vec<u8>, String> {
    const END_OF_LINE: u8 = 0;
    const END_OF_BITMAP: u8 = 1;
    const MOVE: u8 = 2;
    let (width, height, bits) = (header.width, header.height, header.bits);
    let mut indices = vec![0; width * height];
    let (mut x, mut y) = (0, 0);
    let mut rest = pixels;
    fn take<'a>(rest: &mut &'a [u8], n: usize) -> Result<&'a [u8], String> {
        let (taken, after) = rest.split_at_checked(n).ok_or(CUT)?;
        *rest = after;
        Ok(taken)
    }
    // Index `i` of a run: bytes, or their halves in turn.
    let index = |codes: &[u8], i: usize| match bits {
        8 => codes[i % codes.len()],
        _ => codes[i / 2 % codes.len()] >> (4 * (1 - i % 2)) & 15,
    };
    while y < height {
        // The last row's end may be unsaid.
        if rest.len() < 2 && y == height - 1 && x == width {
            break;
        }
        let [count, code] = *take(&mut rest, 2)? else { unreachable!("two bytes were taken") };
        let codes = match (count, code) {
            (0, END_OF_LINE) => {
                (x, y) = (0, y + 1);
                continue;
            }
            (0, END_OF_BITMAP) => break,
            (0, MOVE) => {
                let step = take(&mut rest, 2)?;
                (x, y) = (x + step[0] as usize, y + step[1] as usize);
                if x > width || y > height {
                    return Err("damaged: its run-length encoding leads out of the image".into());
                }
                continue;
            }
            (0, count) => {
                let bytes = (count as usize * bits).div_ceil(8);
                &take(&mut rest, bytes.next_multiple_of(2))?[..bytes]
            }
            _ => &[code][..],
        };
        let count = if count == 0 { code } else { count } as usize;
        // Some writers fill a row's last run beyond its end.
        let seen = count.min(width - x);
        let line = &mut indices[y * width + x..][..seen];
        line.iter_mut().enumerate().for_each(|(i, to)| *to = index(codes, i));
        x += seen;
    }
    Ok(indices)
}
