//! Split conformal prediction: sets of classes that hold the actual one as often as is asked for (Vovk et al., Algorithmic Learning in a Random World, 2005;
//! Angelopoulos and Bates, A Gentle Introduction to Conformal Prediction, 2023).

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Scores that are kept one by one. Of more, every m-th is kept, and sets are a little larger than they need be.
const MOST: usize = 1 << 16;

/// How far a class is from what the model says of an image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ConformalMethod {
    /// One minus the probability of the class (Sadinle et al., Least Ambiguous Set-Valued Classifiers, 2019): the smallest sets on average.
    #[default]
    Lac,
    /// The probability of all classes that are likelier (Romano et al., Classification with Valid and Adaptive Coverage, 2020, with u = 0 in the place of a random
    /// number): larger sets, whose coverage differs less between easy and hard images.
    Aps,
}

impl ConformalMethod {
    /// All methods.
    pub const ALL: [ConformalMethod; 2] = [ConformalMethod::Lac, ConformalMethod::Aps];

    /// Its name: `lac` or `aps`.
    pub fn name(self) -> &'static str {
        match self {
            ConformalMethod::Lac => "lac",
            ConformalMethod::Aps => "aps",
        }
    }

    /// The score of each class for an image with these logits, divided by `temperature` first. NaN logits give NaN scores.
    pub fn scores(self, logits: &[f32], temperature: f64) -> Vec<f64> {
        let probabilities = softmax(logits, temperature);
        match self {
            ConformalMethod::Lac => probabilities.iter().map(|p| 1.0 - p).collect(),
            ConformalMethod::Aps => {
                let mut scores = vec![f64::NAN; probabilities.len()];
                let mut sum = 0.0;
                for class in likeliest(&probabilities) {
                    scores[class] = sum;
                    sum += probabilities[class];
                }
                scores
            }
        }
    }
}

impl fmt::Display for ConformalMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for ConformalMethod {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = ConformalMethod::ALL.into_iter().find(|method| method.name() == text);
        found.ok_or_else(|| format!("there is no method '{text}': there are lac and aps"))
    }
}

/// The softmax of logits that are divided by `temperature` first.
pub(crate) fn softmax(logits: &[f32], temperature: f64) -> Vec<f64> {
    let scaled: Vec<f64> = logits.iter().map(|&x| f64::from(x) / temperature).collect();
    let highest = scaled.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let exponentials: Vec<f64> = scaled.iter().map(|x| (x - highest).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| e / sum).collect()
}

/// The classes, the likeliest first; of equal ones the first.
fn likeliest(probabilities: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    order.sort_by(|&a, &b| probabilities[b].total_cmp(&probabilities[a]));
    order
}

/// A set of classes for an image.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionSet {
    /// The classes, the likeliest first. The likeliest of all is always among them.
    pub classes: Vec<usize>,
    /// Whether no class is near enough, and the likeliest stands alone because a set of none helps nobody: the image is unlike those of the calibration.
    pub would_be_empty: bool,
}

/// The scores of the actual classes of images that the model has not learnt from: what prediction sets of any coverage are made from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct ConformalScores {
    /// What the scores are.
    pub method: ConformalMethod,
    images: usize,
    /// How many images each value stands for, itself and smaller ones.
    step: usize,
    /// In ascending order.
    values: Vec<f32>,
}

impl ConformalScores {
    /// Of these scores, one for each image.
    ///
    /// # Panics
    /// If a score is NaN.
    pub fn of(method: ConformalMethod, mut scores: Vec<f64>) -> ConformalScores {
        assert!(scores.iter().all(|s| !s.is_nan()), "ConformalScores::of: a score is NaN");
        scores.sort_unstable_by(f64::total_cmp);
        let images = scores.len();
        let step = images.div_ceil(MOST).max(1);
        // Rounded up, and the next higher one where some are left out: coverage is never below what is promised.
        let kept = (1..=images.div_ceil(step)).map(|i| scores[(i * step).min(images) - 1]);
        ConformalScores { method, images, step, values: kept.map(rounded_up).collect() }
    }

    /// How many images the scores are of.
    pub fn images(&self) -> usize {
        self.images
    }

    /// The largest score of a class that is in a set of this coverage: the ⌈(n + 1) · coverage⌉-th smallest of n. None if n is too small for that, and every class
    /// is in the set.
    ///
    /// # Panics
    /// If the coverage is not between 0 and 1.
    pub fn quantile(&self, coverage: f64) -> Option<f64> {
        assert!(coverage > 0.0 && coverage < 1.0, "ConformalScores::quantile: the coverage must be between 0 and 1");
        let rank = rank(self.images, coverage);
        (rank <= self.images).then(|| f64::from(self.values[rank.div_ceil(self.step) - 1]))
    }

    /// The least number of images with which a set of this coverage need not have all classes.
    pub fn images_needed(coverage: f64) -> usize {
        let near = (1.0 / (1.0 - coverage)).floor() as usize;
        (near.saturating_sub(2)..).find(|&n| n > 0 && rank(n, coverage) <= n).unwrap_or(usize::MAX)
    }

    /// The set for an image with these logits.
    ///
    /// # Panics
    /// As [`ConformalScores::quantile`].
    pub fn set(&self, logits: &[f32], temperature: f64, coverage: f64) -> PredictionSet {
        let order = likeliest(&softmax(logits, temperature));
        let Some(limit) = self.quantile(coverage) else {
            return PredictionSet { classes: order, would_be_empty: false };
        };
        let scores = self.method.scores(logits, temperature);
        let mut classes: Vec<usize> = order.iter().copied().filter(|&class| scores[class] <= limit).collect();
        let would_be_empty = classes.is_empty();
        if would_be_empty {
            classes.extend(order.first());
        }
        PredictionSet { classes, would_be_empty }
    }
}

/// ⌈(n + 1) · coverage⌉, without what the product of decimal fractions is off.
fn rank(n: usize, coverage: f64) -> usize {
    ((n + 1) as f64 * coverage - 1e-9).ceil().max(1.0) as usize
}

fn rounded_up(x: f64) -> f32 {
    let near = x as f32;
    if f64::from(near) < x { near.next_up() } else { near }
}

/// How they stand in a file: base64 of little-endian numbers.
#[derive(Serialize, Deserialize)]
struct Written {
    method: ConformalMethod,
    images: usize,
    #[serde(default = "one")]
    step: usize,
    scores: String,
}

fn one() -> usize {
    1
}

impl From<ConformalScores> for Written {
    fn from(scores: ConformalScores) -> Written {
        let bytes: Vec<u8> = scores.values.iter().flat_map(|x| x.to_le_bytes()).collect();
        let ConformalScores { method, images, step, .. } = scores;
        Written { method, images, step, scores: BASE64_STANDARD.encode(bytes) }
    }
}

impl TryFrom<Written> for ConformalScores {
    type Error = String;

    fn try_from(written: Written) -> Result<ConformalScores, String> {
        let Written { method, images, step, scores } = written;
        let bytes = BASE64_STANDARD.decode(scores).map_err(|e| format!("conformal scores: {e}"))?;
        let (chunks, rest) = bytes.as_chunks::<4>();
        let values: Vec<f32> = chunks.iter().map(|c| f32::from_le_bytes(*c)).collect();
        let sorted = values.is_sorted() && values.iter().all(|x| !x.is_nan());
        if !rest.is_empty() || step == 0 || values.len() != images.div_ceil(step) || !sorted {
            return Err("conformal scores: not as many numbers in ascending order as there are images".into());
        }
        Ok(ConformalScores { method, images, step, values })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scores(n: usize) -> ConformalScores {
        ConformalScores::of(ConformalMethod::Lac, (1..=n).rev().map(|i| i as f64 / n as f64).collect())
    }

    #[test]
    fn the_quantile_has_the_finite_sample_correction() {
        // numpy.quantile(scores, ceil((n + 1) * coverage) / n, method="higher")
        for (n, coverage, rank) in [(100, 0.9, 91), (99, 0.9, 90), (19, 0.95, 19), (1000, 0.5, 501), (20, 0.95, 20)] {
            assert_eq!(scores(n).quantile(coverage), Some(f64::from(rounded_up(rank as f64 / n as f64))), "{n}");
        }
        assert_eq!(
            (scores(18).quantile(0.95), scores(0).quantile(0.5), scores(1).quantile(0.5)),
            (None, None, Some(1.0))
        );
        let needed = [0.5, 0.9, 0.95, 0.99].map(ConformalScores::images_needed);
        assert_eq!(needed, [1, 9, 19, 99]);
        assert!(needed.iter().zip([0.5, 0.9, 0.95, 0.99]).all(|(&n, c)| scores(n).quantile(c).is_some()));
    }

    #[test]
    fn many_scores_are_thinned_to_the_safe_side() {
        let n = 3 * MOST + 1;
        let thinned = scores(n);
        assert_eq!((thinned.step, thinned.images()), (4, n));
        for coverage in [0.001, 0.5, 0.9, 0.99, 0.99999] {
            let exact = rank(n, coverage) as f64 / n as f64;
            let found = thinned.quantile(coverage).unwrap();
            assert!(found >= exact && found <= exact + 4.1 / n as f64, "{coverage}: {found} {exact}");
        }
        let text = serde_json::to_string(&thinned).unwrap();
        assert_eq!(serde_json::from_str::<ConformalScores>(&text).unwrap(), thinned);
    }

    #[test]
    fn sets_hold_what_is_near_enough() {
        let logits = [0.6f32, 0.3, 0.1].map(f32::ln);
        let aps = ConformalMethod::Aps.scores(&logits, 1.0);
        assert!([0.0, 0.6, 0.9].iter().zip(&aps).all(|(a, b)| (a - b).abs() < 1e-6), "{aps:?}");
        let of = |method, limit: f64| ConformalScores::of(method, vec![limit; 9]).set(&logits, 1.0, 0.9);
        assert_eq!(of(ConformalMethod::Lac, 0.71).classes, [0, 1]);
        assert_eq!(of(ConformalMethod::Lac, 0.95).classes, [0, 1, 2]);
        assert_eq!(of(ConformalMethod::Aps, 0.61).classes, [0, 1]);
        let alone = PredictionSet { classes: vec![0], would_be_empty: true };
        assert_eq!(of(ConformalMethod::Lac, 0.2), alone);
        assert_eq!(of(ConformalMethod::Aps, 0.0), PredictionSet { would_be_empty: false, ..alone });
        let few = ConformalScores::of(ConformalMethod::Lac, vec![0.0; 8]).set(&logits, 1.0, 0.9);
        assert_eq!(few, PredictionSet { classes: vec![0, 1, 2], would_be_empty: false });
    }

    #[test]
    fn damage_is_an_error() {
        for text in [
            r#"{"method":"lac","images":2,"scores":"AACAPw=="}"#,
            r#"{"method":"lac","images":1,"step":0,"scores":"AACAPw=="}"#,
            r#"{"method":"lac","images":1,"scores":"AACA"}"#,
            r#"{"method":"lac","images":1,"scores":"?"}"#,
            r#"{"method":"lac","images":1,"scores":"AADAfw=="}"#,
            r#"{"method":"lac","images":2,"scores":"AACAPwAAAAA="}"#,
        ] {
            assert!(serde_json::from_str::<ConformalScores>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<ConformalScores>(r#"{"method":"lac","images":1,"scores":"AACAPw=="}"#).is_ok());
    }
}
