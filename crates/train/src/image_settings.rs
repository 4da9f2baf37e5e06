//! The settings that images of a folder have besides.

use crate::config::{bad, settings};
use crate::error::TrainError;
use serde::{Deserialize, Serialize};
use striate_data::download::cache_directory;
use striate_data::images::CacheKind;
use striate_data::transforms::Augmentations;
use striate_imaging::Filter;

/// The fraction of images that is held out where nothing is said.
const HELD_OUT: f64 = 0.2;

/// Where decoded images are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageCache {
    /// Nowhere: they are decoded in each epoch.
    #[default]
    None,
    /// In memory.
    Ram,
    /// In files: of the directory that `STRIATE_CACHE_DIR` names, else `striate` in the user's directory for caches.
    Disk,
}

impl ImageCache {
    /// What it is to the data set.
    pub(crate) fn kind(self) -> Result<CacheKind, TrainError> {
        Ok(match self {
            ImageCache::None => CacheKind::None,
            ImageCache::Ram => CacheKind::Ram,
            ImageCache::Disk => CacheKind::Disk(cache_directory().ok_or_else(|| TrainError::Setting {
                name: "cache".into(),
                got: "disk".into(),
                need: "ram, for this user has no cache directory: set STRIATE_CACHE_DIR to one".into(),
            })?),
        })
    }
}

settings! {
    /// The settings that images of a folder have besides, as they are asked for.
    asked ImageConfig

    /// The settings that images of a folder, a manifest or an archive have besides.
    resolved ImageSettings

    required {
        /// The colour behind transparent parts: red, green, blue.
        background: [u8; 3] = [255; 3],
        /// Where decoded images are kept.
        cache: ImageCache = ImageCache::None,
        /// The fraction of images that is held out to measure on, where the data has no split.
        val: f64 = HELD_OUT,
        /// Whether that split is by image even so where images are nearly the same, which otherwise stay on one side.
        split_near_duplicates: bool = false,
        /// The largest fraction of images that may be unreadable.
        max_bad: f64 = 0.05,
        /// In how many epochs at the end images are not mixed by mixup and CutMix, so that the last ones see images as they are.
        mix_off_epochs: usize = 0,
        /// Whether samples of rare classes are drawn more often, so that all classes are as frequent.
        balance: bool = false,
        /// Whether losses of rare classes weigh more, so that all classes weigh the same.
        class_weights: bool = false,
    }
    optional {
        /// Pixels of a side of what the network sees; by default the images' own size if it is one and small, else as the network needs.
        size: usize,
        /// 1 for grey, 3 for colour; by default as the images are.
        channels: usize,
        /// How pixels are weighed when an image is scaled; bilinearly, or as a backbone is used to, if nothing is said.
        filter: Filter,
        /// Random changes of training images, as [`Augmentations`] reads them; `small-data` stands for what suits few images of the size.
        augment: String,
        /// The column of a manifest that holds the images' paths, if its name does not tell.
        path_column: String,
        /// The column of a manifest that holds the images' classes, if its name does not tell.
        label_column: String,
    }
    sections {}
    optional_sections {}
}

/// The word for [`ImageSettings::augment`] that stands for what suits few images.
pub const SMALL_DATA: &str = "small-data";

/// As [`SMALL_DATA`], for a loss that takes one class for each image.
pub const UNMIXED: &str = "small-data-unmixed";

/// The word for [`ImageSettings::augment`] that stands for no changes, where some are usual.
pub const NO_CHANGES: &str = "none";

impl ImageSettings {
    /// Checks what does not depend on the images.
    pub fn validate(&self) -> Result<(), TrainError> {
        if let Some(size) = self.size.filter(|s| !(1..=4096).contains(s)) {
            return bad("size", size, "from 1 to 4096");
        }
        if let Some(channels) = self.channels.filter(|c| ![1, 3].contains(c)) {
            return bad("channels", channels, "1 or 3");
        }
        if !(self.val > 0.0 && self.val < 1.0) {
            return bad("val", self.val, "a fraction between 0% and 100%");
        }
        if !(0.0..=1.0).contains(&self.max_bad) {
            return bad("max_bad", self.max_bad, "a fraction from 0% to 100%");
        }
        self.augmentations(32).map(|_| ())
    }

    /// Whether images are changed at random.
    pub(crate) fn changes(&self) -> bool {
        self.augment.as_deref().is_some_and(|changes| changes != NO_CHANGES)
    }

    /// The random changes of images of this size.
    pub(crate) fn augmentations(&self, size: usize) -> Result<Augmentations, TrainError> {
        let text = match self.augment.as_deref() {
            None | Some(NO_CHANGES) => return Ok(Augmentations::default()),
            Some(word @ (SMALL_DATA | UNMIXED)) => {
                let mix = if word == SMALL_DATA { ", cutmix 1" } else { "" };
                match size {
                    0..=64 => format!("pad-crop {}, flip{mix}", (size / 8).max(1)),
                    _ => format!("crop-resize 0.35, flip, trivialaugment{mix}"),
                }
            }
            Some(text) => text.to_string(),
        };
        text.parse().map_err(|reason| TrainError::Augmentation { text, reason })
    }
}
