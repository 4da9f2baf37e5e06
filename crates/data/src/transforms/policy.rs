//! RandAugment and TrivialAugment, with torchvision's tables; pixels are interpolated, where torchvision takes the nearest.

use super::colour::{autocontrast, brightness, contrast, equalize, posterize, saturation, solarize};
use super::filter::sharpness;
use super::geometry::{Affine, Move};
use super::targets::Targets;
use striate_tensor::Generator;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Operation {
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
}

use Operation::*;
use striate_imaging::{Depth, Image};

const OPERATIONS: [Operation; 14] = [
    Identity,
    ShearX,
    ShearY,
    TranslateX,
    TranslateY,
    Rotate,
    Brightness,
    Color,
    Contrast,
    Sharpness,
    Posterize,
    Solarize,
    AutoContrast,
    Equalize,
];

/// Strengths that are told apart.
const BINS: usize = 31;

/// The strongest that each operation is done.
struct Limits {
    shear: f64,
    translate: [f64; 2],
    rotate: f64,
    colour: f64,
    /// How many bits posterizing takes at most.
    bits: f64,
}

impl Limits {
    /// The strength of an operation at `bin` of [`BINS`].
    fn magnitude(&self, operation: Operation, bin: usize) -> f64 {
        let strength = bin as f64 / (BINS - 1) as f64;
        match operation {
            ShearX | ShearY => strength * self.shear,
            TranslateX => strength * self.translate[0],
            TranslateY => strength * self.translate[1],
            Rotate => strength * self.rotate,
            Brightness | Color | Contrast | Sharpness => strength * self.colour,
            Posterize => 8.0 - (strength * self.bits).round_ties_even(),
            Solarize => 1.0 - strength,
            Identity | AutoContrast | Equalize => 0.0,
        }
    }
}

impl Operation {
    fn signed(self) -> bool {
        !matches!(self, Identity | Posterize | Solarize | AutoContrast | Equalize)
    }

    /// Where it moves pixels at strength `m`, if it does.
    fn affine(self, [width, height]: [usize; 2], m: f64) -> Option<Affine> {
        // The top left corner stays where it is when things are sheared.
        let corner = [-(width as f64) / 2.0, -(height as f64) / 2.0];
        let shear = |shear: [f64; 2]| Some(Affine { shear, centre: corner, ..Affine::default() });
        let moved = |translate: [f64; 2]| Some(Affine { translate, ..Affine::default() });
        match self {
            ShearX => shear([m.atan().to_degrees(), 0.0]),
            ShearY => shear([0.0, m.atan().to_degrees()]),
            TranslateX => moved([m.trunc(), 0.0]),
            TranslateY => moved([0.0, m.trunc()]),
            Rotate => Some(Affine::rotation(m)),
            _ => None,
        }
    }

    fn apply<T: Depth>(self, image: Image<T>, targets: &mut Targets, m: f64) -> Image<T> {
        let size = [image.width, image.height];
        if let Some(affine) = self.affine(size, m) {
            let moved = Move::Map(affine.map(size));
            targets.moved(&moved, size);
            return moved.image(&image);
        }
        let factor = (1.0 + m) as f32;
        match self {
            Identity | ShearX | ShearY | TranslateX | TranslateY | Rotate => image,
            Brightness => brightness(&image, factor),
            Color => saturation(&image, factor),
            Contrast => contrast(&image, factor),
            Sharpness => sharpness(&image, factor),
            Posterize => posterize(&image, m as u32),
            Solarize => solarize(&image, m as f32),
            AutoContrast => autocontrast(&image),
            Equalize => equalize(&image),
        }
    }
}

fn one<T: Depth>(
    image: Image<T>,
    targets: &mut Targets,
    limits: &Limits,
    bin: Option<usize>,
    rng: &mut Generator,
) -> Image<T> {
    let operation = OPERATIONS[rng.below(OPERATIONS.len() as u64) as usize];
    let bin = bin.unwrap_or_else(|| rng.below(BINS as u64) as usize);
    let magnitude = limits.magnitude(operation, bin);
    let negative = operation.signed() && rng.uniform() < 0.5;
    operation.apply(image, targets, if negative { -magnitude } else { magnitude })
}

/// `operations` of the list, one after another, each at strength `magnitude` of 0 to 30.
///
/// # Panics
/// If the magnitude is beyond 30.
pub fn rand_augment<T: Depth>(image: Image<T>, operations: usize, magnitude: usize, rng: &mut Generator) -> Image<T> {
    rand_augment_with(image, &mut Targets::None, operations, magnitude, rng)
}

/// As [`rand_augment`], with the targets moved alike.
pub(crate) fn rand_augment_with<T: Depth>(
    image: Image<T>,
    targets: &mut Targets,
    operations: usize,
    magnitude: usize,
    rng: &mut Generator,
) -> Image<T> {
    assert!(magnitude < BINS, "rand_augment: the magnitude goes from 0 to {}, got {magnitude}", BINS - 1);
    let of_side = 150.0 / 331.0;
    let translate = [of_side * image.width as f64, of_side * image.height as f64];
    let limits = Limits { shear: 0.3, translate, rotate: 30.0, colour: 0.9, bits: 4.0 };
    (0..operations).fold(image, |image, _| one(image, targets, &limits, Some(magnitude), rng))
}

/// One operation of the list, at any strength.
pub fn trivial_augment<T: Depth>(image: Image<T>, rng: &mut Generator) -> Image<T> {
    trivial_augment_with(image, &mut Targets::None, rng)
}

/// As [`trivial_augment`], with the targets moved alike.
pub(crate) fn trivial_augment_with<T: Depth>(image: Image<T>, targets: &mut Targets, rng: &mut Generator) -> Image<T> {
    let limits = Limits { shear: 0.99, translate: [32.0; 2], rotate: 135.0, colour: 0.99, bits: 6.0 };
    one(image, targets, &limits, None, rng)
}
