//! Scaling with antialiasing, as Pillow does it.

use crate::image::{Depth, Image};
use fast_image_resize::images::{Image as Bytes, ImageRef, TypedImage, TypedImageRef};
use fast_image_resize::pixels::{InnerPixel, U16, U16x3};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use serde::{Deserialize, Serialize};

/// How pixels are weighed when an image is scaled. Both are antialiased: their support grows as the image shrinks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Filter {
    /// A triangle (Pillow's `BILINEAR`).
    #[default]
    Bilinear,
    /// A cubic with a = -0.5 (Pillow's `BICUBIC`; Keys, Cubic convolution interpolation for digital image processing, 1981).
    Bicubic,
}

/// The part of an image that is scaled, in pixels that need not be whole: left, top, width, height.
pub type Part = [f64; 4];

fn options(filter: Filter, [left, top, width, height]: Part) -> ResizeOptions {
    let filter = match filter {
        Filter::Bilinear => FilterType::Bilinear,
        Filter::Bicubic => FilterType::CatmullRom,
    };
    ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).crop(left, top, width, height).use_alpha(false)
}

/// Depths that images can be scaled in.
pub trait Scale: Sized {
    /// A part of an image at another size.
    fn scale(image: &Image<Self>, part: Part, width: usize, height: usize, filter: Filter) -> Image<Self>;
}

const FITS: &str = "an image has as many values as it says, and the part lies in it";

impl Scale for u8 {
    fn scale(image: &Image, part: Part, width: usize, height: usize, filter: Filter) -> Image {
        let kind = if image.channels == 1 { PixelType::U8 } else { PixelType::U8x3 };
        let source = ImageRef::new(image.width as u32, image.height as u32, &image.data, kind).expect(FITS);
        let mut target = Bytes::new(width as u32, height as u32, kind);
        Resizer::new().resize(&source, &mut target, &options(filter, part)).expect(FITS);
        Image { width, height, channels: image.channels, data: target.into_vec() }
    }
}

impl Scale for u16 {
    fn scale(image: &Image<u16>, part: Part, width: usize, height: usize, filter: Filter) -> Image<u16> {
        let from = [image.width as u32, image.height as u32];
        let to = [width as u32, height as u32];
        let options = options(filter, part);
        let data = if image.channels == 1 {
            let pixels = image.data.iter().map(|&v| U16::new(v)).collect();
            scaled(pixels, from, to, &options).iter().map(|p| p.0).collect()
        } else {
            let pixels = image.data.as_chunks().0.iter().map(|&p| U16x3::new(p)).collect();
            scaled(pixels, from, to, &options).iter().flat_map(|p| p.0).collect()
        };
        Image { width, height, channels: image.channels, data }
    }
}

fn scaled<P: InnerPixel + fast_image_resize::PixelTrait>(
    pixels: Vec<P>,
    from: [u32; 2],
    to: [u32; 2],
    options: &ResizeOptions,
) -> Vec<P> {
    let source = TypedImageRef::new(from[0], from[1], &pixels).expect(FITS);
    let mut target = TypedImage::new(to[0], to[1]);
    Resizer::new().resize_typed(&source, &mut target, options).expect(FITS);
    target.pixels().to_vec()
}

impl<T: Depth> Image<T> {
    /// Scaled to `width`×`height`, whatever its aspect. An image of that size stays as it is.
    ///
    /// # Panics
    /// If it has no pixels, or is to have none, or has not 1 or 3 channels.
    pub fn resized(&self, width: usize, height: usize, filter: Filter) -> Image<T> {
        self.resized_part([0.0, 0.0, self.width as f64, self.height as f64], width, height, filter)
    }

    /// A part of it, scaled to `width`×`height`.
    ///
    /// # Panics
    /// As [`Image::resized`], and if the part does not lie in the image.
    pub fn resized_part(&self, part: Part, width: usize, height: usize, filter: Filter) -> Image<T> {
        let [left, top, w, h] = part;
        let (full_w, full_h) = (self.width as f64, self.height as f64);
        assert!(
            w > 0.0 && h > 0.0 && left >= 0.0 && top >= 0.0 && left + w <= full_w && top + h <= full_h,
            "Image: the part {part:?} does not lie in {}×{} pixels",
            self.width,
            self.height
        );
        assert!(width > 0 && height > 0, "Image: cannot be scaled to {width}×{height} pixels");
        assert!(self.channels == 1 || self.channels == 3, "Image: needs 1 or 3 channels, got {}", self.channels);
        if part == [0.0, 0.0, width as f64, height as f64] && [self.width, self.height] == [width, height] {
            return self.clone();
        }
        T::scale(self, part, width, height, filter)
    }

    /// Scaled with its aspect kept so that its shorter side has `side` pixels (torchvision's `Resize(side)`).
    ///
    /// # Panics
    /// As [`Image::resized`].
    pub fn resized_shorter(&self, side: usize, filter: Filter) -> Image<T> {
        // As torchvision has it: the longer side is rounded down.
        let longer = |long: usize, short: usize| (side * long / short).max(1);
        let (w, h) = (self.width.max(1), self.height.max(1));
        let (width, height) = if w <= h { (side, longer(h, w)) } else { (longer(w, h), side) };
        self.resized(width, height, filter)
    }

    /// The `width`×`height` pixels in its middle, with black around them where it is smaller (torchvision's `CenterCrop`).
    pub fn centre_cropped(&self, width: usize, height: usize) -> Image<T> {
        let missing = |need: usize, have: usize| need.saturating_sub(have);
        let (across, down) = (missing(width, self.width), missing(height, self.height));
        if across > 0 || down > 0 {
            return self
                .bordered([across / 2, down / 2, across.div_ceil(2), down.div_ceil(2)])
                .centre_cropped(width, height);
        }
        // Half pixels go to the even side, as Python rounds them.
        let half = |spare: usize| (spare as f64 / 2.0).round_ties_even() as usize;
        self.cropped(half(self.width - width), half(self.height - height), width, height)
    }
}
