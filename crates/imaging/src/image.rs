//! [`Image`]: pixels.

use crate::error::ImageError;
use image::{ExtendedColorType, ImageFormat};
use std::borrow::Cow;
use std::path::Path;

/// The type of an image's values: `u8`, or `u16` for images that have more than 8 bits.
pub trait Depth: Copy + Default + Ord + Send + Sync + 'static {
    /// The largest value: white.
    const MAX: u32;

    /// The value as a number.
    fn to_u32(self) -> u32;

    /// The value of this number, which is at most [`Depth::MAX`].
    fn from_u32(value: u32) -> Self;

    /// The nearest value of this number; what lies outside becomes black or white.
    fn from_f32(value: f32) -> Self;

    /// An image in this depth: copied only if it has the other.
    fn of(image: &AnyImage) -> Cow<'_, Image<Self>>;
}

/// `value.round()`, of what is below 0 and of NaN 0. Without SSE 4.1 that is a call, and this is not.
fn rounded(value: f32) -> u32 {
    let whole = value as u32;
    whole.saturating_add(u32::from(value - whole as f32 >= 0.5))
}

impl Depth for u8 {
    const MAX: u32 = u8::MAX as u32;
    fn to_u32(self) -> u32 {
        self.into()
    }
    fn from_u32(value: u32) -> u8 {
        value as u8
    }
    fn from_f32(value: f32) -> u8 {
        rounded(value).min(u8::MAX.into()) as u8
    }
    fn of(image: &AnyImage) -> Cow<'_, Image> {
        match image {
            AnyImage::U8(image) => Cow::Borrowed(image),
            AnyImage::U16(image) => Cow::Owned(image.to_bytes()),
        }
    }
}

impl Depth for u16 {
    const MAX: u32 = u16::MAX as u32;
    fn to_u32(self) -> u32 {
        self.into()
    }
    fn from_u32(value: u32) -> u16 {
        value as u16
    }
    fn from_f32(value: f32) -> u16 {
        rounded(value).min(u16::MAX.into()) as u16
    }
    fn of(image: &AnyImage) -> Cow<'_, Image<u16>> {
        match image {
            AnyImage::U8(image) => {
                let data = image.data.iter().map(|&v| u16::from(v) * 257).collect();
                Cow::Owned(Image { width: image.width, height: image.height, channels: image.channels, data })
            }
            AnyImage::U16(image) => Cow::Borrowed(image),
        }
    }
}

/// An image, of one byte per value if nothing else is said: row by row, the channels of a pixel side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image<T = u8> {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Values per pixel: 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// `height · width · channels` values.
    pub data: Vec<T>,
}

impl<T: Depth> Image<T> {
    /// An image of these values.
    ///
    /// # Panics
    /// If there are not `height · width · channels` of them.
    pub fn new(width: usize, height: usize, channels: usize, data: Vec<T>) -> Image<T> {
        assert!(
            data.len() == width * height * channels,
            "Image: {} values do not fill {width}×{height} pixels of {channels} channels",
            data.len()
        );
        Image { width, height, channels, data }
    }

    /// `width`×`height` pixels of this colour, one value for each channel.
    pub fn filled(width: usize, height: usize, colour: &[T]) -> Image<T> {
        Image { width, height, channels: colour.len(), data: colour.repeat(width * height) }
    }

    /// Puts another image on it, whose first pixel comes to column `left` of row `top`.
    ///
    /// # Panics
    /// If that does not lie in it, or has another number of channels.
    pub fn paste(&mut self, other: &Image<T>, left: usize, top: usize) {
        assert!(
            left + other.width <= self.width && top + other.height <= self.height && other.channels == self.channels,
            "Image: {}×{} pixels of {} channels at ({left}, {top}) do not lie in {}×{} of {}",
            other.width,
            other.height,
            other.channels,
            self.width,
            self.height,
            self.channels
        );
        let row = other.width * other.channels;
        for (y, line) in other.data.chunks_exact(row.max(1)).enumerate() {
            let at = ((top + y) * self.width + left) * self.channels;
            self.data[at..at + row].copy_from_slice(line);
        }
    }

    /// The image as one of 1 or 3 channels: colours to grey by ITU-R BT.601 (`L = 0.299 R + 0.587 G + 0.114 B`, as Pillow does), grey to
    /// three equal channels.
    ///
    /// # Panics
    /// If it has, or is to have, another number of channels.
    pub fn to_channels(&self, channels: usize) -> Image<T> {
        let data = match (self.channels, channels) {
            (1, 1) | (3, 3) => self.data.clone(),
            (3, 1) => {
                let grey = |p: &[T; 3]| {
                    let [r, g, b] = p.map(T::to_u32);
                    T::from_u32((299 * r + 587 * g + 114 * b + 500) / 1000)
                };
                self.data.as_chunks::<3>().0.iter().map(grey).collect()
            }
            (1, 3) => self.data.iter().flat_map(|&v| [v; 3]).collect(),
            (from, to) => panic!("to_channels: needs 1 or 3 channels, got {from} to become {to}"),
        };
        Image { channels, data, ..*self }
    }

    /// As [`Image::to_channels`], of an image that is not needed any more.
    ///
    /// # Panics
    /// As [`Image::to_channels`].
    pub fn into_channels(self, channels: usize) -> Image<T> {
        if self.channels == channels { self } else { self.to_channels(channels) }
    }

    /// Each value as its distance from white: `255 - v` for bytes.
    pub fn inverted(mut self) -> Image<T> {
        self.data.iter_mut().for_each(|v| *v = T::from_u32(T::MAX - v.to_u32()));
        self
    }

    /// The pixel in column `x` of row `y`.
    ///
    /// # Panics
    /// If there is no such pixel.
    pub fn pixel(&self, x: usize, y: usize) -> &[T] {
        assert!(x < self.width, "Image: there is no column {x}, there are {}", self.width);
        let at = (y * self.width + x) * self.channels;
        &self.data[at..at + self.channels]
    }

    /// The `width`×`height` pixels whose first is in column `left` of row `top`.
    ///
    /// # Panics
    /// If the image does not hold them all.
    pub fn cropped(&self, left: usize, top: usize, width: usize, height: usize) -> Image<T> {
        assert!(
            left + width <= self.width && top + height <= self.height,
            "Image: {width}×{height} pixels from ({left}, {top}) do not lie in {}×{}",
            self.width,
            self.height
        );
        let c = self.channels;
        let mut data = Vec::with_capacity(width * height * c);
        for y in top..top + height {
            data.extend_from_slice(&self.data[(y * self.width + left) * c..(y * self.width + left + width) * c]);
        }
        Image { width, height, channels: c, data }
    }

    /// As [`Image::cropped`], in the memory that the image has.
    pub(crate) fn into_cropped(mut self, left: usize, top: usize, width: usize, height: usize) -> Image<T> {
        let c = self.channels;
        for y in 0..height {
            let from = ((top + y) * self.width + left) * c;
            self.data.copy_within(from..from + width * c, y * width * c);
        }
        self.data.truncate(height * width * c);
        Image { width, height, channels: c, data: self.data }
    }

    /// The image with `padding` black pixels on each side.
    pub fn padded(&self, padding: usize) -> Image<T> {
        self.bordered([padding; 4])
    }

    /// The image with `padding` pixels of this value, in each channel, on each side.
    pub fn padded_with(&self, padding: usize, value: T) -> Image<T> {
        self.bordered_with([padding; 4], value)
    }

    /// The image with this many black pixels on the left, above, on the right and below.
    pub(crate) fn bordered(&self, sides: [usize; 4]) -> Image<T> {
        self.bordered_with(sides, T::default())
    }

    fn bordered_with(&self, [left, top, right, bottom]: [usize; 4], value: T) -> Image<T> {
        let (width, height) = (self.width + left + right, self.height + top + bottom);
        let mut image =
            Image { width, height, channels: self.channels, data: vec![value; width * height * self.channels] };
        image.paste(self, left, top);
        image
    }

    /// The values of the pixels along the edge, each pixel once.
    pub(crate) fn border(&self) -> Vec<T> {
        let row = self.width * self.channels;
        let mut values = Vec::with_capacity(2 * row + 2 * self.height * self.channels);
        for (y, line) in self.data.chunks_exact(row).enumerate() {
            if y == 0 || y == self.height - 1 {
                values.extend_from_slice(line);
                continue;
            }
            values.extend_from_slice(&line[..self.channels]);
            if self.width > 1 {
                values.extend_from_slice(&line[row - self.channels..]);
            }
        }
        values
    }
}

impl Image<u16> {
    /// With every value rounded to a byte.
    pub fn to_bytes(&self) -> Image {
        let data = self.data.iter().map(|v| ((*v as u32 + 128) / 257) as u8).collect();
        Image { width: self.width, height: self.height, channels: self.channels, data }
    }
}

impl Image {
    /// Writes the image as a PNG file.
    ///
    /// # Errors
    /// If the file cannot be written.
    ///
    /// # Panics
    /// If the image has not 1 or 3 channels.
    pub fn write_png(&self, path: &Path) -> Result<(), ImageError> {
        assert!(self.channels == 1 || self.channels == 3, "write_png: needs 1 or 3 channels, got {}", self.channels);
        let kind = if self.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
        let (w, h) = (self.width as u32, self.height as u32);
        image::save_buffer_with_format(path, &self.data, w, h, kind, ImageFormat::Png)
            .map_err(|e| ImageError::image(path, format!("cannot write it: {}", e.to_string().replace('\n', " "))))
    }
}

/// An image of either depth.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnyImage {
    /// Of one byte per value.
    U8(Image),
    /// Of 16 bits per value, from a file that has more than 8.
    U16(Image<u16>),
}

impl AnyImage {
    /// Pixels in a row.
    pub fn width(&self) -> usize {
        match self {
            AnyImage::U8(image) => image.width,
            AnyImage::U16(image) => image.width,
        }
    }

    /// Rows.
    pub fn height(&self) -> usize {
        match self {
            AnyImage::U8(image) => image.height,
            AnyImage::U16(image) => image.height,
        }
    }

    /// Values per pixel: 1 for grey, 3 for red, green and blue.
    pub fn channels(&self) -> usize {
        match self {
            AnyImage::U8(image) => image.channels,
            AnyImage::U16(image) => image.channels,
        }
    }

    /// As one of 1 or 3 channels: see [`Image::to_channels`].
    ///
    /// # Panics
    /// If `channels` is neither.
    pub fn to_channels(self, channels: usize) -> AnyImage {
        match self {
            same if same.channels() == channels => same,
            AnyImage::U8(image) => AnyImage::U8(image.to_channels(channels)),
            AnyImage::U16(image) => AnyImage::U16(image.to_channels(channels)),
        }
    }

    /// With every value rounded to a byte.
    pub fn into_bytes(self) -> Image {
        match self {
            AnyImage::U8(image) => image,
            AnyImage::U16(image) => image.to_bytes(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_grey_as_in_pillow() {
        let colours = Image::new(5, 1, 3, vec![255u8, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30, 255, 255, 255]);
        assert_eq!(colours.to_channels(1).data, [76, 150, 29, 18, 255]);
        assert_eq!(Image::new(2, 1, 1, vec![3u8, 9]).to_channels(3).data, [3, 3, 3, 9, 9, 9]);
    }

    #[test]
    fn deep_values_keep_their_depth_until_they_are_rounded() {
        let deep = Image::new(2, 1, 3, vec![65535u16, 0, 0, 1000, 1000, 1000]);
        assert_eq!(deep.to_channels(1).data, [19595, 1000]);
        assert_eq!(AnyImage::U16(deep.clone().inverted()).into_bytes().data, [0, 255, 255, 251, 251, 251]);
        let halves = Image::new(4, 1, 1, vec![128u16, 129, 0x8080, 65535]);
        assert_eq!(AnyImage::U16(halves).into_bytes().data, [0, 1, 128, 255]);
        assert_eq!((u16::from_f32(-3.0), u16::from_f32(70000.0), u8::from_f32(1.5)), (0, 65535, 2));
    }

    #[test]
    fn numbers_are_rounded_as_by_the_standard_library() {
        let odd = [0.49999997, -0.5, -0.3, -0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 8388609.0];
        let halves = (-10..600).flat_map(|i| [-1e-5, 0.0, 1e-5].map(|e| i as f32 * 0.5 + e));
        for value in odd.into_iter().chain(halves).chain((0..700).map(|i| i as f32 * 99.77)) {
            assert_eq!(
                (u8::from_f32(value), u16::from_f32(value)),
                (value.round() as u8, value.round() as u16),
                "{value}"
            );
        }
    }

    #[test]
    fn an_image_of_either_depth_is_one_of_the_other() {
        let bytes = AnyImage::U8(Image::new(3, 1, 1, vec![0u8, 128, 255]));
        assert_eq!(u16::of(&bytes).data, [0, 128 * 257, 65535]);
        assert!(matches!(u8::of(&bytes), Cow::Borrowed(_)));
        assert_eq!(*u8::of(&AnyImage::U16(u16::of(&bytes).into_owned())), bytes.into_bytes());
    }

    #[test]
    fn a_part_is_cut_out() {
        let image = Image::new(3, 2, 1, vec![1u8, 2, 3, 4, 5, 6]);
        assert_eq!(image.cropped(1, 0, 2, 2).data, [2, 3, 5, 6]);
        assert_eq!(image.pixel(2, 1), [6]);
    }

    #[test]
    fn padding_is_black_and_on_every_side() {
        let padded = Image::new(2, 1, 1, vec![7u8, 8]).padded(1);
        assert_eq!((padded.width, padded.height), (4, 3));
        assert_eq!(padded.data, [0, 0, 0, 0, 0, 7, 8, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn the_border_has_each_pixel_once() {
        let image = Image::new(3, 3, 1, (1..=9u8).collect());
        assert_eq!(image.border(), [1, 2, 3, 4, 6, 7, 8, 9]);
        assert_eq!(Image::new(1, 3, 1, vec![1u8, 2, 3]).border(), [1, 2, 3]);
    }
}
