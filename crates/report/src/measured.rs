//! The metrics of an evaluation with their intervals.

use crate::classes;
use crate::number::Number;
use crate::outcomes::{Outcomes, TaskAnswers};
use crate::values;
use striate_train::{Evaluation, Results};

/// The metrics over all images, each with a 95 % interval: Wilson's where it is a proportion of images, else over resampled images (percentile bootstrap). `outcomes`
/// are those of the evaluation and `names` the network's outputs. Of objects and masks, whose resampling takes long, the metrics have the intervals of
/// [`Results::metrics`] alone.
pub fn measured(evaluation: &Evaluation, outcomes: &Outcomes, names: &[String], seed: u64) -> Vec<Number> {
    match (&evaluation.results, &outcomes.answers) {
        (Results::Classification(metrics), TaskAnswers::Classification(answers)) => {
            classes::measured(metrics, answers, names, seed).0
        }
        (Results::MultiLabel(metrics), TaskAnswers::MultiLabel(answers)) => {
            values::labels(metrics, answers, names, seed).0
        }
        (Results::Regression { model, .. }, TaskAnswers::Regression(answers)) => {
            values::numbers(model, answers, seed).0
        }
        (results, _) => results.metrics().iter().map(Number::of).collect(),
    }
}
