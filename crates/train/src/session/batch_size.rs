//! The batch size `auto`: the largest of which a training step fits into memory.

use super::run::Pair;
use super::stage::{Question, Stage};
use crate::batches::Again;
use crate::config::ResolvedConfig;
use crate::data::Splits;
use crate::error::TrainError;
use crate::finetune::{Part, Tuned};
use crate::image_settings::ImageCache;
use crate::loader::PREFETCH;
use crate::memory;
use crate::task::Task;
use crate::trainer::Trial;
use std::sync::atomic::AtomicBool;
use striate_data::Batch;
use striate_imaging::Preprocessing;
use striate_nn::Classifier;
use striate_tensor::{memory_held, peak_memory_during};

/// The largest batch that is chosen: larger ones hardly compute faster, and learn less in each epoch.
const LARGEST: usize = 512;
/// The fewest steps that an epoch has.
const LEAST_STEPS: usize = 8;
/// The smallest batch that is chosen: batch normalization has nothing to normalize by in one sample.
const SMALLEST: usize = 2;
/// The sizes that are measured. Where there is a choice an epoch has as many samples.
const MEASURED: [usize; 2] = [8, 16];
/// Steps of each: the optimizer's state comes with the first one.
const STEPS: usize = 2;
/// The fraction of the free memory that is used: the rest is for other programs, and for what is not counted.
const USED: f64 = 0.75;

/// What batches of a network take, in bytes.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Whatever the size: weights, the optimizer's state.
    fixed: f64,
    /// For each sample of the batch in use.
    sample: f64,
    /// For each sample of a batch that waits.
    waiting: f64,
}

impl Cost {
    /// From the most that was in use in steps of two sizes.
    fn of([(small, less), (large, more)]: [(usize, usize); 2], waiting: f64) -> Cost {
        let sample = (more as f64 - less as f64).max(0.0) / (large - small) as f64;
        Cost { fixed: (less as f64 - sample * small as f64).max(0.0), sample, waiting }
    }

    fn batch(&self, size: usize) -> f64 {
        memory_held((self.fixed + self.sample * size as f64) as usize) as f64 + self.waiting * (size * PREFETCH) as f64
    }
}

/// The largest power of two that is at most `most` and whose cost fits into `free`; none if not even the smallest does.
fn largest(cost: Cost, most: usize, free: f64) -> Option<usize> {
    let sizes = std::iter::successors(Some(SMALLEST), |n| Some(n * 2)).take_while(|&n| n <= most);
    sizes.filter(|&n| cost.batch(n) <= free).last()
}

/// Sets the batch size of a new run, and leaves a note of it. The network stays as it is.
pub(super) fn choose(
    config: &mut ResolvedConfig,
    data: &mut Splits,
    preprocessing: &Preprocessing,
    network: Box<dyn Classifier>,
) -> Result<Box<dyn Classifier>, TrainError> {
    let samples = config.epoch_samples(data.train.len());
    let most = (samples / LEAST_STEPS).clamp(SMALLEST, LARGEST);
    if most == SMALLEST {
        config.batch_size = SMALLEST;
        data.notes.push(format!("batch size {SMALLEST} (auto): an epoch has {samples} samples"));
        return Ok(network);
    }
    let Some(free) = memory::available() else {
        let usual = config.batch_size;
        data.notes.push(format!("batch size {usual}, the usual one: this system does not say how much memory is free"));
        return Ok(network);
    };
    let mut network = Tuned { network, part: Part::Whole };
    let cost = cost(config, data, preprocessing, &mut network)?;
    let pixels: usize = preprocessing.output_shape().iter().product();
    let cached = match config.images.cache {
        ImageCache::Ram => ((data.train.len() + data.held_out.len()) * pixels) as f64,
        _ => 0.0,
    };
    let usable = USED * free as f64 - cached;
    config.batch_size = largest(cost, most, usable).ok_or(TrainError::Memory {
        batch: SMALLEST,
        need: megabytes(cost.batch(SMALLEST)),
        usable: megabytes(usable),
    })?;
    data.notes.push(format!(
        "batch size {} (auto): the largest power of two up to {LARGEST} and 1/{LEAST_STEPS} of the {samples} samples of an epoch whose step fits into \
         memory; it takes about {} MB of {} that are free",
        config.batch_size,
        megabytes(cost.batch(config.batch_size)),
        megabytes(free as f64)
    ));
    Ok(network.network)
}

/// Measures a step of two sizes.
fn cost(
    config: &ResolvedConfig,
    data: &Splits,
    preprocessing: &Preprocessing,
    network: &mut Tuned,
) -> Result<Cost, TrainError> {
    let image = (preprocessing.output_shape().iter().product::<usize>() * size_of::<f32>()) as f64;
    let never = AtomicBool::new(false);
    let mut measured = MEASURED.map(|size| (size, 0));
    for (size, bytes) in &mut measured {
        let config = ResolvedConfig { batch_size: *size, accumulate: 1, ..config.clone() };
        let phase = config.phases().pop().expect("a run has a stage");
        if phase.part == Part::HeadOnFeatures {
            // Features are made of batches whose size is another setting, and are small themselves.
            return Ok(Cost { fixed: 0.0, sample: image, waiting: image });
        }
        let Some(stage) = Stage::of(&config, data, preprocessing, network, &mut (), &never)? else { continue };
        *bytes = stage.with(Peak(*size), network)?;
    }
    Ok(Cost::of(measured, image))
}

/// The most memory in use in a few steps of this batch size.
struct Peak(usize);

impl Question for Peak {
    type Answer = usize;

    fn ask<T: Task<Tuned, Batch = Batch>>(self, trial: Trial<Tuned, T>, loaders: &Pair) -> Result<usize, TrainError> {
        let batches = Again::first_of(&loaders.train, |batch| trial.task.samples(batch) == self.0)?;
        let lr = trial.optimizer.lr();
        let (steps, peak) =
            peak_memory_during(|| trial.run(&batches, &mut |taken| (taken.len() < STEPS).then_some(lr)));
        steps?;
        Ok(peak)
    }
}

/// Bytes as megabytes, at least 1.
fn megabytes(bytes: f64) -> u64 {
    (bytes / 1e6).round().max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_batch_that_fits_is_a_power_of_two() {
        const MB: usize = 1_000_000;
        let cost = Cost::of([(8, 900 * MB + 8 * MB), (16, 900 * MB + 16 * MB)], 0.0);
        assert_eq!((cost.fixed, cost.sample), (9e8, 1e6));
        let of = |most, peak: usize| largest(cost, most, memory_held(peak * MB) as f64);
        let sizes = [of(512, 100_000), of(512, 1412), of(512, 1411), of(100, 100_000), of(2, 100_000)];
        assert_eq!(sizes.map(Option::unwrap), [512, 512, 256, 64, 2]);
        assert_eq!((of(512, 902), of(512, 901), largest(cost, 512, -5.0)), (Some(2), None, None));
        // A measurement that does not grow says nothing of a sample.
        let odd = Cost::of([(8, 5), (16, 3)], 4.0);
        assert_eq!((odd.fixed, odd.sample, odd.batch(10)), (5.0, 0.0, 15.0 + 4.0 * 10.0 * PREFETCH as f64));
    }
}
