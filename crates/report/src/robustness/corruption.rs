//! [`Corruption`]: what may happen to an image on its way to a network.

use super::filters::{gaussian_blur, image_of, levels, motion_blur, pixelated, seen_through};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat};
use schemars::JsonSchema;
use serde::Serialize;
use std::f64::consts::PI;
use std::sync::LazyLock;
use striate_imaging::Image;
use striate_tensor::Generator;

/// How many strengths each corruption has.
pub const STRENGTHS: usize = 5;

/// What may happen to an image, in five strengths: after the common corruptions of Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common
/// Corruptions and Perturbations", 2019.
///
/// Values `x` are from 0 to 1; the result is clipped to that and rounded to grey levels of 1/255. `L` is the image's shorter side, so that lengths are parts of the
/// image, whatever its size. Noise is of each pixel, as a sensor's is. Where a formula needs a pixel outside of the image, it takes the nearest one inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Corruption {
    /// `x + σ·n`, `n` of the standard normal distribution.
    GaussianNoise,
    /// `k / λ`, `k` of the Poisson distribution with mean `λ·x`: the photons that a sensor counts, of which white has `λ`.
    ShotNoise,
    /// A Gaussian of the standard deviation `σ·L`.
    GaussianBlur,
    /// The mean along a line of the length `ℓ·L` in any direction.
    MotionBlur,
    /// Written as JPEG of this quality, without subsampling of colours, and read again. Its blocks have 8×8 pixels, whatever the image's size.
    Jpeg,
    /// `x + b`.
    Brightness,
    /// `m + c·(x - m)`, `m` the mean of the channel over the image.
    Contrast,
    /// Rotated about the middle by this many degrees to either side, bilinear.
    Rotation,
    /// Larger or smaller by this factor about the middle, each for half of the images; bilinear.
    Scale,
    /// A square of the side `s·L` anywhere in the image, in the colour that the network takes for the mean.
    Occlusion,
    /// This many cells on the shorter side, each in its mean. An image that has no more pixels than cells stays as it is.
    Pixelation,
}

/// Where the random numbers of a corruption come from.
pub trait Draw {
    /// A number from 0 (included) to 1 (excluded).
    fn uniform(&mut self) -> f64;
    /// A number of the standard normal distribution.
    fn normal(&mut self) -> f64;
}

impl Draw for Generator {
    fn uniform(&mut self) -> f64 {
        Generator::uniform(self)
    }
    fn normal(&mut self) -> f64 {
        Generator::normal(self)
    }
}

impl Corruption {
    /// All of them.
    pub const ALL: [Corruption; 11] = [
        Corruption::GaussianNoise,
        Corruption::ShotNoise,
        Corruption::GaussianBlur,
        Corruption::MotionBlur,
        Corruption::Jpeg,
        Corruption::Brightness,
        Corruption::Contrast,
        Corruption::Rotation,
        Corruption::Scale,
        Corruption::Occlusion,
        Corruption::Pixelation,
    ];

    /// Its name: `gaussian noise`.
    pub fn name(self) -> &'static str {
        match self {
            Corruption::GaussianNoise => "gaussian noise",
            Corruption::ShotNoise => "shot noise",
            Corruption::GaussianBlur => "gaussian blur",
            Corruption::MotionBlur => "motion blur",
            Corruption::Jpeg => "jpeg",
            Corruption::Brightness => "brightness",
            Corruption::Contrast => "contrast",
            Corruption::Rotation => "rotation",
            Corruption::Scale => "scale",
            Corruption::Occlusion => "occlusion",
            Corruption::Pixelation => "pixelation",
        }
    }

    /// What kind of change it is: lines of a plot are of these.
    pub fn family(self) -> &'static str {
        match self {
            Corruption::GaussianNoise | Corruption::ShotNoise => "noise",
            Corruption::GaussianBlur | Corruption::MotionBlur => "blur",
            Corruption::Jpeg | Corruption::Pixelation => "compression, pixelation",
            Corruption::Brightness | Corruption::Contrast => "light",
            Corruption::Rotation | Corruption::Scale => "rotation, scale",
            Corruption::Occlusion => "occlusion",
        }
    }

    /// The number that its formula has at each strength: `σ`, `λ`, `ℓ`, the quality, `b`, `c`, degrees, a factor, `s`, cells.
    pub fn parameters(self) -> [f64; STRENGTHS] {
        match self {
            Corruption::GaussianNoise => [0.04, 0.08, 0.12, 0.18, 0.26],
            Corruption::ShotNoise => SHOTS,
            Corruption::GaussianBlur => [0.01, 0.015, 0.02, 0.03, 0.04],
            Corruption::MotionBlur => [0.03, 0.05, 0.08, 0.11, 0.15],
            Corruption::Jpeg => [60.0, 40.0, 25.0, 15.0, 8.0],
            Corruption::Brightness => [0.1, 0.2, 0.3, 0.4, 0.5],
            Corruption::Contrast => [0.6, 0.45, 0.3, 0.2, 0.1],
            Corruption::Rotation => [5.0, 10.0, 15.0, 20.0, 30.0],
            Corruption::Scale => [1.1, 1.2, 1.35, 1.5, 1.75],
            Corruption::Occlusion => [0.2, 0.3, 0.4, 0.5, 0.6],
            Corruption::Pixelation => [26.0, 20.0, 16.0, 12.0, 8.0],
        }
    }

    /// Its formula.
    pub fn formula(self) -> &'static str {
        match self {
            Corruption::GaussianNoise => "x + σ·n, n standard normal",
            Corruption::ShotNoise => "Poisson(λ·x) / λ",
            Corruption::GaussianBlur => "Gaussian of standard deviation σ·L",
            Corruption::MotionBlur => "mean along a line of length ℓ·L in any direction",
            Corruption::Jpeg => "JPEG of quality q",
            Corruption::Brightness => "x + b",
            Corruption::Contrast => "m + c·(x - m), m the channel's mean",
            Corruption::Rotation => "rotated by d degrees to either side",
            Corruption::Scale => "f times as large or as small",
            Corruption::Occlusion => "a square of side s·L in the mean colour",
            Corruption::Pixelation => "n cells on the shorter side, each in its mean",
        }
    }

    /// Whether it moves what is in the image, and so the target of a detection or segmentation.
    pub fn is_geometric(self) -> bool {
        matches!(self, Corruption::Rotation | Corruption::Scale)
    }

    /// The image at a strength from 1 to 5. `mean` is the colour of an occlusion. What is drawn is the same at every strength.
    ///
    /// # Panics
    /// If there is no such strength, or `mean` has not a value for each channel.
    pub fn apply(self, image: &Image, strength: usize, mean: &[u8], draw: &mut dyn Draw) -> Image {
        assert!((1..=STRENGTHS).contains(&strength), "Corruption::apply: there is no strength {strength}");
        assert_eq!(mean.len(), image.channels, "Corruption::apply: a colour of another number of channels");
        let parameter = self.parameters()[strength - 1];
        let shorter = image.width.min(image.height) as f64;
        let each = |f: &mut dyn FnMut(f64) -> f64| {
            let values: Vec<f32> = image.data.iter().map(|&v| f(f64::from(v)) as f32).collect();
            image_of(image, &values)
        };
        match self {
            Corruption::GaussianNoise => each(&mut |v| v + 255.0 * parameter * draw.normal()),
            Corruption::ShotNoise => {
                let table = &PHOTONS[strength - 1];
                let shot = |&v: &u8| (255.0 * photons(&table[usize::from(v)], draw.uniform()) / parameter) as f32;
                let values: Vec<f32> = image.data.iter().map(shot).collect();
                image_of(image, &values)
            }
            Corruption::GaussianBlur => gaussian_blur(image, parameter * shorter),
            Corruption::MotionBlur => motion_blur(image, parameter * shorter, PI * draw.uniform()),
            Corruption::Jpeg => jpeg(image, parameter as u8),
            Corruption::Brightness => each(&mut |v| v + 255.0 * parameter),
            Corruption::Contrast => contrast(image, parameter),
            Corruption::Rotation => {
                let angle = parameter.to_radians() * if draw.uniform() < 0.5 { -1.0 } else { 1.0 };
                let (sin, cos) = angle.sin_cos();
                seen_through(image, [cos, -sin, sin, cos])
            }
            Corruption::Scale => {
                let factor = if draw.uniform() < 0.5 { 1.0 / parameter } else { parameter };
                seen_through(image, [1.0 / factor, 0.0, 0.0, 1.0 / factor])
            }
            Corruption::Occlusion => {
                let side = ((parameter * shorter).round() as usize).max(1);
                let mut place = |room: usize| (draw.uniform() * (room - side + 1) as f64) as usize;
                let (left, top) = (place(image.width), place(image.height));
                let mut occluded = image.clone();
                occluded.paste(&Image::filled(side, side, mean), left, top);
                occluded
            }
            Corruption::Pixelation => pixelated(image, parameter as usize),
        }
    }
}

fn contrast(image: &Image, factor: f64) -> Image {
    let c = image.channels;
    let pixels = (image.width * image.height) as f64;
    let mean =
        |channel: usize| image.data.iter().skip(channel).step_by(c).map(|&v| u64::from(v)).sum::<u64>() as f64 / pixels;
    let means: Vec<f64> = (0..c).map(mean).collect();
    let changed = |(i, v): (usize, &f32)| (means[i % c] + factor * (f64::from(*v) - means[i % c])) as f32;
    let values: Vec<f32> = levels(image).iter().enumerate().map(changed).collect();
    image_of(image, &values)
}

fn jpeg(image: &Image, quality: u8) -> Image {
    let kind = if image.channels == 1 { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
    let (w, h) = (image.width as u32, image.height as u32);
    let mut bytes = Vec::new();
    let written = JpegEncoder::new_with_quality(&mut bytes, quality).encode(&image.data, w, h, kind);
    written.expect("an image of a network's input is small enough for JPEG");
    let read = image::load_from_memory_with_format(&bytes, ImageFormat::Jpeg).expect("it was written just now");
    let data = if image.channels == 1 { read.into_luma8().into_raw() } else { read.into_rgb8().into_raw() };
    Image::new(image.width, image.height, image.channels, data)
}

/// How many photons white has at each strength.
const SHOTS: [f64; STRENGTHS] = [200.0, 100.0, 50.0, 25.0, 12.0];

/// At each strength, for each grey level, how likely at most 0, 1, 2, … photons are.
static PHOTONS: LazyLock<Vec<Vec<Vec<f64>>>> = LazyLock::new(|| {
    let table = |mean: f64| {
        let (mut term, mut sum, mut k) = ((-mean).exp(), 0.0, 0.0);
        let mut sums = Vec::new();
        // Far beyond the mean nothing is added any more.
        while k < mean || term > sum * f64::EPSILON / 4.0 {
            sum += term;
            sums.push(sum);
            k += 1.0;
            term *= mean / k;
        }
        sums
    };
    SHOTS.iter().map(|white| (0..256).map(|level| table(white * f64::from(level) / 255.0)).collect()).collect()
});

/// The fewest photons of which at most this many are as likely as `uniform` at least: `scipy.stats.poisson.ppf`.
fn photons(sums: &[f64], uniform: f64) -> f64 {
    sums.partition_point(|&sum| sum < uniform).min(sums.len().saturating_sub(1)) as f64
}
