//! Fine-tuning: a network that has learnt elsewhere learns new classes.
//!
//! Its batch normalization goes on by the running statistics that it came with, also where all layers learn: a few thousand images move the weights
//! little, and statistics of their small batches serve worse.

pub(crate) mod features;
mod part;
mod prototype;
mod rates;
pub(crate) mod source;

pub(crate) use part::{Part, Tuned};
pub use prototype::{FewShot, FewShotResult, PrototypeReport, prototypes};
pub(crate) use rates::by_depth;
pub use source::Source;

use crate::config::{bad, settings};
use crate::error::TrainError;
use crate::recipe::Recipe;
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
    /// The settings that suit some thousand images. [`FineTune::from`] is still to be said.
    pub fn recipe(self) -> Recipe {
        match self {
            FineTuneMode::Head => Recipe::FINETUNE_HEAD,
            FineTuneMode::Full => Recipe::FINETUNE_FULL,
            FineTuneMode::Gradual => Recipe::FINETUNE_GRADUAL,
        }
    }
}

settings! {
    /// The settings of fine-tuning as they are asked for.
    asked FineTuneConfig

    /// The settings of fine-tuning.
    resolved FineTune

    required {
        /// What has learnt already: a network's name, whose published weights are taken, or the path of a model or weight file.
        from: String = String::new(),
        /// What learns.
        mode: FineTuneMode = FineTuneMode::Gradual,
        /// How many of the epochs the head learns alone, in [`FineTuneMode::Gradual`].
        head_epochs: usize = 30,
        /// The learning rate of these epochs.
        head_lr: f64 = 0.003,
        /// What the learning rate is multiplied with in the first layer, when all learn. From there to the head it grows by the same factor from
        /// part to part.
        backbone_lr: f64 = 0.3,
    }
    optional {}
    sections {}
    optional_sections {}
}

impl FineTune {
    pub(crate) fn validate(&self, epochs: usize) -> Result<(), TrainError> {
        if self.mode == FineTuneMode::Gradual && !(1..epochs).contains(&self.head_epochs) {
            return bad("head_epochs", self.head_epochs, "at least 1, with epochs for all layers after them");
        }
        if !(self.head_lr > 0.0 && self.head_lr.is_finite()) {
            return bad("head_lr", self.head_lr, "a positive number");
        }
        if !(self.backbone_lr > 0.0 && self.backbone_lr <= 1.0) {
            return bad("backbone_lr", self.backbone_lr, "above 0 and at most 1");
        }
        Ok(())
    }
}
