//! [`Number`]: a number that was measured, as the results write it down.

use schemars::JsonSchema;
use serde::Serialize;
use striate_train::Metric;

/// A number that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Number {
    /// What was measured, such as `accuracy`.
    pub name: String,
    /// The number; none where it is not defined, such as the accuracy on no images.
    pub value: Option<f64>,
    /// Its 95 % confidence interval, where one is known.
    pub interval_95: Option<[f64; 2]>,
}

/// A number that may be NaN.
pub(crate) fn defined(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

impl From<&Metric> for Number {
    fn from(metric: &Metric) -> Number {
        Number { name: metric.name.clone(), value: defined(metric.value), interval_95: metric.interval_95 }
    }
}
