//! The compressions of strips and tiles, each as a reader of what was compressed.

use super::super::damaged;
use fax::decoder::{DecodeStatus, Group4Decoder};
use std::io::{self, Cursor, Read};
use weezl::BitOrder;
use weezl::decode::Decoder as Lzw;

/// What errors say of data that end too soon.
pub const CUT: &str = "it is cut short, or damaged";

/// What is the number of a compression that is not read.
fn unread(method: usize) -> String {
    let name = match method {
        2 => "modified Huffman codes (CCITT RLE)",
        3 => "Group 3 fax",
        6 => "old-style JPEG",
        34661 | 9 | 10 => "JBIG",
        34676 | 34677 => "SGI LogLuv",
        33003 | 33004 | 33005 | 34712 => "JPEG 2000",
        34892 => "lossy JPEG (DNG)",
        34925 => "LZMA",
        50000 | 34926 => "Zstandard",
        50001 | 34927 => "WebP",
        50002 | 52546 => "JPEG XL",
        _ => return format!("TIFF with compression {method} is not read: save it uncompressed, or as PNG"),
    };
    format!("TIFF with {name} compression is not read: save it uncompressed, or as PNG")
}

/// The uncompressed bytes of a strip or tile that is `width` pixels wide.
pub fn reader<'a>(method: usize, data: &'a [u8], width: usize, rows: usize) -> Result<Box<dyn Read + 'a>, String> {
    Ok(match method {
        1 => Box::new(data),
        4 => Box::new(Fax::new(data, width, rows)?),
        5 => {
            // The first writers had codes begin with the lowest bit. A first code always clears the table.
            if data.first() == Some(&0) && data.get(1).is_some_and(|b| b & 1 == 1) {
                return Err("TIFF with old-style LZW compression is not read: save it as PNG".into());
            }
            Box::new(LzwReader { lzw: Lzw::with_tiff_size_switch(BitOrder::Msb, 8), data })
        }
        8 | 32946 => Box::new(flate2::read::ZlibDecoder::new(data)),
        32773 => Box::new(PackBits { data, run: Run::None }),
        other => return Err(unread(other)),
    })
}

struct LzwReader<'a> {
    lzw: Lzw,
    data: &'a [u8],
}

impl Read for LzwReader<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let step = self.lzw.decode_bytes(self.data, out);
            self.data = &self.data[step.consumed_in..];
            let status = step.status.map_err(io::Error::other)?;
            if step.consumed_out > 0 || !matches!(status, weezl::LzwStatus::Ok) {
                return Ok(step.consumed_out);
            }
        }
    }
}

enum Run {
    None,
    Literal(usize),
    Repeat(usize, u8),
}

struct PackBits<'a> {
    data: &'a [u8],
    run: Run,
}

impl Read for PackBits<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while matches!(self.run, Run::None | Run::Literal(0) | Run::Repeat(0, _)) {
            let Some((&head, rest)) = self.data.split_first() else { return Ok(0) };
            self.data = rest;
            self.run = match head as i8 {
                -128 => Run::None,
                n if n >= 0 => Run::Literal(n as usize + 1),
                n => {
                    let Some((&value, rest)) = rest.split_first() else { return Ok(0) };
                    self.data = rest;
                    Run::Repeat(1 + n.unsigned_abs() as usize, value)
                }
            };
        }
        Ok(match &mut self.run {
            Run::Literal(left) => {
                let n = out.len().min(*left).min(self.data.len());
                out[..n].copy_from_slice(&self.data[..n]);
                self.data = &self.data[n..];
                *left -= n;
                n
            }
            Run::Repeat(left, value) => {
                let n = out.len().min(*left);
                out[..n].fill(*value);
                *left -= n;
                n
            }
            Run::None => 0,
        })
    }
}

type Bytes<'a> = io::Bytes<&'a [u8]>;

/// Group 4 fax: white is 0, black 1.
struct Fax<'a> {
    decoder: Group4Decoder<Bytes<'a>>,
    width: u32,
    rows: usize,
    line: Cursor<Vec<u8>>,
}

impl<'a> Fax<'a> {
    fn new(data: &'a [u8], width: usize, rows: usize) -> Result<Fax<'a>, String> {
        let width = u32::try_from(width).map_err(damaged)?;
        let decoder = Group4Decoder::new(data.bytes(), width).map_err(damaged)?;
        Ok(Fax { decoder, width, rows, line: Cursor::default() })
    }
}

impl Read for Fax<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        if self.line.position() as usize == self.line.get_ref().len() && self.rows > 0 {
            self.rows -= 1;
            if let DecodeStatus::Incomplete = self.decoder.advance().map_err(io::Error::other)? {
                let line = self.line.get_mut();
                line.clear();
                line.resize((self.width as usize).div_ceil(8), 0);
                let pixels = fax::decoder::pels(self.decoder.transition(), self.width);
                for (i, _) in pixels.enumerate().filter(|(_, colour)| *colour == fax::Color::Black) {
                    line[i / 8] |= 128 >> (i % 8);
                }
                self.line.set_position(0);
            }
        }
        self.line.read(out)
    }
}

/// What to say of an error of a [`reader`].
pub fn cut_or(error: &std::io::Error) -> String {
    if error.kind() == std::io::ErrorKind::UnexpectedEof { CUT.into() } else { damaged(error) }
}
