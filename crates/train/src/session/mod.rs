//! A training run from settings to model file.

mod run;

pub(crate) use run::list_bad;

use crate::checkpoint::{self, Identity};
use crate::config::{AUTO, Config};
use crate::data::{MNIST, Splits, Wanted, Watch, load_for};
use crate::error::TrainError;
use crate::finetune::Source;
use crate::images;
use crate::published::resolve_weights;
use crate::run_dir::RunDir;
use crate::trainer::Position;
use crate::weights;
use std::path::Path;
use striate_data::Preprocessing;
use striate_formats::write_atomic;
use striate_nn::{Classifier, Ema, Module, OptimizerState};
use striate_tensor::Generator;
use striate_zoo::{Blueprint, Description};

/// Tells the random numbers of initial weights from others under the same seed.
const INIT_STREAM: u64 = 0x696e_6974;
/// The network that suits idx files.
const TUTORIAL: &str = "mnist-net";

/// A training run, ready to go.
pub struct Session {
    config: Config,
    run: RunDir,
    data: Splits,
    preprocessing: Preprocessing,
    network: Box<dyn Classifier>,
    /// What the optimizer of an earlier process carried.
    carried: OptimizerState,
    ema: Option<Ema>,
    /// Where an earlier process left off.
    resumed: Option<Position>,
}

impl Session {
    /// A new run, into `out` or else `runs/<data>-<model>-<n>` in the working directory.
    pub fn start(config: Config, out: Option<&Path>) -> Result<Session, TrainError> {
        Session::start_watched(config, out, &|_, _| {})
    }

    /// As [`Session::start`]; `watch` hears how many of how many images have been looked at, for all are before training begins.
    pub fn start_watched(config: Config, out: Option<&Path>, watch: &Watch) -> Result<Session, TrainError> {
        let Ready { config, data, preprocessing, network, short_name } = prepare(config, watch)?;
        let run = RunDir::create_for(out, &data.name, &short_name)?;
        for (name, bytes) in &data.run_files {
            write_atomic(&run.path().join(name), bytes)?;
        }
        write_atomic(&run.config(), config.to_toml().as_bytes())?;
        let ema = average(&config, &*network);
        let carried = OptimizerState::default();
        Ok(Session { config, run, data, preprocessing, network, carried, ema, resumed: None })
    }

    /// The run that left off in directory `path`.
    pub fn resume(path: &Path) -> Result<Session, TrainError> {
        let run = RunDir::open(path)?;
        let mut config = Config::read(&run.config())?;
        let (data, blueprint) = data_and_network(&mut config, None, Some(path), &|_, _| {}).map_err(|e| match e {
            TrainError::Text(e) => TrainError::Config { path: run.config(), reason: format!("model: {e}") },
            e => e,
        })?;
        let preprocessing = data.preprocessing_for(&blueprint)?;
        let mut network = blueprint.build(&mut Generator::blank());
        let mut optimizer = config.build_optimizer(config.groups(), config.lr);
        let who = Identity { model: &config.model, seed: config.seed };
        let mut ema = average(&config, &*network);
        let position = checkpoint::load(&run.checkpoint(), who, &mut *network, &mut *optimizer, ema.as_mut())?;
        let carried = optimizer.state().clone();
        Ok(Session { config, run, data, preprocessing, network, carried, ema, resumed: Some(position) })
    }
}

/// All that a run begins with.
pub(crate) struct Ready {
    /// The settings, with what was left open filled in.
    pub config: Config,
    pub data: Splits,
    pub preprocessing: Preprocessing,
    /// With its first weights.
    pub network: Box<dyn Classifier>,
    /// The network's name as it can be part of a file's.
    pub short_name: String,
}

/// Makes ready what the settings of a new run name.
pub(crate) fn prepare(mut config: Config, watch: &Watch) -> Result<Ready, TrainError> {
    config.validate()?;
    let source = Source::of(&config)?;
    if let Some(source) = &source {
        config.model = source.model.clone();
    }
    let (mut data, blueprint) = data_and_network(&mut config, source.as_ref(), None, watch)?;
    let preprocessing = data.preprocessing_for(&blueprint)?;
    let rng = &mut Generator::keyed([config.seed, INIT_STREAM, 0, 0]);
    let mut network = blueprint.build(rng);
    if let Some(source) = source {
        data.notes.extend(source.load_into(&mut *network, &data.classes, rng)?);
        data.notes.extend(source.notes);
    }
    if let Some(path) = &config.weights {
        let (path, _) = resolve_weights(path, blueprint.name(), &|_, _| {})?;
        data.notes.extend(weights::start_from(&mut *network, &path, &blueprint.title())?);
    }
    config.model = blueprint.name().to_string();
    if config.images.augment.is_some() {
        config.images.augment = Some(config.images.augmentations(preprocessing.size[0])?.to_string());
    }
    Ok(Ready { config, data, preprocessing, network, short_name: blueprint.short_name() })
}

/// The data that `config` names, and the network for it, which may have learnt already; `run` is the directory of a run that goes on.
fn data_and_network(
    config: &mut Config,
    source: Option<&Source>,
    run: Option<&Path>,
    watch: &Watch,
) -> Result<(Splits, Blueprint), TrainError> {
    let folder = config.data != MNIST && images::are_images(Path::new(&config.data));
    if config.model == AUTO && !folder {
        config.model = TUTORIAL.into();
    }
    let unknown = |model: &str| TrainError::UnknownModel { name: model.into(), advice: Description::advice(model) };
    let auto = config.model == AUTO;
    let input = match Description::of(&config.model) {
        _ if auto => None,
        None => return Err(unknown(&config.model)),
        Some(Description::Ready(network)) => Some(network.input),
        Some(Description::Layers(_)) => None,
    };
    let backbone = source.and_then(|s| s.preprocessing.as_ref());
    let data = load_for(config, Wanted { input, backbone }, run, watch)?;
    if auto {
        config.model = images::default_network(data.image_shape());
    }
    let description = Description::of(&config.model).ok_or_else(|| unknown(&config.model))?;
    let blueprint = description.blueprint(data.image_shape(), data.classes.len())?;
    Ok((data, blueprint))
}

/// The average of weights, if the settings ask for one.
fn average(config: &Config, network: &dyn Module) -> Option<Ema> {
    config.ema.map(|decay| Ema::new(network, decay).warmup(true))
}
