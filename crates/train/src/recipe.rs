//! Settings that go together.

use crate::config::Config;
use crate::defaults::one_cycle;
use crate::image_settings::ImageSettings;

/// Settings that go together under one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// For some thousand images: AdamW with a rate that rises and falls, strong random changes, smoothed labels.
    SmallData,
    /// 0.7 of an epoch: Adam with a short memory at a rate that rises high and falls to nothing, smoothed labels, images moved by up to a
    /// pixel, and no dropout, whose use shows after several epochs.
    Fast,
}

impl Recipe {
    /// All of them.
    pub const ALL: [Recipe; 2] = [Recipe::SmallData, Recipe::Fast];

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Recipe::SmallData => "small-data",
            Recipe::Fast => "fast",
        }
    }

    /// What it sets, and the usual settings for the rest.
    pub fn config(self) -> Config {
        let usual = Config::default();
        match self {
            Recipe::SmallData => one_cycle(30, 64),
            Recipe::Fast => Config {
                epochs: 1,
                epoch_share: 0.7,
                batch_size: 64,
                lr: 0.005,
                betas: Some([0.85, 0.98]),
                schedule: Some("onecycle 0.25".into()),
                label_smoothing: 0.1,
                dropout: 0.0,
                images: ImageSettings { augment: Some("pad-crop 1".into()), ..usual.images },
                ..usual
            },
        }
    }
}
