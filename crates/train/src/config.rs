//! The settings of a training run.

use crate::error::TrainError;
use crate::finetune::FineTune;
use crate::image_settings::ImageSettings;
use crate::learning_rate::SchedulePlan;
use serde::{Deserialize, Serialize};
use std::path::Path;
use striate_nn::{Adagrad, Adam, AdamW, Lamb, Lion, NAdam, Optimizer, ParamGroups, RMSprop, Sgd};
use striate_tensor::ComputeSettings;

/// The word for a network that suits the data, or is that of the weights.
pub(crate) const AUTO: &str = "auto";

/// Which optimizer trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam with PyTorch's defaults.
    #[default]
    Adam,
    /// AdamW with PyTorch's defaults, weight decay 0.01 among them.
    AdamW,
    /// Stochastic gradient descent with Nesterov momentum 0.9.
    Sgd,
    /// RMSprop with PyTorch's defaults.
    RmsProp,
    /// Adagrad with PyTorch's defaults.
    Adagrad,
    /// NAdam with PyTorch's defaults.
    NAdam,
    /// Lion with its paper's betas.
    Lion,
    /// LAMB with its paper's settings.
    Lamb,
}

impl OptimizerKind {
    /// All of them.
    pub const ALL: [OptimizerKind; 8] = [
        OptimizerKind::Adam,
        OptimizerKind::AdamW,
        OptimizerKind::Sgd,
        OptimizerKind::RmsProp,
        OptimizerKind::Adagrad,
        OptimizerKind::NAdam,
        OptimizerKind::Lion,
        OptimizerKind::Lamb,
    ];

    /// Its name, as it is written in `config.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            OptimizerKind::Adam => "adam",
            OptimizerKind::AdamW => "adamw",
            OptimizerKind::Sgd => "sgd",
            OptimizerKind::RmsProp => "rmsprop",
            OptimizerKind::Adagrad => "adagrad",
            OptimizerKind::NAdam => "nadam",
            OptimizerKind::Lion => "lion",
            OptimizerKind::Lamb => "lamb",
        }
    }

    /// Its own weight decay.
    pub fn weight_decay(self) -> f64 {
        const ANY: f64 = 1.0;
        match self {
            OptimizerKind::Adam => Adam::new(ANY).weight_decay,
            OptimizerKind::AdamW => AdamW::new(ANY).weight_decay,
            OptimizerKind::Sgd => Sgd::new(ANY).weight_decay,
            OptimizerKind::RmsProp => RMSprop::new(ANY).weight_decay,
            OptimizerKind::Adagrad => Adagrad::new(ANY).weight_decay,
            OptimizerKind::NAdam => NAdam::new(ANY).weight_decay,
            OptimizerKind::Lion => Lion::new(ANY).weight_decay,
            OptimizerKind::Lamb => Lamb::new(ANY).weight_decay,
        }
    }

    /// Whether it has means of the gradient and of its square, whose memory betas set.
    pub fn has_betas(self) -> bool {
        !matches!(self, OptimizerKind::Sgd | OptimizerKind::RmsProp | OptimizerKind::Adagrad)
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

fn one() -> usize {
    1
}

fn is_one(n: &usize) -> bool {
    *n == 1
}

pub(crate) fn whole() -> f64 {
    1.0
}

pub(crate) fn is_whole(share: &f64) -> bool {
    *share == 1.0
}

/// The settings of a training run, all of them: what the run directory's `config.toml` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `mnist`, or the path of a directory of idx files, a folder of images, a manifest of them, or a `.tar`.
    pub data: String,
    /// The network: a name, or layers as text, or `auto` for one that suits the data. A run directory has the canonical text.
    pub model: String,
    /// The file with the weights to start from, as far as they fit: safetensors, PyTorch's or npz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Which weights of a file that holds several: the name of an entry, or what the names of its tensors begin with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights_entry: Option<String>,
    /// What all random numbers come from.
    pub seed: u64,
    /// Times that the training samples are gone through.
    pub epochs: usize,
    /// The share of the training samples that an epoch goes through, others each time.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub epoch_share: f64,
    /// Samples in a batch.
    pub batch_size: usize,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// The learning rate, or the largest one where a schedule changes it.
    pub lr: f64,
    /// How long the means of the gradient and of its square remember, instead of the optimizer's defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// How the learning rate changes: see [`SchedulePlan`]. It stays as it is if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// The weight decay, instead of the optimizer's default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Whether biases and the scales of normalization layers decay too, as they do in PyTorch.
    #[serde(default, skip_serializing_if = "is_default")]
    pub decay_bias_and_norm: bool,
    /// The largest norm that the gradient may have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Batches in a step: their gradients make one update.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub accumulate: usize,
    /// The decay of the average of weights that is tested and saved in the place of the weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ema: Option<f64>,
    /// The share of each target that is spread over all classes in training.
    #[serde(default, skip_serializing_if = "is_default")]
    pub label_smoothing: f64,
    /// The share of the network's own dropout rates that is used.
    #[serde(default = "whole", skip_serializing_if = "is_whole")]
    pub dropout: f64,
    /// The gamma of the focal loss that is trained on in the place of cross-entropy (Lin et al., 2017).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub focal: Option<f64>,
    /// Whether convolutions avoid the faster algorithms that round more: see [`striate_tensor::ComputeSettings::winograd`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub exact: bool,
    /// Epochs without a better one after which a stage of the run ends (early stopping); none if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patience: Option<usize>,
    /// Steps between lines of progress.
    pub log_every: usize,
    /// Steps between checkpoints, besides the one after each epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u64>,
    /// The settings that images of a folder have besides.
    #[serde(default, skip_serializing_if = "is_default")]
    pub images: ImageSettings,
    /// The settings of fine-tuning, if this is that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finetune: Option<FineTune>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: "mnist".into(),
            model: "mnist-net".into(),
            weights: None,
            weights_entry: None,
            seed: 0,
            epochs: 5,
            epoch_share: 1.0,
            batch_size: 100,
            optimizer: OptimizerKind::Adam,
            lr: 0.001,
            betas: None,
            schedule: None,
            weight_decay: None,
            decay_bias_and_norm: false,
            clip_norm: None,
            accumulate: 1,
            ema: None,
            label_smoothing: 0.0,
            dropout: 1.0,
            focal: None,
            exact: false,
            patience: None,
            log_every: 100,
            checkpoint_every: None,
            images: ImageSettings::default(),
            finetune: None,
        }
    }
}

impl Config {
    /// How the calling thread computes, changed as this says.
    pub(crate) fn compute_settings(&self) -> ComputeSettings {
        ComputeSettings { winograd: !self.exact, ..ComputeSettings::current() }
    }

    /// Checks what does not depend on the data.
    pub fn validate(&self) -> Result<(), TrainError> {
        let bad = |what: &str, got: String, need: &str| {
            Err(TrainError::Setting { name: what.to_string(), got, need: need.to_string() })
        };
        if let Some(entry) = self.weights_entry.as_ref().filter(|_| self.weights.is_none() && self.finetune.is_none()) {
            return bad("weights-entry", entry.clone(), "left out: there are no weights to start from");
        }
        if self.epochs == 0 {
            return bad("epochs", "0".into(), "at least 1");
        }
        if !(self.epoch_share > 0.0 && self.epoch_share <= 1.0) {
            return bad("epoch-share", self.epoch_share.to_string(), "above 0 and at most 1");
        }
        if self.batch_size == 0 {
            return bad("batch-size", "0".into(), "at least 1");
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return bad("lr", self.lr.to_string(), "a positive number");
        }
        if let Some([first, second]) = self.betas {
            let got = format!("{first},{second}");
            if !self.optimizer.has_betas() {
                return bad("betas", got, "left out: this optimizer has none");
            }
            if ![first, second].iter().all(|b| (0.0..1.0).contains(b)) {
                return bad("betas", got, "two numbers, at least 0 and below 1");
            }
        }
        self.schedule_plan()?;
        if let Some(decay) = self.weight_decay.filter(|d| !(*d >= 0.0 && d.is_finite())) {
            return bad("weight-decay", decay.to_string(), "0 or a positive number");
        }
        if let Some(norm) = self.clip_norm.filter(|n| !(*n > 0.0 && n.is_finite())) {
            return bad("clip-norm", norm.to_string(), "a positive number");
        }
        if self.accumulate == 0 {
            return bad("accumulate", "0".into(), "at least 1");
        }
        if let Some(decay) = self.ema.filter(|d| !(*d > 0.0 && *d < 1.0)) {
            return bad("ema", decay.to_string(), "between 0 and 1");
        }
        if !(0.0..1.0).contains(&self.label_smoothing) {
            return bad("label-smoothing", self.label_smoothing.to_string(), "at least 0 and below 1");
        }
        if !(0.0..=1.0).contains(&self.dropout) {
            return bad("dropout", self.dropout.to_string(), "from 0 to 1");
        }
        if let Some(gamma) = self.focal {
            if !(gamma >= 0.0 && gamma.is_finite()) {
                return bad("focal", gamma.to_string(), "0 or a positive number");
            }
            let mixes = self.images.augmentations(32)?;
            if self.label_smoothing > 0.0 || mixes.mixup.is_some() || mixes.cutmix.is_some() {
                return bad(
                    "focal",
                    gamma.to_string(),
                    "without --label-smoothing, mixup and cutmix: it takes one class for each image",
                );
            }
        }
        if self.patience == Some(0) {
            return bad("patience", "0".into(), "at least 1");
        }
        if self.log_every == 0 {
            return bad("log-every", "0".into(), "at least 1");
        }
        if self.checkpoint_every == Some(0) {
            return bad("checkpoint-every", "0".into(), "at least 1");
        }
        if let Some(finetune) = &self.finetune {
            finetune.validate(self.epochs)?;
        }
        self.images.validate()
    }

    /// The patience of these settings, if they had `epochs` epochs: the same fraction of them.
    pub fn patience_over(&self, epochs: usize) -> Option<usize> {
        self.patience.map(|patience| (patience * epochs).div_ceil(self.epochs.max(1)).max(1))
    }

    /// The weight decay that is used.
    pub fn decay(&self) -> f64 {
        self.weight_decay.unwrap_or_else(|| self.optimizer.weight_decay())
    }

    /// How many of `samples` an epoch goes through: at least one, if there is one.
    pub(crate) fn epoch_samples(&self, samples: usize) -> usize {
        ((samples as f64 * self.epoch_share).round() as usize).max(samples.min(1))
    }

    /// The settings that some parameters have of their own.
    pub(crate) fn groups(&self) -> ParamGroups {
        let groups = ParamGroups::new();
        if self.decay_bias_and_norm { groups } else { groups.no_decay_on_biases_and_norms() }
    }

    /// A fresh optimizer of the kind and weight decay set.
    pub(crate) fn build_optimizer(&self, groups: ParamGroups, lr: f64) -> Box<dyn Optimizer> {
        macro_rules! build {
            ($optimizer:expr) => {{
                let mut optimizer = $optimizer.groups(groups);
                optimizer.weight_decay = self.weight_decay.unwrap_or(optimizer.weight_decay);
                Box::new(optimizer)
            }};
        }
        macro_rules! with_betas {
            ($optimizer:expr) => {{
                let mut optimizer = $optimizer;
                optimizer.betas = self.betas.map_or(optimizer.betas, <(f64, f64)>::from);
                build!(optimizer)
            }};
        }
        match self.optimizer {
            OptimizerKind::Adam => with_betas!(Adam::new(lr)),
            OptimizerKind::AdamW => with_betas!(AdamW::new(lr)),
            OptimizerKind::Sgd => build!(Sgd::new(lr).nesterov(0.9)),
            OptimizerKind::RmsProp => build!(RMSprop::new(lr)),
            OptimizerKind::Adagrad => build!(Adagrad::new(lr)),
            OptimizerKind::NAdam => with_betas!(NAdam::new(lr)),
            OptimizerKind::Lion => with_betas!(Lion::new(lr)),
            OptimizerKind::Lamb => with_betas!(Lamb::new(lr)),
        }
    }

    /// How the learning rate changes, if it does.
    pub fn schedule_plan(&self) -> Result<Option<SchedulePlan>, TrainError> {
        let parse = |text: &String| {
            SchedulePlan::parse(text).map_err(|reason| TrainError::Schedule { text: text.clone(), reason })
        };
        self.schedule.as_ref().map(parse).transpose()
    }

    /// The settings as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).expect("settings are plain values")
    }

    /// Reads the settings of an earlier run.
    pub fn read(path: &Path) -> Result<Config, TrainError> {
        let text = std::fs::read_to_string(path).map_err(|e| TrainError::io("read", path, e))?;
        let config: Config = toml::from_str(&text)
            .map_err(|e| TrainError::Config { path: path.to_path_buf(), reason: e.message().to_string() })?;
        config.validate()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_survive_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let plain = Config { checkpoint_every: Some(7), lr: 0.1 + 0.2, ..Config::default() };
        std::fs::write(&path, plain.to_toml()).unwrap();
        assert_eq!(Config::read(&path).unwrap(), plain);
        // What is not set is not written, so that an older program reads it.
        assert!(!plain.to_toml().contains("ema") && !plain.to_toml().contains("accumulate"));
        let config = Config {
            schedule: Some("warmup 10, cosine".into()),
            weight_decay: Some(0.05),
            decay_bias_and_norm: true,
            clip_norm: Some(1.0),
            accumulate: 4,
            ema: Some(0.999),
            label_smoothing: 0.1,
            dropout: 0.5,
            betas: Some([0.85, 0.98]),
            epoch_share: 0.7,
            optimizer: OptimizerKind::AdamW,
            images: ImageSettings { size: Some(64), augment: Some("flip".into()), ..ImageSettings::default() },
            finetune: Some(FineTune { from: "resnet18".into(), head_epochs: 2, ..FineTune::default() }),
            ..plain
        };
        std::fs::write(&path, config.to_toml()).unwrap();
        assert_eq!(Config::read(&path).unwrap(), config);
        std::fs::write(&path, config.to_toml() + "colour = 1\n").unwrap();
        assert!(Config::read(&path).unwrap_err().to_string().contains("colour"));
    }

    #[test]
    fn an_epoch_of_a_share_has_the_nearest_number_of_samples() {
        let of = |epoch_share: f64, n| Config { epoch_share, ..Config::default() }.epoch_samples(n);
        assert_eq!([of(1.0, 60_000), of(0.7, 60_000), of(0.55, 60), of(0.07, 100)], [60_000, 42_000, 33, 7]);
        assert_eq!([of(1e-9, 60_000), of(0.5, 1), of(0.5, 0)], [1, 1, 0]);
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        let line = |c: Config| c.validate().unwrap_err().to_string();
        assert_eq!(line(Config { batch_size: 0, ..Config::default() }), "--batch-size is 0, it must be at least 1");
        assert_eq!(line(Config { lr: -1.0, ..Config::default() }), "--lr is -1, it must be a positive number");
        assert!(line(Config { lr: f64::NAN, ..Config::default() }).contains("--lr is NaN"));
        assert_eq!(
            line(Config { betas: Some([0.9, 1.0]), ..Config::default() }),
            "--betas is 0.9,1, it must be two numbers, at least 0 and below 1"
        );
        let sgd = Config { optimizer: OptimizerKind::Sgd, betas: Some([0.9, 0.99]), ..Config::default() };
        assert_eq!(line(sgd), "--betas is 0.9,0.99, it must be left out: this optimizer has none");
        assert!(
            line(Config { epoch_share: 0.0, ..Config::default() })
                .starts_with("--epoch-share is 0, it must be above 0")
        );
        assert_eq!(line(Config { dropout: 1.5, ..Config::default() }), "--dropout is 1.5, it must be from 0 to 1");
        assert_eq!(line(Config { ema: Some(1.0), ..Config::default() }), "--ema is 1, it must be between 0 and 1");
        assert!(line(Config { weight_decay: Some(-1.0), ..Config::default() }).starts_with("--weight-decay is -1"));
        let focal = line(Config { focal: Some(2.0), label_smoothing: 0.1, ..Config::default() });
        assert!(focal.starts_with("--focal is 2, it must be without --label-smoothing"), "{focal}");
        let schedule = line(Config { schedule: Some("cosin".into()), ..Config::default() });
        assert!(
            schedule.starts_with("--schedule 'cosin': there is no schedule 'cosin'; a schedule is one of"),
            "{schedule}"
        );
    }

    #[test]
    fn optimizers_are_written_by_name() {
        for kind in OptimizerKind::ALL {
            let config = Config { optimizer: kind, ..Config::default() };
            assert!(config.to_toml().contains(&format!("optimizer = \"{}\"", kind.name())));
            assert_eq!(config.build_optimizer(config.groups(), config.lr).lr(), config.lr);
        }
    }
}
