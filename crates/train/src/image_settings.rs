//! The settings that images of a folder have besides.

use crate::error::TrainError;
use serde::{Deserialize, Serialize};
use striate_data::Filter;
use striate_data::download::cache_directory;
use striate_data::images::CacheKind;
use striate_data::transforms::Augmentations;

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
                need: "ram, or STRIATE_CACHE_DIR must name a directory, for this system names none for caches".into(),
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
            max_bad: 0.05,
            balance: false,
            class_weights: false,
        }
    }
}

/// The word for [`ImageSettings::augment`] that stands for what suits few images.
pub const SMALL_DATA: &str = "small-data";

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
        if !(0.0..=1.0).contains(&self.max_bad) {
            return bad("max-bad", self.max_bad.to_string(), "a share from 0% to 100%");
        }
        self.augmentations(32).map(|_| ())
    }

    /// The random changes of images of this size.
    pub(crate) fn augmentations(&self, size: usize) -> Result<Augmentations, TrainError> {
        let text = match self.augment.as_deref() {
            None => return Ok(Augmentations::default()),
            Some(SMALL_DATA) if size <= 64 => format!("pad-crop {}, flip, cutmix 1", (size / 8).max(1)),
            Some(SMALL_DATA) => "crop-resize 0.35, flip, trivialaugment, cutmix 1".to_string(),
            Some(text) => text.to_string(),
        };
        text.parse().map_err(|reason| TrainError::Augmentation { text, reason })
    }
}
