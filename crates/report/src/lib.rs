//! What can be said of a trained model, and how far it can be trusted.

mod answers;
mod calibrate;
mod calibration;
mod conformal;
mod coverage;
mod folds;
mod label_errors;
mod out_of_distribution;

pub use answers::Answers;
pub use calibrate::{CalibrateError, Calibrated, CalibratedMeasures, HeldOutAnswers, calibrate, held_out_answers};
pub use calibration::*;
pub use conformal::{ClassCoverage, PredictionSets, conformal_scores, prediction_sets};
pub use coverage::{CoveragePoint, RiskCoverage, ThresholdForAccuracy, risk_coverage, threshold_for_accuracy};
pub use label_errors::*;
pub use out_of_distribution::{
    Mahalanobis, OutOfDistribution, OutOfDistributionScore, Representations, out_of_distribution,
};
