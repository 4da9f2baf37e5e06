//! The run itself: one stretch after the other.

use super::Session;
use crate::checkpoint::{self, Identity};
use crate::config::Config;
use crate::data::{Images, Loader, Splits, measuring_batch};
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::finetune::features;
use crate::learning_rate::LearningRate;
use crate::metrics_csv::MetricsCsv;
use crate::model_file::{self, ModelCard, Training};
use crate::phase::Phase;
use crate::run_dir::RunDir;
use crate::task::{Classification, Part};
use crate::trainer::{Batches, Outcome, Running, Trainer};
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use striate_data::Preprocessing;
use striate_data::images::BadImage;
use striate_formats::write_atomic;
use striate_nn::{Classifier, Module, Statistics};
use striate_tensor::{Tensor, isa, num_threads, set_exact};

impl Session {
    /// Trains until all epochs are done or `stop` is set.
    pub fn run(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let began = Instant::now();
        set_exact(self.config.exact);
        self.announce(sink);
        let Session { config, run, data, preprocessing, network, carried, ema, resumed } = self;
        let mut metrics = match resumed {
            Some(p) => MetricsCsv::resume(&run.metrics(), p, p.batch == 0)?,
            None => MetricsCsv::create(&run.metrics())?,
        };
        let mut position = resumed.clone().unwrap_or_default();
        let phases = config.phases();
        if resumed.is_none() {
            // So that even a run killed in its first step can go on.
            let optimizer = config.optimizer_for(&phases[0], network);
            let who = Identity { model: &config.model, seed: config.seed };
            let path = checkpoint::write(run, who, &position, network, &*optimizer, ema.as_ref())?;
            sink.event(&Event::Checkpoint { path, steps: position.steps });
        }
        let mut carried = std::mem::take(carried);
        let plan = config.schedule_plan()?;
        let weights = class_weights(&data.train, data.classes.len());
        let class_weights = config.images.class_weights.then(|| {
            let weights: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
            Tensor::from_vec(weights, [data.classes.len()])
        });
        let mut save = |network: &(dyn Classifier + 'static), epochs: usize, tested: &Running| {
            let training = Training::of(config, epochs, tested.accuracy(), data.measured);
            let card = ModelCard::of(&config.model, data, preprocessing, training, network);
            model_file::save(&run.model(), &card, network)
        };
        let mut bad = data.bad.clone();
        let mut outcome = Outcome::Stopped;
        let last = phases.len() - 1;
        for (number, phase) in phases.iter().enumerate() {
            if position.epoch >= phase.epochs.end && number < last {
                continue;
            }
            if let Some(text) = phase.describe(config, &**network) {
                sink.event(&Event::Note { text });
            }
            let images = Pair::of_images(config, phase, data, preprocessing)?;
            let loaders = match phase.part {
                Part::HeadOnFeatures => images.into_features(&**network, config, sink, stop)?,
                _ => Some(images),
            };
            let Some(mut loaders) = loaders else {
                sink.event(&Event::Stopped { run: run.path().to_path_buf(), steps: position.steps });
                break;
            };
            if config.images.balance {
                let each = (0..data.train.len()).map(|i| weights[data.train.label(i)]).collect();
                loaders.train = loaders.train.weights(each);
            }
            loaders.train = loaders.train.limit(config.epoch_samples(data.train.len()));
            let mut optimizer = config.optimizer_for(phase, network);
            if position.epoch == phase.epochs.start && position.batch == 0 {
                position.plateau = None;
                position.before = position.steps;
            } else {
                optimizer.set_state(std::mem::take(&mut carried));
            }
            let per_epoch = loaders.train.per_epoch().div_ceil(config.accumulate);
            let learning_rate = plan.as_ref().map(|plan| {
                let plateau = position.plateau.as_ref();
                LearningRate::new(plan, phase.lr, phase.epochs.len(), per_epoch, plateau).from_step(position.before)
            });
            let task = Classification {
                part: phase.part,
                label_smoothing: config.label_smoothing,
                focal: config.focal,
                class_weights: class_weights.clone(),
            };
            let mut trainer = Trainer {
                task: &task,
                model: &mut **network,
                optimizer: &mut *optimizer,
                learning_rate,
                ema: ema.as_mut(),
                config,
                run,
                metrics,
                position,
                until: phase.epochs.end,
                measured: data.measured,
                statistics: if config.finetune.is_some() { Statistics::Frozen } else { Statistics::OfBatch },
            };
            outcome = trainer.fit(&loaders.train, &loaders.test, sink, stop, &mut save)?;
            (metrics, position) = (trainer.metrics, trainer.position);
            bad.extend([loaders.train.bad(), loaders.test.bad()].concat());
            if outcome == Outcome::Stopped {
                break;
            }
        }
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

    fn announce(&self, sink: &mut dyn Sink) {
        let Session { config, data, .. } = self;
        sink.event(&Event::Started {
            run: self.run.path().to_path_buf(),
            model: config.model.clone(),
            parameters: self.network.num_parameters(),
            data: data.name.clone(),
            train_samples: data.train.len(),
            test_samples: data.test.len(),
            measured: data.measured,
            epochs: config.epochs,
            epoch_share: config.epoch_share,
            steps: config.epoch_samples(data.train.len()).div_ceil(config.batch_size).div_ceil(config.accumulate),
            batch_size: config.batch_size * config.accumulate,
            seed: config.seed,
            threads: num_threads(),
            isa: isa::isa().name(),
            resumed_at: self.resumed.as_ref().map(|p| p.steps),
        });
        data.notes.iter().for_each(|text| sink.event(&Event::Note { text: text.clone() }));
    }
}

/// Features in a batch where nothing is learnt. It changes no result.
const FEATURES: usize = 250;

/// Training batches and those to measure on.
struct Pair {
    train: Loader,
    test: Loader,
}

impl Pair {
    /// Of images; those to learn from are changed at random where the whole network learns or each is seen anew.
    fn of_images(
        config: &Config,
        phase: &Phase,
        data: &Splits,
        preprocessing: &Preprocessing,
    ) -> Result<Pair, TrainError> {
        let measuring = measuring_batch(preprocessing.output_shape());
        let train = match phase.part {
            Part::HeadOnFeatures => Loader::in_order(&data.train, preprocessing, measuring),
            _ => {
                let changes = config.images.augmentations(preprocessing.size[0])?;
                let (size, classes) = (config.batch_size, data.classes.len());
                Loader::augmented(&data.train, preprocessing, size, config.seed, changes, classes)
            }
        };
        Ok(Pair { train, test: Loader::in_order(&data.test, preprocessing, measuring) })
    }

    /// Of what `network` makes of the images; none if `stop` is set on the way.
    fn into_features(
        self,
        network: &dyn Classifier,
        config: &Config,
        sink: &mut dyn Sink,
        stop: &AtomicBool,
    ) -> Result<Option<Pair>, TrainError> {
        let total = self.train.len() + self.test.len();
        let Some(train) = features::compute(network, &self.train, (0, total), sink, stop)? else { return Ok(None) };
        let done = self.train.len();
        let Some(test) = features::compute(network, &self.test, (done, total), sink, stop)? else { return Ok(None) };
        Ok(Some(Pair {
            train: Loader::features(train, config.batch_size, Some(config.seed)),
            test: Loader::features(test, FEATURES, None),
        }))
    }
}

/// For each class the weight that makes all of them count the same, 1 in the mean over the samples; 0 for one without samples.
fn class_weights(images: &Images, classes: usize) -> Vec<f64> {
    let counts = images.counts(classes);
    let present = counts.iter().filter(|&&n| n > 0).count();
    let weight = |n: usize| if n == 0 { 0.0 } else { images.len() as f64 / (present * n) as f64 };
    counts.into_iter().map(weight).collect()
}

/// How many unreadable images are named at the end.
const NAMED: usize = 3;

/// Writes the list of what could not be read, and tells of it.
pub(crate) fn list_bad(run: &RunDir, mut bad: Vec<BadImage>) -> Result<Event, TrainError> {
    bad.sort_by(|a, b| a.path.cmp(&b.path));
    let list = run.path().join("bad-images.txt");
    let lines: String = bad.iter().map(|b| format!("{}\n", b.reason)).collect();
    write_atomic(&list, lines.as_bytes())?;
    let reasons = bad.iter().take(NAMED).map(|b| b.reason.clone()).collect();
    Ok(Event::BadImages { count: bad.len(), reasons, list })
}
