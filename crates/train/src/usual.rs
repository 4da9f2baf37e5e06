//! Settings that suit the data, where nothing is said.

use crate::config::{Config, OptimizerKind};
use crate::data::{Images, Splits};
use crate::image_settings::{ImageSettings, SMALL_DATA};

/// Settings that suit so many training images.
///
/// Few images need many epochs, for what counts is the number of steps: of images in files it is 3000 epochs divided by the root of their number, from 12
/// to 200, and smaller batches. Random changes keep so many epochs from learning the images by heart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    images: usize,
}

/// Epochs without a better one that end a run of `epochs` under a rate that rises and falls: most of the gain comes as it falls.
pub(crate) fn patience(epochs: usize) -> usize {
    (epochs * 3).div_ceil(5)
}

impl Usual {
    /// Up to so many training images epochs are as many as they can be.
    pub const FEW: usize = 225;
    /// From so many on they are as few.
    pub const MANY: usize = 62_500;

    /// For `images` training images in files.
    pub fn of_images(images: usize) -> Usual {
        Usual { images }
    }

    fn epochs(self) -> usize {
        const MOST: f64 = 200.0;
        const LEAST: f64 = 12.0;
        (3000.0 / (self.images.max(1) as f64).sqrt()).round().clamp(LEAST, MOST) as usize
    }

    /// The settings.
    pub fn config(self) -> Config {
        let usual = Config::default();
        let epochs = self.epochs();
        Config {
            epochs,
            batch_size: match self.images {
                0..=500 => 16,
                501..=2000 => 32,
                _ => 64,
            },
            optimizer: OptimizerKind::AdamW,
            lr: 0.003,
            schedule: Some("onecycle 0.2".into()),
            weight_decay: Some(0.05),
            label_smoothing: 0.1,
            patience: Some(patience(epochs)),
            images: ImageSettings { augment: Some(SMALL_DATA.into()), ..usual.images },
            ..usual
        }
    }
}

impl Config {
    /// The settings that are usual for `data`.
    pub(crate) fn usual(data: &Splits) -> Config {
        match data.train {
            Images::Files { .. } => Usual::of_images(data.train.len()).config(),
            Images::Memory(_) => Config::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn epochs_follow_the_number_of_steps() {
        let epochs = |n| Usual::of_images(n).config().epochs;
        assert_eq!([epochs(0), epochs(1), epochs(Usual::FEW)], [200; 3]);
        assert_eq!([epochs(Usual::MANY), epochs(1_000_000)], [12; 2]);
        assert!([250, 500, 4000, 20_000].map(epochs).is_sorted_by(|a, b| a > b));
        for n in [0, 1, 144, 4000, 100_000] {
            Usual::of_images(n).config().validate().unwrap();
        }
    }
}
