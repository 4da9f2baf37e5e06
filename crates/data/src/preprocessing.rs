//! [`Preprocessing`]: how an image becomes a network's input, in training and ever after.

use crate::image::Image;
use crate::transforms::{Compose, Normalize, Pad, ToTensor, Transform, Value};
use image::imageops::{FilterType, resize};
use image::{ImageBuffer, Luma, Rgb};
use serde::{Deserialize, Serialize};
use striate_tensor::Tensor;

/// How a picture of another size comes to the size of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// As MNIST's digits were made: the ink's bounding box scaled, with its aspect kept, to fit a box of 20/28 of the size, placed with its
    /// centre of mass in the centre.
    Digit,
    /// Scaled to the size with antialiasing (bilinear), whatever its aspect.
    Resize,
}

/// What a model file says about its input. Training and prediction both use it, so they agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Preprocessing {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Height and width before padding.
    pub size: [usize; 2],
    /// How a picture of another size comes to that size.
    pub fit: Fit,
    /// Black pixels added on each side.
    pub pad: usize,
    /// What is subtracted from each channel, of values 0 to 1.
    pub mean: Vec<f32>,
    /// What each channel is divided by.
    pub std: Vec<f32>,
}

/// The fields as a file has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    channels: usize,
    size: [usize; 2],
    fit: Fit,
    pad: usize,
    mean: Vec<f32>,
    std: Vec<f32>,
}

/// The largest side, padding included, that a file may ask for.
const SIDE_LIMIT: usize = 16_384;

impl TryFrom<Unchecked> for Preprocessing {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Preprocessing, String> {
        let Unchecked { channels, size, fit, pad, mean, std } = raw;
        if channels != 1 && channels != 3 {
            return Err(format!("preprocessing: channels is {channels}, it must be 1 or 3"));
        }
        if size.contains(&0) || size.iter().any(|&s| s > SIDE_LIMIT) || pad > SIDE_LIMIT {
            return Err(format!("preprocessing: size {size:?} with pad {pad} is not between 1 and {SIDE_LIMIT}"));
        }
        if mean.len() != channels || std.len() != channels {
            return Err(format!(
                "preprocessing: {} means and {} deviations for {channels} channels",
                mean.len(),
                std.len()
            ));
        }
        if mean.iter().any(|m| !m.is_finite()) || std.iter().any(|s| !s.is_finite() || *s <= 0.0) {
            return Err(format!("preprocessing: mean {mean:?} and std {std:?} must be finite, std positive"));
        }
        Ok(Preprocessing { channels, size, fit, pad, mean, std })
    }
}

/// What was done to a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Whether it was dark on light, and inverted for that.
    pub inverted: bool,
    /// Height and width before, if they were others than the training images'.
    pub resized_from: Option<[usize; 2]>,
}

impl Preprocessing {
    /// Channels, height and width of the result.
    pub fn output_shape(&self) -> [usize; 3] {
        let padded = |size: usize| size.saturating_add(self.pad.saturating_mul(2));
        [self.channels, padded(self.size[0]), padded(self.size[1])]
    }

    /// What is done to an image that has the size, channels and polarity of the training images.
    pub fn transform(&self) -> Compose {
        Compose::new().then(Pad(self.pad)).then(ToTensor).then(Normalize::new(self.mean.clone(), self.std.clone()))
    }

    /// Any picture as `[1, c, h, w]`, with what was done to it: its channels and polarity become those of the training
    /// images, and its size if it is another.
    ///
    /// # Panics
    /// If the picture has no pixels or not 1 or 3 channels, or the fields contradict one another.
    pub fn apply(&self, image: &Image) -> (Tensor, Prepared) {
        let (fitted, prepared) = self.fit(image);
        (self.transform().apply(Value::Image(fitted)).into_tensor().unsqueeze(0), prepared)
    }

    /// The picture with channels, polarity and size of the training images, before padding and normalizing.
    ///
    /// # Panics
    /// If the picture has no pixels or not 1 or 3 channels.
    pub fn fit(&self, image: &Image) -> (Image, Prepared) {
        let from = [image.height, image.width];
        assert!(!from.contains(&0), "Preprocessing: the image has no pixels ({}×{})", from[1], from[0]);
        let mut image = image.to_channels(self.channels);
        let inverted = self.channels == 1 && dark_on_light(&image);
        if inverted {
            image = image.inverted();
        }
        let resized_from = (from != self.size).then_some(from);
        if resized_from.is_some() {
            let [h, w] = self.size;
            image = match (self.fit, self.channels) {
                (Fit::Digit, 1) => digit(&image, h, w),
                _ => resized(&image, h, w),
            };
        }
        (image, Prepared { inverted, resized_from })
    }

    /// What is done to a picture, in words.
    pub fn describe(&self) -> String {
        let [h, w] = self.size;
        let colour = if self.channels == 1 { "grey, light on dark" } else { "colour" };
        let fit = match self.fit {
            Fit::Digit => "cropped to the ink and centred as MNIST's digits were",
            Fit::Resize => "resized (bilinear, antialiased)",
        };
        let pad = if self.pad == 0 { String::new() } else { format!(", {} black pixels added on each side", self.pad) };
        let numbers = |v: &[f32]| v.iter().map(|x| format!("{x:.4}")).collect::<Vec<_>>().join(", ");
        format!("{colour}, {fit} to {w}×{h}{pad}, mean {}, std {}", numbers(&self.mean), numbers(&self.std))
    }
}

fn median(mut values: Vec<u8>) -> u8 {
    let middle = values.len() / 2;
    *values.select_nth_unstable(middle).1
}

/// Whether the background is light: most of the edge and most of the whole.
fn dark_on_light(grey: &Image) -> bool {
    median(grey.border()) > 127 && median(grey.data.clone()) > 127
}

/// Scaled with a triangle as wide as the source pixels that a target pixel covers.
fn resized(image: &Image, height: usize, width: usize) -> Image {
    let (from_w, from_h) = (image.width as u32, image.height as u32);
    let (w, h) = (width as u32, height as u32);
    let data = image.data.clone();
    const FITS: &str = "an image has as many values as it says";
    let data = if image.channels == 1 {
        let source = ImageBuffer::<Luma<u8>, _>::from_raw(from_w, from_h, data).expect(FITS);
        resize(&source, w, h, FilterType::Triangle).into_raw()
    } else {
        let source = ImageBuffer::<Rgb<u8>, _>::from_raw(from_w, from_h, data).expect(FITS);
        resize(&source, w, h, FilterType::Triangle).into_raw()
    };
    Image { width, height, channels: image.channels, data }
}

/// Contrast below this is noise on an empty page.
const FAINT: u8 = 16;
/// Ink is what reaches this share of the strongest.
const INK: u8 = 64;

/// A light digit on dark ground in the way of MNIST's.
fn digit(grey: &Image, height: usize, width: usize) -> Image {
    let blank = Image { width, height, channels: 1, data: vec![0; width * height] };
    let ground = median(grey.border());
    let Some(ink) = stretched(grey, ground) else { return blank };
    let inside = |i: usize| (i % ink.width, i / ink.width);
    let (mut left, mut right, mut top, mut bottom) = (ink.width, 0, ink.height, 0);
    for (x, y) in ink.data.iter().enumerate().filter(|(_, v)| **v >= INK).map(|(i, _)| inside(i)) {
        (left, right) = (left.min(x), right.max(x + 1));
        (top, bottom) = (top.min(y), bottom.max(y + 1));
    }
    let (crop_w, crop_h) = (right - left, bottom - top);
    let data = (top..bottom).flat_map(|y| &ink.data[y * ink.width + left..y * ink.width + right]).copied().collect();
    let crop = Image { width: crop_w, height: crop_h, channels: 1, data };
    let (box_w, box_h) = (width as f64 * 20.0 / 28.0, height as f64 * 20.0 / 28.0);
    let scale = (box_w / crop_w as f64).min(box_h / crop_h as f64);
    let side = |n: usize, limit: usize| ((n as f64 * scale).round() as usize).clamp(1, limit);
    let small = resized(&crop, side(crop_h, height), side(crop_w, width));
    // A thin stroke fades as it shrinks; MNIST's are white.
    let Some(small) = stretched(&small, 0) else { return blank };
    let mass = small.data.iter().map(|&v| v as f64).sum::<f64>();
    let centre = |coordinate: fn(usize, usize) -> usize| {
        let moments = small.data.iter().enumerate().map(|(i, &v)| (coordinate(i, small.width) as f64 + 0.5) * v as f64);
        moments.sum::<f64>() / mass
    };
    let offset = |centre: f64, side: usize, room: usize| {
        ((room as f64 / 2.0 - centre).round().max(0.0) as usize).min(room - side)
    };
    let x = offset(centre(|i, w| i % w), small.width, width);
    let y = offset(centre(|i, w| i / w), small.height, height);
    let mut out = blank;
    for (row, line) in small.data.chunks_exact(small.width).enumerate() {
        let at = (y + row) * width + x;
        out.data[at..at + small.width].copy_from_slice(line);
    }
    out
}

/// The values from `ground` to the highest as 0 to 255; nothing if they hardly differ.
fn stretched(image: &Image, ground: u8) -> Option<Image> {
    let highest = image.data.iter().copied().max()?;
    let range = highest.saturating_sub(ground);
    if range < FAINT {
        return None;
    }
    let stretch = |v: u8| (v.saturating_sub(ground) as u32 * 255 + range as u32 / 2) / range as u32;
    Some(Image { data: image.data.iter().map(|&v| stretch(v) as u8).collect(), ..*image })
}
