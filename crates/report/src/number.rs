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
    /// The percentile bootstrap over images.
    Bootstrap,
}

/// A 95 % confidence interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Interval {
    /// Its lower end.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// How it was found.
    pub method: IntervalMethod,
}

/// A number that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Number {
    /// Its name in files, such as `balanced_accuracy`.
    pub name: String,
    /// Its name for people.
    pub title: String,
    /// The number; null where it is not defined.
    pub value: Option<f64>,
    /// How far it can be off, given that there are no more images.
    pub interval_95: Option<Interval>,
    /// Whether it is a fraction from 0 to 1, shown as a percentage.
    pub fraction: bool,
    /// Whether more of it is better.
    pub more_is_better: bool,
}

impl Number {
    /// A metric, with the interval that it has by itself.
    pub fn of(metric: &Metric) -> Number {
        let method = IntervalMethod::Wilson;
        Number {
            name: metric.name.clone(),
            title: metric.heading(),
            value: (!metric.value.is_nan()).then_some(metric.value),
            interval_95: metric.interval_95.map(|[low, high]| Interval { low, high, method }),
            fraction: metric.scale == Scale::Fraction,
            more_is_better: metric.direction == Direction::Maximize,
        }
    }

    /// With an interval over resampled images, unless it has one.
    pub fn bootstrapped(mut self, interval: Option<[f64; 2]>) -> Number {
        if self.interval_95.is_none() && self.value.is_some() {
            let method = IntervalMethod::Bootstrap;
            self.interval_95 = interval.map(|[low, high]| Interval { low, high, method });
        }
        self
    }

    fn format(&self, value: f64) -> String {
        if self.fraction { format!("{:.1}%", 100.0 * value) } else { format!("{value:.4}") }
    }

    /// The value for people.
    pub fn shown(&self) -> String {
        self.value.map_or("–".into(), |value| self.format(value))
    }

    /// The interval for people, or nothing.
    pub fn shown_interval(&self) -> String {
        let of = |i: &Interval| format!("{} to {}", self.format(i.low), self.format(i.high));
        self.interval_95.as_ref().map_or(String::new(), of)
    }
}
