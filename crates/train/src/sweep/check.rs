//! What can be known of a plan's settings before its first trial.

use super::plan::as_config;
use super::space::Space;
use crate::config::{AUTO, Config, Layers, ResolvedConfig};
use crate::error::TrainError;
use std::collections::BTreeMap;
use striate_model::GRAPH;
use striate_zoo::Description;
use striate_zoo::text::Net;

type Setting = (String, toml::Value);

/// What is wrong with the settings of a plan with these of its space, and with which of them. Nothing if another value of the space puts it right.
pub(super) fn fault(
    config: &Config,
    space: &BTreeMap<String, Space>,
    settings: &[Setting],
) -> Result<Option<(String, String)>, TrainError> {
    let Some(found) = validate(config, &as_config(settings)?).err().and_then(|e| named(&e)) else { return Ok(None) };
    let others = space.iter().filter(|(name, _)| settings.iter().all(|(own, _)| own != *name));
    let mut values = others.flat_map(|(name, space)| space.samples().into_iter().map(|value| (name.clone(), value)));
    let is_right = |own: Config| validate(config, &own).is_ok();
    let is_put_right = values.any(|other| as_config(&[settings, &[other]].concat()).is_ok_and(is_right));
    Ok((!is_put_right).then_some(found))
}

/// Checks what does not depend on the data.
fn validate(config: &Config, own: &Config) -> Result<(), TrainError> {
    let layers = Layers::default().add("plan", config.clone()).add("trial", own.clone());
    let config = layers.over(ResolvedConfig::defaults_of(layers.task())).config;
    config.validate()?;
    config.check_one_run()?;
    match Description::of(&config.model) {
        _ if [AUTO, GRAPH].contains(&config.model.as_str()) => Ok(()),
        None => {
            Err(TrainError::UnknownModel { advice: Description::advice(&config.model), name: config.model.clone() })
        }
        Some(Description::Layers(text)) => Ok(Net::parse(text).map(drop)?),
        Some(Description::Ready(_) | Description::Dense(_)) => Ok(()),
    }
}

/// The setting that an error is of, by its whole name, and what is wrong with its value.
fn named(e: &TrainError) -> Option<(String, String)> {
    let (name, reason) = match e {
        TrainError::Setting { name, got, need } => (name.as_str(), format!("{got} must be {need}")),
        TrainError::Unusable { name, got, reason } => (name.as_str(), format!("{got} cannot be used: {reason}")),
        TrainError::Schedule { text, reason } => ("schedule", format!("'{text}': {reason}")),
        TrainError::Augmentation { text, reason } => ("augment", format!("'{text}': {reason}")),
        TrainError::UnknownModel { .. } | TrainError::Text(_) => ("model", e.to_string()),
        _ => return None,
    };
    let last = |whole: &String| whole.rsplit('.').next() == name.rsplit('.').next();
    Some((Config::names().into_iter().find(last)?, reason))
}
