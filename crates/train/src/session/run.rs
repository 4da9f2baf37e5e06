//! The run itself: one stage after the other.

use super::Session;
use crate::card;
use crate::checkpoint::{self, Identity};
use crate::config::Config;
use crate::data::{Images, Loader, Splits, measuring_batch};
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::finetune::features;
use crate::learning_rate::LearningRate;
use crate::metrics::wilson_interval;
use crate::metrics_csv::MetricsCsv;
use crate::network;
use crate::phase::Phase;
use crate::run_dir::{BAD_IMAGES, RunDir};
use crate::state::Measured;
use crate::task::{Classification, Part};
use crate::trainer::{Batches, Kept, Outcome, Trainer};
use std::cell::OnceCell;
use std::sync::atomic::AtomicBool;
use std::time::Instant;
use striate_data::images::BadImage;
use striate_formats::write_atomic;
use striate_imaging::Preprocessing;
use striate_model::Model;
use striate_nn::{Classifier, Module, Passes};
use striate_tensor::{Tensor, isa, num_threads};

impl Session {
    /// Trains until all epochs are done or `stop` is set.
    pub fn run(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        self.config.compute_settings().scope(|| self.run_stages(sink, stop))
    }

    fn run_stages(&mut self, sink: &mut dyn Sink, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let began = Instant::now();
        self.announce(sink);
        let Session { config, run, data, preprocessing, network, carried, ema, resumed, started_from } = self;
        let mut metrics = match resumed {
            Some(p) => MetricsCsv::resume(&run.metrics(), p, p.batch == 0)?,
            None => MetricsCsv::create(&run.metrics())?,
        };
        let mut position = resumed.clone().unwrap_or_default();
        let classes = data.classes.clone();
        let seen = OnceCell::new();
        let provenance = || seen.get_or_init(|| started_from.union(&data.provenance())).clone();
        let identity = Identity { model: &config.model, seed: config.seed, classes: &classes, provenance: &provenance };
        let phases = config.phases();
        if resumed.is_none() {
            // So that even a run killed in its first step can go on.
            let optimizer = config.optimizer_for(&phases[0], network);
            let before = || started_from.clone();
            let identity = Identity { provenance: &before, ..identity };
            let path = checkpoint::write(run, identity, &position, network, &*optimizer, ema.as_ref())?;
            sink.event(&Event::Checkpoint { path, steps: position.steps });
        }
        let mut carried = std::mem::take(carried);
        let needs_two = config.needs_two(&**network, preprocessing.output_shape());
        let plan = config.schedule_plan()?;
        let weights = class_weights(&data.train, data.classes.len());
        let class_weights = config.images.class_weights.then(|| {
            let weights: Vec<f32> = weights.iter().map(|&w| w as f32).collect();
            Tensor::from_vec(weights, [data.classes.len()])
        });
        let mut save = |network: &(dyn Classifier + 'static), which: Kept, tested: &Measured| {
            let training = card::training(config, tested, data.measured, provenance());
            let card = card::card(&config.model, data, preprocessing, training, network);
            let path = match which {
                Kept::Best => run.model(),
                Kept::Last => run.last_model(),
            };
            network::save(&path, &card, network)
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
            loaders.train = loaders.train.join_single(needs_two).limit(config.epoch_samples(data.train.len()));
            let mut optimizer = config.optimizer_for(phase, network);
            if position.epoch == phase.epochs.start && position.batch == 0 {
                position.plateau = None;
                position.before = position.steps;
                position.stale = 0;
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
            let passes = Passes::new(&**network, config.seed);
            let mut trainer = Trainer {
                task: &task,
                model: &mut **network,
                optimizer: &mut *optimizer,
                learning_rate,
                ema: ema.as_mut(),
                config,
                identity,
                run,
                metrics,
                has_checkpoint: position.steps > 0,
                position,
                until: phase.epochs.end,
                measured: data.measured,
                passes,
                statistics: config.statistics(),
                needs_two,
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
        if let Outcome::Finished { best, last } = &outcome {
            // What is said to be done is a file that every verb reads.
            Model::load(&run.model())?;
            let (low, high) = wilson_interval(best.result.correct, best.result.samples);
            let most = data.test.counts(data.classes.len()).into_iter().max().unwrap_or(0);
            sink.event(&Event::Finished {
                run: run.path().to_path_buf(),
                model: run.model(),
                last_model: run.last_model(),
                measured: data.measured,
                epoch: best.epoch,
                last_epoch: last.epoch,
                loss: best.result.mean_loss(),
                accuracy: best.result.accuracy(),
                accuracy_interval_95: [low, high],
                last_accuracy: last.result.accuracy(),
                samples: best.result.samples,
                chance: most as f64 / data.test.len().max(1) as f64,
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
            classes: data.classes.clone(),
            input: self.preprocessing.output_shape(),
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
        data.weights.iter().for_each(|text| sink.event(&Event::Weights { text: text.clone() }));
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
    let list = run.path().join(BAD_IMAGES);
    let lines: String = bad.iter().map(|b| format!("{}\n", b.reason)).collect();
    write_atomic(&list, lines.as_bytes())?;
    let reasons = bad.iter().take(NAMED).map(|b| b.reason.clone()).collect();
    Ok(Event::BadImages { count: bad.len(), reasons, list })
}
