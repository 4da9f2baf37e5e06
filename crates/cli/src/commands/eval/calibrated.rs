//! What the temperature of a model file makes of its probabilities.

use crate::commands::held_out::fitted_on;
use crate::output::{Failure, note, say, thousands};
use serde_json::{Value, json};
use striate::model::{Calibration, ModelCard};
use striate::report::{
    CalibrationMeasures, CalibrationOptions, HeldOutAnswers, calibration_at, calibration_of_label_at,
};
use striate::train::HeldOut;

/// Calibration as the network gives probabilities, and at the temperatures that its file holds.
pub struct Calibrated<'a> {
    calibration: &'a Calibration,
    names: &'a [String],
    /// Of all classes together, or of each label: before and after.
    measures: Vec<[CalibrationMeasures; 2]>,
    /// How many of the images the temperatures were fitted on.
    fitted_here: usize,
}

/// How many of these images the temperatures were fitted on.
pub fn fitted_here(calibration: &Calibration, held_out: &HeldOut) -> usize {
    let known = &calibration.fitted_on.fingerprints;
    let images = held_out.data.held_out.fingerprints();
    images.into_iter().flatten().filter(|&image| known.contains(image)).count()
}

impl Calibrated<'_> {
    /// Of a calibrated model and its answers.
    pub fn of<'a>(card: &'a ModelCard, held_out: &HeldOut, answers: &HeldOutAnswers) -> Option<Calibrated<'a>> {
        let calibration = card.calibration.as_ref()?;
        let options = CalibrationOptions::default();
        let measures = match answers {
            HeldOutAnswers::Classes(answers) => {
                vec![[1.0, calibration.temperature(0)].map(|t| calibration_at(answers, t, &options))]
            }
            HeldOutAnswers::Labels(answers) => {
                let of = |label| {
                    let at = |t| calibration_of_label_at(answers, label, t, &options);
                    [1.0, calibration.temperature(label)].map(at)
                };
                (0..answers.labels).map(of).collect()
            }
        };
        Some(Calibrated {
            calibration,
            names: &card.classes,
            measures,
            fitted_here: fitted_here(calibration, held_out),
        })
    }

    /// Says where the numbers are too good.
    pub fn warn(&self) {
        if self.fitted_here > 0 {
            note(&format!(
                "the temperature was fitted on {} of these images: what it makes of the probabilities here is too good, calibrate says what it is elsewhere",
                thousands(self.fitted_here)
            ));
        }
    }

    pub fn json(&self) -> Value {
        let fitted = &self.calibration.fitted_on;
        let pair = |[before, after]: &[CalibrationMeasures; 2]| json!({ "before": before, "after": after });
        let mut value = json!({
            "temperatures": self.calibration.temperatures,
            "fitted_on": { "data": fitted.data, "images": fitted.images, "split": fitted.split },
            "fitted_on_these": self.fitted_here,
        });
        match &self.measures[..] {
            [one] if self.calibration.temperatures.len() == 1 => {
                value["before"] = json!(one[0]);
                value["after"] = json!(one[1]);
            }
            labels => {
                let named = self.names.iter().cloned().zip(labels.iter().map(pair));
                value["labels"] = named.collect::<serde_json::Map<_, _>>().into();
            }
        }
        value
    }

    pub fn print(&self) -> Result<(), Failure> {
        let mean = |side: usize, of: &dyn Fn(&CalibrationMeasures) -> Option<f64>| {
            let known: Vec<f64> = self.measures.iter().filter_map(|pair| of(&pair[side])).collect();
            known.iter().sum::<f64>() / known.len() as f64
        };
        let ece = [0, 1].map(|side| format!("{:.2}%", 100.0 * mean(side, &|m| m.ece)));
        let nll = [0, 1].map(|side| format!("{:.4}", mean(side, &|m| m.nll)));
        let (of, at) = match self.calibration.temperatures[..] {
            [t] => ("", format!("a temperature of {t:.4}")),
            _ => (" (mean over labels)", "a temperature for each label".into()),
        };
        say(format_args!(
            "ECE{of}: {}, and {} at {at}, fitted on {}; negative log-likelihood: {}, and {}",
            ece[0],
            ece[1],
            fitted_on(&self.calibration.fitted_on),
            nll[0],
            nll[1]
        ))
    }
}
