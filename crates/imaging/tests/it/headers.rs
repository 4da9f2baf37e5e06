//! Headers without pixels, and the indices of PNG files with a palette.

use image::{DynamicImage, ImageFormat, RgbImage};
use std::io::Cursor;
use std::path::Path;
use striate_imaging::{AnyImage, DecodeOptions, Header, ImageError, decode_bytes, decode_values};

fn encoded(format: ImageFormat) -> Vec<u8> {
    let image = DynamicImage::from(RgbImage::from_fn(7, 4, |x, y| image::Rgb([x as u8 * 30, y as u8 * 60, 9])));
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn header(bytes: &[u8]) -> Result<Header, ImageError> {
    Header::read(Cursor::new(bytes), Path::new("x"), &DecodeOptions::default())
}

/// A JPEG file with this orientation in an EXIF segment.
fn turned(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    tiff.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let exif = [&b"Exif\0\0"[..], &tiff].concat();
    let length = (exif.len() as u16 + 2).to_be_bytes();
    let plain = encoded(ImageFormat::Jpeg);
    [&plain[..2], b"\xff\xe1", &length, &exif, &plain[2..]].concat()
}

#[test]
fn headers_agree_with_decoded_images() {
    for format in
        [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp, ImageFormat::WebP, ImageFormat::Pnm]
    {
        let Ok(header) = header(&encoded(format)) else { panic!("{format:?}") };
        assert_eq!((header.size, header.orientation), ([4, 7], 1), "{format:?}");
    }
    for orientation in 1..=8 {
        let bytes = turned(orientation);
        let header = header(&bytes).unwrap();
        let image = decode_bytes(&bytes, Path::new("x"), &DecodeOptions::default()).unwrap();
        assert_eq!((header.size, header.orientation), ([4, 7], orientation));
        assert_eq!(header.upright(), [image.height(), image.width()]);
    }
}

#[test]
fn headers_that_are_cut_short_are_refused() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Gif, ImageFormat::Bmp] {
        let bytes = encoded(format);
        for end in 0..20 {
            let line = header(&bytes[..end]).map_or_else(|e| e.to_string(), |h| format!("{:?}", h.size));
            assert!(line.lines().count() == 1 && (line.contains('x') || line == "[4, 7]"), "{format:?} {end}: {line}");
        }
    }
    assert!(header(b"\xff\xd8\xff").is_err() && header(&[0xff; 100_000]).is_err());
}

#[test]
fn palettes_give_indices_and_other_files_their_values() {
    for (depth, packed, expected) in [
        (png::BitDepth::One, vec![0b0110_0000u8, 0b1000_0000], [0, 1, 1, 1, 0, 0]),
        (png::BitDepth::Two, vec![0b0110_1100, 0b1000_0000], [1, 2, 3, 2, 0, 0]),
        (png::BitDepth::Four, vec![0x0f, 0x30, 0x33, 0x30], [0, 15, 3, 3, 3, 3]),
        (png::BitDepth::Eight, vec![0, 15, 255, 3, 0, 7], [0, 15, 255, 3, 0, 7]),
    ] {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, 3, 2);
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_depth(depth);
        let colours = 1usize << (depth as u8);
        encoder.set_palette((0..colours).flat_map(|i| [i as u8, 0, 255]).collect::<Vec<u8>>());
        encoder.write_header().unwrap().write_image_data(&packed).unwrap();
        let values = decode_values(&bytes, Path::new("x"), &DecodeOptions::default()).unwrap();
        let AnyImage::U8(image) = values.image else { panic!("indices are bytes") };
        assert_eq!((image.width, image.height, image.channels, &image.data[..]), (3, 2, 1, &expected[..]));
        assert_eq!(values.palette.unwrap()[1], [1, 0, 255]);
        for end in 0..bytes.len() - 12 {
            assert!(decode_values(&bytes[..end], Path::new("x"), &DecodeOptions::default()).is_err(), "{end}");
        }
    }
    let plain = decode_values(&encoded(ImageFormat::Png), Path::new("x"), &DecodeOptions::default()).unwrap();
    assert_eq!((plain.palette, plain.image.channels()), (None, 3));
    // Turned neither.
    assert_eq!(decode_values(&turned(6), Path::new("x"), &DecodeOptions::default()).unwrap().image.width(), 7);
}
