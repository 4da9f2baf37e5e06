//! What settings come to: the optimizer, the schedule, how many samples.

use super::bad;
use super::{OptimizerKind, ResolvedConfig};
use crate::error::TrainError;
use crate::learning_rate::SchedulePlan;
use striate_data::images::some;
use striate_nn::{Adagrad, Adam, AdamW, Lamb, Lion, Module, NAdam, Optimizer, ParamGroup, ParamGroups, RMSprop, Sgd};
use striate_tensor::ComputeSettings;

impl ResolvedConfig {
    /// How the calling thread computes, changed as this says.
    pub(crate) fn compute_settings(&self) -> ComputeSettings {
        ComputeSettings { winograd: self.winograd, ..ComputeSettings::current() }
    }

    /// The patience of these settings, if they had `epochs` epochs: the same fraction of them.
    pub(crate) fn patience_over(&self, epochs: usize) -> Option<usize> {
        self.patience.map(|patience| (patience * epochs).div_ceil(self.epochs.max(1)).max(1))
    }

    /// The weight decay that is used.
    pub fn decay(&self) -> f64 {
        self.weight_decay.unwrap_or_else(|| self.optimizer.weight_decay())
    }

    /// How many of `samples` an epoch goes through: at least one, if there is one.
    pub(crate) fn epoch_samples(&self, samples: usize) -> usize {
        ((samples as f64 * self.epoch_fraction).round() as usize).max(samples.min(1))
    }

    /// The settings that some parameters have of their own.
    pub(crate) fn groups(&self) -> ParamGroups {
        let groups = ParamGroups::new();
        if self.decay_bias_and_norm { groups } else { groups.no_decay_on_biases_and_norms() }
    }

    /// The factors of the learning rate by pattern.
    pub(super) fn lr_scales(&self) -> Result<Vec<(&str, f64)>, TrainError> {
        let text = self.lr_scales.as_deref().unwrap_or_default();
        let rule = |part: &'_ str| -> Option<(usize, f64)> {
            let (pattern, factor) = part.trim().rsplit_once(char::is_whitespace)?;
            let factor: f64 = factor.parse().ok().filter(|f: &f64| *f >= 0.0 && f.is_finite())?;
            Some((pattern.trim().len(), factor)).filter(|(length, _)| *length > 0)
        };
        let parts = text.split(',').filter(|part| !part.trim().is_empty());
        parts
            .map(|part| match rule(part) {
                Some((length, factor)) => Ok((&part.trim()[..length], factor)),
                None => bad("lr_scales", part.trim(), "a pattern and a factor of 0 or more, as in features.* 0.1"),
            })
            .collect()
    }

    /// The rules of `groups`, and over them the factors that the settings name.
    pub(crate) fn with_lr_scales(&self, groups: ParamGroups) -> ParamGroups {
        let scales = self.lr_scales().unwrap_or_default();
        scales.into_iter().fold(groups, |groups, (pattern, factor)| {
            let group = ParamGroup::new().lr_scale(factor).frozen(factor == 0.0);
            groups.add(pattern, group)
        })
    }

    /// Checks that every pattern of the learning rate's factors is that of a parameter of `network`.
    pub(crate) fn check_lr_scales(&self, network: &dyn Module) -> Result<(), TrainError> {
        self.lr_scales()?;
        let groups = self.with_lr_scales(ParamGroups::new());
        let Some(pattern) = groups.unmatched(network).first().map(|pattern| pattern.to_string()) else { return Ok(()) };
        let names: Vec<String> = network.named_parameters().into_iter().map(|(name, _)| name).collect();
        bad("lr_scales", pattern, &format!("a pattern of parameter names, which are {}", some(&names)))
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
    ///
    /// # Errors
    /// If the schedule cannot be read.
    pub fn schedule_plan(&self) -> Result<Option<SchedulePlan>, TrainError> {
        let parse = |text: &String| {
            SchedulePlan::parse(text).map_err(|reason| TrainError::Schedule { text: text.clone(), reason })
        };
        self.schedule.as_ref().map(parse).transpose()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_of_an_epoch_has_the_nearest_number_of_samples() {
        let of = |epoch_fraction: f64, n| ResolvedConfig { epoch_fraction, ..Default::default() }.epoch_samples(n);
        assert_eq!([of(1.0, 60_000), of(0.7, 60_000), of(0.55, 60), of(0.07, 100)], [60_000, 42_000, 33, 7]);
        assert_eq!([of(1e-9, 60_000), of(0.5, 1), of(0.5, 0)], [1, 1, 0]);
    }

    #[test]
    fn optimizers_are_written_by_name() {
        for kind in OptimizerKind::ALL {
            let config = ResolvedConfig { optimizer: kind, ..Default::default() };
            assert!(config.to_toml().contains(&format!("optimizer = \"{}\"", kind.name())));
            assert_eq!(config.build_optimizer(config.groups(), config.lr).lr(), config.lr);
        }
    }
}
