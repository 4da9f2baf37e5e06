//! [`Augmentations`]: random changes of training images, written as one line of text.

use super::random::Step;
use super::targets::Targets;
use crate::target::TargetKind;
use std::fmt;
use std::str::FromStr;
use striate_imaging::{Depth, Image};
use striate_tensor::Generator;

/// Tells random numbers of augmentations from others under the same seed.
const STREAM: u64 = 0x6175_676d;

/// Random changes of training images: `pad-crop 4, flip, jitter 0.2 0.2 0.2, mixup 0.2`. What is drawn for a sample depends on the seed,
/// the epoch and the sample's number alone.
///
/// The boxes and the mask of an image are moved as its pixels are. A box that is turned becomes the bounds of its corners. Boxes are clipped to
/// what is seen; one that keeps less than [`LEAST_VISIBLE`](super::LEAST_VISIBLE) of its area, or is narrower or lower than 1 pixel, is dropped.
/// A mask is void where nothing of the image lies. Colours, noise and `erase` change neither.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Augmentations {
    /// How often an image is put together with three others (Bochkovskiy et al., YOLOv4, 2020), if ever. `crop_resize` has no part in it.
    pub mosaic: Option<f64>,
    /// By how much an image is scaled beyond the size that it has in evaluation; it is then cut or bordered to the network's size at a random
    /// place (Ghiasi et al., Simple Copy-Paste, 2021: large-scale jitter is 0.1 to 2).
    pub scale_jitter: Option<[f64; 2]>,
    /// The least fraction of the area that a random part has that is scaled to the network's size; none: the whole image as in evaluation.
    pub crop_resize: Option<f64>,
    /// What is done then, in this order.
    pub steps: Vec<Step>,
    /// The parameter of the beta distribution that weighs two images laid over one another (Zhang et al., mixup, 2018).
    pub mixup: Option<f64>,
    /// The parameter of the beta distribution of the fraction that another image's part takes (Yun et al., CutMix, 2019).
    pub cutmix: Option<f64>,
}

/// The words, with what they may be followed by.
pub const AUGMENTATION_FORMS: &str = "mosaic [P], scale-jitter MIN MAX, crop-resize [MIN_AREA], pad-crop PIXELS, flip [P], vflip [P], rotate DEGREES, \
    affine DEGREES [TRANSLATE] [SCALE_MIN] [SCALE_MAX] [SHEAR], perspective [DISTORTION] [P], jitter BRIGHTNESS [CONTRAST] [SATURATION] [HUE], \
    grey [P], blur KERNEL [SIGMA_MIN] [SIGMA_MAX], erase [P], randaugment [OPERATIONS] [MAGNITUDE], trivialaugment, mixup [ALPHA], cutmix [ALPHA]";

impl Augmentations {
    /// The random numbers of a sample in an epoch.
    pub fn generator(seed: u64, epoch: usize, sample: usize) -> Generator {
        Generator::keyed([seed, STREAM, epoch as u64, sample as u64])
    }

    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        *self == Augmentations::default()
    }

    /// The steps done to an image of the network's size.
    pub fn apply<T: Depth>(&self, image: Image<T>, rng: &mut Generator) -> Image<T> {
        self.apply_with(image, &mut Targets::None, rng)
    }

    /// The same, with the targets moved as the pixels are.
    pub(crate) fn apply_with<T: Depth>(&self, image: Image<T>, targets: &mut Targets, rng: &mut Generator) -> Image<T> {
        self.steps.iter().fold(image, |image, step| step.apply_with(image, targets, rng))
    }

    /// Checks that they can be done to images with such targets.
    ///
    /// # Errors
    /// Which of them cannot, and why.
    pub fn check(&self, kind: TargetKind) -> Result<(), String> {
        let placed = match kind {
            TargetKind::Objects => Some("objects"),
            TargetKind::Mask => Some("a mask"),
            _ => None,
        };
        let mixing = [("mixup", self.mixup.is_some()), ("cutmix", self.cutmix.is_some())];
        match (placed, mixing.iter().find(|(_, on)| *on)) {
            (Some(what), Some((word, _))) => {
                Err(format!("'{word}' mixes the labels of whole images: images with {what} have none; 'mosaic' puts such images together"))
            }
            (None, _) if self.mosaic.is_some() => {
                Err("'mosaic' is for images with objects or a mask: four images have no one label; 'mixup' and 'cutmix' mix labels".into())
            }
            _ => Ok(()),
        }
    }
}

/// The numbers after a word.
struct Numbers<'a> {
    word: &'a str,
    values: Vec<f64>,
}

impl Numbers<'_> {
    /// Number `i`, or `default` where it is left out, from `low` to `high`.
    fn get(&self, i: usize, default: Option<f64>, low: f64, high: f64) -> Result<f64, String> {
        let value = self.values.get(i).copied().or(default);
        let value =
            value.ok_or_else(|| format!("'{}' takes {} number{}", self.word, i + 1, if i == 0 { "" } else { "s" }))?;
        if (low..=high).contains(&value) {
            return Ok(value);
        }
        Err(format!("'{}' takes numbers from {low} to {high} in place {}, got {value}", self.word, i + 1))
    }

    fn fraction(&self, i: usize, default: f64) -> Result<f64, String> {
        self.get(i, Some(default), 0.0, 1.0)
    }

    fn whole(&self, i: usize, default: Option<f64>, low: f64, high: f64) -> Result<usize, String> {
        let value = self.get(i, default, low, high)?;
        if value.fract() == 0.0 {
            Ok(value as usize)
        } else {
            Err(format!("'{}' takes a whole number, got {value}", self.word))
        }
    }

    fn at_most(&self, n: usize) -> Result<(), String> {
        if self.values.len() <= n {
            Ok(())
        } else {
            Err(format!("'{}' takes at most {n} numbers, got {}", self.word, self.values.len()))
        }
    }
}

impl FromStr for Augmentations {
    type Err = String;

    fn from_str(text: &str) -> Result<Augmentations, String> {
        let mut all = Augmentations::default();
        for item in text.split(',').map(str::trim).filter(|item| !item.is_empty() && *item != "none") {
            let mut words = item.split_whitespace();
            let word = words.next().expect("items are not empty");
            let number = |w: &str| {
                w.parse::<f64>()
                    .ok()
                    .filter(|x| x.is_finite())
                    .ok_or_else(|| format!("'{w}' in '{item}' is not a number"))
            };
            let n = Numbers { word, values: words.map(number).collect::<Result<_, _>>()? };
            let (step, most) = match word {
                "mosaic" => {
                    all.mosaic = Some(n.fraction(0, 1.0)?);
                    (None, 1)
                }
                "scale-jitter" => {
                    if n.values.len() < 2 {
                        return Err("'scale-jitter' takes 2 numbers: the least and the largest factor".into());
                    }
                    let low = n.get(0, None, 0.05, 10.0)?;
                    all.scale_jitter = Some([low, n.get(1, None, low, 10.0)?]);
                    (None, 2)
                }
                "crop-resize" => {
                    all.crop_resize = Some(n.get(0, Some(0.35), 0.01, 1.0)?);
                    (None, 1)
                }
                "pad-crop" => (Some(Step::PadCrop(n.whole(0, None, 1.0, 1000.0)?)), 1),
                "flip" => (Some(Step::Flip(n.fraction(0, 0.5)?)), 1),
                "vflip" => (Some(Step::FlipVertical(n.fraction(0, 0.5)?)), 1),
                "rotate" => (Some(Step::Rotate(n.get(0, None, 0.0, 180.0)?)), 1),
                "affine" => {
                    let scale =
                        [n.get(2, Some(1.0), 0.1, 10.0)?, n.get(3, Some(n.get(2, Some(1.0), 0.1, 10.0)?), 0.1, 10.0)?];
                    let degrees = n.get(0, None, 0.0, 180.0)?;
                    let (translate, shear) = (n.fraction(1, 0.0)?, n.get(4, Some(0.0), 0.0, 80.0)?);
                    (Some(Step::Affine { degrees, translate, scale, shear }), 5)
                }
                "perspective" => {
                    (Some(Step::Perspective { distortion: n.get(0, Some(0.5), 0.0, 0.9)?, p: n.fraction(1, 0.5)? }), 2)
                }
                "jitter" => {
                    let hue = n.get(3, Some(0.0), 0.0, 0.5)?;
                    let other = |i, default| n.get(i, default, 0.0, 10.0);
                    (Some(Step::Jitter([other(0, None)?, other(1, Some(0.0))?, other(2, Some(0.0))?, hue])), 4)
                }
                "grey" => (Some(Step::Grey(n.fraction(0, 0.1)?)), 1),
                "blur" => {
                    let kernel = n.whole(0, None, 1.0, 99.0)?;
                    if kernel % 2 == 0 {
                        return Err(format!("'blur' takes an odd kernel, got {kernel}"));
                    }
                    let low = n.get(1, Some(0.1), 0.01, 100.0)?;
                    (Some(Step::Blur { kernel, sigma: [low, n.get(2, Some(low.max(2.0)), low, 100.0)?] }), 3)
                }
                "erase" => (Some(Step::Erase(n.fraction(0, 0.5)?)), 1),
                "randaugment" => {
                    let operations = n.whole(0, Some(2.0), 1.0, 14.0)?;
                    (Some(Step::RandAugment { operations, magnitude: n.whole(1, Some(9.0), 0.0, 30.0)? }), 2)
                }
                "trivialaugment" => (Some(Step::TrivialAugment), 0),
                "mixup" => {
                    all.mixup = Some(n.get(0, Some(0.2), 0.01, 100.0)?);
                    (None, 1)
                }
                "cutmix" => {
                    all.cutmix = Some(n.get(0, Some(1.0), 0.01, 100.0)?);
                    (None, 1)
                }
                _ => return Err(format!("there is no augmentation '{word}'; there are: {AUGMENTATION_FORMS}")),
            };
            n.at_most(most)?;
            all.steps.extend(step);
        }
        if all.scale_jitter.is_some() && all.crop_resize.is_some() {
            return Err(
                "'crop-resize' and 'scale-jitter' both say how an image comes to the network's size: leave one out"
                    .into(),
            );
        }
        Ok(all)
    }
}

impl fmt::Display for Augmentations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = [
            self.mosaic.map(|p| format!("mosaic {p}")),
            self.scale_jitter.map(|[low, high]| format!("scale-jitter {low} {high}")),
            self.crop_resize.map(|v| format!("crop-resize {v}")),
        ];
        let first = first.into_iter().flatten();
        let last = [("mixup", self.mixup), ("cutmix", self.cutmix)];
        let last = last.into_iter().filter_map(|(word, v)| v.map(|v| format!("{word} {v}")));
        let all: Vec<String> = first.chain(self.steps.iter().map(words)).chain(last).collect();
        f.write_str(&if all.is_empty() { "none".to_string() } else { all.join(", ") })
    }
}

fn words(step: &Step) -> String {
    match step {
        Step::PadCrop(n) => format!("pad-crop {n}"),
        Step::Flip(p) => format!("flip {p}"),
        Step::FlipVertical(p) => format!("vflip {p}"),
        Step::Rotate(degrees) => format!("rotate {degrees}"),
        Step::Affine { degrees, translate, scale: [low, high], shear } => {
            format!("affine {degrees} {translate} {low} {high} {shear}")
        }
        Step::Perspective { distortion, p } => format!("perspective {distortion} {p}"),
        Step::Jitter([b, c, s, h]) => format!("jitter {b} {c} {s} {h}"),
        Step::Grey(p) => format!("grey {p}"),
        Step::Blur { kernel, sigma: [low, high] } => format!("blur {kernel} {low} {high}"),
        Step::Erase(p) => format!("erase {p}"),
        Step::RandAugment { operations, magnitude } => format!("randaugment {operations} {magnitude}"),
        Step::TrivialAugment => "trivialaugment".to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::compose::part;
    use super::*;
    use striate_imaging::{Filter, Fit, Preprocessing};

    const ALL: &str = "crop-resize 0.5, pad-crop 2, flip 0.5, vflip 0.1, rotate 15, affine 10 0.1 0.9 1.1 5, perspective 0.5 0.5, \
        jitter 0.4 0.3 0.2 0.1, grey 0.1, blur 3 0.1 2, erase 0.25, randaugment 2 9, trivialaugment, mixup 0.2, cutmix 1";

    #[test]
    fn text_is_read_and_written() {
        let all: Augmentations = ALL.parse().unwrap();
        assert_eq!(all.to_string(), ALL);
        assert_eq!("flip, jitter 0.2".parse::<Augmentations>().unwrap().to_string(), "flip 0.5, jitter 0.2 0 0 0");
        let none: Augmentations = "none".parse().unwrap();
        assert!(none.is_empty() && none.to_string() == "none");
    }

    #[test]
    fn ways_to_the_networks_size_are_read_and_written() {
        let text = "mosaic 0.5, scale-jitter 0.1 2, flip 0.5";
        let all: Augmentations = text.parse().unwrap();
        assert_eq!((all.mosaic, all.scale_jitter, all.to_string()), (Some(0.5), Some([0.1, 2.0]), text.to_string()));
        assert_eq!("mosaic, crop-resize".parse::<Augmentations>().unwrap().to_string(), "mosaic 1, crop-resize 0.35");
        assert!(!"mosaic".parse::<Augmentations>().unwrap().is_empty());
        let line = |text: &str| text.parse::<Augmentations>().unwrap_err();
        assert_eq!(line("scale-jitter"), "'scale-jitter' takes 2 numbers: the least and the largest factor");
        assert_eq!(line("scale-jitter 2 1"), "'scale-jitter' takes numbers from 2 to 10 in place 2, got 1");
        assert_eq!(line("mosaic 1 2"), "'mosaic' takes at most 1 numbers, got 2");
        assert!(line("scale-jitter 1 2, crop-resize").contains("leave one out"));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let line = |text: &str| text.parse::<Augmentations>().unwrap_err();
        assert!(line("filp").contains("no augmentation 'filp'") && line("filp").contains("flip [P]"));
        assert_eq!(line("flip 2"), "'flip' takes numbers from 0 to 1 in place 1, got 2");
        assert_eq!(line("pad-crop"), "'pad-crop' takes 1 number");
        assert_eq!(line("flip 0.5 1"), "'flip' takes at most 1 numbers, got 2");
        assert_eq!(line("pad-crop 1.5"), "'pad-crop' takes a whole number, got 1.5");
        assert_eq!(line("blur 4"), "'blur' takes an odd kernel, got 4");
        assert_eq!(line("rotate x"), "'x' in 'rotate x' is not a number");
    }

    #[test]
    fn the_draw_depends_on_seed_epoch_and_sample_alone() {
        let image = Image::new(9, 8, 3, (0..216).map(|i| (i * 31 % 256) as u8).collect());
        let all: Augmentations = ALL.parse().unwrap();
        let draw = |seed, epoch, sample| all.apply(image.clone(), &mut Augmentations::generator(seed, epoch, sample));
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        let others = [draw(1, 2, 3), draw(0, 2, 3), draw(1, 0, 3), draw(1, 2, 0)];
        assert!((1..4).all(|i| others[i] != others[0]));
    }

    #[test]
    fn every_step_keeps_the_size_of_any_image() {
        let all: Augmentations = ALL.parse().unwrap();
        for (w, h, c) in [(1, 1, 1), (1, 7, 3), (16, 1, 1), (2, 2, 3), (17, 9, 1), (12, 13, 3)] {
            for seed in 0..20 {
                let rng = &mut Augmentations::generator(seed, 0, 0);
                let image = Image::new(w, h, c, vec![(seed * 12) as u8; w * h * c]);
                let p = Preprocessing { filter: Filter::Bicubic, ..Preprocessing::new(c, [5, 6], Fit::Resize) };
                let (part, _) = part(&image, &Targets::None, &p, 0.5, rng);
                assert_eq!((part.width, part.height, part.channels), (6, 5, c));
                let out = all.apply(image, rng);
                assert_eq!((out.width, out.height, out.channels, out.data.len()), (w, h, c, w * h * c));
            }
        }
        let deep = Image::new(6, 5, 3, vec![40000u16; 90]);
        assert_eq!(all.apply(deep, &mut Augmentations::generator(0, 0, 0)).data.len(), 90);
    }
}
