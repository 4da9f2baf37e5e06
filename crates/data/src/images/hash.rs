//! [`ImageHash`]: what of an image stays when it is scaled, compressed or brightened a little.

use std::f64::consts::PI;
use std::sync::LazyLock;
use striate_imaging::{AnyImage, Filter, Image};

/// The side of the image that the cosine transform sees, and of its lowest frequencies that are kept.
const SIDE: usize = 32;
const KEPT: usize = 8;
/// The side of the small image that settles whether two are alike.
const THUMB: usize = 16;
/// In how many of the 63 signs two alike images may differ.
const SIGNS: u32 = 8;
/// How far, of 255, the values of two alike images may lie apart in the mean, once their contrasts are made equal.
const DISTANCE: f32 = 6.0;

/// A perceptual hash (the signs of the lowest frequencies of a cosine transform against their median, as in pHash), and a small grey image
/// that settles what the hash leaves open.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageHash {
    signs: u64,
    small: Vec<u8>,
}

static COSINES: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let cosine = |k: usize, x: usize| (PI * k as f64 * (2 * x + 1) as f64 / (2 * SIDE) as f64).cos();
    (0..KEPT).flat_map(|k| (0..SIDE).map(move |x| cosine(k, x))).collect()
});

impl ImageHash {
    /// The hash of an image that has pixels.
    pub fn of(image: &AnyImage) -> ImageHash {
        let grey = match image {
            AnyImage::U8(image) => image.resized(SIDE, SIDE, Filter::Bilinear),
            AnyImage::U16(image) => AnyImage::U16(image.resized(SIDE, SIDE, Filter::Bilinear)).into_bytes(),
        };
        let grey = grey.to_channels(1);
        ImageHash { signs: signs(&grey), small: stretched(grey.resized(THUMB, THUMB, Filter::Bilinear).data) }
    }

    /// Whether the two images are the same but for size, compression and small changes of colour.
    pub fn is_near(&self, other: &ImageHash) -> bool {
        if (self.signs ^ other.signs).count_ones() > SIGNS {
            return false;
        }
        let sum: u32 = self.small.iter().zip(&other.small).map(|(a, b)| a.abs_diff(*b) as u32).sum();
        sum as f32 <= DISTANCE * (THUMB * THUMB) as f32
    }
}

fn signs(grey: &Image) -> u64 {
    let mut rows = [0.0; KEPT * SIDE];
    for y in 0..SIDE {
        let line = &grey.data[y * SIDE..(y + 1) * SIDE];
        for k in 0..KEPT {
            rows[k * SIDE + y] = line.iter().zip(&COSINES[k * SIDE..]).map(|(&v, c)| v as f64 * c).sum();
        }
    }
    let frequency = |i: usize| -> f64 {
        let (k, l) = (i % KEPT, i / KEPT);
        rows[k * SIDE..(k + 1) * SIDE].iter().zip(&COSINES[l * SIDE..]).map(|(v, c)| v * c).sum()
    };
    // The first is the mean, which says nothing of what is to be seen.
    let frequencies: Vec<f64> = (1..KEPT * KEPT).map(frequency).collect();
    let mut sorted = frequencies.clone();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    frequencies.iter().enumerate().fold(0, |bits, (i, f)| bits | ((*f > median) as u64) << i)
}

/// Values from 0 to 255; those of an image that hardly varies stay as they are.
fn stretched(values: Vec<u8>) -> Vec<u8> {
    let (low, high) = (values.iter().min().copied().unwrap_or(0), values.iter().max().copied().unwrap_or(0));
    let range = (high - low) as u32;
    if range < 16 {
        return values;
    }
    values.into_iter().map(|v| ((v - low) as u32 * 255 / range) as u8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transforms::{colour, geometry};
    use striate_tensor::Generator;

    /// A smooth image of its own for each seed.
    fn scene(seed: u64) -> Image {
        let rng = &mut Generator::new(seed);
        let coarse = Image::new(6, 5, 3, (0..90).map(|_| rng.below(256) as u8).collect());
        coarse.resized(120, 100, Filter::Bicubic)
    }

    fn hash(image: &Image) -> ImageHash {
        ImageHash::of(&AnyImage::U8(image.clone()))
    }

    #[test]
    fn a_changed_copy_is_near_and_another_image_is_not() {
        let hashes: Vec<ImageHash> = (0..100).map(|seed| hash(&scene(seed))).collect();
        for (i, a) in hashes.iter().enumerate() {
            assert!(a.is_near(a));
            assert!(hashes[i + 1..].iter().all(|b| !a.is_near(b)), "{i}");
        }
        for seed in 0..20 {
            let image = scene(seed);
            let own = &hashes[seed as usize];
            assert!(own.is_near(&hash(&image.resized(64, 48, Filter::Bilinear))), "{seed}: smaller");
            assert!(own.is_near(&hash(&colour::brightness(&image, 0.8))), "{seed}: darker");
            let noisy = image.data.iter().enumerate().map(|(i, &v)| v.saturating_add((i * 7 % 9) as u8)).collect();
            assert!(own.is_near(&hash(&Image { data: noisy, ..image.clone() })), "{seed}: noisy");
            assert!(!own.is_near(&hash(&geometry::flip_horizontal(&image))), "{seed}: mirrored");
        }
    }
}
