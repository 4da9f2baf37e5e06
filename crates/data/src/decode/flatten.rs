//! Decoded images of any kind as grey or colour.

use crate::image::{AnyImage, Depth, Image};
use image::DynamicImage;

/// Grey as 1 channel, everything else as 3; transparent parts show `background`.
pub fn flatten(image: DynamicImage, background: [u8; 3]) -> Result<AnyImage, String> {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let bytes = |channels, data| AnyImage::U8(Image::new(width, height, channels, data));
    let words = |channels, data| AnyImage::U16(Image::new(width, height, channels, data));
    let deep = background.map(|v| v as u16 * 257);
    Ok(match image {
        DynamicImage::ImageLuma8(p) => bytes(1, p.into_raw()),
        DynamicImage::ImageRgb8(p) => bytes(3, p.into_raw()),
        DynamicImage::ImageLumaA8(p) => {
            let (channels, data) = grey_over(&p.into_raw(), background);
            bytes(channels, data)
        }
        DynamicImage::ImageRgba8(p) => bytes(3, over(&p.into_raw(), background)),
        DynamicImage::ImageLuma16(p) => words(1, p.into_raw()),
        DynamicImage::ImageRgb16(p) => words(3, p.into_raw()),
        DynamicImage::ImageLumaA16(p) => {
            let (channels, data) = grey_over(&p.into_raw(), deep);
            words(channels, data)
        }
        DynamicImage::ImageRgba16(p) => words(3, over(&p.into_raw(), deep)),
        DynamicImage::ImageRgb32F(p) => words(3, from_floats(&p.into_raw())?),
        DynamicImage::ImageRgba32F(p) => words(3, over(&from_floats(&p.into_raw())?, deep)),
        other => return Err(format!("images of kind {:?} cannot be read", other.color())),
    })
}

/// Numbers from 0 to 1 as 16 bits. Others have no meaning that an image states.
pub fn from_floats(values: &[f32]) -> Result<Vec<u16>, String> {
    let word = |&v: &f32| if (0.0..=1.0).contains(&v) { Ok(u16::from_f32(v * u16::MAX as f32)) } else { Err(v) };
    let words: Result<_, f32> = values.iter().map(word).collect();
    words.map_err(|v| format!("it holds floating-point values such as {v}; only 0 (black) to 1 (white) can be read"))
}

fn blend<T: Depth>(value: T, alpha: T, background: T) -> T {
    let (v, a, b) = (value.to_u32(), alpha.to_u32(), background.to_u32());
    T::from_u32((v * a + b * (T::MAX - a) + T::MAX / 2) / T::MAX)
}

fn over<T: Depth>(rgba: &[T], background: [T; 3]) -> Vec<T> {
    let pixel = |&[r, g, b, a]: &[T; 4]| {
        let [x, y, z] = background;
        [blend(r, a, x), blend(g, a, y), blend(b, a, z)]
    };
    rgba.as_chunks().0.iter().flat_map(pixel).collect()
}

/// Grey stays grey over a grey background, and becomes coloured over another.
fn grey_over<T: Depth>(grey_alpha: &[T], background: [T; 3]) -> (usize, Vec<T>) {
    let pixels = grey_alpha.as_chunks::<2>().0.iter();
    let [r, g, b] = background;
    if r == g && g == b {
        return (1, pixels.map(|&[v, a]| blend(v, a, r)).collect());
    }
    (3, pixels.flat_map(|&[v, a]| background.map(|b| blend(v, a, b))).collect())
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

    #[test]
    fn floats_outside_of_0_to_1_are_refused() {
        assert_eq!(from_floats(&[0.0, 0.5, 1.0]).unwrap(), [0, 32768, 65535]);
        for bad in [1.5, -0.1, f32::NAN, f32::INFINITY] {
            assert!(from_floats(&[0.0, bad]).unwrap_err().contains(&bad.to_string()));
        }
    }
}
