//! A training run from settings to model file.

use crate::checkpoint::{self, Identity};
use crate::config::Config;
use crate::data::{Loader, Splits, load_data};
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::learning_rate::LearningRate;
use crate::metrics_csv::MetricsCsv;
use crate::model_file::{self, FORMAT_VERSION, ModelCard, SelfTest, Training};
use crate::run_dir::RunDir;
use crate::task::Classification;
use crate::trainer::{Batches, Outcome, Position, Running, Trainer};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use striate_data::Preprocessing;
use striate_formats::write_atomic;
use striate_nn::{Ema, Forward, Module, Optimizer};
use striate_tensor::{Generator, isa, num_threads};
use striate_zoo::{Blueprint, Description};

/// Tells the random numbers of initial weights from others under the same seed.
const INIT_STREAM: u64 = 0x696e_6974;
/// Images per test batch. It changes no result.
const TEST_BATCH: usize = 250;
/// Images that the model file carries to test itself.
const SELF_TESTS: usize = 2;

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
    pub fn start(mut config: Config, out: Option<&Path>) -> Result<Session, TrainError> {
        config.validate()?;
        let (data, blueprint) = data_and_network(&config)?;
        let preprocessing = data.preprocessing_for(&blueprint)?;
        let run = match out {
            Some(path) => RunDir::create_at(path)?,
            None => RunDir::create(Path::new("runs"), &format!("{}-{}", data.name, blueprint.short_name()))?,
        };
        config.model = blueprint.name().to_string();
        write_atomic(&run.config(), config.to_toml().as_bytes())?;
        let rng = &mut Generator::keyed([config.seed, INIT_STREAM, 0, 0]);
        let network = blueprint.build(rng);
        let optimizer = config.build_optimizer();
        let ema = average(&config, &*network);
        Ok(Session { config, run, data, preprocessing, network, optimizer, ema, resumed: None })
    }

    /// The run that left off in directory `path`.
    pub fn resume(path: &Path) -> Result<Session, TrainError> {
        let run = RunDir::open(path)?;
        let config = Config::read(&run.config())?;
        let (data, blueprint) = data_and_network(&config).map_err(|e| match e {
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
        let Session { config, run, data, preprocessing, network, optimizer, ema, resumed, .. } = self;
        let train = Loader::train(&data.train, preprocessing, config.batch_size, config.seed);
        let test = Loader::in_order(&data.test, preprocessing, TEST_BATCH);
        sink.event(&Event::Started {
            run: run.path().to_path_buf(),
            model: config.model.clone(),
            parameters: network.num_parameters(),
            data: data.name.clone(),
            train_samples: data.train.len(),
            test_samples: data.test.len(),
            epochs: config.epochs,
            steps: train.per_epoch().div_ceil(config.accumulate),
            batch_size: config.batch_size * config.accumulate,
            seed: config.seed,
            threads: num_threads(),
            isa: isa::isa().name(),
            resumed_at: resumed.as_ref().map(|p| p.steps),
        });
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
        let mut trainer = Trainer {
            task: &Classification { label_smoothing: config.label_smoothing },
            model: &mut **network,
            optimizer: &mut **optimizer,
            learning_rate,
            ema: ema.as_mut(),
            config,
            run,
            metrics,
            position,
        };
        if fresh {
            // So that even a run killed in its first step can go on.
            trainer.checkpoint(sink)?;
        }
        let mut save = |network: &dyn Forward, epochs: usize, tested: &Running| {
            let images = (0..data.test.len().min(SELF_TESTS)).map(|i| data.test.image(i));
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
                    striate_version: env!("CARGO_PKG_VERSION").to_string(),
                },
                self_test: images.map(|image| SelfTest::record(network, preprocessing, &image)).collect(),
            };
            model_file::save(&run.model(), &card, network)
        };
        let outcome = trainer.fit(&train, &test, sink, stop, &mut save)?;
        if let Outcome::Finished(tested) = &outcome {
            sink.event(&Event::Finished {
                run: run.path().to_path_buf(),
                model: run.model(),
                accuracy: tested.accuracy(),
                seconds: began.elapsed().as_secs_f64(),
            });
        }
        Ok(outcome)
    }
}

/// The data that `config` names, and the network for it.
fn data_and_network(config: &Config) -> Result<(Splits, Blueprint), TrainError> {
    let unknown =
        || TrainError::UnknownModel { name: config.model.clone(), advice: Description::advice(&config.model) };
    let description = Description::of(&config.model).ok_or_else(unknown)?;
    let data = load_data(&config.data)?;
    let blueprint = description.blueprint(data.image_shape(), data.classes.len())?;
    Ok((data, blueprint))
}

/// The average of weights, if the settings ask for one.
fn average(config: &Config, network: &dyn Forward) -> Option<Ema> {
    config.ema.map(|decay| Ema::new(network, decay).warmup(true))
}
