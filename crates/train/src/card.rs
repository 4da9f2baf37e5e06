//! What a model file says of the run that it comes from.

use crate::config::ResolvedConfig;
use crate::data::Splits;
use crate::state::Measured;
use striate_imaging::{Preprocessing, Split};
use striate_model::{ModelCard, Provenance, Training};
use striate_nn::Forward;

/// Images that a model file carries to test itself.
const SELF_TESTS: usize = 2;

/// Training with these settings, of weights that gave `result` on images of split `measured`.
pub(crate) fn training(
    config: &ResolvedConfig,
    result: &Measured,
    monitor: &str,
    measured: Split,
    provenance: Provenance,
) -> Training {
    Training {
        data: config.data.clone(),
        from: config.finetune.as_ref().map(|f| f.from.clone()),
        optimizer: config.optimizer.name().to_string(),
        lr: config.lr,
        batch_size: config.batch_size,
        epochs: result.epoch,
        epoch_fraction: config.epoch_fraction,
        seed: config.seed,
        metrics: result.metrics.clone(),
        monitor: Some(monitor.into()),
        measured,
        provenance: Some(provenance),
        striate_version: env!("CARGO_PKG_VERSION").to_string(),
    }
}

/// The card of a network of this architecture, with some images of the data held out to test itself.
pub(crate) fn card(
    architecture: &str,
    data: &Splits,
    preprocessing: &Preprocessing,
    training: Training,
    network: &dyn Forward,
) -> ModelCard {
    let held_out = if data.held_out.is_empty() { &data.train } else { &data.held_out };
    let images = held_out.first(SELF_TESTS, preprocessing);
    ModelCard::new(architecture, data.classes.clone(), preprocessing.clone(), training, (network, &images))
}
