//! Images that lie on a side, as cameras and scanners note it.

use crate::image::{AnyImage, Depth, Image};
use image::metadata::Orientation;

/// The image upright, given how it lies.
pub fn upright(image: AnyImage, orientation: Orientation) -> AnyImage {
    match image {
        _ if orientation == Orientation::NoTransforms => image,
        AnyImage::U8(image) => AnyImage::U8(turned(image, orientation)),
        AnyImage::U16(image) => AnyImage::U16(turned(image, orientation)),
    }
}

pub fn turned<T: Depth>(image: Image<T>, orientation: Orientation) -> Image<T> {
    use Orientation::*;
    let (swaps, across, down) = match orientation {
        NoTransforms => (false, false, false),
        FlipHorizontal => (false, true, false),
        FlipVertical => (false, false, true),
        Rotate180 => (false, true, true),
        Rotate90FlipH => (true, false, false),
        Rotate90 => (true, true, false),
        Rotate270 => (true, false, true),
        Rotate270FlipH => (true, true, true),
    };
    let mut image = if swaps { transposed(&image) } else { image };
    let row = image.width * image.channels;
    if across {
        for line in image.data.chunks_exact_mut(row) {
            mirror(line, image.channels);
        }
    }
    if down {
        for y in 0..image.height / 2 {
            let (above, below) = image.data.split_at_mut((image.height - 1 - y) * row);
            above[y * row..(y + 1) * row].swap_with_slice(&mut below[..row]);
        }
    }
    image
}

fn mirror<T>(line: &mut [T], channels: usize) {
    line.reverse();
    line.chunks_exact_mut(channels).for_each(<[T]>::reverse);
}

/// Columns as rows. By squares, for each of whose lines the cache has room.
fn transposed<T: Depth>(image: &Image<T>) -> Image<T> {
    const SIDE: usize = 32;
    let (w, h, c) = (image.width, image.height, image.channels);
    let mut data = vec![T::default(); image.data.len()];
    for top in (0..h).step_by(SIDE) {
        for left in (0..w).step_by(SIDE) {
            for x in left..w.min(left + SIDE) {
                for y in top..h.min(top + SIDE) {
                    let (from, to) = ((y * w + x) * c, (x * h + y) * c);
                    data[to..to + c].copy_from_slice(&image.data[from..from + c]);
                }
            }
        }
    }
    Image { width: h, height: w, channels: c, data }
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{DynamicImage, GrayImage, RgbImage};

    #[test]
    fn every_orientation_of_any_size_is_as_the_image_crate_has_it() {
        for (w, h) in [(1, 1), (1, 5), (4, 1), (3, 2), (33, 70)] {
            let data: Vec<u8> = (0..w * h * 3).map(|i| (i * 37 % 251) as u8).collect();
            for number in 1..=8 {
                let orientation = Orientation::from_exif(number).unwrap();
                let mut colour = DynamicImage::from(RgbImage::from_raw(w as u32, h as u32, data.clone()).unwrap());
                let mut grey =
                    DynamicImage::from(GrayImage::from_raw(w as u32, h as u32, data[..w * h].to_vec()).unwrap());
                for (image, channels) in [(&mut colour, 3), (&mut grey, 1)] {
                    let own = Image::new(w, h, channels, data[..w * h * channels].to_vec());
                    let own = upright(AnyImage::U8(own), orientation).into_bytes();
                    image.apply_orientation(orientation);
                    assert_eq!((own.width as u32, own.height as u32), (image.width(), image.height()), "{number}");
                    assert_eq!(own.data, image.as_bytes(), "{number}: {w}×{h}×{channels}");
                }
            }
        }
    }
}
