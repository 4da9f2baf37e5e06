//! Fitting what a model file says of its probabilities.

use crate::answers::Answers;
use crate::calibration::{
    CalibrationOptions, CalibrationReport, LEAST, LabelCalibration, LabelLogits, calibration, calibration_of_labels,
};
use crate::conformal::conformal_scores;
use crate::folds::finite;
use striate_model::{Calibration, ConformalMethod, Fingerprints, FittedOn, Predictor, TaskCard};
use striate_train::{Evaluation, HeldOut, TrainError, evaluate_each};

/// Why a model is not calibrated.
#[derive(Debug, thiserror::Error)]
pub enum CalibrateError {
    /// Its outputs are no probabilities.
    #[error("calibration is of probabilities of classes or labels, and the model's task is {task}")]
    Task {
        /// The task.
        task: &'static str,
    },
    /// There are too few images.
    #[error("calibration needs {LEAST} images or more that the model has not learnt from, and there are {images}")]
    TooFew {
        /// How many there are.
        images: usize,
    },
    /// The images cannot be measured on.
    #[error(transparent)]
    Train(#[from] TrainError),
}

/// What a model says of images held out.
#[derive(Clone, Debug, PartialEq)]
pub enum HeldOutAnswers {
    /// Of a classification.
    Classes(Answers),
    /// Of any number of labels.
    Labels(LabelLogits),
}

/// A calibration with what was measured of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Calibrated {
    /// What the model file is to hold.
    pub calibration: Calibration,
    /// What was measured before and after.
    pub measured: CalibratedMeasures,
    /// The answers that it was fitted on.
    pub answers: HeldOutAnswers,
    /// How the model did on these images.
    pub evaluation: Evaluation,
}

/// What was measured of a calibration.
#[derive(Clone, Debug, PartialEq)]
pub enum CalibratedMeasures {
    /// Of a classification.
    Classes(Box<CalibrationReport>),
    /// Of each label.
    Labels(Vec<LabelCalibration>),
}

/// Runs a classifier, of classes or labels, on images held out.
///
/// # Errors
/// If its task is another, or as [`striate_train::evaluate`].
pub fn held_out_answers(model: &Predictor, held_out: &HeldOut) -> Result<(HeldOutAnswers, Evaluation), CalibrateError> {
    let outputs = model.card.classes.len();
    match &model.card.task {
        TaskCard::Classification => {
            let mut answers = Answers::new(outputs);
            let evaluation = evaluate_each(model, held_out, |batch| answers.add(batch))?;
            Ok((HeldOutAnswers::Classes(answers), evaluation))
        }
        TaskCard::MultiLabel { .. } => {
            let mut answers = LabelLogits::new(outputs);
            let evaluation = evaluate_each(model, held_out, |batch| answers.add(batch))?;
            Ok((HeldOutAnswers::Labels(answers), evaluation))
        }
        other => Err(CalibrateError::Task { task: other.name() }),
    }
}

/// Fits temperatures and the scores of prediction sets on images held out, and measures before and after: after with temperatures that were fitted on other images.
///
/// A temperature that the images do not determine ([`TemperatureFit::at_bound`](crate::TemperatureFit::at_bound)) stays 1.
///
/// # Errors
/// If the model's outputs are no probabilities, there are fewer than 10 images, or as [`striate_train::evaluate`].
pub fn calibrate(
    model: &Predictor,
    held_out: &HeldOut,
    options: &CalibrationOptions,
) -> Result<Calibrated, CalibrateError> {
    let (answers, evaluation) = held_out_answers(model, held_out)?;
    let images = evaluation.results.images();
    if images < LEAST {
        return Err(CalibrateError::TooFew { images });
    }
    let fitted_on = FittedOn {
        data: held_out.data.name.clone(),
        images,
        split: held_out.split,
        fingerprints: Fingerprints::of(held_out.data.held_out.fingerprints().into_iter().flatten()),
    };
    let (measured, temperatures, conformal) = match &answers {
        HeldOutAnswers::Classes(answers) => {
            let report = calibration(answers, options);
            let temperature = report.temperature.as_ref().map_or(1.0, |fit| fit.usable());
            let usable = finite(answers);
            let scores = |method| conformal_scores(answers, &usable, method, temperature);
            let conformal = ConformalMethod::ALL.map(scores).to_vec();
            (CalibratedMeasures::Classes(Box::new(report)), vec![temperature], conformal)
        }
        HeldOutAnswers::Labels(answers) => {
            let labels = calibration_of_labels(answers, options);
            let temperature = |label: &LabelCalibration| label.temperature.as_ref().map_or(1.0, |fit| fit.usable());
            let temperatures = labels.iter().map(temperature).collect();
            (CalibratedMeasures::Labels(labels), temperatures, Vec::new())
        }
    };
    Ok(Calibrated { calibration: Calibration { temperatures, conformal, fitted_on }, measured, answers, evaluation })
}
