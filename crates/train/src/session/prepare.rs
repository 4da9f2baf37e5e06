//! From what was asked for to data, settings and a network that fit each other.

use super::batch_size;
use crate::checkpoint;
use crate::config::{AUTO, Layers, Resolved, ResolvedConfig, TaskKind};
use crate::data::{MNIST, Splits, Validation, Wanted, Watch, load_for};
use crate::error::TrainError;
use crate::finetune::Source;
use crate::image_settings::NO_CHANGES;
use crate::images;
use crate::network::{ImageGraph, Plan};
use crate::published::resolve_weights;
use crate::weights::{self, Aligned, StartWeights};
use std::collections::BTreeMap;
use std::path::PathBuf;
use striate_data::images::text_path;
use striate_imaging::Preprocessing;
use striate_model::Provenance;
use striate_nn::Classifier;
use striate_tensor::Generator;
use striate_zoo::{Description, Output};

/// Tells the random numbers of initial weights from others under the same seed.
const INIT_STREAM: u64 = 0x696e_6974;
/// The network that suits idx files.
const TUTORIAL: &str = "mnist-net";

/// All that a run needs, before it has a directory.
pub(crate) struct Ready {
    pub resolved: Resolved,
    pub data: Splits,
    pub preprocessing: Preprocessing,
    pub network: Box<dyn Classifier>,
    pub short_name: String,
    /// What the weights have seen that the run starts from.
    pub started_from: Provenance,
}

/// Data and network of a new run. What can be known before the look at all images is checked before it.
pub(crate) fn prepare(asked: &Layers, validation: Validation, watch: &Watch) -> Result<Ready, TrainError> {
    let mut config = asked.over(ResolvedConfig::defaults_of(asked.task())).config;
    config.validate()?;
    let source = Source::of(&config)?;
    if let Some(source) = &source {
        config.model = source.model.clone();
    }
    let start = Start::of(&config)?;
    if let Some(start) = &start {
        start.adopt(&mut config)?;
    }
    let started_from = match (&source, &start) {
        (Some(source), _) => source.provenance.clone().unwrap_or_default(),
        (None, Some(start)) => start.provenance.clone().unwrap_or_default(),
        (None, None) => Provenance::default(),
    };
    let (mut data, plan) = data_and_network(&mut config, source.as_ref(), (&started_from, validation), watch)?;
    data.hold_out(&started_from)?;
    data.use_fraction(&config);
    let mut resolved = asked.over(ResolvedConfig::defaults_for(&data));
    resolved.config.data = config.data;
    let config = &mut resolved.config;
    config.validate()?;
    let preprocessing = data.preprocessing_for(&plan)?;
    let rng = &mut Generator::keyed([config.seed, INIT_STREAM, 0, 0]);
    let mut network = plan.build(rng);
    if let Some(source) = source {
        data.weights.extend(source.load_into(&mut *network, &data.classes, rng)?);
        data.weights.extend(source.notes);
    }
    if let Some(start) = start {
        data.weights.extend(weights::start_with(&mut *network, start.weights, &start.path, &plan.title())?);
    }
    config.check_lr_scales(&*network)?;
    config.model = plan.name().to_string();
    let changes = config.images.augmentations(preprocessing.size[0])?;
    changes.check(data.kind).map_err(|reason| TrainError::Augmentation { text: changes.to_string(), reason })?;
    // Written out, for otherwise another run with these settings would get the usual changes again.
    config.images.augment = Some(if changes.is_empty() { NO_CHANGES.to_string() } else { changes.to_string() });
    if resolved.is_auto_batch {
        network = batch_size::choose(config, &mut data, &preprocessing, network)?;
    }
    check_batches(config, &data, &*network, &plan)?;
    let short_name = plan.short_name();
    Ok(Ready { resolved, data, preprocessing, network, short_name, started_from })
}

/// Refuses a run whose every batch is one image, if its network cannot learn from one.
fn check_batches(
    config: &ResolvedConfig,
    data: &Splits,
    network: &dyn Classifier,
    plan: &Plan,
) -> Result<(), TrainError> {
    let way = match (config.batch_size, config.epoch_samples(data.train.len())) {
        (1, _) => "a batch size of 2 or more is needed (several batches of 1 in a step do not help)",
        (_, 0 | 1) => "an epoch needs 2 training images or more",
        _ => return Ok(()),
    };
    match config.needs_two(network, plan.input()) {
        true => Err(TrainError::BatchOfOne { model: plan.title(), way }),
        false => Ok(()),
    }
}

/// The file of weights that a run starts from.
struct Start {
    path: PathBuf,
    weights: StartWeights,
    /// What its network has seen, if it says that.
    provenance: Option<Provenance>,
    /// The network of a file of our own.
    model: Option<String>,
}

impl Start {
    /// What the settings start from, if anything.
    fn of(config: &ResolvedConfig) -> Result<Option<Start>, TrainError> {
        let Some(file) = &config.weights else { return Ok(None) };
        let name = if config.model == AUTO { "a network that is chosen by the data" } else { &config.model };
        let (path, _) = resolve_weights(file, name, &|_, _| {})?;
        let weights = weights::read(&path, config.weights_entry.as_deref())?;
        let (model, provenance) = own(&weights.metadata);
        Ok(Some(Start { path, weights, provenance, model }))
    }

    /// Takes the network of a file of our own, where none was asked for; and tells early of weights that fit nothing.
    fn adopt(&self, config: &mut ResolvedConfig) -> Result<(), TrainError> {
        if config.model == AUTO
            && let Some(model) = &self.model
        {
            config.model = model.clone();
        }
        if let Some(Description::Ready(ready)) = Description::of(&config.model) {
            const ANY: usize = 2;
            let mut network = ready.build(ANY, &mut Generator::blank());
            Aligned::to(&*network, &self.weights, &self.path, ready.name)?.take(
                &mut *network,
                &self.path,
                ready.name,
            )?;
        }
        Ok(())
    }
}

/// The network and the provenance that a file's texts tell of, if it is a model or a checkpoint of Striate's.
fn own(metadata: &BTreeMap<String, String>) -> (Option<String>, Option<Provenance>) {
    if let Some(card) = striate_model::card_of(metadata) {
        let model = Some(card.architecture).filter(|name| name != striate_model::GRAPH);
        return (model, card.training.provenance);
    }
    match checkpoint::describe(metadata) {
        Some(checkpoint) => (Some(checkpoint.model), checkpoint.provenance),
        None => (None, None),
    }
}

/// The data that `config` names, and the network for it, which may have learnt already.
fn data_and_network(
    config: &mut ResolvedConfig,
    source: Option<&Source>,
    (started_from, validation): (&Provenance, Validation),
    watch: &Watch,
) -> Result<(Splits, Plan), TrainError> {
    let folder = config.data != MNIST && images::are_images(&text_path(&config.data));
    if config.model == AUTO && !folder {
        config.model = TUTORIAL.into();
    }
    let auto = config.model == AUTO;
    let graph = source.and_then(|source| source.graph.clone());
    let input = match Description::of(&config.model) {
        _ if graph.is_some() => graph.as_ref().map(|graph| graph.input),
        _ if auto => None,
        None => return Err(unknown(config)),
        Some(Description::Ready(network)) => Some(network.input),
        Some(Description::Layers(_) | Description::Dense(_)) => None,
    };
    let backbone = source.and_then(|s| s.preprocessing.as_ref());
    let data = load_for(config, Wanted { input, backbone, started_from, validation }, watch)?;
    if auto {
        config.model = images::default_network(config.task, data.image_shape());
    }
    let plan = plan_for(config, graph, &data)?;
    Ok((data, plan))
}

/// The network that `config` names, or else `graph`, for this data.
pub(super) fn plan_for(config: &ResolvedConfig, graph: Option<ImageGraph>, data: &Splits) -> Result<Plan, TrainError> {
    let plan = match graph {
        Some(graph) => Plan::Graph(graph, data.classes.len()),
        None => {
            let description = Description::of(&config.model).ok_or_else(|| unknown(config))?;
            Plan::Described(description.blueprint(data.image_shape(), data.classes.len())?)
        }
    };
    check_output(config.task, &plan)?;
    Ok(plan)
}

fn unknown(config: &ResolvedConfig) -> TrainError {
    TrainError::UnknownModel { name: config.model.clone(), advice: Description::advice(&config.model) }
}

/// Refuses a network that gives something else than the task needs.
fn check_output(task: TaskKind, plan: &Plan) -> Result<(), TrainError> {
    let needs = match (task, plan.output()) {
        (TaskKind::Detection, Output::Places(_)) | (TaskKind::Segmentation, Output::Pixels) => return Ok(()),
        (TaskKind::Detection, _) => "boxes: a backbone with a head for them, such as \"mobilenet-v2 + fpn 64 + fcos\"",
        (TaskKind::Segmentation, _) => "a class for each pixel, such as \"unet 32\" or \"mobilenet-v2 + deeplab\"",
        (_, Output::Classes) => return Ok(()),
        _ => "one row of numbers for each image, such as resnet18",
    };
    Err(TrainError::Output { task: task.name(), needs, model: plan.title() })
}
