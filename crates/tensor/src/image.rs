//! Conversion from and to images of the `image` crate (feature `image`).

use crate::dtype::DType;
use crate::element::Stored;
use crate::tensor::Tensor;
use image::{DynamicImage, GrayAlphaImage, GrayImage, ImageBuffer, Pixel, RgbImage, RgbaImage};
use std::ops::Deref;

impl<T: Stored, P: Pixel<Subpixel = T>, C: Deref<Target = [T]>> From<&ImageBuffer<P, C>> for Tensor {
    /// `[channels, height, width]` with the pixels' values as they are: bytes stay `u8` (0 to 255), `f32` stays `f32`
    /// (`torchvision.transforms.functional.pil_to_tensor`).
    fn from(image: &ImageBuffer<P, C>) -> Self {
        let (w, h, c) = (image.width() as usize, image.height() as usize, P::CHANNEL_COUNT as usize);
        let values = &image.as_raw()[..w * h * c];
        Tensor::from_channels_last(values.to_vec(), [1, c, h, w]).reshape([c, h, w])
    }
}

impl Tensor {
    /// The pixels as `[channels, height, width]`, `u8`: one channel of grey, two with alpha, three of colour, four with alpha.
    /// Images with more than eight bits a channel are rounded to eight (feature `image`).
    pub fn from_image(image: &DynamicImage) -> Tensor {
        match image {
            DynamicImage::ImageLuma8(image) => image.into(),
            DynamicImage::ImageLumaA8(image) => image.into(),
            DynamicImage::ImageRgb8(image) => image.into(),
            DynamicImage::ImageRgba8(image) => image.into(),
            other => match (other.color().has_color(), other.color().has_alpha()) {
                (false, false) => (&other.to_luma8()).into(),
                (false, true) => (&other.to_luma_alpha8()).into(),
                (true, false) => (&other.to_rgb8()).into(),
                (true, true) => (&other.to_rgba8()).into(),
            },
        }
    }

    /// The image that `[channels, height, width]` (or `[1, channels, height, width]`) describes: 1 to 4 channels as
    /// [`Tensor::from_image`] gives them. Floating-point values from 0 to 1 become 0 to 255, rounded; what lies outside is cut
    /// off (`torchvision.utils.save_image`) (feature `image`).
    ///
    /// # Panics
    /// If the shape is another, or the type is neither `u8` nor floating-point.
    pub fn to_image(&self) -> DynamicImage {
        let shape = self.shape_value();
        let image = if shape.rank() == 4 && shape[0] == 1 { self.detach().select(0, 0) } else { self.detach() };
        assert!(
            image.rank() == 3 && (1..=4).contains(&image.shape()[0]),
            "to_image: needs [1 to 4 channels, height, width], got {shape}"
        );
        let bytes = match self.dtype() {
            DType::U8 => image,
            DType::F16 | DType::BF16 => {
                (image.to_dtype(DType::F32).clamp(0.0, 1.0) * 255.0).round().to_dtype(DType::U8)
            }
            DType::F32 | DType::F64 => (image.clamp(0.0, 1.0) * 255.0).round().to_dtype(DType::U8),
            other => panic!("to_image: needs u8 (0 to 255) or floating-point values (0 to 1), got {other}"),
        };
        let [c, h, w] = [bytes.shape()[0], bytes.shape()[1], bytes.shape()[2]];
        let values = bytes.permute(&[1, 2, 0]).to_vec::<u8>();
        let (width, height) = (w as u32, h as u32);
        let whole = "as many bytes as the image has";
        match c {
            1 => DynamicImage::from(GrayImage::from_raw(width, height, values).expect(whole)),
            2 => DynamicImage::from(GrayAlphaImage::from_raw(width, height, values).expect(whole)),
            3 => DynamicImage::from(RgbImage::from_raw(width, height, values).expect(whole)),
            _ => DynamicImage::from(RgbaImage::from_raw(width, height, values).expect(whole)),
        }
    }
}
