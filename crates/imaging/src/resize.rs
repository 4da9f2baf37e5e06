//! Scaling with antialiasing, as Pillow does it.

use crate::image::{Depth, Image};
use bytemuck::Pod;
use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::{U8, U8x3, U16, U16x3};
use fast_image_resize::{FilterType, PixelTrait, ResizeAlg, ResizeOptions, Resizer};
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
pub trait Scale: Depth {
    /// Whether the vertical pass comes before the horizontal one.
    const VERTICAL_FIRST: bool;

    /// A part of an image at another size.
    fn scale(image: &Image<Self>, part: Part, width: usize, height: usize, filter: Filter) -> Image<Self>;
}

const FITS: &str = "an image has as many values as it says, and the part lies in it";

/// Values that make up pixels of type `P`, scaled. The type is known when this is compiled, so that a program has the code for no other.
fn scaled<P: PixelTrait, T: Pod>(
    values: &[T],
    [w, h]: [usize; 2],
    part: Part,
    to: [usize; 2],
    filter: Filter,
) -> Vec<T> {
    let source = TypedImageRef::<P>::from_buffer(w as u32, h as u32, bytemuck::cast_slice(values)).expect(FITS);
    let mut target = vec![T::zeroed(); to[0] * to[1] * (size_of::<P>() / size_of::<T>())];
    let bytes = bytemuck::cast_slice_mut(&mut target);
    let mut view = TypedImage::<P>::from_buffer(to[0] as u32, to[1] as u32, bytes).expect(FITS);
    Resizer::new().resize_typed(&source, &mut view, &options(filter, part)).expect(FITS);
    target
}

/// As [`scaled`], of an image of one channel, whose pixels are `Grey`, or of three.
fn scaled_image<Grey: PixelTrait, Colour: PixelTrait, T: Pod>(
    image: &Image<T>,
    part: Part,
    [width, height]: [usize; 2],
    filter: Filter,
) -> Image<T> {
    let scale = match image.channels {
        1 => scaled::<Grey, T>,
        _ if cfg!(feature = "colour") => scaled::<Colour, T>,
        _ => panic!("Image: this build scales grey images alone (feature `colour` of striate-imaging)"),
    };
    let data = scale(&image.data, [image.width, image.height], part, [width, height], filter);
    Image { width, height, channels: image.channels, data }
}

impl Scale for u8 {
    const VERTICAL_FIRST: bool = true;

    fn scale(image: &Image, part: Part, width: usize, height: usize, filter: Filter) -> Image {
        scaled_image::<U8, U8x3, u8>(image, part, [width, height], filter)
    }
}

impl Scale for u16 {
    const VERTICAL_FIRST: bool = false;

    fn scale(image: &Image<u16>, part: Part, width: usize, height: usize, filter: Filter) -> Image<u16> {
        if !cfg!(feature = "deep") {
            panic!("Image: this build scales images of 8 bits alone (feature `deep` of striate-imaging)");
        }
        scaled_image::<U16, U16x3, u16>(image, part, [width, height], filter)
    }
}

/// How many times as many pixels as an image and its result together may be held between.
const SLACK: usize = 8;

/// The part that one pass of two reads along a side of `n` pixels, where `from..from + length` becomes `to`: whole pixels, with those that
/// the filter reaches.
fn reached(n: usize, from: f64, length: f64, to: usize) -> (usize, usize) {
    // Keys's cubic reaches two pixels, of the larger of both sizes.
    let reach = 2.0 * (length / to as f64).max(1.0) + 1.0;
    let start = (from - reach).floor().max(0.0) as usize;
    (start, ((from + length + reach).ceil() as usize).min(n))
}

impl<T: Scale> Image<T> {
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
        // Between the two passes of scaling there are as many pixels as one side of the result and the other of the image have. Of a thin
        // image these are many times those of both, unless the passes change places.
        let between = if T::VERTICAL_FIRST { w * height as f64 } else { h * width as f64 };
        if between <= SLACK as f64 * (w * h + (width * height) as f64) {
            return T::scale(self, part, width, height, filter);
        }
        if T::VERTICAL_FIRST {
            let (start, end) = reached(self.height, top, h, height);
            let rows = end - start;
            let across = T::scale(self, [left, start as f64, w, rows as f64], width, rows, filter);
            T::scale(&across, [0.0, top - start as f64, width as f64, h], width, height, filter)
        } else {
            let (start, end) = reached(self.width, left, w, width);
            let columns = end - start;
            let down = T::scale(self, [start as f64, top, columns as f64, h], columns, height, filter);
            T::scale(&down, [left - start as f64, 0.0, w, height as f64], width, height, filter)
        }
    }

    /// Width and height once the shorter side has `side` pixels.
    pub(crate) fn size_of_shorter(&self, side: usize) -> [usize; 2] {
        size_of_shorter([self.width, self.height], side)
    }

    /// Puts a part of another image on it, scaled: all of that image would take `at` (left, top, width, height; it may reach beyond), and
    /// only what lies in `window` (left, top, width, height) is drawn.
    ///
    /// # Panics
    /// If the window does not lie in this image, or the other has no pixels, or another number of channels.
    pub fn paste_scaled(&mut self, other: &Image<T>, at: [i64; 4], window: [usize; 4], filter: Filter) {
        let Some(seen) = overlap(at, window) else { return };
        let along = |n: usize, axis: usize| {
            let (n, whole) = (n as f64, at[axis + 2] as f64);
            let start = ((seen[axis] as i64 - at[axis]) as f64 * n / whole).min(n);
            let length = seen[axis + 2] as f64 * n / whole;
            (start, if start + length > n { n - start } else { length })
        };
        let ((left, w), (top, h)) = (along(other.width, 0), along(other.height, 1));
        let part = other.resized_part([left, top, w, h], seen[2], seen[3], filter);
        self.paste(&part, seen[0], seen[1]);
    }

    /// Whether scaling by the shorter side makes it many times larger than both itself and `area` pixels.
    pub(crate) fn grows_beyond(&self, side: usize, area: usize) -> bool {
        let [width, height] = self.size_of_shorter(side);
        width * height > SLACK * area.max(self.width * self.height)
    }

    /// Scaled with its aspect kept so that its shorter side has `side` pixels (torchvision's `Resize(side)`).
    ///
    /// # Panics
    /// As [`Image::resized`].
    pub fn resized_shorter(&self, side: usize, filter: Filter) -> Image<T> {
        let [width, height] = self.size_of_shorter(side);
        self.resized(width, height, filter)
    }

    /// Scaled so that its shorter side has `side` pixels, then the `width`×`height` pixels in its middle (torchvision's `Resize(side)` and
    /// `CenterCrop`). Of a long thin image only that middle is scaled; its values may then differ by 1 from those of the whole.
    ///
    /// # Panics
    /// As [`Image::resized`].
    pub fn resized_middle(&self, side: usize, width: usize, height: usize, filter: Filter) -> Image<T> {
        let [whole_w, whole_h] = self.size_of_shorter(side);
        if [self.width, self.height] == [whole_w, whole_h] {
            return self.centre_cropped(width, height);
        }
        if !self.grows_beyond(side, width * height) {
            return self.resized(whole_w, whole_h, filter).centre_cropped(width, height);
        }
        let along = |n: usize, whole: usize, wanted: usize| {
            let kept = wanted.min(whole);
            let scale = n as f64 / whole as f64;
            let start = middle(whole - kept) as f64 * scale;
            let end = (start + kept as f64 * scale).min(n as f64);
            (start, end - start, kept)
        };
        let (left, w, kept_w) = along(self.width, whole_w, width);
        let (top, h, kept_h) = along(self.height, whole_h, height);
        self.resized_part([left, top, w, h], kept_w, kept_h, filter).centre_cropped(width, height)
    }
}

/// Width and height of an image of this width and height once the shorter side has `side` pixels.
pub(crate) fn size_of_shorter([w, h]: [usize; 2], side: usize) -> [usize; 2] {
    // As torchvision has it: the longer side is rounded down.
    let longer = |long: usize, short: usize| (side * long / short).max(1);
    let (w, h) = (w.max(1), h.max(1));
    if w <= h { [side, longer(h, w)] } else { [longer(w, h), side] }
}

/// What two rectangles (left, top, width, height) share, if anything.
pub fn overlap(a: [i64; 4], b: [usize; 4]) -> Option<[usize; 4]> {
    let b = b.map(|v| v as i64);
    let along = |i: usize| {
        let (start, end) = (a[i].max(b[i]), (a[i] + a[i + 2]).min(b[i] + b[i + 2]));
        (end > start).then_some((start as usize, (end - start) as usize))
    };
    let ((left, width), (top, height)) = (along(0)?, along(1)?);
    Some([left, top, width, height])
}

impl<T: Depth> Image<T> {
    /// The `width`×`height` pixels in its middle, with black around them where it is smaller (torchvision's `CenterCrop`).
    pub fn centre_cropped(&self, width: usize, height: usize) -> Image<T> {
        let missing = |need: usize, have: usize| need.saturating_sub(have);
        let (across, down) = (missing(width, self.width), missing(height, self.height));
        if across > 0 || down > 0 {
            return self
                .bordered([across / 2, down / 2, across.div_ceil(2), down.div_ceil(2)])
                .centre_cropped(width, height);
        }
        self.cropped(middle(self.width - width), middle(self.height - height), width, height)
    }
}

/// What is cut off before the middle. Half pixels go to the even side, as Python rounds them.
pub(crate) fn middle(spare: usize) -> usize {
    (spare as f64 / 2.0).round_ties_even() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise<T: Depth>(w: usize, h: usize, channels: usize) -> Image<T> {
        let mut state = 7u32;
        let mut next = |_| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            T::from_u32((state >> 8) & T::MAX)
        };
        Image::new(w, h, channels, (0..w * h * channels).map(&mut next).collect())
    }

    fn furthest<T: Depth>(a: &Image<T>, b: &Image<T>) -> u32 {
        assert_eq!((a.width, a.height, a.channels), (b.width, b.height, b.channels));
        a.data.iter().zip(&b.data).map(|(a, b)| a.to_u32().abs_diff(b.to_u32())).max().unwrap()
    }

    fn check_middle<T: Scale>() {
        for (w, h) in
            [(640, 480), (32, 32), (31, 47), (500, 60), (3000, 8), (1, 1), (1, 900), (901, 1), (2, 411), (1217, 3)]
        {
            for (side, width, height) in [(40, 32, 32), (32, 32, 32), (17, 24, 11), (24, 24, 30)] {
                for filter in [Filter::Bilinear, Filter::Bicubic] {
                    let image = noise::<T>(w, h, if w % 2 == 0 { 1 } else { 3 });
                    let whole = image.resized_shorter(side, filter).centre_cropped(width, height);
                    let far = furthest(&image.resized_middle(side, width, height, filter), &whole);
                    let ordinary = w.max(h) <= 6 * w.min(h);
                    assert!(far == 0 || (far == 1 && !ordinary), "{w}×{h} to {side}, {width}×{height}: {far}");
                }
            }
        }
    }

    #[test]
    fn the_middle_alone_has_the_values_of_the_middle_of_the_whole() {
        check_middle::<u8>();
        check_middle::<u16>();
    }

    fn check_thin<T: Scale>() {
        // Thin enough for the passes to change places, and not too thin to compare with both orders.
        for (w, h) in [(5000, 1), (1, 5000), (3, 2000), (2000, 2)] {
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let image = noise::<T>(w, h, 3);
                let part =
                    if w > h { [10.5, 0.0, w as f64 - 20.0, h as f64] } else { [0.0, 10.5, w as f64, h as f64 - 20.0] };
                let far = furthest(&image.resized_part(part, 64, 48, filter), &T::scale(&image, part, 64, 48, filter));
                // The cubic overshoots black and white, which the first pass cuts off.
                let limit = if filter == Filter::Bilinear { 1 } else { T::MAX / 50 };
                assert!(far <= limit, "{w}×{h}: {far}");
            }
        }
    }

    #[test]
    fn a_thin_image_is_scaled_alike_in_either_order() {
        check_thin::<u8>();
        check_thin::<u16>();
    }

    #[test]
    fn grey_is_scaled_as_three_equal_channels_are() {
        for (w, h, to_w, to_h) in [(64, 48, 32, 32), (7, 9, 30, 20), (300, 200, 97, 64), (1, 50, 8, 8)] {
            for filter in [Filter::Bilinear, Filter::Bicubic] {
                let grey = noise::<u8>(w, h, 1);
                assert_eq!(
                    grey.resized(to_w, to_h, filter).to_channels(3),
                    grey.to_channels(3).resized(to_w, to_h, filter)
                );
                let deep = noise::<u16>(w, h, 1);
                assert_eq!(
                    deep.resized(to_w, to_h, filter).to_channels(3),
                    deep.to_channels(3).resized(to_w, to_h, filter)
                );
            }
        }
    }
}
