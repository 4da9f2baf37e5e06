//! How well a model does on images that something has happened to: noise, blur, compression, attacks.

mod attack;
mod attacks;
mod corruption;
mod filters;
mod input;
mod measured;

pub use attack::{Attack, Steps, perturb};
pub use attacks::{AttackCost, AttackError, AttackExample, AttackOptions, AttackResult, Attacks, attack_cost, attacks};
pub use corruption::{Corruption, Draw, STRENGTHS};

use crate::number::Number;
use input::Input;
use measured::{Kept, error_of, hash, mean, png};
use schemars::JsonSchema;
use serde::Serialize;
use std::time::Instant;
use striate_data::{Batch, parallel};
use striate_imaging::Image;
use striate_model::{Predictor, TaskCard};
use striate_tensor::{Generator, num_threads};
use striate_train::{Detail, HeldOut, TrainError, evaluate_variants};

/// What happens to which images.
#[derive(Clone, Debug, PartialEq)]
pub struct RobustnessOptions {
    /// The most images, evenly spread over all.
    pub images: usize,
    /// What happens to them. What moves the target of a task is left out for it: see [`Corruption::is_geometric`].
    pub corruptions: Vec<Corruption>,
    /// What the random numbers come from, with the name of the image and the corruption.
    pub seed: u64,
}

impl Default for RobustnessOptions {
    fn default() -> Self {
        RobustnessOptions { images: 1000, corruptions: Corruption::ALL.to_vec(), seed: 0 }
    }
}

impl RobustnessOptions {
    /// The corruptions that leave the targets of a task where they are.
    fn of_task(&self, task: &TaskCard) -> Vec<Corruption> {
        let is_dense = task.kind().is_dense();
        self.corruptions.iter().copied().filter(|c| !is_dense || !c.is_geometric()).collect()
    }
}

/// What measuring costs.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RobustnessCost {
    /// How many images are looked at.
    pub images: usize,
    /// How many times the network runs on an image.
    pub forward_passes: usize,
    /// The time that it takes, as a few images took it.
    pub seconds: f64,
}

/// How well a model does on corrupted images.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Robustness {
    /// The metric that stands for the task.
    pub main_metric: String,
    /// How many images were looked at.
    pub images: usize,
    /// The metric on the images as they are.
    pub clean: Number,
    /// The error on the images as they are: 1 less the metric, or the metric itself where it is an error (MAE).
    pub clean_error: Option<f64>,
    /// The mean over the corruptions of their mean error over strengths (mCE without a reference network).
    pub mean_corruption_error: Option<f64>,
    /// By how much that is more than the clean error.
    pub mean_error_increase: Option<f64>,
    /// That as a multiple of the clean error; none where the clean error is 0.
    pub relative_corruption_error: Option<f64>,
    /// Each corruption.
    pub corruptions: Vec<CorruptionResult>,
    /// The metric of each kind of corruption.
    pub families: Vec<FamilyResult>,
    /// What the random numbers came from.
    pub seed: u64,
    /// The first image, clean and with every corruption.
    #[serde(skip)]
    pub examples: Vec<CorruptionExample>,
}

/// How well a model does under corruptions of one kind.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FamilyResult {
    /// The kind: `noise`, `blur`, `light` and so on.
    pub family: &'static str,
    /// The mean of the metric over its corruptions at each strength, that of the images as they are first.
    pub values: Vec<Option<f64>>,
}

/// How well a model does under one corruption.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CorruptionResult {
    /// The corruption.
    pub corruption: Corruption,
    /// Its formula.
    pub formula: String,
    /// Each strength, the weakest first.
    pub strengths: Vec<StrengthResult>,
    /// The mean error over the strengths.
    pub mean_error: Option<f64>,
    /// By how much that is more than the clean error.
    pub error_increase: Option<f64>,
}

/// How well a model does under one corruption at one strength.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct StrengthResult {
    /// The strength, from 1 to 5.
    pub strength: usize,
    /// The parameter of the formula.
    pub parameter: f64,
    /// The metric, with Wilson's interval if it is an accuracy, else a bootstrapped one.
    pub metric: Number,
}

/// An image with a corruption.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorruptionExample {
    /// The name of the image.
    pub image: String,
    /// The corruption; none of the clean image.
    pub corruption: Option<Corruption>,
    /// Its strength, from 1 to 5; 0 of the clean image.
    pub strength: usize,
    /// The bytes of a PNG file.
    pub png: Vec<u8>,
}

/// Tells these draws from others of the same seed.
const CORRUPTION: u64 = u64::from_le_bytes(*b"corrupts");
/// Images that the cost is measured on.
const FIRST: usize = 8;
/// Strengths that the cost is measured at.
const MIDDLE: [usize; 1] = [3];
const EVERY: [usize; STRENGTHS] = [1, 2, 3, 4, 5];

/// What [`robustness`] will cost, as a few images show.
///
/// # Errors
/// As [`robustness`].
pub fn robustness_cost(
    model: &Predictor,
    held_out: &HeldOut,
    options: &RobustnessOptions,
) -> Result<RobustnessCost, TrainError> {
    let images = options.images.min(held_out.data.held_out.len());
    let corruptions = options.of_task(&model.card.task);
    let first = held_out.spread(FIRST.min(images));
    // Once to warm up.
    measure(model, &first.spread(1), &corruptions, &MIDDLE, options.seed, &mut |_, _| ())?;
    let start = Instant::now();
    measure(model, &first, &corruptions, &MIDDLE, options.seed, &mut |_, _| ())?;
    let seconds =
        start.elapsed().as_secs_f64() / first.data.held_out.len().max(1) as f64 / (1 + corruptions.len()) as f64;
    let forward_passes = images * (1 + STRENGTHS * corruptions.len());
    Ok(RobustnessCost { images, forward_passes, seconds: seconds * forward_passes as f64 })
}

/// How well `model` does on images held out that are corrupted: as the network sees them, before padding and normalization, in bytes. `progress` hears how many
/// of how many forward passes are done.
///
/// What happens to an image is a function of the seed, its name and the corruption alone.
///
/// # Errors
/// If no image can be read, or the network cannot be run on them.
pub fn robustness(
    model: &Predictor,
    held_out: &HeldOut,
    options: &RobustnessOptions,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Robustness, TrainError> {
    let corruptions = options.of_task(&model.card.task);
    let held_out = held_out.spread(options.images);
    let (numbers, images, examples) = measure(model, &held_out, &corruptions, &EVERY, options.seed, progress)?;
    let clean = numbers[0].clone();
    let clean_error = error_of(&clean);
    let more = |error: Option<f64>| error.zip(clean_error).map(|(error, clean)| error - clean);
    let result = |(c, corruption): (usize, &Corruption)| {
        let strength = |s: usize| StrengthResult {
            strength: s + 1,
            parameter: corruption.parameters()[s],
            metric: numbers[1 + c * STRENGTHS + s].clone(),
        };
        let strengths: Vec<StrengthResult> = (0..STRENGTHS).map(strength).collect();
        let mean_error = mean(strengths.iter().map(|s| error_of(&s.metric)));
        CorruptionResult {
            corruption: *corruption,
            formula: corruption.formula().into(),
            strengths,
            mean_error,
            error_increase: more(mean_error),
        }
    };
    let results: Vec<CorruptionResult> = corruptions.iter().enumerate().map(result).collect();
    let clean_value = clean.value;
    let mean_corruption_error = mean(results.iter().map(|r| r.mean_error));
    Ok(Robustness {
        main_metric: clean.name.clone(),
        images,
        clean,
        clean_error,
        mean_corruption_error,
        mean_error_increase: more(mean_corruption_error),
        relative_corruption_error: mean_corruption_error
            .zip(clean_error.filter(|e| *e > 0.0))
            .map(|(error, clean)| error / clean),
        families: families(clean_value, &results),
        corruptions: results,
        seed: options.seed,
        examples,
    })
}

impl Robustness {
    /// An error for people: a percentage where the metric is one.
    pub(crate) fn shown_error(&self, error: impl std::borrow::Borrow<Option<f64>>) -> String {
        self.clean.shown_as(*error.borrow())
    }
}

/// The mean over the corruptions of each kind, in the order in which the kinds first come.
fn families(clean: Option<f64>, results: &[CorruptionResult]) -> Vec<FamilyResult> {
    let mut families: Vec<FamilyResult> = Vec::new();
    for result in results {
        let family = result.corruption.family();
        if families.iter().any(|found| found.family == family) {
            continue;
        }
        let of_family = || results.iter().filter(|other| other.corruption.family() == family);
        let at = |s: usize| mean(of_family().map(|other| other.strengths[s].metric.value));
        families.push(FamilyResult { family, values: [clean].into_iter().chain((0..STRENGTHS).map(at)).collect() });
    }
    families
}

/// The metric on the clean images, then of each corruption at each of the strengths; how many images there are; and the first of them.
fn measure(
    model: &Predictor,
    held_out: &HeldOut,
    corruptions: &[Corruption],
    strengths: &[usize],
    seed: u64,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<(Vec<Number>, usize, Vec<CorruptionExample>), TrainError> {
    let card = &model.card;
    let input = Input::new(&card.preprocessing);
    let mean_colour = input.mean();
    let variants = 1 + corruptions.len() * strengths.len();
    let mut kept: Vec<Kept> = (0..variants).map(|_| Kept::new(card)).collect();
    let mut clean: Vec<Image> = Vec::new();
    let mut examples = Vec::new();
    let mut done = 0;
    let total = held_out.data.held_out.len() * variants;
    let images = |batch: &Batch, names: &[String], variant: usize| {
        let Some(number) = variant.checked_sub(1) else {
            clean = input.images(&input.values(&batch.images));
            if examples.is_empty() {
                let (image, corruption, strength) = (names[0].clone(), None, 0);
                examples.push(CorruptionExample { image, corruption, strength, png: png(&clean[0]) });
            }
            return batch.images.clone();
        };
        let (corruption, strength) = (corruptions[number / strengths.len()], strengths[number % strengths.len()]);
        let corrupted = parallel::map(clean.len(), num_threads(), |i| {
            let draw = &mut Generator::keyed([seed, CORRUPTION, corruption as u64, hash(&names[i])]);
            corruption.apply(&clean[i], strength, &mean_colour, draw)
        });
        if examples.len() == variant {
            let (image, corruption) = (names[0].clone(), Some(corruption));
            examples.push(CorruptionExample { image, corruption, strength, png: png(&corrupted[0]) });
        }
        input.batch(&corrupted)
    };
    let evaluations = evaluate_variants(model, held_out, variants, Detail::Full, images, |variant, measured| {
        kept[variant].add(card, measured);
        done += measured.names.len();
        progress(done, total);
    })?;
    let images = evaluations[0].results.images();
    let numbers = kept.into_iter().zip(&evaluations).map(|(kept, evaluation)| kept.number(evaluation, seed)).collect();
    Ok((numbers, images, examples))
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_train::Metric;

    #[test]
    fn a_family_is_the_mean_of_its_corruptions() {
        let result = |corruption: Corruption, first: f64| {
            let strength = |s: usize| StrengthResult {
                strength: s + 1,
                parameter: 0.0,
                metric: Number::of(&Metric::fraction("accuracy", first - 0.1 * s as f64)),
            };
            let strengths = (0..STRENGTHS).map(strength).collect();
            CorruptionResult { corruption, formula: String::new(), strengths, mean_error: None, error_increase: None }
        };
        let results = [
            result(Corruption::GaussianNoise, 0.9),
            result(Corruption::Occlusion, f64::NAN),
            result(Corruption::ShotNoise, 0.7),
        ];
        let found = families(Some(0.95), &results);
        assert_eq!(found.iter().map(|f| f.family).collect::<Vec<_>>(), ["noise", "occlusion"]);
        let wanted = [0.95, 0.8, 0.7, 0.6, 0.5, 0.4];
        assert!(found[0].values.iter().zip(wanted).all(|(got, wanted)| (got.unwrap() - wanted).abs() < 1e-12));
        assert_eq!(found[1].values, [Some(0.95), None, None, None, None, None]);
    }
}
