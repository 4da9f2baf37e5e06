//! Whether an explanation explains: insertion and deletion curves, and the randomization test.

use super::error::ExplainError;
use super::maps::{resized, spearman};
use super::options::Options;
use super::target::Aim;
use super::{Explainer, Explanation, Question, caught};
use striate_tensor::{Generator, Tensor};

/// Points of a curve after the first.
const STEPS: usize = 16;
/// Random maps that an explanation is compared with: so many that being better than all of them happens by chance one time in twenty.
const RANDOM_MAPS: usize = 19;
/// Rows and columns of a random map, before it is scaled to the image.
const RANDOM_SIZE: usize = 7;
/// Randomized networks that a map is compared with.
const DRAWS: usize = 3;
/// The chance below which an explanation counts as better than random maps.
const SIGNIFICANT: f64 = 0.05;
/// The correlation from which a map counts as independent of the weights.
const SAME_MAP: f64 = 0.5;
/// The correlation from which it counts as independent of the last layer, which tells classes apart.
const SAME_CLASS: f64 = 0.9;
/// The standard deviation of the blur that insertion starts from is this part of the shorter side.
const BLUR: f64 = 22.0;

/// Which random numbers are drawn, apart from others under the same seed.
const MAP_STREAM: u64 = 0x6D61_7073;
const TIE_STREAM: u64 = 0x7469_6573;
const WEIGHT_STREAM: u64 = 0x7765_6967;

/// What the network says while pixels change, those of the largest numbers of the map first.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Curve {
    /// The fraction of pixels that are changed, from 0 to 1.
    pub fractions: Vec<f64>,
    /// The probability of the target at each of these fractions; of a regression the number, from 0 for the baseline to 1 for the image.
    pub values: Vec<f64>,
    /// The area under it.
    pub area: f64,
}

/// Whether the pixels that a map shows are those that the answer comes from (Petsiuk et al., 2018).
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Faithfulness {
    /// From the blurred image to the image: a large area is good.
    pub insertion: Curve,
    /// From the image to the baseline: a small area is good.
    pub deletion: Curve,
    /// The area of insertion less that of deletion: what the explanation is judged by.
    pub difference: f64,
    /// The same of each of some smooth random maps.
    pub random: Vec<f64>,
    /// Their mean.
    pub random_mean: f64,
    /// How often a random map is as good, the explanation counted among them: (1 + those as good) / (1 + random maps).
    pub p_value: f64,
    /// Whether that is at most 0.05.
    pub better_than_random: bool,
}

/// Whether a map depends on the weights of the network (Adebayo et al., 2018): Spearman's rank correlation of its absolute numbers with those of the maps of networks
/// whose weights are shuffled within each tensor, the mean over three of these. None where a map is constant, or such a network gives NaN.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Randomization {
    /// The last layer with weights.
    pub top_layer: Option<String>,
    /// The correlation where the last layer's weights are shuffled.
    pub top: Option<f64>,
    /// Where all weights are shuffled.
    pub all: Option<f64>,
    /// The correlation with all weights shuffled from which a map counts as independent of them.
    pub limit: f64,
    /// Whether it is below that.
    pub depends_on_weights: Option<bool>,
    /// The correlation with the last layer's weights shuffled from which a map counts as the same for all classes.
    pub top_limit: f64,
    /// Whether it is below that.
    pub depends_on_class: Option<bool>,
}

/// What is to be thought of an explanation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Both tests are passed.
    Passed,
    /// The map is 0 everywhere.
    Empty,
    /// The map stays much the same when the weights are randomized: it shows the image, not the network.
    IndependentOfWeights,
    /// Deleting and inserting what it shows works no better than with random maps.
    NoBetterThanRandom,
    /// The map stays much the same when the last layer's weights are randomized: it shows what the network looks at, whatever the class.
    IndependentOfClass,
    /// A test could not be made.
    Unknown,
}

impl Verdict {
    /// In words.
    pub fn describe(self) -> &'static str {
        match self {
            Verdict::Passed => "passes both tests",
            Verdict::Empty => "shows nothing: the map is 0 everywhere",
            Verdict::IndependentOfWeights => "explains nothing: the map hardly depends on the network's weights",
            Verdict::NoBetterThanRandom => "explains nothing: no better than random maps",
            Verdict::IndependentOfClass => "does not tell classes apart: the map hardly depends on the last layer",
            Verdict::Unknown => "cannot be tested",
        }
    }
}

/// How far an explanation can be trusted.
#[derive(Clone, Debug, PartialEq, serde::Serialize, schemars::JsonSchema)]
pub struct Scores {
    /// Whether the answer comes from what it shows. None of a regression whose number for the image is that for the baseline.
    pub faithfulness: Option<Faithfulness>,
    /// Whether it depends on the weights.
    pub randomization: Randomization,
    /// What is to be thought of it.
    pub verdict: Verdict,
}

/// The images that pixels are taken from and put into, with what the network says.
struct Changes<'a> {
    explainer: &'a Explainer,
    aim: &'a Aim,
    image: Vec<f32>,
    blurred: Vec<f32>,
    baseline: Vec<f32>,
    shape: [usize; 3],
    /// What is subtracted from numbers of a regression, and what they are then divided by.
    scale: [f64; 2],
}

impl Changes<'_> {
    fn probabilities(&self, images: Tensor) -> Result<Vec<f64>, ExplainError> {
        let [from, by] = self.scale;
        let values = self.aim.probabilities(self.explainer.run(&images)?);
        Ok(values.into_iter().map(|value| (value - from) / by).collect())
    }

    /// What the network says while pixels of `from` become those of `to`, in this order.
    fn curve(&self, order: &[usize], from: &[f32], to: &[f32]) -> Result<Curve, ExplainError> {
        let [c, h, w] = self.shape;
        let pixels = h * w;
        let [_, batch] = self.explainer.network.batches();
        let (mut image, mut done, mut values) = (from.to_vec(), 0, Vec::new());
        let steps: Vec<usize> = (0..=STEPS).map(|step| (step * pixels + STEPS / 2) / STEPS).collect();
        for few in steps.chunks(batch) {
            let mut images = Vec::with_capacity(few.len() * image.len());
            for &until in few {
                for at in
                    order[done..until].iter().flat_map(|&pixel| (0..c).map(move |channel| channel * pixels + pixel))
                {
                    image[at] = to[at];
                }
                done = until;
                images.extend_from_slice(&image);
            }
            values.extend(self.probabilities(Tensor::from_vec(images, [few.len(), c, h, w]))?);
        }
        let fractions: Vec<f64> = steps.iter().map(|&n| n as f64 / pixels as f64).collect();
        let part = |i: usize| (fractions[i] - fractions[i - 1]) * (values[i] + values[i - 1]) / 2.0;
        Ok(Curve { area: (1..values.len()).map(part).sum(), fractions, values })
    }

    /// Insertion and deletion of the pixels in this order.
    fn curves(&self, order: &[usize]) -> Result<[Curve; 2], ExplainError> {
        Ok([self.curve(order, &self.blurred, &self.image)?, self.curve(order, &self.image, &self.baseline)?])
    }
}

/// The pixels of a map, those of the largest numbers first; equal ones in random order.
fn order(map: &[f32], seed: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..map.len()).collect();
    let n = order.len();
    Generator::keyed([seed, TIE_STREAM, 0, 0]).partial_shuffle(&mut order, n);
    order.sort_by(|&a, &b| map[b].total_cmp(&map[a]));
    order
}

/// A random map: few random numbers, scaled to the image.
fn random_map([h, w]: [usize; 2], seed: u64, number: usize) -> Vec<f32> {
    let rng = &mut Generator::keyed([seed, MAP_STREAM, number as u64, 0]);
    let size = [h.min(RANDOM_SIZE), w.min(RANDOM_SIZE)];
    let few: Vec<f32> = (0..size[0] * size[1]).map(|_| rng.uniform() as f32).collect();
    resized(&few, size, [h, w])
}

/// An image `[c, h, w]` blurred along one axis of `n` pixels that are `step` apart.
fn blurred_along(image: &[f32], n: usize, step: usize, sigma: f64) -> Vec<f32> {
    let reach = (3.0 * sigma).ceil() as isize;
    let weights: Vec<f64> = (-reach..=reach).map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp()).collect();
    let whole: f64 = weights.iter().sum();
    let at = |i: usize| {
        let (place, start) = (i / step % n, i - i / step % n * step);
        let pixel = |d: isize| image[start + (place as isize + d).clamp(0, n as isize - 1) as usize * step];
        let sum: f64 = (-reach..=reach).zip(&weights).map(|(d, weight)| f64::from(pixel(d)) * weight).sum();
        (sum / whole) as f32
    };
    (0..image.len()).map(at).collect()
}

impl Explainer {
    /// How far explanations of a question can be trusted, in their order. The answers of random maps are computed once for all of them.
    ///
    /// # Errors
    /// If the network cannot be run.
    pub fn score(
        &self,
        question: &Question,
        explanations: &[Explanation],
        options: &Options,
    ) -> Result<Vec<Scores>, ExplainError> {
        options.check()?;
        caught(|| {
            let faithful = self.faithfulness(question, explanations, options)?;
            let random = self.randomization(question, explanations, options);
            let scores =
                explanations.iter().zip(faithful).zip(random).map(|((explanation, faithfulness), randomization)| {
                    let verdict = verdict(explanation, faithfulness.as_ref(), &randomization);
                    Scores { faithfulness, randomization, verdict }
                });
            Ok(scores.collect())
        })
    }

    fn faithfulness(
        &self,
        question: &Question,
        explanations: &[Explanation],
        options: &Options,
    ) -> Result<Vec<Option<Faithfulness>>, ExplainError> {
        let Question { input, aim, .. } = question;
        let [_, c, h, w] = input.shape()[..] else { unreachable!("images have four dimensions") };
        let image = input.to_vec::<f32>();
        let sigma = h.min(w) as f64 / BLUR;
        let blurred = blurred_along(&blurred_along(&image, w, 1, sigma), h, w, sigma);
        let baseline = options.baseline.image(&self.card.preprocessing);
        let mut changes = Changes {
            explainer: self,
            aim,
            image,
            blurred,
            baseline: baseline.to_vec(),
            shape: [c, h, w],
            scale: [0.0, 1.0],
        };
        if let Aim::Number { .. } = aim {
            let [from, to] = [changes.probabilities(baseline)?[0], changes.probabilities(input.clone())?[0]];
            if (to - from).abs() <= 1e-6 * to.abs().max(from.abs()) {
                return Ok(vec![None; explanations.len()]);
            }
            changes.scale = [from, to - from];
        }
        let mut random = Vec::with_capacity(RANDOM_MAPS);
        for number in 0..RANDOM_MAPS {
            let [insertion, deletion] =
                changes.curves(&order(&random_map([h, w], options.seed, number), options.seed))?;
            random.push(insertion.area - deletion.area);
        }
        let mut all = Vec::new();
        for explanation in explanations {
            let [insertion, deletion] = changes.curves(&order(&explanation.map, options.seed))?;
            let difference = insertion.area - deletion.area;
            if !difference.is_finite() || random.iter().any(|x| !x.is_finite()) {
                return Err(ExplainError::NotFinite);
            }
            let as_good = random.iter().filter(|&&other| other >= difference).count();
            let p_value = (1 + as_good) as f64 / (1 + random.len()) as f64;
            all.push(Some(Faithfulness {
                insertion,
                deletion,
                difference,
                random_mean: random.iter().sum::<f64>() / random.len() as f64,
                random: random.clone(),
                p_value,
                better_than_random: p_value <= SIGNIFICANT,
            }));
        }
        Ok(all)
    }

    fn randomization(
        &self,
        question: &Question,
        explanations: &[Explanation],
        options: &Options,
    ) -> Vec<Randomization> {
        let top_layer = self.network.top_layer();
        let [top, all] = [top_layer.as_deref(), Some("")].map(|part| {
            let Some(part) = part else { return vec![None; explanations.len()] };
            let mut sums = vec![Some(0.0); explanations.len()];
            for draw in 0..DRAWS {
                let randomized = self.randomized(part, options.seed, draw);
                for (explanation, sum) in explanations.iter().zip(&mut sums) {
                    let layer = explanation.layer.clone();
                    let found = randomized.answer(question, explanation.method, &Options { layer, ..options.clone() });
                    let absolute = |map: &[f32]| map.iter().map(|x| x.abs()).collect::<Vec<f32>>();
                    let same =
                        found.ok().and_then(|found| spearman(&absolute(&found.map), &absolute(&explanation.map)));
                    *sum = sum.zip(same).map(|(sum, same)| sum + same / DRAWS as f64);
                }
            }
            sums
        });
        let of = |(top, all): (Option<f64>, Option<f64>)| Randomization {
            top_layer: top_layer.clone(),
            top,
            all,
            limit: SAME_MAP,
            depends_on_weights: all.map(|all| all < SAME_MAP),
            top_limit: SAME_CLASS,
            depends_on_class: top.map(|top| top < SAME_CLASS),
        };
        top.into_iter().zip(all).map(of).collect()
    }

    /// The same network with the weights of a part of it shuffled, each tensor by itself.
    fn randomized(&self, part: &str, seed: u64, draw: usize) -> Explainer {
        let mut number = 0;
        let network = self.network.with_parameters(|name, tensor| {
            number += 1;
            let is_in_part = part.is_empty() || name.strip_prefix(part).is_some_and(|rest| rest.starts_with('.'));
            if !is_in_part {
                return None;
            }
            let mut values = tensor.to_vec::<f32>();
            let n = values.len();
            Generator::keyed([seed, WEIGHT_STREAM, draw as u64, number]).partial_shuffle(&mut values, n);
            Some(Tensor::from_vec(values, tensor.shape_value()))
        });
        Explainer::with(self.card.clone(), network)
    }
}

pub(crate) fn verdict(
    explanation: &Explanation,
    faithfulness: Option<&Faithfulness>,
    randomization: &Randomization,
) -> Verdict {
    match (faithfulness.map(|found| found.better_than_random), randomization.depends_on_weights) {
        _ if explanation.is_empty => Verdict::Empty,
        (_, Some(false)) => Verdict::IndependentOfWeights,
        (Some(false), _) => Verdict::NoBetterThanRandom,
        (Some(true), Some(true)) if randomization.depends_on_class == Some(false) => Verdict::IndependentOfClass,
        (Some(true), Some(true)) => Verdict::Passed,
        _ => Verdict::Unknown,
    }
}
