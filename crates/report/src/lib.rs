//! What can be said of a trained model, and how far it can be trusted.

mod about;
mod answers;
mod bootstrap;
mod calibrate;
mod calibration;
mod certainty;
mod classes;
pub mod compare;
mod conformal;
mod coverage;
mod drawing;
pub mod explain;
mod explanations;
mod failures;
mod features;
mod folds;
mod gallery;
pub mod groups;
mod label_errors;
mod measured;
mod model_card;
mod number;
mod out_of_distribution;
mod outcomes;
mod page;
mod report;
pub mod robustness;
mod roc;
#[cfg(test)]
mod tests;
mod unlabelled;
mod values;

pub use about::{About, TrainingFacts, Unreadable};
pub use answers::Answers;
pub use calibrate::{CalibrateError, Calibrated, CalibratedMeasures, HeldOutAnswers, calibrate, held_out_answers};
pub use calibration::*;
pub use certainty::{Certainty, LabelCertainty};
pub use classes::{ClassRow, Confused, Confusion};
pub use conformal::{ClassCoverage, PredictionSets, conformal_scores, prediction_sets};
pub use coverage::{CoveragePoint, RiskCoverage, ThresholdForAccuracy, risk_coverage, threshold_for_accuracy};
pub use drawing::{draw_classes, draw_objects, palette};
pub use explain::{ExplainError, Explainer, Explanation, Method, Options as ExplainOptions};
pub use explanations::{Checked, Explanations};
pub use failures::{Failure, Failures};
pub use features::{FeatureMaps, Features, NearImage, NearestImages};
pub use gallery::{Gallery, Part, Shot};
pub use label_errors::*;
pub use measured::measured;
pub use number::{IntervalMethod, Number};
pub use out_of_distribution::{
    Mahalanobis, OutOfDistribution, OutOfDistributionScore, Representations, out_of_distribution,
};
pub use outcomes::{LabelAnswers, MetricOf, MetricsOf, NumberAnswers, Outcomes, TaskAnswers};
pub use report::{Curve, FORMAT, FoldRow, Report, ReportOptions, RunFiles, TrainingCurve, TrainingUnit};
pub use roc::RocCurve;
pub use unlabelled::UnlabelledAnswers;
