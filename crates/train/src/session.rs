//! A training run from settings to model file.

use crate::checkpoint::{self, Identity};
use crate::config::Config;
use crate::data::{Images, Loader, MNIST, Splits, Watch, load_for};
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::learning_rate::LearningRate;
use crate::metrics_csv::MetricsCsv;
use crate::model_file::{self, FORMAT_VERSION, ModelCard, SelfTest, Training};
use crate::pictures;
use crate::published::resolve_weights;
use crate::run_dir::RunDir;
use crate::task::Classification;
use crate::trainer::{Batches, Outcome, Position, Running, Trainer};
use crate::weights;
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use striate_data::Preprocessing;
use striate_data::pictures::BadPicture;
use striate_formats::write_atomic;
use striate_nn::{Ema, Forward, Module, Optimizer};
use striate_tensor::{Generator, Tensor, isa, num_threads, set_exact};
use striate_zoo::{Blueprint, Description};

/// Tells the random numbers of initial weights from others under the same seed.
const INIT_STREAM: u64 = 0x696e_6974;
/// Images per test batch. It changes no result.
const TEST_BATCH: usize = 250;
/// Images that the model file carries to test itself.
const SELF_TESTS: usize = 2;

/// The word for a network that suits the data, and what suits idx files.
const AUTO: &str = "auto";
const TUTORIAL: &str = "mnist-net";

/// A training run, ready to go.
pub struct Session {
    config: Config,
    run: RunDir,
    data: Splits,
    preprocessing: Preprocessing,
    network: Box<dyn Forward>,
    optimizer: Box<dyn Optimizer>,
    ema: Option<Ema>,
    /// Where an earlier process left off.
    resumed: Option<Position>,
}

impl Session {
    /// A new run, into `out` or else `runs/<data>-<model>-<n>` in the working directory.
    pub fn start(config: Config, out: Option<&Path>) -> Result<Session, TrainError> {
        Session::start_watched(config, out, &|_, _| {})
    }

    /// As [`Session::start`]; `watch` hears how many of how many pictures have been looked at, for all are before training begins.
    pub fn start_watched(mut config: Config, out: Option<&Path>, watch: &Watch) -> Result<Session, TrainError> {
        config.validate()?;
        let (mut data, blueprint) = data_and_network(&mut config, None, watch)?;
        let preprocessing = data.preprocessing_for(&blueprint)?;
        let mut network = blueprint.build(&mut Generator::keyed([config.seed, INIT_STREAM, 0, 0]));
        if let Some(path) = &config.weights {
            let (path, _) = resolve_weights(path, blueprint.name(), &|_, _| {})?;
            data.notes.extend(weights::start_from(&mut *network, &path, &blueprint.title())?);
        }
        let run = match out {
            Some(path) => RunDir::create_at(path)?,
            None => RunDir::create(Path::new("runs"), &format!("{}-{}", data.name, blueprint.short_name()))?,
        };
        config.model = blueprint.name().to_string();
        if config.pictures.augment.is_some() {
            config.pictures.augment = Some(config.pictures.augmentations(preprocessing.size[0])?.to_string());
        }
        for (name, bytes) in &data.run_files {
            write_atomic(&run.path().join(name), bytes)?;
        }
        write_atomic(&run.config(), config.to_toml().as_bytes())?;
        let optimizer = config.build_optimizer();
        let ema = average(&config, &*network);
        Ok(Session { config, run, data, preprocessing, network, optimizer, ema, resumed: None })
    }

    /// The run that left off in directory `path`.
    pub fn resume(path: &Path) -> Result<Session, TrainError> {
        let run = RunDir::open(path)?;
        let mut config = Config::read(&run.config())?;
        let (data, blueprint) = data_and_network(&mut config, Some(path), &|_, _| {}).map_err(|e| match e {
            TrainError::Text(e) => TrainError::Config { path: run.config(), reason: format!("model: {e}") },
            e => e,
        })?;
        let preprocessing = data.preprocessing_for(&blueprint)?;
        let mut network = blueprint.build(&mut Generator::new(0));
        let mut optimizer = config.build_optimizer();
        let who = Identity { model: &config.model, seed: config.seed };
        let mut ema = average(&config, &*network);
        let position = checkpoint::load(&run.checkpoint(), who, &mut *network, &mut *optimizer, ema.as_mut())?;
        Ok(Session { config, run, data, preprocessing, network, optimizer, ema, resumed: Some(position) })
    }

    /// Trains until all epochs are done or `stop` is set.
    pub fn run(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let began = Instant::now();
        set_exact(self.config.exact);
        let Session { config, run, data, preprocessing, network, optimizer, ema, resumed, .. } = self;
        let classes = data.classes.len();
        let augmentations = config.pictures.augmentations(preprocessing.size[0])?;
        let mut train =
            Loader::augmented(&data.train, preprocessing, config.batch_size, config.seed, augmentations, classes);
        let weights = class_weights(&data.train, classes);
        if config.pictures.balance {
            train = train.weights((0..data.train.len()).map(|i| weights[data.train.label(i)]).collect());
        }
        let test = Loader::in_order(&data.test, preprocessing, TEST_BATCH);
        sink.event(&Event::Started {
            run: run.path().to_path_buf(),
            model: config.model.clone(),
            parameters: network.num_parameters(),
            data: data.name.clone(),
            train_samples: data.train.len(),
            test_samples: data.test.len(),
            measured: data.measured,
            epochs: config.epochs,
            steps: train.per_epoch().div_ceil(config.accumulate),
            batch_size: config.batch_size * config.accumulate,
            seed: config.seed,
            threads: num_threads(),
            isa: isa::isa().name(),
            resumed_at: resumed.as_ref().map(|p| p.steps),
        });
        data.notes.iter().for_each(|text| sink.event(&Event::Note { text: text.clone() }));
        let metrics = match resumed {
            Some(p) => MetricsCsv::resume(&run.metrics(), p, p.batch == 0)?,
            None => MetricsCsv::create(&run.metrics())?,
        };
        let fresh = resumed.is_none();
        let position = resumed.clone().unwrap_or_default();
        let per_epoch = train.per_epoch().div_ceil(config.accumulate);
        let plan = config.schedule_plan()?;
        let learning_rate =
            plan.map(|plan| LearningRate::new(&plan, config.lr, config.epochs, per_epoch, position.plateau.as_ref()));
        let class_weights = config
            .pictures
            .class_weights
            .then(|| Tensor::from_vec(weights.iter().map(|&w| w as f32).collect(), [classes]));
        let mut trainer = Trainer {
            task: &Classification { label_smoothing: config.label_smoothing, focal: config.focal, class_weights },
            model: &mut **network,
            optimizer: &mut **optimizer,
            learning_rate,
            ema: ema.as_mut(),
            config,
            run,
            metrics,
            position,
            measured: data.measured,
        };
        if fresh {
            // So that even a run killed in its first step can go on.
            trainer.checkpoint(sink)?;
        }
        let mut save = |network: &dyn Forward, epochs: usize, tested: &Running| {
            let images = data.test.first(SELF_TESTS, preprocessing);
            let card = ModelCard {
                format_version: FORMAT_VERSION,
                architecture: config.model.clone(),
                classes: data.classes.clone(),
                preprocessing: preprocessing.clone(),
                training: Training {
                    data: config.data.clone(),
                    optimizer: config.optimizer.name().to_string(),
                    lr: config.lr,
                    batch_size: config.batch_size,
                    epochs,
                    seed: config.seed,
                    test_accuracy: tested.accuracy(),
                    measured: data.measured,
                    striate_version: env!("CARGO_PKG_VERSION").to_string(),
                },
                self_test: images.iter().map(|image| SelfTest::record(network, preprocessing, image)).collect(),
            };
            model_file::save(&run.model(), &card, network)
        };
        let outcome = trainer.fit(&train, &test, sink, stop, &mut save)?;
        let bad = [data.bad.clone(), train.bad(), test.bad()].concat();
        if !bad.is_empty() {
            sink.event(&list_bad(run, bad)?);
        }
        if let Outcome::Finished(tested) = &outcome {
            sink.event(&Event::Finished {
                run: run.path().to_path_buf(),
                model: run.model(),
                measured: data.measured,
                accuracy: tested.accuracy(),
                seconds: began.elapsed().as_secs_f64(),
            });
        }
        Ok(outcome)
    }
}

/// The data that `config` names, and the network for it; `run` is the directory of a run that goes on.
fn data_and_network(config: &mut Config, run: Option<&Path>, watch: &Watch) -> Result<(Splits, Blueprint), TrainError> {
    let folder = config.data != MNIST && pictures::are_pictures(Path::new(&config.data));
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
    let data = load_for(config, input, run, watch)?;
    if auto {
        config.model = pictures::default_network(data.image_shape());
    }
    let description = Description::of(&config.model).ok_or_else(|| unknown(&config.model))?;
    let blueprint = description.blueprint(data.image_shape(), data.classes.len())?;
    Ok((data, blueprint))
}

/// For each class the weight that makes all of them count the same, 1 in the mean over the samples; 0 for one without samples.
fn class_weights(images: &Images, classes: usize) -> Vec<f64> {
    let counts = images.counts(classes);
    let present = counts.iter().filter(|&&n| n > 0).count();
    let weight = |n: usize| if n == 0 { 0.0 } else { images.len() as f64 / (present * n) as f64 };
    counts.into_iter().map(weight).collect()
}

/// How many unreadable pictures are named at the end.
const NAMED: usize = 3;

/// Writes the list of what could not be read, and tells of it.
fn list_bad(run: &RunDir, mut bad: Vec<BadPicture>) -> Result<Event, TrainError> {
    bad.sort_by(|a, b| a.path.cmp(&b.path));
    let list = run.path().join("bad-pictures.txt");
    let lines: String = bad.iter().map(|b| format!("{}\n", b.reason)).collect();
    write_atomic(&list, lines.as_bytes())?;
    let reasons = bad.iter().take(NAMED).map(|b| b.reason.clone()).collect();
    Ok(Event::BadPictures { count: bad.len(), reasons, list })
}

/// The average of weights, if the settings ask for one.
fn average(config: &Config, network: &dyn Forward) -> Option<Ema> {
    config.ema.map(|decay| Ema::new(network, decay).warmup(true))
}
