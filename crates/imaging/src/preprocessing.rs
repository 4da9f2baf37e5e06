//! [`Preprocessing`]: how an image becomes a network's input, in training and ever after.

use crate::decode::DecodeOptions;
use crate::image::{AnyImage, Depth, Image};
use crate::placement::Placement;
use crate::resize::{Filter, Scale, middle, size_of_shorter};
use crate::transforms::{Compose, Normalize, Pad, ToTensor, Transform, Value};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use striate_tensor::Tensor;

/// How an image of another size comes to the size of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fit {
    /// As MNIST's digits were made: the ink's bounding box scaled, with its aspect kept, to fit a box of 20/28 of the size, placed with its
    /// centre of mass in the centre.
    Digit,
    /// Scaled to the size with antialiasing, whatever its aspect.
    Resize,
    /// Scaled with antialiasing and with its aspect kept until the shorter side has this many pixels; then the middle is cut out.
    Crop {
        /// Pixels of the shorter side.
        shorter: usize,
    },
    /// Letterbox: all of it scaled with antialiasing and with its aspect kept, as large as fits, in the middle of a border.
    Letterbox {
        /// The colour of the border; none: the mean that is subtracted, which the network sees as 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        fill: Option<[u8; 3]>,
    },
}

/// What a model file says about its input. Training and prediction both use it, so they agree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct Preprocessing {
    /// 1 for grey, 3 for colour.
    pub channels: usize,
    /// Height and width before padding.
    pub size: [usize; 2],
    /// How an image of another size comes to that size.
    pub fit: Fit,
    /// How pixels are weighed when an image is scaled.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Filter,
    /// Whether a grey image that is dark on light is inverted, for the training images are light on dark.
    #[serde(skip_serializing_if = "is_true")]
    pub light_on_dark: bool,
    /// The colour behind transparent parts.
    #[serde(skip_serializing_if = "is_white")]
    pub background: [u8; 3],
    /// Black pixels added on each side.
    pub pad: usize,
    /// What is subtracted from each channel, of values 0 to 1.
    pub mean: Vec<f32>,
    /// What each channel is divided by.
    pub std: Vec<f32>,
}

const WHITE: [u8; 3] = [255; 3];

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn is_true(value: &bool) -> bool {
    *value
}

fn is_white(value: &[u8; 3]) -> bool {
    *value == WHITE
}

fn yes() -> bool {
    true
}

fn white() -> [u8; 3] {
    WHITE
}

/// The fields as a file has them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    channels: usize,
    size: [usize; 2],
    fit: Fit,
    #[serde(default)]
    filter: Filter,
    #[serde(default = "yes")]
    light_on_dark: bool,
    #[serde(default = "white")]
    background: [u8; 3],
    pad: usize,
    mean: Vec<f32>,
    std: Vec<f32>,
}

/// The largest side, padding included, that a file may ask for.
const SIDE_LIMIT: usize = 16_384;

impl TryFrom<Unchecked> for Preprocessing {
    type Error = String;

    fn try_from(raw: Unchecked) -> Result<Preprocessing, String> {
        let Unchecked { channels, size, fit, filter, light_on_dark, background, pad, mean, std } = raw;
        if channels != 1 && channels != 3 {
            return Err(format!("preprocessing: channels is {channels}, it must be 1 or 3"));
        }
        if size.contains(&0) || size.iter().any(|&s| s > SIDE_LIMIT) || pad > SIDE_LIMIT {
            return Err(format!("preprocessing: size {size:?} with pad {pad} is not between 1 and {SIDE_LIMIT}"));
        }
        if let Fit::Crop { shorter } = fit
            && !(1..=SIDE_LIMIT).contains(&shorter)
        {
            return Err(format!("preprocessing: a shorter side of {shorter} is not between 1 and {SIDE_LIMIT}"));
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
        Ok(Preprocessing { channels, size, fit, filter, light_on_dark, background, pad, mean, std })
    }
}

/// What was done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Whether it was dark on light, and inverted for that.
    pub inverted: bool,
    /// Height and width before, if they were others than the training images'.
    pub resized_from: Option<[usize; 2]>,
}

impl Preprocessing {
    /// For images of `channels` (1 or 3) values per pixel and this height and width, resized if they have another size, with nothing
    /// subtracted and nothing divided.
    pub fn new(channels: usize, size: [usize; 2], fit: Fit) -> Preprocessing {
        Preprocessing {
            channels,
            size,
            fit,
            filter: Filter::default(),
            light_on_dark: true,
            background: WHITE,
            pad: 0,
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
        }
    }

    /// Channels, height and width of the result.
    pub fn output_shape(&self) -> [usize; 3] {
        let padded = |size: usize| size.saturating_add(self.pad.saturating_mul(2));
        [self.channels, padded(self.size[0]), padded(self.size[1])]
    }

    /// What is done to an image that has the size, channels and polarity of the training images.
    pub fn transform(&self) -> Compose {
        Compose::new().then(Pad(self.pad)).then(ToTensor).then(Normalize::new(self.mean.clone(), self.std.clone()))
    }

    /// How a file is decoded.
    pub fn decoding(&self) -> DecodeOptions {
        DecodeOptions { background: self.background, ..DecodeOptions::default() }
    }

    /// Any image as `[1, c, h, w]`, with what was done to it: its channels and polarity become those of the training
    /// images, and its size if it is another.
    ///
    /// # Panics
    /// If the image has no pixels or not 1 or 3 channels, or the fields contradict one another.
    pub fn apply(&self, image: &Image) -> (Tensor, Prepared) {
        let (fitted, prepared) = self.fit(image);
        (self.transform().apply(Value::Image(fitted)).into_tensor().unsqueeze(0), prepared)
    }

    /// As [`Preprocessing::apply`], of an image of any depth.
    ///
    /// # Panics
    /// As [`Preprocessing::apply`].
    pub fn apply_image(&self, image: &AnyImage) -> (Tensor, Prepared) {
        match image {
            AnyImage::U8(image) => self.apply(image),
            // What is made into ink on paper has no use for more than 8 bits.
            AnyImage::U16(image) if self.fit == Fit::Digit => self.apply(&image.to_bytes()),
            AnyImage::U16(image) => {
                let (image, prepared) = self.upright(image);
                let fitted = self.scaled(&image).into_channels(self.channels);
                (self.transform().apply(Value::Deep(fitted)).into_tensor().unsqueeze(0), prepared)
            }
        }
    }

    /// The image with channels, polarity and size of the training images, before padding and normalizing.
    ///
    /// # Panics
    /// If the image has no pixels or not 1 or 3 channels.
    pub fn fit(&self, image: &Image) -> (Image, Prepared) {
        let (image, prepared) = self.upright(image);
        let fitted = match (self.fit, self.channels) {
            (Fit::Digit, 1) if prepared.resized_from.is_some() => digit(image.into_owned(), self.size[0], self.size[1]),
            _ => self.scaled(&image).into_channels(self.channels),
        };
        (fitted, prepared)
    }

    /// With no more channels than the training images, and with their polarity. Grey that is to become colours does so once it is scaled.
    fn upright<'a, T: Depth>(&self, image: &'a Image<T>) -> (Cow<'a, Image<T>>, Prepared) {
        let from = [image.height, image.width];
        assert!(!from.contains(&0), "Preprocessing: the image has no pixels ({}×{})", from[1], from[0]);
        let mut image = if image.channels > self.channels {
            Cow::Owned(image.to_channels(self.channels))
        } else {
            Cow::Borrowed(image)
        };
        let inverted = self.light_on_dark && self.channels == 1 && dark_on_light(&image);
        if inverted {
            image = Cow::Owned(image.into_owned().inverted());
        }
        let resized_from = (from != self.size).then_some(from);
        (image, Prepared { inverted, resized_from })
    }

    /// The image as it is kept for training: with no more channels and, if that makes it no larger by far, at the scale that the size asks
    /// for. What [`Preprocessing::scaled`] makes of it is what it makes of the image.
    ///
    /// # Panics
    /// If the image has no pixels.
    pub fn kept(&self, image: AnyImage) -> AnyImage {
        match image {
            AnyImage::U8(image) => AnyImage::U8(self.smaller(image)),
            AnyImage::U16(image) => AnyImage::U16(self.smaller(image)),
        }
    }

    fn smaller<T: Scale>(&self, image: Image<T>) -> Image<T> {
        match self.fit {
            _ if [image.height, image.width] == self.size => image,
            Fit::Letterbox { .. } => {
                let [w, h] = self.scaled_size([image.width, image.height]);
                image.resized(w, h, self.filter)
            }
            Fit::Crop { shorter } if !image.grows_beyond(shorter, self.size[0] * self.size[1]) => {
                image.resized_shorter(shorter, self.filter)
            }
            _ => image,
        }
    }

    /// At the size of the training images.
    ///
    /// # Panics
    /// If the image has no pixels.
    pub fn scaled<T: Scale>(&self, image: &Image<T>) -> Image<T> {
        let [h, w] = self.size;
        match self.fit {
            _ if [image.height, image.width] == self.size => image.clone(),
            Fit::Crop { shorter } => image.resized_middle(shorter, w, h, self.filter),
            Fit::Letterbox { .. } => {
                let ([inner_w, inner_h], [left, top]) = self.layout([image.width, image.height]);
                let inner = image.resized(inner_w, inner_h, self.filter).into_channels(self.channels);
                let mut out = Image::filled(w, h, &self.border());
                out.paste(&inner, left as usize, top as usize);
                out
            }
            Fit::Digit | Fit::Resize => image.resized(w, h, self.filter),
        }
    }

    /// Width and height that an image of this width and height is scaled to, before it is cropped or gets a border.
    pub fn scaled_size(&self, original: [usize; 2]) -> [usize; 2] {
        self.layout(original).0
    }

    /// Width and height that an image is scaled to, and where its first pixel then comes, without the padding.
    fn layout(&self, original: [usize; 2]) -> ([usize; 2], [i64; 2]) {
        let [h, w] = self.size;
        match self.fit {
            Fit::Crop { shorter } if original != [w, h] => {
                let scaled = size_of_shorter(original, shorter);
                let start = |need: usize, have: usize| match need.checked_sub(have) {
                    Some(missing) => (missing / 2) as i64,
                    None => -(middle(have - need) as i64),
                };
                (scaled, [start(w, scaled[0]), start(h, scaled[1])])
            }
            Fit::Letterbox { .. } => {
                let [from_w, from_h] = original.map(|side| side.max(1) as u64);
                let (wanted_w, wanted_h) = (w as u64, h as u64);
                // The least of both scales as a fraction, so that halves round up in any arithmetic.
                let (scale, by) = match wanted_w * from_h <= wanted_h * from_w {
                    true => (wanted_w, from_w),
                    false => (wanted_h, from_h),
                };
                let side = |from: u64, limit: usize| (((2 * from * scale + by) / (2 * by)) as usize).clamp(1, limit);
                let (inner_w, inner_h) = (side(from_w, w), side(from_h, h));
                ([inner_w, inner_h], [(w - inner_w) / 2, (h - inner_h) / 2].map(|v| v as i64))
            }
            _ => ([w, h], [0, 0]),
        }
    }

    /// Where a point of an image of this width and height goes in the network's input, padding included. Of [`Fit::Digit`], where the ink
    /// decides, as if the image were resized.
    pub fn placement(&self, original: [usize; 2]) -> Placement {
        let (scaled, start) = self.layout(original);
        Placement::new(original, scaled, start.map(|v| v as f64 + self.pad as f64))
    }

    /// The same before padding.
    pub fn unpadded_placement(&self, original: [usize; 2]) -> Placement {
        self.placement(original).shifted([-(self.pad as f64); 2])
    }

    /// The colour of a border where there is no image, one value for each channel: what [`Fit::Letterbox`] says, else the nearest one to
    /// the mean.
    pub fn border<T: Depth>(&self) -> Vec<T> {
        match self.fit {
            Fit::Letterbox { fill: Some(fill) } => {
                let colour = Image::new(1, 1, 3, fill.to_vec()).into_channels(self.channels);
                colour.data.iter().map(|v| T::from_f32(*v as f32 / 255.0 * T::MAX as f32)).collect()
            }
            _ => self.mean.iter().map(|m| T::from_f32(m * T::MAX as f32)).collect(),
        }
    }

    /// What is done to an image, in words.
    pub fn describe(&self) -> String {
        let [h, w] = self.size;
        let colour = match (self.channels, self.light_on_dark) {
            (1, true) => "grey, light on dark",
            (1, false) => "grey",
            _ => "colour",
        };
        let filter = match self.filter {
            Filter::Bilinear => "bilinear",
            Filter::Bicubic => "bicubic",
        };
        let fit = match self.fit {
            Fit::Digit => "cropped to the ink and centred as MNIST's digits were".to_string(),
            Fit::Resize => format!("resized ({filter}, antialiased)"),
            Fit::Crop { shorter } => {
                format!("shorter side resized to {shorter} ({filter}, antialiased), the middle cropped")
            }
            Fit::Letterbox { fill } => {
                let colour = fill.map_or("the mean".to_string(), |[r, g, b]| format!("the colour {r} {g} {b}"));
                format!("resized with its aspect kept ({filter}, antialiased), with a border in {colour},")
            }
        };
        let pad = if self.pad == 0 { String::new() } else { format!(", {} black pixels added on each side", self.pad) };
        let numbers = |v: &[f32]| v.iter().map(|x| format!("{x:.4}")).collect::<Vec<_>>().join(", ");
        format!("{colour}, {fit} to {w}×{h}{pad}, mean {}, std {}", numbers(&self.mean), numbers(&self.std))
    }
}

/// The values of another number of channels: their mean for one, the one value for three.
pub fn for_channels(values: &[f32], channels: usize) -> Vec<f32> {
    if values.len() == channels {
        return values.to_vec();
    }
    vec![values.iter().sum::<f32>() / values.len().max(1) as f32; channels]
}

/// The value that as many lie below as above.
fn median<T: Depth>(mut values: Vec<T>) -> T {
    let middle = values.len() / 2;
    *values.select_nth_unstable(middle).1
}

/// Whether the background is light: most of the edge and most of the whole.
fn dark_on_light<T: Depth>(grey: &Image<T>) -> bool {
    let mostly_light = |values: &[T]| {
        let dark = values.iter().filter(|v| v.to_u32() <= T::MAX / 2).count();
        dark <= values.len() / 2
    };
    mostly_light(&grey.border()) && mostly_light(&grey.data)
}

/// Contrast below this is noise on an empty page.
const FAINT: u8 = 16;
/// Ink is what reaches this fraction of the strongest.
const INK: u8 = 64;

/// A light digit on dark ground in the way of MNIST's.
fn digit(grey: Image, height: usize, width: usize) -> Image {
    let blank = Image { width, height, channels: 1, data: vec![0; width * height] };
    let ground = median(grey.border());
    let Some(ink) = stretched(grey, ground) else { return blank };
    let (mut left, mut right, mut top, mut bottom) = (ink.width, 0, ink.height, 0);
    for (y, line) in ink.data.chunks_exact(ink.width).enumerate() {
        let Some(first) = line.iter().position(|v| *v >= INK) else { continue };
        let last = line.iter().rposition(|v| *v >= INK).unwrap_or(first);
        (left, right) = (left.min(first), right.max(last + 1));
        (top, bottom) = (top.min(y), bottom.max(y + 1));
    }
    let (crop_w, crop_h) = (right - left, bottom - top);
    let crop = ink.into_cropped(left, top, crop_w, crop_h);
    let (box_w, box_h) = (width as f64 * 20.0 / 28.0, height as f64 * 20.0 / 28.0);
    let scale = (box_w / crop_w as f64).min(box_h / crop_h as f64);
    let side = |n: usize, limit: usize| ((n as f64 * scale).round() as usize).clamp(1, limit);
    let small = crop.resized(side(crop_w, width), side(crop_h, height), Filter::Bilinear);
    // A thin stroke fades as it shrinks; MNIST's are white.
    let Some(small) = stretched(small, 0) else { return blank };
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
fn stretched(mut image: Image, ground: u8) -> Option<Image> {
    let highest = image.data.iter().copied().max()?;
    let range = highest.saturating_sub(ground);
    if range < FAINT {
        return None;
    }
    let stretch = |v: u8| (v.saturating_sub(ground) as u32 * 255 + range as u32 / 2) / range as u32;
    image.data.iter_mut().for_each(|v| *v = stretch(*v) as u8);
    Some(image)
}
