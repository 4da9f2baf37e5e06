//! The temperature of the least negative log-likelihood.

use crate::answers::Answers;
use schemars::JsonSchema;
use serde::Serialize;
use striate_data::parallel;
use striate_tensor::num_threads;

/// Temperatures are looked for between these. Without bounds, images that are all right would ask for 0, and images that are all wrong for infinity.
pub const TEMPERATURE_BOUNDS: [f64; 2] = [0.05, 20.0];

/// Images that are summed up at a time, whatever the number of threads.
const BLOCK: usize = 1024;
/// How near the inverse of the temperature is found, relative to it.
const PRECISION: f64 = 1e-12;

/// A temperature that was fitted.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TemperatureFit {
    /// What logits are divided by: above 1 of a network that is too sure of itself.
    pub temperature: f64,
    /// Images that it was fitted on.
    pub images: usize,
    /// Their mean negative log-likelihood without it.
    pub nll_before: f64,
    /// Their mean negative log-likelihood with it.
    pub nll_after: f64,
    /// Whether the likelihood goes on rising at the bound, 0.05 or 20: the images say no more than that the best temperature is beyond. So it is where all images are
    /// right, or all wrong.
    pub at_bound: bool,
}

impl TemperatureFit {
    /// Of these images of `answers`, whose logits are finite; none if there are none.
    ///
    /// The likelihood is convex in the inverse of the temperature: Newton's steps, and halves of the interval where these leave it.
    pub fn of(answers: &Answers, images: &[usize]) -> Option<TemperatureFit> {
        let slopes = |inverse: f64| sums(images, |i| class_slopes(answers.row(i), answers.labels[i], inverse));
        TemperatureFit::minimum(images.len(), slopes)
    }

    /// Of one label: its logits, and whether images have it.
    pub(crate) fn of_label(events: &[(f64, bool)]) -> Option<TemperatureFit> {
        let all: Vec<usize> = (0..events.len()).collect();
        TemperatureFit::minimum(events.len(), |inverse| sums(&all, |i| label_slopes(events[i], inverse)))
    }

    /// `slopes` gives sums over the images at an inverse temperature: the loss, its slope and its curvature.
    fn minimum(images: usize, slopes: impl Fn(f64) -> [f64; 3]) -> Option<TemperatureFit> {
        if images == 0 {
            return None;
        }
        let [mut low, mut high] = [1.0 / TEMPERATURE_BOUNDS[1], 1.0 / TEMPERATURE_BOUNDS[0]];
        let [before, slope, curvature] = slopes(1.0);
        let fit = |inverse: f64, loss: f64, at_bound: bool| TemperatureFit {
            temperature: 1.0 / inverse,
            images,
            nll_before: before / images as f64,
            nll_after: loss / images as f64,
            at_bound,
        };
        // Logits that are all equal are the same at any temperature.
        if slope == 0.0 && curvature == 0.0 {
            return Some(fit(1.0, before, false));
        }
        let [loss_low, slope_low, _] = slopes(low);
        let [loss_high, slope_high, _] = slopes(high);
        if slope_low >= 0.0 {
            return Some(fit(low, loss_low, true));
        }
        if slope_high <= 0.0 {
            return Some(fit(high, loss_high, true));
        }
        let mut at = 1.0f64;
        let mut loss = before;
        // Halving alone would take 50.
        for _ in 0..200 {
            let [here, slope, curvature] = slopes(at);
            loss = here;
            if slope < 0.0 {
                low = at
            } else {
                high = at
            }
            let step = at - slope / curvature;
            let next = if step > low && step < high { step } else { (low + high) / 2.0 };
            if (next - at).abs() <= PRECISION * at {
                break;
            }
            at = next;
        }
        Some(fit(at, loss, false))
    }

    /// The temperature to use: 1 where the images do not say which is best.
    pub fn usable(&self) -> f64 {
        if self.at_bound { 1.0 } else { self.temperature }
    }
}

/// The sum of `of` over the images, in blocks that do not depend on the number of threads.
fn sums(images: &[usize], of: impl Fn(usize) -> [f64; 3] + Sync) -> [f64; 3] {
    let blocks: Vec<&[usize]> = images.chunks(BLOCK).collect();
    let add = |mut sum: [f64; 3], x: [f64; 3]| {
        sum.iter_mut().zip(x).for_each(|(sum, x)| *sum += x);
        sum
    };
    let block = |b: usize| blocks[b].iter().map(|&i| of(i)).fold([0.0; 3], add);
    parallel::map(blocks.len(), num_threads(), block).into_iter().fold([0.0; 3], add)
}

/// The cross-entropy of logits times `inverse`, its slope and its curvature in that.
fn class_slopes(row: &[f32], label: usize, inverse: f64) -> [f64; 3] {
    let highest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
    for &x in row {
        let x = f64::from(x) - highest;
        let e = (x * inverse).exp();
        sum += e;
        first += e * x;
        second += e * x * x;
    }
    let actual = f64::from(row[label]) - highest;
    let mean = first / sum;
    [sum.ln() - actual * inverse, mean - actual, (second / sum - mean * mean).max(0.0)]
}

/// As [`class_slopes`], of the sigmoid of one logit.
fn label_slopes((logit, has): (f64, bool), inverse: f64) -> [f64; 3] {
    let x = logit * inverse;
    // ln(1 + e^x), without overflow.
    let softplus = x.max(0.0) + (-x.abs()).exp().ln_1p();
    let p = 1.0 / (1.0 + (-x).exp());
    let target = f64::from(u8::from(has));
    [softplus - target * x, logit * (p - target), logit * logit * p * (1.0 - p)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::{ComputeSettings, Generator};

    fn answers(n: usize, classes: usize, scale: f64, seed: u64) -> Answers {
        let rng = &mut Generator::new(seed);
        let mut answers = Answers::new(classes);
        for i in 0..n {
            let row: Vec<f64> = (0..classes).map(|_| rng.normal() * 2.0).collect();
            // A label that is drawn from the softmax of the row.
            let exponentials: Vec<f64> = row.iter().map(|x| x.exp()).collect();
            let mut left = rng.uniform() * exponentials.iter().sum::<f64>();
            let label = exponentials.iter().position(|e| {
                left -= e;
                left < 0.0
            });
            answers.labels.push(label.unwrap_or(classes - 1));
            answers.logits.extend(row.iter().map(|x| (x * scale) as f32));
            answers.names.push(format!("image {i}"));
            answers.indices.push(i);
        }
        answers
    }

    #[test]
    fn what_made_the_labels_is_found() {
        for scale in [0.5, 1.0, 3.0] {
            let answers = answers(20_000, 5, scale, 1);
            let all: Vec<usize> = (0..answers.len()).collect();
            let fit = TemperatureFit::of(&answers, &all).unwrap();
            assert!((fit.temperature / scale - 1.0).abs() < 0.03, "{scale}: {fit:?}");
            assert!(!fit.at_bound && fit.nll_after <= fit.nll_before);
            // Nothing near is better.
            let loss = |t: f64| sums(&all, |i| class_slopes(answers.row(i), answers.labels[i], 1.0 / t))[0];
            let best = loss(fit.temperature);
            assert!([0.999, 1.001].iter().all(|f| loss(fit.temperature * f) > best));
            let threads = |n| {
                let own = ComputeSettings { threads: Some(n), ..ComputeSettings::current() };
                own.scope(|| TemperatureFit::of(&answers, &all))
            };
            assert_eq!(threads(1), threads(3));
        }
    }

    #[test]
    fn one_sided_images_stop_at_the_bounds() {
        let of = |label: usize| Answers {
            classes: 2,
            logits: [3.0f32, 0.0].repeat(30),
            labels: vec![label; 30],
            ..Answers::default()
        };
        let fit = |answers: &Answers| TemperatureFit::of(answers, &(0..answers.len()).collect::<Vec<_>>());
        let (right, wrong) = (fit(&of(0)).unwrap(), fit(&of(1)).unwrap());
        assert!(right.at_bound && (right.temperature - 0.05).abs() < 1e-12 && right.usable() == 1.0, "{right:?}");
        assert!(wrong.at_bound && (wrong.temperature - 20.0).abs() < 1e-12 && wrong.usable() == 1.0, "{wrong:?}");
        let flat = Answers { logits: vec![0.5; 60], ..of(0) };
        assert_eq!(fit(&flat).map(|f| (f.temperature, f.at_bound)), Some((1.0, false)));
        assert_eq!(TemperatureFit::of(&of(0), &[]), None);
        // Logits far apart make no NaN.
        let far =
            Answers { logits: [3e38f32, -3e38].repeat(30), labels: [[0; 29].to_vec(), vec![1]].concat(), ..of(0) };
        let far = fit(&far).unwrap();
        assert!(far.at_bound && far.temperature == 20.0 && far.nll_after.is_finite(), "{far:?}");
    }

    #[test]
    fn labels_have_their_own_temperature() {
        // Three of four are right at a logit of 4: ln 3 would be honest.
        let events: Vec<(f64, bool)> = (0..400).map(|i| (4.0, i % 4 != 0)).collect();
        let fit = TemperatureFit::of_label(&events).unwrap();
        assert!((fit.temperature - 4.0 / 3f64.ln()).abs() < 1e-9, "{fit:?}");
        assert!(TemperatureFit::of_label(&[(2.0, true), (-1.0, false)]).unwrap().at_bound);
    }
}
