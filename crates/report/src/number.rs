//! [`Number`]: a metric in a report.

use schemars::JsonSchema;
use serde::Serialize;
use striate_train::{Direction, Metric, Scale};

/// How an interval was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntervalMethod {
    /// Wilson's score interval of a proportion.
    Wilson,
    /// The percentile bootstrap over images, less its bias where that matters.
    Bootstrap,
}

/// A number that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Number {
    /// Its name in files, such as `balanced_accuracy`.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The number; null where it is not defined, such as the accuracy on no images.
    pub value: Option<f64>,
    /// Its 95 % confidence interval: how far it may be off because there are no more images. Null where that is not known, as where it would come
    /// from resampled images and every resample gives the same number.
    pub interval_95: Option<[f64; 2]>,
    /// How that interval was found.
    pub interval_method: Option<IntervalMethod>,
    /// Whether it is a fraction from 0 to 1, shown as a percentage.
    pub fraction: bool,
    /// Whether more of it is better.
    pub more_is_better: bool,
}

impl Number {
    /// A metric, with the interval that it has by itself.
    pub fn of(metric: &Metric) -> Number {
        Number {
            name: metric.name.clone(),
            title: metric.heading(),
            value: defined(metric.value),
            interval_95: metric.interval_95,
            interval_method: metric.interval_95.map(|_| IntervalMethod::Wilson),
            fraction: metric.scale == Scale::Fraction,
            more_is_better: metric.direction == Direction::Maximize,
        }
    }

    /// With an interval over resampled images, as far as the number can be so, unless it has one.
    pub fn bootstrapped(mut self, interval: Option<[f64; 2]>) -> Number {
        if self.interval_95.is_none() && self.value.is_some() {
            let [least, most] = self.range();
            self.interval_95 = interval.map(|bounds| bounds.map(|x| x.clamp(least, most)));
            self.interval_method = interval.map(|_| IntervalMethod::Bootstrap);
        }
        self
    }

    /// What the number lies between.
    fn range(&self) -> [f64; 2] {
        match self.name.as_str() {
            "difference" => [f64::NEG_INFINITY, f64::INFINITY],
            _ if self.fraction => [0.0, 1.0],
            "cohen_kappa" | "mcc" => [-1.0, 1.0],
            name if name.starts_with("r2") => [f64::NEG_INFINITY, 1.0],
            _ if !self.more_is_better => [0.0, f64::INFINITY],
            _ => [f64::NEG_INFINITY, f64::INFINITY],
        }
    }

    fn format(&self, value: f64) -> String {
        if self.fraction { format!("{:.1}%", 100.0 * value) } else { format!("{value:.4}") }
    }

    /// The value for people.
    pub fn shown(&self) -> String {
        self.shown_as(self.value)
    }

    /// Another number of this kind for people.
    pub(crate) fn shown_as(&self, value: Option<f64>) -> String {
        value.map_or("–".into(), |value| self.format(value))
    }

    /// The interval for people, or nothing.
    pub fn shown_interval(&self) -> String {
        let of = |[low, high]: [f64; 2]| format!("{} to {}", self.format(low), self.format(high));
        self.interval_95.map_or(String::new(), of)
    }
}

/// A number that may be NaN.
pub(crate) fn defined(x: f64) -> Option<f64> {
    x.is_finite().then_some(x)
}

impl From<&Metric> for Number {
    fn from(metric: &Metric) -> Number {
        Number::of(metric)
    }
}
