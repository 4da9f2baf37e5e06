//! Small images for pages.

use crate::{Filter, Image, ImageError};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};
use std::path::Path;

/// How wide a thumbnail may be for its height, and the other way round.
const LONGEST: usize = 6;
const QUALITY: u8 = 80;

impl Image {
    /// The image, no smaller than it must be for a shorter side of `side` pixels at most and a longer one of six times as many.
    pub fn thumbnail(&self, side: usize) -> Image {
        let (short, long) = (self.width.min(self.height), self.width.max(self.height));
        let longest = LONGEST * side;
        if long * side.min(short) > longest * short {
            let scaled = |n: usize| (n * longest / long).max(1);
            self.resized(scaled(self.width), scaled(self.height), Filter::Bilinear)
        } else if short > side {
            self.resized_shorter(side, Filter::Bilinear)
        } else {
            self.clone()
        }
    }

    /// The bytes of a JPEG file of an image in grey or colour.
    ///
    /// # Errors
    /// If it has no pixels, more on a side than JPEG can hold, or another number of channels.
    pub fn to_jpeg(&self) -> Result<Vec<u8>, ImageError> {
        let kind = match self.channels {
            1 => ExtendedColorType::L8,
            3 => ExtendedColorType::Rgb8,
            n => {
                return Err(ImageError::image(
                    Path::new("JPEG"),
                    format!("an image of {n} channels cannot be written"),
                ));
            }
        };
        let mut jpeg = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
        let written = encoder.write_image(&self.data, self.width as u32, self.height as u32, kind);
        written.map_err(|e| ImageError::image(Path::new("JPEG"), e.to_string()))?;
        Ok(jpeg)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thumbnails_are_bounded_and_never_larger() {
        let size = |w, h| {
            let small = Image::filled(w, h, &[7u8, 7, 7]).thumbnail(96);
            (small.width, small.height)
        };
        assert_eq!((size(640, 480), size(28, 28), size(1, 1)), ((128, 96), (28, 28), (1, 1)));
        assert_eq!((size(10_000, 10), size(3, 4000)), ((576, 1), (1, 576)));
    }

    #[test]
    fn a_jpeg_reads_back() {
        let jpeg = Image::filled(17, 3, &[200u8, 30, 30]).to_jpeg().unwrap();
        let read = crate::decode_bytes(&jpeg, Path::new("x.jpg"), &Default::default()).unwrap().into_bytes();
        assert_eq!((read.width, read.height, read.channels), (17, 3, 3));
        assert!(read.data[0].abs_diff(200) < 6 && read.data[1].abs_diff(30) < 6, "{:?}", &read.data[..3]);
        assert!(
            Image::new(0, 0, 3, Vec::new()).to_jpeg().is_err() && Image::filled(2, 2, &[0u8; 4]).to_jpeg().is_err()
        );
    }
}
