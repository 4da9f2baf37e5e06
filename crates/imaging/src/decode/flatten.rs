//! Decoded images of any kind as grey or colour. Values are moved within the memory they lie in wherever they become fewer.

use crate::image::{AnyImage, Depth, Image};
use image::DynamicImage;

/// Grey as 1 channel, everything else as 3; transparent parts show `background`.
pub fn flatten(image: DynamicImage, background: [u8; 3]) -> Result<AnyImage, String> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let bytes = |channels, data| AnyImage::U8(Image::new(width, height, channels, data));
    let words = |channels, data| AnyImage::U16(Image::new(width, height, channels, data));
    let deep = deep(background);
    Ok(match image {
        DynamicImage::ImageLuma8(p) => bytes(1, p.into_raw()),
        DynamicImage::ImageRgb8(p) => bytes(3, p.into_raw()),
        DynamicImage::ImageLumaA8(p) => {
            let (channels, data) = grey_over(p.into_raw(), background, blend);
            bytes(channels, data)
        }
        DynamicImage::ImageRgba8(p) => bytes(3, over(p.into_raw(), background, blend)),
        DynamicImage::ImageLuma16(p) => words(1, p.into_raw()),
        DynamicImage::ImageRgb16(p) => words(3, p.into_raw()),
        DynamicImage::ImageLumaA16(p) => {
            let (channels, data) = grey_over(p.into_raw(), deep, blend);
            words(channels, data)
        }
        DynamicImage::ImageRgba16(p) => words(3, over(p.into_raw(), deep, blend)),
        other => return Err(format!("images of kind {:?} cannot be read", other.color())),
    })
}

/// The background in 16 bits.
pub fn deep(background: [u8; 3]) -> [u16; 3] {
    background.map(|v| v as u16 * 257)
}

/// What shows of a value that alpha is yet to be multiplied with, over a background.
pub fn blend<T: Depth>(value: T, alpha: T, background: T) -> T {
    let (v, a, b) = (value.to_u32(), alpha.to_u32(), background.to_u32());
    T::from_u32((v * a + b * (T::MAX - a) + T::MAX / 2) / T::MAX)
}

/// What shows of a value that alpha has been multiplied with ("associated", "premultiplied"), over a background.
pub fn add<T: Depth>(value: T, alpha: T, background: T) -> T {
    let (v, a, b) = (value.to_u32(), alpha.to_u32(), background.to_u32());
    T::from_u32((v + (b * (T::MAX - a) + T::MAX / 2) / T::MAX).min(T::MAX))
}

/// Each `N` values as `M` others. `M` is not larger.
pub fn compact<T: Copy, const N: usize, const M: usize>(mut data: Vec<T>, pixel: impl Fn([T; N]) -> [T; M]) -> Vec<T> {
    const { assert!(M <= N) };
    let pixels = data.len() / N;
    for i in 0..pixels {
        let from: [T; N] = *data[i * N..].first_chunk().expect("as many values as pixels need");
        data[i * M..i * M + M].copy_from_slice(&pixel(from));
    }
    data.truncate(pixels * M);
    data.shrink_to_fit();
    data
}

/// Colours with alpha over a background, by [`blend`] or [`add`].
pub fn over<T: Depth>(rgba: Vec<T>, [x, y, z]: [T; 3], by: fn(T, T, T) -> T) -> Vec<T> {
    compact(rgba, |[r, g, b, a]| [by(r, a, x), by(g, a, y), by(b, a, z)])
}

/// Grey stays grey over a grey background, and becomes coloured over another.
pub fn grey_over<T: Depth>(grey_alpha: Vec<T>, background: [T; 3], by: fn(T, T, T) -> T) -> (usize, Vec<T>) {
    let [r, g, b] = background;
    if r == g && g == b {
        return (1, compact(grey_alpha, |[v, a]| [by(v, a, r)]));
    }
    let pixels = grey_alpha.as_chunks::<2>().0.iter();
    (3, pixels.flat_map(|&[v, a]| background.map(|b| by(v, a, b))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use image::{ImageBuffer, LumaA, Rgba};

    #[test]
    fn transparent_parts_show_the_background() {
        let rgba = ImageBuffer::<Rgba<u16>, _>::from_raw(2, 1, vec![65535, 0, 0, 0, 100, 200, 300, 65535]).unwrap();
        let Ok(AnyImage::U16(image)) = flatten(rgba.into(), [0, 255, 1]) else { panic!("16 bits stay 16 bits") };
        assert_eq!(image.data, [0, 65535, 257, 100, 200, 300]);
        let grey = ImageBuffer::<LumaA<u8>, _>::from_raw(2, 1, vec![10, 255, 10, 0]).unwrap();
        let flat = |background| flatten(DynamicImage::ImageLumaA8(grey.clone()), background).unwrap().into_bytes();
        assert_eq!((flat([9; 3]).channels, flat([9; 3]).data), (1, vec![10, 9]));
        assert_eq!(flat([1, 2, 3]).data, [10, 10, 10, 1, 2, 3]);
    }
}
