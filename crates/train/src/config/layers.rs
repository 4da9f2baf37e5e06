//! [`Layers`]: settings from several places, one over the other.

use super::{BatchSize, Config, ResolvedConfig, TaskKind};
use crate::data::MNIST;
use crate::image_settings::{SMALL_DATA, UNMIXED};
use crate::images::are_images;
use std::collections::BTreeMap;
use striate_data::images::text_path;

/// Settings from several places, such as a recipe, a file and the command line. What comes later wins.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layers {
    layers: Vec<Layer>,
    /// What stands in the place of defaults.
    base: Option<Box<ResolvedConfig>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Layer {
    origin: String,
    config: Config,
    /// Whether it was made for any data: what suits photos is left out for digits.
    is_preset: bool,
}

/// Settings to run, with where each comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The settings.
    pub config: ResolvedConfig,
    /// Where those come from that are not defaults, by name: `lr`, `images.size`.
    pub origins: BTreeMap<String, String>,
    /// Whether the batch size is to be the largest that fits into memory.
    pub(crate) is_auto_batch: bool,
}

impl From<Config> for Layers {
    fn from(config: Config) -> Layers {
        Layers::default().add("asked", config)
    }
}

impl Layers {
    /// Over the settings that another run had: nothing is filled in that it had left out, such as changes of images.
    pub(crate) fn of_run(config: ResolvedConfig) -> Layers {
        Layers { layers: Vec::new(), base: Some(Box::new(config)) }
    }

    /// With settings over those that are there. `origin` is what [`Resolved::origins`] call them.
    pub fn add(mut self, origin: impl Into<String>, config: Config) -> Layers {
        self.layers.push(Layer { origin: origin.into(), config, is_preset: false });
        self
    }

    /// As [`Layers::add`], of settings that were made for any data: a recipe's.
    pub fn preset(mut self, origin: impl Into<String>, config: Config) -> Layers {
        self.layers.push(Layer { origin: origin.into(), config, is_preset: true });
        self
    }

    /// The task that is asked for.
    pub(crate) fn task(&self) -> TaskKind {
        self.layers
            .iter()
            .rev()
            .find_map(|layer| layer.config.task)
            .unwrap_or_else(|| self.base.as_ref().map_or_else(TaskKind::default, |base| base.task))
    }

    /// The settings, over `defaults`, in whose place a recipe stands if there is one.
    ///
    /// Some settings go together. Betas and a weight decay go with their optimizer and are dropped with it; patience keeps its ratio to the epochs; the focal loss
    /// drops label smoothing and CutMix that were not asked for beside it.
    pub fn over(&self, defaults: ResolvedConfig) -> Resolved {
        let has_preset = self.layers.iter().any(|layer| layer.is_preset);
        let config = match &self.base {
            Some(base) => ResolvedConfig::clone(base),
            None if has_preset => ResolvedConfig::default(),
            None => defaults,
        };
        let mut resolved = Resolved { config, origins: BTreeMap::new(), is_auto_batch: false };
        let task = self.layers.iter().rev().find_map(|layer| layer.config.task).unwrap_or(resolved.config.task);
        for layer in &self.layers {
            resolved.put(layer, task);
        }
        resolved
    }
}

impl Resolved {
    fn put(&mut self, layer: &Layer, task: TaskKind) {
        let asked = &layer.config;
        let mut layer_config;
        let config = &mut self.config;
        let data = asked.data.as_ref().unwrap_or(&config.data).clone();
        let images = asked.images.as_ref();
        let augment = images.and_then(|images| images.augment.as_deref());
        // What a preset does for classes has no meaning for numbers, boxes and masks, which may change with their image.
        let numbers = asked.task.is_none() && (task == TaskKind::Regression || task.is_dense());
        let asked = if layer.is_preset && (numbers || augment == Some(SMALL_DATA) && !is_photos(&data)) {
            layer_config = asked.clone();
            layer_config.images.iter_mut().for_each(|images| images.augment = None);
            layer_config.label_smoothing = layer_config.label_smoothing.filter(|_| !numbers);
            &layer_config
        } else {
            asked
        };
        if asked.optimizer.is_some_and(|optimizer| optimizer != config.optimizer) {
            (config.betas, config.weight_decay) = (None, None);
        }
        if let (Some(epochs), None) = (asked.epochs, asked.patience) {
            config.patience = config.patience_over(epochs);
        }
        if asked.focal.is_some() {
            config.label_smoothing = 0.0;
            if config.images.augment.as_deref() == Some(SMALL_DATA) {
                config.images.augment = Some(UNMIXED.into());
            }
        }
        asked.apply(config);
        if let Some(batch_size) = asked.batch_size {
            self.is_auto_batch = batch_size == BatchSize::Auto;
        }
        config.patience = config.patience.filter(|&epochs| epochs > 0);
        self.origins.extend(asked.asked().into_iter().map(|name| (name, layer.origin.clone())));
    }
}

/// Whether data is anything but the built-in data or idx files.
fn is_photos(data: &str) -> bool {
    data != MNIST && are_images(&text_path(data))
}
