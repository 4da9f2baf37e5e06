//! [`Calibration`]: what makes a model's probabilities honest, fitted on images held out.

use crate::conformal::{ConformalMethod, ConformalScores, PredictionSet};
use crate::fingerprints::Fingerprints;
use crate::provenance::EvalSplit;
use crate::task::TaskCard;
use serde::{Deserialize, Serialize};

/// What was fitted on images that the model has not learnt from: it changes how probabilities are read, and no weight.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// What scores are divided by before the softmax: one number. Before the sigmoid: one for each label.
    pub temperatures: Vec<f64>,
    /// What prediction sets are made from, for each method; nothing of labels.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conformal: Vec<ConformalScores>,
    /// What all this was fitted on.
    pub fitted_on: FittedOn,
}

/// The images that a calibration was fitted on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FittedOn {
    /// `mnist`, or the path of the data. Empty if it is not said.
    pub data: String,
    /// How many images there were.
    pub images: usize,
    /// What they are to the model.
    pub split: EvalSplit,
    /// Which they are. A figure that is measured on them is too good.
    #[serde(default)]
    pub fingerprints: Fingerprints,
}

impl Calibration {
    /// The temperature of output `output`.
    pub fn temperature(&self, output: usize) -> f64 {
        if let [one] = self.temperatures[..] { one } else { self.temperatures[output] }
    }

    /// Whether it changes a probability.
    pub fn changes_probabilities(&self) -> bool {
        self.temperatures.iter().any(|&t| t != 1.0)
    }

    /// The classes that hold the actual one with probability `coverage` for an image with these logits, if it comes from where the images of the calibration came
    /// from; none if there are no scores of this method.
    ///
    /// # Panics
    /// If the coverage is not between 0 and 1.
    pub fn prediction_set(&self, logits: &[f32], method: ConformalMethod, coverage: f64) -> Option<PredictionSet> {
        let scores = self.conformal.iter().find(|scores| scores.method == method)?;
        Some(scores.set(logits, self.temperature(0), coverage))
    }

    /// Without what it says of the data.
    pub fn without_data(&self) -> Calibration {
        let fitted_on =
            FittedOn { data: String::new(), fingerprints: Fingerprints::default(), ..self.fitted_on.clone() };
        Calibration { fitted_on, ..self.clone() }
    }

    /// Whether it fits a model of this task and this many outputs; if not, why.
    pub(crate) fn check(&self, task: &TaskCard, outputs: usize) -> Result<(), String> {
        let wanted = match task {
            TaskCard::Classification => 1,
            TaskCard::MultiLabel { .. } => outputs,
            _ => 0,
        };
        let usable = self.temperatures.iter().all(|t| t.is_finite() && *t > 0.0);
        let one_set = self.conformal.is_empty() || *task == TaskCard::Classification;
        if wanted == 0 || self.temperatures.len() != wanted || !usable || !one_set {
            return Err(format!("damaged metadata: the calibration does not fit {} of {outputs} outputs", task.name()));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calibration_fits_its_task() {
        let of = |temperatures: &[f64]| Calibration {
            temperatures: temperatures.to_vec(),
            conformal: Vec::new(),
            fitted_on: FittedOn {
                data: "photos".into(),
                images: 7,
                split: EvalSplit::Test,
                fingerprints: Fingerprints::of([1, 2]),
            },
        };
        let labels = TaskCard::MultiLabel { thresholds: vec![0.5; 2] };
        assert!(of(&[2.0]).check(&TaskCard::Classification, 3).is_ok() && of(&[2.0, 1.0]).check(&labels, 2).is_ok());
        for (temperatures, task) in [
            (&[][..], TaskCard::Classification),
            (&[0.0], TaskCard::Classification),
            (&[f64::NAN], TaskCard::Classification),
            (&[1.0, 2.0], TaskCard::Classification),
            (&[1.0], labels),
            (&[1.0], TaskCard::Segmentation { palette: vec![[0; 3]] }),
        ] {
            assert!(of(temperatures).check(&task, 2).is_err(), "{temperatures:?} {task:?}");
        }
        let calibration = of(&[1.5]);
        let text = serde_json::to_string(&calibration).unwrap();
        assert_eq!(serde_json::from_str::<Calibration>(&text).unwrap(), calibration);
        assert!(calibration.changes_probabilities() && !of(&[1.0]).changes_probabilities());
        let public = calibration.without_data().fitted_on;
        assert!(public.data.is_empty() && public.fingerprints.is_empty() && public.images == 7);
    }
}
