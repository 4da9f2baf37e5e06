//! One random step at a time: what it draws, with torchvision's ranges, and what it then does.

use super::geometry::{Affine, Map, Move};
use super::targets::Targets;
use super::{colour, filter, policy};
use striate_imaging::{Depth, Image, Part};
use striate_tensor::Generator;

/// A random change of an image that keeps its size.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Black pixels added on each side, then a part of the size from before (`RandomCrop` with padding).
    PadCrop(usize),
    /// Left becomes right, with this probability.
    Flip(f64),
    /// Top becomes bottom, with this probability.
    FlipVertical(f64),
    /// Turned by up to this many degrees either way.
    Rotate(f64),
    /// An affine map (`RandomAffine`).
    Affine {
        /// Turned by up to this many degrees either way.
        degrees: f64,
        /// Moved by up to this fraction of the size.
        translate: f64,
        /// Scaled between these.
        scale: [f64; 2],
        /// Sheared along x by up to this many degrees either way.
        shear: f64,
    },
    /// Seen from another side (`RandomPerspective`).
    Perspective {
        /// How far corners move, as a fraction of half the size.
        distortion: f64,
        /// How often.
        p: f64,
    },
    /// Brightness, contrast and saturation by a factor of up to 1 ± this, hue by up to ± this fraction of the circle, in random order
    /// (`ColorJitter`).
    Jitter([f64; 4]),
    /// Grey, with this probability.
    Grey(f64),
    /// A Gaussian blur (`GaussianBlur`).
    Blur {
        /// How many pixels wide.
        kernel: usize,
        /// The deviation lies between these.
        sigma: [f64; 2],
    },
    /// A rectangle of 2 to 33 % of the area becomes black, with this probability (`RandomErasing`).
    Erase(f64),
    /// This many of 14 operations, at this of 31 strengths (Cubuk et al., RandAugment, 2020).
    RandAugment {
        /// How many.
        operations: usize,
        /// From 0 to 30.
        magnitude: usize,
    },
    /// One of 14 operations, at any of 31 strengths (Müller and Hutter, TrivialAugment, 2021).
    TrivialAugment,
}

pub(super) fn between(rng: &mut Generator, low: f64, high: f64) -> f64 {
    low + (high - low) * rng.uniform()
}

/// A whole number from 0 to `n`.
pub(super) fn up_to(rng: &mut Generator, n: usize) -> usize {
    rng.below(n as u64 + 1) as usize
}

impl Step {
    /// The step, done with numbers of `rng`.
    pub fn apply<T: Depth>(&self, image: Image<T>, rng: &mut Generator) -> Image<T> {
        self.apply_with(image, &mut Targets::None, rng)
    }

    /// The step, done with numbers of `rng`, with the targets moved as the pixels are.
    pub(crate) fn apply_with<T: Depth>(&self, image: Image<T>, targets: &mut Targets, rng: &mut Generator) -> Image<T> {
        let size = [image.width, image.height];
        let moved = match *self {
            Step::PadCrop(padding) => {
                let (left, top) = (up_to(rng, 2 * padding), up_to(rng, 2 * padding));
                Some(Move::PadCrop { padding, left, top })
            }
            Step::Flip(p) => (rng.uniform() < p).then_some(Move::FlipHorizontal),
            Step::FlipVertical(p) => (rng.uniform() < p).then_some(Move::FlipVertical),
            Step::Rotate(degrees) => Some(Move::Map(Affine::rotation(between(rng, -degrees, degrees)).map(size))),
            Step::Affine { degrees, translate, scale, shear } => {
                let angle = between(rng, -degrees, degrees);
                let mut moved = |side: usize| between(rng, -translate, translate) * side as f64;
                let translate = [moved(size[0]).round(), moved(size[1]).round()];
                let scale = between(rng, scale[0], scale[1]);
                let shear = [between(rng, -shear, shear), 0.0];
                Some(Move::Map(Affine { angle, translate, scale, shear, centre: [0.0; 2] }.map(size)))
            }
            Step::Perspective { distortion, p } => {
                if rng.uniform() < p {
                    turned(size, distortion, rng)
                } else {
                    None
                }
            }
            Step::Jitter(ranges) => return jitter(image, ranges, rng),
            Step::Grey(p) => return if rng.uniform() < p { colour::greyscale(&image) } else { image },
            Step::Blur { kernel, sigma } => return filter::blur(&image, kernel, between(rng, sigma[0], sigma[1])),
            Step::Erase(p) => return if rng.uniform() < p { erase(image, rng) } else { image },
            Step::RandAugment { operations, magnitude } => {
                return policy::rand_augment_with(image, targets, operations, magnitude, rng);
            }
            Step::TrivialAugment => return policy::trivial_augment_with(image, targets, rng),
        };
        match moved {
            None => image,
            Some(moved) => {
                targets.moved(&moved, size);
                moved.image(&image)
            }
        }
    }
}

fn turned([w, h]: [usize; 2], distortion: f64, rng: &mut Generator) -> Option<Move> {
    if w < 2 || h < 2 {
        return None;
    }
    let reach = |side: usize| (distortion * (side / 2) as f64) as usize;
    let mut inward = || [up_to(rng, reach(w)) as f64, up_to(rng, reach(h)) as f64];
    let (right, bottom) = (w as f64 - 1.0, h as f64 - 1.0);
    let [a, b, c, d] = [inward(), inward(), inward(), inward()];
    let to = [a, [right - b[0], b[1]], [right - c[0], bottom - c[1]], [d[0], bottom - d[1]]];
    Some(Move::Map(Map::perspective([w, h], to)))
}

fn jitter<T: Depth>(
    mut image: Image<T>,
    [brightness, contrast, saturation, hue]: [f64; 4],
    rng: &mut Generator,
) -> Image<T> {
    let mut order = [0, 1, 2, 3];
    for i in (1..4).rev() {
        order.swap(i, up_to(rng, i));
    }
    for which in order {
        let mut factor = |range: f64| between(rng, (1.0 - range).max(0.0), 1.0 + range) as f32;
        image = match which {
            0 if brightness > 0.0 => colour::brightness(&image, factor(brightness)),
            1 if contrast > 0.0 => colour::contrast(&image, factor(contrast)),
            2 if saturation > 0.0 => colour::saturation(&image, factor(saturation)),
            3 if hue > 0.0 => colour::hue(&image, between(rng, -hue, hue) as f32),
            _ => image,
        };
    }
    image
}

/// torchvision's fraction of the area and aspect of what is erased, and how often it looks for one that fits.
const ERASED: [f64; 2] = [0.02, 0.33];
const ERASED_ASPECT: [f64; 2] = [0.3, 3.3];
const TRIES: usize = 10;

fn erase<T: Depth>(image: Image<T>, rng: &mut Generator) -> Image<T> {
    let (w, h) = (image.width, image.height);
    for _ in 0..TRIES {
        let [width, height] = rectangle(w, h, ERASED, ERASED_ASPECT, rng);
        if width < w && height < h {
            let (left, top) = (up_to(rng, w - width), up_to(rng, h - height));
            return filter::erase(image, left, top, width, height);
        }
    }
    image
}

/// Width and height of a fraction of the area between `areas`, with an aspect between `aspects` whose logarithm is uniform.
fn rectangle(w: usize, h: usize, areas: [f64; 2], aspects: [f64; 2], rng: &mut Generator) -> [usize; 2] {
    let area = (w * h) as f64 * between(rng, areas[0], areas[1]);
    let aspect = between(rng, aspects[0].ln(), aspects[1].ln()).exp();
    [(area * aspect).sqrt().round() as usize, (area / aspect).sqrt().round() as usize]
}

/// A part of an image of this width and height: at least the fraction `least` of its area, with an aspect between 3:4 and 4:3
/// (`RandomResizedCrop`).
pub(super) fn random_part([w, h]: [usize; 2], least: f64, rng: &mut Generator) -> Part {
    let aspects = [3.0 / 4.0, 4.0 / 3.0];
    for _ in 0..TRIES {
        let [part_w, part_h] = rectangle(w, h, [least, 1.0], aspects, rng);
        if (1..=w).contains(&part_w) && (1..=h).contains(&part_h) {
            let (left, top) = (up_to(rng, w - part_w), up_to(rng, h - part_h));
            return [left, top, part_w, part_h].map(|v| v as f64);
        }
    }
    // As much as an aspect in the range leaves, from the middle.
    let aspect = (w as f64 / h as f64).clamp(aspects[0], aspects[1]);
    let part_w = w.min((h as f64 * aspect).round().max(1.0) as usize);
    let part_h = h.min((w as f64 / aspect).round().max(1.0) as usize);
    [(w - part_w) / 2, (h - part_h) / 2, part_w, part_h].map(|v| v as f64)
}
