//! Fine-tuning: a network that has learnt elsewhere learns new classes.
//!
//! Its batch normalization goes on by the running statistics that it came with, also where all layers learn: a few thousand images move the weights
//! little, and statistics of their small batches serve worse.

pub(crate) mod features;
mod prototype;
mod rates;
pub(crate) mod source;

pub use prototype::{FewShot, FewShotResult, PrototypeReport, prototypes};
pub(crate) use rates::by_depth;
pub use source::Source;

use crate::config::{Config, OptimizerKind};
use crate::error::TrainError;
use crate::image_settings::ImageSettings;
use serde::{Deserialize, Serialize};

/// What learns, and in which order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FineTuneMode {
    /// The head alone.
    Head,
    /// All layers, the early ones at a smaller rate.
    Full,
    /// The head alone, then all layers.
    #[default]
    Gradual,
}

impl FineTuneMode {
    /// The settings that suit some thousand images. [`Config::finetune`] still needs to know from what.
    pub fn config(self) -> Config {
        let usual = Config::default();
        let optimizer = OptimizerKind::AdamW;
        let schedule = Some("onecycle".to_string());
        let finetune = Some(FineTune { mode: self, ..FineTune::default() });
        let common = Config { model: "auto".into(), optimizer, schedule, finetune, ..usual };
        match self {
            FineTuneMode::Head => {
                Config { epochs: HEAD_EPOCHS, lr: HEAD_LR, weight_decay: Some(0.3), patience: Some(PATIENCE), ..common }
            }
            FineTuneMode::Full => Config { epochs: EPOCHS, ..common }.varied(),
            FineTuneMode::Gradual => Config { epochs: HEAD_EPOCHS + EPOCHS, ..common }.varied(),
        }
    }
}

/// A head's epochs cost next to nothing where features are computed once.
impl FineTuneMode {
    /// The epochs of its last stage, which are those that `epochs` of a command means.
    pub fn epochs_of_last_stage(self) -> usize {
        match self {
            FineTuneMode::Head => HEAD_EPOCHS,
            FineTuneMode::Full | FineTuneMode::Gradual => EPOCHS,
        }
    }
}

const HEAD_EPOCHS: usize = 30;
const HEAD_LR: f64 = 0.003;
/// Those of all layers.
const EPOCHS: usize = 8;
/// Epochs without a better one that end a stage: the rate of most of a stage is high, and its end is where it gains most.
const PATIENCE: usize = 15;

impl Config {
    /// With what suits all layers: a small rate, and random changes that leave a photo a photo.
    fn varied(self) -> Config {
        let images = ImageSettings { augment: Some("crop-resize 0.5, flip".into()), ..self.images };
        Config { lr: 0.0005, batch_size: 50, label_smoothing: 0.1, images, ..self }
    }
}

/// The settings of fine-tuning.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTune {
    /// What has learnt already: a network's name, whose published weights are taken, or the path of a model or weight file.
    pub from: String,
    /// What learns.
    pub mode: FineTuneMode,
    /// How many of the epochs the head learns alone, in [`FineTuneMode::Gradual`].
    pub head_epochs: usize,
    /// The learning rate of these epochs.
    pub head_lr: f64,
    /// What the learning rate is multiplied with in the first layer, when all learn. From there to the head it grows by the same factor from
    /// part to part.
    pub backbone_lr: f64,
}

impl Default for FineTune {
    fn default() -> Self {
        let mode = FineTuneMode::default();
        FineTune { from: String::new(), mode, head_epochs: HEAD_EPOCHS, head_lr: HEAD_LR, backbone_lr: 0.3 }
    }
}

impl FineTune {
    pub(crate) fn validate(&self, epochs: usize) -> Result<(), TrainError> {
        let bad = |name: &str, got: String, need: &str| {
            Err(TrainError::Setting { name: name.to_string(), got, need: need.to_string() })
        };
        if self.mode == FineTuneMode::Gradual && !(1..epochs).contains(&self.head_epochs) {
            return bad(
                "head-epochs",
                self.head_epochs.to_string(),
                "at least 1, with epochs for all layers after them",
            );
        }
        if !(self.head_lr > 0.0 && self.head_lr.is_finite()) {
            return bad("head-lr", self.head_lr.to_string(), "a positive number");
        }
        if !(self.backbone_lr > 0.0 && self.backbone_lr <= 1.0) {
            return bad("backbone-lr", self.backbone_lr.to_string(), "above 0 and at most 1");
        }
        Ok(())
    }
}
