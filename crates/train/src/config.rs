//! The settings of a training run.

use crate::error::TrainError;
use serde::{Deserialize, Serialize};
use std::path::Path;
use striate_nn::{Adam, Optimizer, Sgd};

/// Which optimizer trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam with PyTorch's defaults.
    #[default]
    Adam,
    /// Stochastic gradient descent with Nesterov momentum 0.9.
    Sgd,
}

/// The settings of a training run, all of them: what the run directory's `config.toml` holds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// `mnist`, or the path of a directory of idx files.
    pub data: String,
    /// The network: a name, or layers as text. A run directory has the canonical text.
    pub model: String,
    /// What all random numbers come from.
    pub seed: u64,
    /// Times that every training sample is seen.
    pub epochs: usize,
    /// Samples in a step.
    pub batch_size: usize,
    /// The optimizer.
    pub optimizer: OptimizerKind,
    /// The learning rate.
    pub lr: f64,
    /// Steps between lines of progress.
    pub log_every: usize,
    /// Steps between checkpoints, besides the one after each epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checkpoint_every: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            data: "mnist".into(),
            model: "mnist-net".into(),
            seed: 0,
            epochs: 5,
            batch_size: 100,
            optimizer: OptimizerKind::Adam,
            lr: 0.001,
            log_every: 100,
            checkpoint_every: None,
        }
    }
}

impl Config {
    /// Checks what does not depend on the data.
    pub fn validate(&self) -> Result<(), TrainError> {
        let bad = |what: &str, got: String, need: &str| {
            Err(TrainError::Setting { name: what.to_string(), got, need: need.to_string() })
        };
        if self.epochs == 0 {
            return bad("epochs", "0".into(), "at least 1");
        }
        if self.batch_size == 0 {
            return bad("batch-size", "0".into(), "at least 1");
        }
        if !(self.lr > 0.0 && self.lr.is_finite()) {
            return bad("lr", self.lr.to_string(), "a positive number");
        }
        if self.log_every == 0 {
            return bad("log-every", "0".into(), "at least 1");
        }
        if self.checkpoint_every == Some(0) {
            return bad("checkpoint-every", "0".into(), "at least 1");
        }
        Ok(())
    }

    /// A fresh optimizer of the kind and rate set.
    pub fn build_optimizer(&self) -> Box<dyn Optimizer> {
        match self.optimizer {
            OptimizerKind::Adam => Box::new(Adam::new(self.lr)),
            OptimizerKind::Sgd => Box::new(Sgd::new(self.lr).nesterov(0.9)),
        }
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
        let config = Config { checkpoint_every: Some(7), lr: 0.1 + 0.2, ..Config::default() };
        std::fs::write(&path, config.to_toml()).unwrap();
        assert_eq!(Config::read(&path).unwrap(), config);
        std::fs::write(&path, config.to_toml() + "colour = 1\n").unwrap();
        assert!(Config::read(&path).unwrap_err().to_string().contains("colour"));
    }

    #[test]
    fn impossible_settings_are_refused_by_name() {
        let line = |c: Config| c.validate().unwrap_err().to_string();
        assert_eq!(line(Config { batch_size: 0, ..Config::default() }), "--batch-size is 0, it must be at least 1");
        assert_eq!(line(Config { lr: -1.0, ..Config::default() }), "--lr is -1, it must be a positive number");
        assert!(line(Config { lr: f64::NAN, ..Config::default() }).contains("--lr is NaN"));
    }
}
