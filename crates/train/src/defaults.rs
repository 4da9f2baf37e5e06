//! Default settings, which depend on the data.

use crate::config::{ResolvedConfig, TaskKind};
use crate::data::{Images, Splits};
use crate::recipe::Recipe;
use striate_data::TargetKind;

/// The default settings for a number of training images in files.
///
/// What counts is the number of steps, so few images get more epochs and smaller batches: 3000 epochs divided by the square root of the number of images,
/// between 12 and 200. Random augmentation keeps them from overfitting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Defaults {
    images: usize,
}

impl Defaults {
    /// The number of training images up to which epochs are the most.
    pub const FEW: usize = 225;
    /// The number from which they are the fewest.
    pub const MANY: usize = 62_500;

    /// For `images` training images in files.
    pub fn for_images(images: usize) -> Defaults {
        Defaults { images }
    }

    fn epochs(self) -> usize {
        const MOST: f64 = 200.0;
        const LEAST: f64 = 12.0;
        (3000.0 / (self.images.max(1) as f64).sqrt()).round().clamp(LEAST, MOST) as usize
    }

    /// The settings.
    pub fn config(self) -> ResolvedConfig {
        let batch_size = match self.images {
            0..=500 => 16,
            501..=2000 => 32,
            _ => 64,
        };
        let small = Recipe::SMALL_DATA.resolved();
        let epochs = self.epochs();
        ResolvedConfig { epochs, batch_size, patience: small.patience_over(epochs), recipe: None, ..small }
    }
}

impl ResolvedConfig {
    /// The default settings of a task before anything is known of the data.
    pub(crate) fn defaults_of(task: TaskKind) -> ResolvedConfig {
        match task {
            TaskKind::Classification | TaskKind::MultiLabel | TaskKind::Regression => ResolvedConfig::default(),
            TaskKind::Detection => Recipe::DETECTION.resolved(),
            TaskKind::Segmentation => Recipe::SEGMENTATION.resolved(),
        }
    }

    /// The default settings for `data`.
    pub(crate) fn defaults_for(data: &Splits) -> ResolvedConfig {
        let mut config = match data.train {
            Images::Files { .. } => Defaults::for_images(data.train.len()).config(),
            Images::Memory(_) => ResolvedConfig::default(),
        };
        match data.kind {
            TargetKind::Class | TargetKind::Labels => {}
            // A number may change with its image, as an angle does when that is flipped.
            TargetKind::Numbers => {
                config.label_smoothing = 0.0;
                config.images.augment = None;
            }
            TargetKind::Objects => config = ResolvedConfig::defaults_of(TaskKind::Detection),
            TargetKind::Mask => config = ResolvedConfig::defaults_of(TaskKind::Segmentation),
        }
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_follow_the_number_of_steps() {
        let epochs = |n| Defaults::for_images(n).config().epochs;
        assert_eq!([epochs(0), epochs(1), epochs(Defaults::FEW)], [200; 3]);
        assert_eq!([epochs(Defaults::MANY), epochs(1_000_000)], [12; 2]);
        assert!([250, 500, 4000, 20_000].map(epochs).is_sorted_by(|a, b| a > b));
        for n in [0, 1, 144, 4000, 100_000] {
            Defaults::for_images(n).config().validate().unwrap();
        }
    }
}
