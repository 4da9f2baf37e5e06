//! [`Gallery`]: the images that a page shows.

use crate::drawing::{draw_classes, draw_objects, palette};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use std::collections::BTreeMap;
use striate_data::{Target, parallel};
use striate_imaging::{AnyImage, DecodeOptions, Image};
use striate_model::{Predictor, TaskCard};
use striate_tensor::num_threads;
use striate_train::Images;

/// Pixels of the shorter side of an image of one class, and of one with boxes or classes of pixels.
const SMALL: usize = 112;
const LARGE: usize = 240;
/// Smaller images are shown in whole multiples of their size up to this.
const ENLARGED: usize = 96;

/// An image of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Shot {
    /// What it shows, where that is not the image itself.
    pub caption: String,
    /// The image, as a `data:` address.
    pub uri: String,
    /// How wide it is shown, in pixels.
    pub width: usize,
    /// How high.
    pub height: usize,
    /// Whether that is larger than it is.
    pub enlarged: bool,
}

impl Shot {
    /// Of an image in grey or colour; none if it has no pixels.
    pub fn new(caption: &str, image: &Image, side: usize) -> Option<Shot> {
        let small = image.thumbnail(side);
        let jpeg = small.to_jpeg().ok()?;
        let uri = format!("data:image/jpeg;base64,{}", BASE64_STANDARD.encode(jpeg));
        let times = (ENLARGED / small.width.max(small.height)).max(1);
        let (width, height) = (small.width * times, small.height * times);
        Some(Shot { caption: caption.to_string(), uri, width, height, enlarged: times > 1 })
    }
}

/// Images by their places among those that were measured on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gallery(BTreeMap<usize, Vec<Shot>>);

/// Images that one model has answered, of those that a report is of: all, but for a cross-validation.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// The images.
    pub images: &'a Images,
    /// The place of the first of them among all.
    pub first: usize,
}

impl Part<'_> {
    /// The image at this place among all as it is in its file; none if it is of another part or cannot be read.
    pub fn original(&self, index: usize) -> Option<AnyImage> {
        original(self.images, index.checked_sub(self.first)?)
    }

    fn has(&self, index: usize) -> bool {
        (self.first..self.first + self.images.len()).contains(&index)
    }
}

impl Gallery {
    /// Adds those of these images that are of a part, with what there is in them and what its model finds where that has a place. Images that cannot be read are
    /// left out.
    pub fn add_images(&mut self, model: &Predictor, part: &Part, indices: impl IntoIterator<Item = usize>) {
        let mut wanted: Vec<usize> = indices.into_iter().filter(|&index| part.has(index)).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let read = parallel::map(wanted.len(), num_threads(), |i| part.original(wanted[i]));
        let shots = |(index, image): (usize, Option<AnyImage>)| {
            let image = image?;
            Some((index, shots(model, &image, &part.images.target(index - part.first))))
        };
        self.0.extend(wanted.into_iter().zip(read).filter_map(shots));
    }

    /// The shots of image `index`.
    pub fn shots(&self, index: usize) -> &[Shot] {
        self.0.get(&index).map_or(&[], Vec::as_slice)
    }

    /// Adds a shot of image `index`.
    pub fn add(&mut self, index: usize, shot: Shot) {
        self.0.entry(index).or_default().push(shot);
    }
}

/// Image `index` as it is in its file; none if it cannot be read.
pub fn original(images: &Images, index: usize) -> Option<AnyImage> {
    (index < images.len()).then(|| images.image(index, &DecodeOptions::default()).ok())?
}

fn shots(model: &Predictor, image: &AnyImage, target: &Target) -> Vec<Shot> {
    let (card, classes) = (&model.card, &model.card.classes);
    let pair = |actual: Option<Image>, predicted: Option<Image>| {
        let shot = |caption: &str, image: Option<Image>| Shot::new(caption, &image?, LARGE);
        [shot("actual", actual), shot("predicted", predicted)].into_iter().flatten().collect()
    };
    match &card.task {
        TaskCard::Detection { .. } => {
            let actual = match target {
                Target::Objects(objects) => Some(objects.iter().map(|o| (o.class, o.bbox, None)).collect::<Vec<_>>()),
                _ => None,
            };
            let found = model.detect(std::slice::from_ref(image)).map(|mut all| all.swap_remove(0)).ok();
            let found = found.map(|found| {
                let kept = found.iter().filter(|d| d.score >= card.task.threshold(d.class));
                let boxes: Vec<_> = kept.map(|d| (d.class, d.bbox, Some(d.score))).collect();
                draw_objects(image, &boxes, classes)
            });
            pair(actual.map(|actual| draw_objects(image, &actual, classes)), found)
        }
        TaskCard::Segmentation { .. } => {
            let palette = palette(&card.task, classes.len());
            let fits = |mask: &Image| [mask.width, mask.height] == [image.width(), image.height()];
            let over = |mask: &Image| fits(mask).then(|| draw_classes(image, mask, &palette));
            let actual = match target {
                Target::Mask(mask) => mask.classes().ok().and_then(|mask| over(&mask)),
                _ => None,
            };
            pair(actual, model.segment(image, None).ok().and_then(|mask| over(&mask)))
        }
        _ => Shot::new("", &bytes(image), SMALL).into_iter().collect(),
    }
}

/// In grey or colour.
fn bytes(image: &AnyImage) -> Image {
    let image = image.clone().into_bytes();
    if image.channels == 1 { image } else { image.to_channels(3) }
}
