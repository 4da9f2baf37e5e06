//! The numbers of calibration.

use super::reliability::{Event, ReliabilityBin, equal_mass, equal_width, errors};
use crate::answers::Answers;
use schemars::JsonSchema;
use serde::Serialize;
use striate_tensor::Generator;

/// How often the outcomes are drawn that an honest model would have.
const ROUNDS: u64 = 200;
/// Tells these draws from others of the same seed.
const HONEST: u64 = u64::from_le_bytes(*b"honestec");

/// How far probabilities are from what came true.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CalibrationMeasures {
    /// Predictions that were measured.
    pub images: usize,
    /// The fraction of them that is right; of a label, that images have it.
    pub accuracy: Option<f64>,
    /// The mean probability of the likeliest class; of a label, its mean probability.
    pub confidence: Option<f64>,
    /// The mean negative log-likelihood (`sklearn.metrics.log_loss`); missing where an actual class has a probability of 0.
    pub nll: Option<f64>,
    /// The Brier score: the squared error of the probabilities, summed over the classes, from 0 to 2 (`sklearn.metrics.brier_score_loss` with `scale_by_half=False`). Of
    /// a label the squared error of its probability, from 0 to 1.
    pub brier: Option<f64>,
    /// The expected calibration error over bins of equal width (Guo et al., 2017): the mean gap of confidence and accuracy.
    pub ece: Option<f64>,
    /// The expected calibration error over bins of equal mass (Nguyen and O'Connor, 2015).
    pub ece_equal_mass: Option<f64>,
    /// The largest gap of a bin of equal width: of bins with few images mostly chance.
    pub mce: Option<f64>,
    /// What `ece` would be of a model whose probabilities are right, on as many images: it is never 0.
    pub ece_if_calibrated: Option<ExpectedCalibrationError>,
    /// The bins of equal width: the reliability diagram.
    pub bins: Vec<ReliabilityBin>,
    /// The bins of equal mass.
    pub bins_equal_mass: Vec<ReliabilityBin>,
}

/// The expected calibration error that chance alone makes (consistency resampling: Bröcker and Smith, 2007), with the confidences as they are and right answers drawn with
/// these probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ExpectedCalibrationError {
    /// The mean over the draws.
    pub mean: f64,
    /// What 95 % of the draws do not exceed. An error below is no sign of a wrong calibration.
    pub quantile_95: f64,
}

impl CalibrationMeasures {
    /// Of these images, with the logits of each divided by its temperature.
    pub(super) fn of(
        answers: &Answers,
        images: &[usize],
        temperature_of: &dyn Fn(usize) -> f64,
        bins: usize,
        seed: u64,
    ) -> CalibrationMeasures {
        let (mut nll, mut brier) = (0.0, 0.0);
        let mut events: Vec<Event> = Vec::with_capacity(images.len());
        for &i in images {
            let logs = answers.log_probabilities(i, temperature_of(i));
            let (label, predicted) = (answers.labels[i], answers.predicted(i).expect("the logits are finite"));
            nll -= logs[label];
            let error = |(class, log): (usize, &f64)| (log.exp() - f64::from(u8::from(class == label))).powi(2);
            brier += logs.iter().enumerate().map(error).sum::<f64>();
            events.push((logs[predicted].exp(), predicted == label));
        }
        CalibrationMeasures::of_events(&events, [nll, brier], bins, seed)
    }

    /// Of one label: the probability for each image, and whether it has the label.
    pub(super) fn of_label(events: &[Event], nll: f64, bins: usize, seed: u64) -> CalibrationMeasures {
        let brier = events.iter().map(|&(p, has)| (p - f64::from(u8::from(has))).powi(2)).sum();
        CalibrationMeasures::of_events(events, [nll, brier], bins, seed)
    }

    fn of_events(events: &[Event], sums: [f64; 2], bins: usize, seed: u64) -> CalibrationMeasures {
        let n = events.len();
        let mean = |sum: f64| (n > 0).then(|| sum / n as f64).filter(|x| x.is_finite());
        let (even, mass) = (equal_width(events, bins), equal_mass(events, bins));
        let of_even = errors(&even);
        CalibrationMeasures {
            images: n,
            accuracy: mean(events.iter().filter(|(_, right)| *right).count() as f64),
            confidence: mean(events.iter().map(|(confidence, _)| confidence).sum()),
            nll: mean(sums[0]),
            brier: mean(sums[1]),
            ece: of_even.map(|[mean, _]| mean),
            ece_equal_mass: errors(&mass).map(|[mean, _]| mean),
            mce: of_even.map(|[_, largest]| largest),
            ece_if_calibrated: if_calibrated(events, bins, seed),
            bins: even,
            bins_equal_mass: mass,
        }
    }

    /// Whether the expected calibration error is more than chance makes of right probabilities, at the level of 5 %.
    pub fn is_miscalibrated(&self) -> bool {
        self.ece.zip(self.ece_if_calibrated).is_some_and(|(ece, chance)| ece > chance.quantile_95)
    }
}

fn if_calibrated(events: &[Event], bins: usize, seed: u64) -> Option<ExpectedCalibrationError> {
    if events.is_empty() {
        return None;
    }
    let places: Vec<usize> =
        events.iter().map(|(confidence, _)| super::reliability::bin_of(*confidence, bins)).collect();
    let draw = |round: u64| {
        let rng = &mut Generator::keyed([seed, HONEST, events.len() as u64, round]);
        let mut gaps = vec![0.0; bins];
        for ((confidence, _), &bin) in events.iter().zip(&places) {
            gaps[bin] += confidence - f64::from(u8::from(rng.uniform() < *confidence));
        }
        gaps.iter().map(|gap: &f64| gap.abs()).sum::<f64>() / events.len() as f64
    };
    let threads = striate_tensor::num_threads();
    let mut drawn = striate_data::parallel::map(ROUNDS as usize, threads, |round| draw(round as u64));
    let mean = drawn.iter().sum::<f64>() / ROUNDS as f64;
    drawn.sort_unstable_by(f64::total_cmp);
    let quantile_95 = drawn[(0.95 * ROUNDS as f64).ceil() as usize - 1];
    Some(ExpectedCalibrationError { mean, quantile_95 })
}
