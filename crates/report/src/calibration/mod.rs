//! Whether probabilities are what they say: of the images of which a model is 80 % sure, are 80 % right?

mod labels;
mod measures;
mod reliability;
mod temperature;

pub use labels::{LabelCalibration, LabelLogits, calibration_of_label_at, calibration_of_labels};
pub use measures::{CalibrationMeasures, ExpectedCalibrationError};
pub use reliability::ReliabilityBin;
pub(crate) use reliability::{equal_width, errors};
pub use temperature::{TEMPERATURE_BOUNDS, TemperatureFit};

use crate::answers::Answers;
use crate::folds::{finite, folds, others};
use schemars::JsonSchema;
use serde::Serialize;

/// How calibration is measured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalibrationOptions {
    /// Bins of the reliability diagram.
    pub bins: usize,
    /// Parts of the images: the temperature for one comes from the others.
    pub folds: usize,
    /// What draws come from.
    pub seed: u64,
}

impl Default for CalibrationOptions {
    fn default() -> Self {
        CalibrationOptions { bins: 15, folds: 5, seed: 0 }
    }
}

/// The calibration of a classifier, before and after temperature scaling (Guo et al., On Calibration of Modern Neural Networks, 2017).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CalibrationReport {
    /// Images that were measured on.
    pub images: usize,
    /// Images whose logits are not finite, which are left out.
    pub left_out: usize,
    /// With the probabilities as the network gives them.
    pub before: CalibrationMeasures,
    /// The temperature that suits all of these images best. What it gives on them is no measurement: see `after`.
    pub temperature: Option<TemperatureFit>,
    /// With the logits of each image divided by a temperature that was fitted on the other folds. Missing where there are fewer than 10 images.
    pub after: Option<CalibrationMeasures>,
    /// The temperatures of the folds.
    pub fold_temperatures: Vec<f64>,
    /// The seed that the folds come from.
    pub seed: u64,
}

/// With fewer images no temperature is fitted on some and measured on others.
pub(crate) const LEAST: usize = 10;

/// The calibration of the likeliest class, and of all probabilities (NLL, Brier score).
///
/// ```
/// use striate_report::{Answers, CalibrationOptions, calibration};
///
/// // Sure of itself, and wrong every fourth time.
/// let logits = (0..400).flat_map(|_| [4.0f32, 0.0]).collect();
/// let labels = (0..400).map(|i| usize::from(i % 4 == 0)).collect();
/// let answers = Answers { classes: 2, logits, labels, ..Answers::default() };
/// let found = calibration(&answers, &CalibrationOptions::default());
/// assert!(found.before.ece.unwrap() > 0.2 && found.after.unwrap().ece.unwrap() < 0.08);
/// assert!((found.temperature.unwrap().temperature - 4.0 / 3f64.ln()).abs() < 1e-6);
/// ```
pub fn calibration(answers: &Answers, options: &CalibrationOptions) -> CalibrationReport {
    let usable = finite(answers);
    let measure = |temperature_of: &dyn Fn(usize) -> f64| {
        CalibrationMeasures::of(answers, &usable, temperature_of, options.bins, options.seed)
    };
    let before = measure(&|_| 1.0);
    let (mut after, mut fold_temperatures) = (None, Vec::new());
    if usable.len() >= LEAST && options.folds >= 2 {
        let parts = folds(usable.len(), options.folds.min(usable.len()), options.seed);
        let mut of_image = vec![1.0; answers.len()];
        for (fold, part) in parts.iter().enumerate() {
            let rest: Vec<usize> = others(&parts, fold).into_iter().map(|i| usable[i]).collect();
            let fit = TemperatureFit::of(answers, &rest).map_or(1.0, |fit| fit.usable());
            part.iter().for_each(|&i| of_image[usable[i]] = fit);
            fold_temperatures.push(fit);
        }
        after = Some(measure(&|i| of_image[i]));
    }
    CalibrationReport {
        images: usable.len(),
        left_out: answers.len() - usable.len(),
        before,
        temperature: TemperatureFit::of(answers, &usable),
        after,
        fold_temperatures,
        seed: options.seed,
    }
}

/// The calibration of a classifier whose logits are divided by a temperature that was fitted elsewhere.
pub fn calibration_at(answers: &Answers, temperature: f64, options: &CalibrationOptions) -> CalibrationMeasures {
    CalibrationMeasures::of(answers, &finite(answers), &|_| temperature, options.bins, options.seed)
}
