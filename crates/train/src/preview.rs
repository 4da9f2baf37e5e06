//! [`Preview`]: what a network would see of its training images.

use crate::config::{Layers, ResolvedConfig};
use crate::data::{Images, Validation, Wanted};
use crate::error::TrainError;
use crate::images;
use striate_data::images::{CacheKind, ImageListDataset};
use striate_data::{Mask, Target};
use striate_imaging::{Image, class_colour};
use striate_model::Provenance;

/// How opaque a mask is over its image.
const OPACITY: f32 = 0.4;

/// The training images of a run that would have certain settings, as its network would see them, with their boxes or masks drawn.
pub struct Preview {
    plain: ImageListDataset,
    changed: ImageListDataset,
    classes: Vec<String>,
}

/// The colour of a class in masks that are drawn; none of the background, which is left as it is.
pub(crate) fn mask_colour(name: &str, class: usize) -> Option<[u8; 3]> {
    (!name.eq_ignore_ascii_case("background")).then(|| class_colour(class))
}

impl Preview {
    /// For the images and settings that are asked for.
    ///
    /// # Errors
    /// If the images or the settings cannot be used.
    pub fn open(asked: impl Into<Layers>) -> Result<Preview, TrainError> {
        let asked = asked.into();
        let config = &asked.over(ResolvedConfig::defaults_of(asked.task())).config;
        let from = Provenance::default();
        let wanted = Wanted { input: None, backbone: None, started_from: &from, validation: Validation::Optional };
        let splits = images::open(config, wanted, &|_, _| {})?;
        let changes = config.images.augmentations(splits.preprocessing.size[0])?;
        changes.check(splits.kind).map_err(|reason| TrainError::Augmentation { text: changes.to_string(), reason })?;
        let Images::Files { entries, .. } = splits.train else { unreachable!("images are in files") };
        let plain = ImageListDataset::new(entries, splits.preprocessing, CacheKind::None);
        let changed = plain.augmented(changes, splits.classes.len(), config.seed);
        Ok(Preview { plain, changed, classes: splits.classes })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.plain.entries().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Image `index` as it is without random changes.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn plain(&self, index: usize) -> Result<Image, TrainError> {
        self.drawn(&self.plain, 0, index)
    }

    /// Image `index` as it is in `epoch`. Mixing with other images is left out, but for mosaics.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn in_epoch(&self, epoch: usize, index: usize) -> Result<Image, TrainError> {
        self.drawn(&self.changed, epoch, index)
    }

    fn drawn(&self, images: &ImageListDataset, epoch: usize, index: usize) -> Result<Image, TrainError> {
        let (image, target) = images.sample(epoch, index)?;
        let image = image.into_bytes();
        Ok(match target {
            Target::Objects(objects) => {
                let mut image = image.to_channels(3);
                for object in objects {
                    let colour = class_colour(object.class);
                    image.draw_box(object.bbox, 1, colour);
                    image.draw_label([object.bbox[0], object.bbox[1]], &self.classes[object.class], 1, colour);
                }
                image
            }
            Target::Mask(Mask::Classes(mask)) => {
                let mut image = image.to_channels(3);
                let colour = |class: u8| mask_colour(self.classes.get(usize::from(class))?, class.into());
                image.draw_mask(&mask, OPACITY, colour);
                image
            }
            _ => image,
        })
    }
}
