//! Calibration of any number of labels, each by itself.

use super::measures::CalibrationMeasures;
use super::reliability::Event;
use super::temperature::TemperatureFit;
use super::{CalibrationOptions, LEAST};
use crate::folds::{folds, others};
use schemars::JsonSchema;
use serde::Serialize;
use striate_train::MeasuredBatch;

/// The logits that a model gives each label of some images, with the labels that they have.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelLogits {
    /// How many labels there are.
    pub labels: usize,
    /// The logits, row by row.
    pub logits: Vec<f32>,
    /// Whether images have the labels, row by row.
    pub targets: Vec<bool>,
}

impl LabelLogits {
    /// Of no images yet.
    pub fn new(labels: usize) -> LabelLogits {
        LabelLogits { labels, ..LabelLogits::default() }
    }

    /// Adds a batch of multi-label classification.
    ///
    /// # Panics
    /// If its outputs are not a logit for each label.
    pub fn add(&mut self, measured: &MeasuredBatch) {
        let (logits, targets) = (measured.output.to_vec::<f32>(), measured.batch.targets.to_vec::<f32>());
        let images = measured.batch.images.size(0);
        let wanted = images * self.labels;
        assert!(
            logits.len() == wanted && targets.len() == wanted,
            "LabelLogits::add: {images} images of {} labels",
            self.labels
        );
        self.logits.extend(logits);
        self.targets.extend(targets.iter().map(|&t| t > 0.5));
    }

    /// How many images there are.
    pub fn len(&self) -> usize {
        self.targets.len().checked_div(self.labels).unwrap_or(0)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The finite logits of a label, and whether each image has it.
    pub(crate) fn events(&self, label: usize) -> Vec<Event> {
        let of_label = self.logits.iter().zip(&self.targets).skip(label).step_by(self.labels);
        of_label.filter(|(x, _)| x.is_finite()).map(|(&x, &has)| (f64::from(x), has)).collect()
    }
}

/// The calibration of one label, before and after temperature scaling.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LabelCalibration {
    /// The number of the label.
    pub label: usize,
    /// Images whose logit of the label is not finite, which are left out.
    pub left_out: usize,
    /// With the probabilities as the network gives them. The bins hold the probability of the label, and the fraction of images that have it.
    pub before: CalibrationMeasures,
    /// The temperature that suits all of these images best.
    pub temperature: Option<TemperatureFit>,
    /// With a temperature from the other folds. Missing where there are fewer than 10 images.
    pub after: Option<CalibrationMeasures>,
}

/// The calibration of each label.
pub fn calibration_of_labels(answers: &LabelLogits, options: &CalibrationOptions) -> Vec<LabelCalibration> {
    (0..answers.labels).map(|label| of_label(answers, label, options)).collect()
}

/// The calibration of a label whose logits are divided by a temperature that was fitted elsewhere.
pub fn calibration_of_label_at(
    answers: &LabelLogits,
    label: usize,
    temperature: f64,
    options: &CalibrationOptions,
) -> CalibrationMeasures {
    measured(&answers.events(label), |_| temperature, options)
}

fn of_label(answers: &LabelLogits, label: usize, options: &CalibrationOptions) -> LabelCalibration {
    let logits = answers.events(label);
    let n = logits.len();
    let mut after = None;
    if n >= LEAST && options.folds >= 2 {
        let parts = folds(n, options.folds.min(n), options.seed);
        let mut temperatures = vec![1.0; n];
        for (fold, part) in parts.iter().enumerate() {
            let rest: Vec<Event> = others(&parts, fold).into_iter().map(|i| logits[i]).collect();
            let fit = TemperatureFit::of_label(&rest).map_or(1.0, |fit| fit.usable());
            part.iter().for_each(|&i| temperatures[i] = fit);
        }
        after = Some(measured(&logits, |i| temperatures[i], options));
    }
    LabelCalibration {
        label,
        left_out: answers.len() - n,
        before: measured(&logits, |_| 1.0, options),
        temperature: TemperatureFit::of_label(&logits),
        after,
    }
}

fn measured(logits: &[Event], temperature: impl Fn(usize) -> f64, options: &CalibrationOptions) -> CalibrationMeasures {
    let scaled = logits.iter().enumerate().map(|(i, &(x, has))| (x / temperature(i), has));
    // -ln of the sigmoid of x, or of -x.
    let loss = |x: f64| (-x).max(0.0) + (-x.abs()).exp().ln_1p();
    let nll = scaled.clone().map(|(x, has)| loss(if has { x } else { -x })).sum();
    let events: Vec<Event> = scaled.map(|(x, has)| (1.0 / (1.0 + (-x).exp()), has)).collect();
    CalibrationMeasures::of_label(&events, nll, options.bins, options.seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_label_is_measured_by_itself() {
        let rows = (0..200).map(|i| ([4.0f32, -3.0, f32::NAN], [i % 4 != 0, false, true]));
        let answers = LabelLogits {
            labels: 3,
            logits: rows.clone().flat_map(|(x, _)| x).collect(),
            targets: rows.flat_map(|(_, has)| has).collect(),
        };
        let found = calibration_of_labels(&answers, &CalibrationOptions::default());
        let [sure, never, nan] = &found[..] else { panic!("{found:?}") };
        let p = 1.0 / (1.0 + (-4f64).exp());
        assert!((sure.before.ece.unwrap() - (p - 0.75)).abs() < 1e-12 && sure.before.is_miscalibrated());
        assert!(sure.after.as_ref().unwrap().ece.unwrap() < 0.08);
        assert!((sure.before.brier.unwrap() - (0.75 * (1.0 - p).powi(2) + 0.25 * p * p)).abs() < 1e-12);
        let after = never.after.as_ref().unwrap();
        assert!(never.temperature.as_ref().unwrap().at_bound && after.ece == never.before.ece);
        assert_eq!((nan.left_out, nan.before.images, nan.before.ece, &nan.temperature), (200, 0, None, &None));
        assert!(calibration_of_labels(&LabelLogits::new(2), &CalibrationOptions::default())[1].after.is_none());
    }
}
