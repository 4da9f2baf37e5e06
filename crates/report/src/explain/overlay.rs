//! Explanations laid over their image.

use super::maps::sample;
use super::{Explanation, Method};
use striate_imaging::{AnyImage, Depth, Fit, Image, Preprocessing};

/// Smaller images are drawn larger, by a whole number.
const LEAST_SIDE: usize = 224;
/// How much of the colour there is where the map has its largest number.
const OPACITY: f32 = 0.75;
/// How much of the image's own colours stay: the map has colours alone.
const SATURATION: f32 = 0.35;
/// Attributions are thin: under them the image is light and grey, with so much of its contrast, so that single pixels are seen.
const CONTRAST: f32 = 0.4;
const LIGHT: f32 = 185.0;
/// The fraction of numbers that may lie beyond the largest one drawn, of attributions: a few pixels are far above all others.
const BEYOND: f64 = 0.01;

/// Colours from little to much, which people with any kind of colour blindness tell apart: from Matplotlib's `inferno` (van der Walt and Smith, CC0).
const HEAT: [[u8; 3]; 6] = [[40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39]];
/// What speaks for and against the target: orange and blue (Okabe and Ito).
const FOR: [u8; 3] = [230, 110, 0];
const AGAINST: [u8; 3] = [0, 90, 200];

/// An explanation's map laid over the image that it is of, in the image's own pixels; of small ones in squares of several. The network may see a part of the image
/// alone: the rest has no colour. Where it sees the image otherwise than cut out and scaled, as with [`Fit::Digit`], what it sees is drawn.
///
/// # Panics
/// If the map is not of the size that the preprocessing makes.
pub fn overlay(explanation: &Explanation, image: &AnyImage, preprocessing: &Preprocessing) -> Image {
    let [_, h, w] = preprocessing.output_shape();
    assert_eq!(explanation.size, [h, w], "overlay: the map is not of the size that the preprocessing makes");
    let mut base = u8::of(image).to_channels(3);
    let is_digit = preprocessing.fit == Fit::Digit && [base.height, base.width] != preprocessing.size;
    if is_digit {
        base = preprocessing.fit(&u8::of(image)).0.into_channels(3);
    }
    let placement = preprocessing.placement([base.width, base.height]);
    let factor = LEAST_SIDE.div_ceil(base.width.max(base.height).max(1)).max(1);
    let (width, height) = (base.width * factor, base.height * factor);
    if factor > 1 {
        base = enlarged(&base, factor);
    }
    let largest = largest(&explanation.map);
    let mut out = base;
    for (i, pixel) in out.data.chunks_exact_mut(3).enumerate() {
        let middle = [(i % width) as f64 + 0.5, (i / width) as f64 + 0.5].map(|at| at / factor as f64);
        let [x, y] = placement.to_input(middle);
        let grey = (0.299 * f32::from(pixel[0]) + 0.587 * f32::from(pixel[1]) + 0.114 * f32::from(pixel[2])).round();
        let is_seen = x >= 0.0 && y >= 0.0 && x <= w as f64 && y <= h as f64;
        let value = if is_seen && largest > 0.0 { sample(&explanation.map, [h, w], [x, y]) / largest } else { 0.0 };
        let strength = value.abs().min(1.0);
        let colour = match value {
            v if explanation.method.is_signed() && v < 0.0 => AGAINST,
            _ if explanation.method.is_signed() => FOR,
            _ => heat(strength),
        };
        let is_thin = !explanation.method.is_cam() && explanation.method != Method::Occlusion;
        let alpha = if is_thin { strength } else { OPACITY * strength };
        for (channel, colour) in pixel.iter_mut().zip(colour) {
            let pale = if !is_thin {
                grey + SATURATION * (f32::from(*channel) - grey)
            } else {
                LIGHT + CONTRAST * (grey - 128.0)
            };
            *channel = (pale * (1.0 - alpha) + f32::from(colour) * alpha).round().clamp(0.0, 255.0) as u8;
        }
    }
    debug_assert_eq!(out.height, height);
    out
}

/// The image with each pixel as a square.
pub(crate) fn enlarged(image: &Image, factor: usize) -> Image {
    let (width, height) = (image.width * factor, image.height * factor);
    let placement = striate_imaging::Placement::new([image.width, image.height], [width, height], [0.0; 2]);
    image.nearest(&placement, width, height, 0)
}

/// The number that is drawn in the fullest colour: few are larger.
fn largest(map: &[f32]) -> f32 {
    let mut sizes: Vec<f32> = map.iter().map(|x| x.abs()).collect();
    sizes.sort_by(f32::total_cmp);
    let beyond = (sizes.len() as f64 * BEYOND) as usize;
    match sizes.get(sizes.len().saturating_sub(1 + beyond)) {
        Some(&size) if size > 0.0 => size,
        _ => sizes.last().copied().unwrap_or(0.0),
    }
}

fn heat(value: f32) -> [u8; 3] {
    let at = value.clamp(0.0, 1.0) * (HEAT.len() - 1) as f32;
    let first = (at as usize).min(HEAT.len() - 2);
    let fraction = at - first as f32;
    std::array::from_fn(|i| {
        (f32::from(HEAT[first][i]) * (1.0 - fraction) + f32::from(HEAT[first + 1][i]) * fraction).round() as u8
    })
}
