//! The settings that images of a folder have besides.

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

/// The settings that images of a folder, a manifest or an archive have besides.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImageSettings {
    /// Pixels of a side of what the network sees; by default the images' own size if it is one and small, else as the network needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<usize>,
    /// 1 for grey, 3 for colour; by default as the images are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channels: Option<usize>,
    /// How pixels are weighed when an image is scaled; bilinearly, or as a backbone is used to, if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<Filter>,
    /// The colour behind transparent parts: red, green, blue.
    pub background: [u8; 3],
    /// Random changes of training images, as [`Augmentations`] reads them; `small-data` stands for what suits few images of the size.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub augment: Option<String>,
    /// Where decoded images are kept.
    pub cache: ImageCache,
    /// The fraction of images that is held out to measure on, where the data has no split.
    pub val: f64,
    /// Whether that split is by image even so where images are nearly the same, which otherwise stay on one side.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub split_near_duplicates: bool,
    /// The column of a manifest that holds the images' paths, if its name does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_column: Option<String>,
    /// The column of a manifest that holds the images' classes, if its name does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_column: Option<String>,
    /// The largest share of images that may be unreadable.
    pub max_bad: f64,
    /// Whether samples of rare classes are drawn more often, so that all classes are as frequent.
    pub balance: bool,
    /// Whether losses of rare classes weigh more, so that all classes weigh the same.
    pub class_weights: bool,
}

impl Default for ImageSettings {
    fn default() -> Self {
        ImageSettings {
            size: None,
            channels: None,
            filter: None,
            background: [255; 3],
            augment: None,
            cache: ImageCache::default(),
            val: HELD_OUT,
            split_near_duplicates: false,
            path_column: None,
            label_column: None,
            max_bad: 0.05,
            balance: false,
            class_weights: false,
        }
    }
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
        let bad = |name: &str, got: String, need: &str| {
            Err(TrainError::Setting { name: name.to_string(), got, need: need.to_string() })
        };
        if let Some(size) = self.size.filter(|s| !(1..=4096).contains(s)) {
            return bad("size", size.to_string(), "from 1 to 4096");
        }
        if let Some(channels) = self.channels.filter(|c| ![1, 3].contains(c)) {
            return bad("channels", channels.to_string(), "1 or 3");
        }
        if !(self.val > 0.0 && self.val < 1.0) {
            return bad("val", self.val.to_string(), "a share between 0% and 100%");
        }
        if !(0.0..=1.0).contains(&self.max_bad) {
            return bad("max-bad", self.max_bad.to_string(), "a share from 0% to 100%");
        }
        self.augmentations(32).map(|_| ())
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
