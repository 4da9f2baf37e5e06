//! [`Certainty`]: how far a model's probabilities can be trusted.

use crate::calibrate::HeldOutAnswers;
use crate::calibration::{
    CalibrationMeasures, CalibrationOptions, CalibrationReport, LabelCalibration, ReliabilityBin, calibration,
    calibration_at, calibration_of_label_at, calibration_of_labels,
};
use crate::conformal::{PredictionSets, prediction_sets};
use crate::coverage::{RiskCoverage, ThresholdForAccuracy, risk_coverage, threshold_for_accuracy};
use crate::failures::{Failure, Failures};
use crate::folds::finite;
use crate::label_errors::{LabelErrors, LabelSuspect, LabelledProbabilities, SuspectedBy, label_errors};
use crate::outcomes::{Outcomes, TaskAnswers};
use schemars::JsonSchema;
use serde::Serialize;
use striate_model::{ConformalMethod, ModelCard};
use striate_train::plots::{self, ReliabilityPoint};

/// How far a model's probabilities can be trusted, by images that it has not learnt from.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Certainty {
    /// The temperature that the model file holds, one for each label of a multi-label model; empty if it holds none.
    pub stored_temperatures: Vec<f64>,
    /// How many of these images they were fitted on: if it is not 0, what they make of the probabilities here is too good.
    pub fitted_on_these: usize,
    /// Of a classification: whether the probabilities that the model gives, at the temperature in its file, are what they say.
    pub stored: Option<CalibrationMeasures>,
    /// Of a classification: the same as the network gives them, and with a temperature for these images.
    pub calibration: Option<CalibrationReport>,
    /// The same of each label of a multi-label model.
    pub labels: Vec<LabelCertainty>,
    /// Of a classification: how right it is where it may decline to answer.
    pub coverage: Option<RiskCoverage>,
    /// The thresholds for a few accuracies above its own.
    pub thresholds: Vec<ThresholdForAccuracy>,
    /// Sets of classes that hold the actual one as often as is wanted.
    pub prediction_sets: Vec<PredictionSets>,
}

/// The calibration of a label.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LabelCertainty {
    /// The label.
    pub name: String,
    /// Its calibration.
    pub calibration: LabelCalibration,
    /// At the temperature that the model file holds.
    pub stored: Option<CalibrationMeasures>,
}

/// Accuracies that thresholds are sought for, and coverages of sets.
const ACCURACIES: [f64; 4] = [0.9, 0.95, 0.99, 0.999];
const COVERAGES: [f64; 2] = [0.9, 0.95];

impl Certainty {
    /// Of what the model of this card says of images held out.
    pub fn of(answers: &HeldOutAnswers, card: &ModelCard, names: &[String], seed: u64) -> Certainty {
        let options = CalibrationOptions { seed, ..CalibrationOptions::default() };
        let stored = card.calibration.as_ref();
        let mut certainty = Certainty {
            stored_temperatures: stored.map_or_else(Vec::new, |calibration| calibration.temperatures.clone()),
            fitted_on_these: 0,
            stored: None,
            calibration: None,
            labels: Vec::new(),
            coverage: None,
            thresholds: Vec::new(),
            prediction_sets: Vec::new(),
        };
        match answers {
            HeldOutAnswers::Classes(answers) => {
                let temperature = stored.map_or(1.0, |calibration| calibration.temperature(0));
                certainty.calibration = Some(calibration(answers, &options));
                certainty.stored = stored.map(|_| calibration_at(answers, temperature, &options));
                certainty.coverage = Some(risk_coverage(answers, temperature));
                let right = (0..answers.len()).filter(|&i| answers.predicted(i) == Some(answers.labels[i])).count();
                let accuracy = right as f64 / answers.len() as f64;
                let above = ACCURACIES.into_iter().filter(|wanted| *wanted > accuracy);
                certainty.thresholds =
                    above.map(|wanted| threshold_for_accuracy(answers, temperature, wanted, seed)).collect();
                let sets = COVERAGES.iter().flat_map(|&wanted| ConformalMethod::ALL.map(|method| (method, wanted)));
                certainty.prediction_sets =
                    sets.map(|(method, wanted)| prediction_sets(answers, method, wanted, seed)).collect();
            }
            HeldOutAnswers::Labels(answers) => {
                let named = |calibration: LabelCalibration| LabelCertainty {
                    name: names[calibration.label].clone(),
                    stored: stored.map(|stored| {
                        let label = calibration.label;
                        calibration_of_label_at(answers, label, stored.temperature(label), &options)
                    }),
                    calibration,
                };
                certainty.labels = calibration_of_labels(answers, &options).into_iter().map(named).collect();
            }
        }
        certainty
    }

    /// Of the probabilities that the model gives.
    pub fn own(&self) -> Option<&CalibrationMeasures> {
        self.stored.as_ref().or(self.calibration.as_ref().map(|calibration| &calibration.before))
    }

    /// The reliability diagram.
    pub fn reliability_plot(&self) -> String {
        match &self.calibration {
            Some(report) => {
                let stored =
                    self.stored.as_ref().map(|stored| ("at the stored temperature".into(), points(&stored.bins)));
                let series: Vec<_> = reliability_of(report).into_iter().chain(stored).collect();
                plots::reliability(&series, "confidence", "accuracy")
            }
            None => {
                let series: Vec<_> =
                    self.labels.iter().map(|label| (label.name.clone(), points(&best(&label.calibration)))).collect();
                plots::reliability(&series, "probability of the label", "images that have it")
            }
        }
    }

    /// Accuracy against coverage; none of labels.
    pub fn coverage_plot(&self) -> Option<String> {
        let coverage = self.coverage.as_ref().filter(|coverage| !coverage.points.is_empty())?;
        let curve = coverage.points.iter().map(|point| [point.coverage, point.accuracy]).collect();
        Some(plots::coverage(&[("the surest first".into(), curve)]))
    }
}

fn reliability_of(report: &CalibrationReport) -> Vec<(String, Vec<ReliabilityPoint>)> {
    let after = report.after.as_ref().map(|after| ("after".to_string(), points(&after.bins)));
    [("before".to_string(), points(&report.before.bins))].into_iter().chain(after).collect()
}

fn best(label: &LabelCalibration) -> Vec<ReliabilityBin> {
    label.after.as_ref().unwrap_or(&label.before).bins.clone()
}

fn points(bins: &[ReliabilityBin]) -> Vec<ReliabilityPoint> {
    let point = |bin: &ReliabilityBin| {
        Some(ReliabilityPoint {
            confidence: bin.confidence?,
            accuracy: bin.accuracy?,
            interval: bin.accuracy_interval_95?,
            count: bin.count,
        })
    };
    bins.iter().filter_map(point).collect()
}

/// Labels that are likely wrong, and the list of these images; none of other tasks than classification, and where there are fewer than two classes.
pub(crate) fn suspects(outcomes: &Outcomes, names: &[String], most: usize) -> Option<(LabelErrors, Failures)> {
    let TaskAnswers::Classification(answers) = &outcomes.answers else { return None };
    if answers.classes < 2 || answers.is_empty() {
        return None;
    }
    let found = label_errors(&LabelledProbabilities::of(answers, names), SuspectedBy::default());
    // The images that were looked at are those of finite logits.
    let looked_at = finite(answers);
    let failure = |suspect: &LabelSuspect| Failure {
        image: suspect.image.clone(),
        index: outcomes.indices[looked_at[suspect.index]],
        actual: Some(suspect.given.clone()),
        predicted: Some(suspect.suggested.clone()),
        confidence: Some(suspect.suggested_probability),
        score: Some(suspect.score),
        note: format!("probability of its label {:.1}%", 100.0 * suspect.score),
    };
    let images = found.suspects.iter().take(most).map(failure).collect();
    let list = Failures { kind: SUSPECT_LABELS, title: "Labels that may be wrong", images };
    Some((found, list))
}

/// The list of images whose labels may be wrong.
pub(crate) const SUSPECT_LABELS: &str = "suspect_labels";
