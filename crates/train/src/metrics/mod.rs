//! What is measured of a network: accumulators that add batches, merge and finish into named numbers.

mod boundary;
mod classification;
mod confusion;
mod detection;
mod interval;
mod multi_label;
mod nan_as_null;
mod ranking;
mod regression;
mod segmentation;

pub use boundary::boundary_f1;
pub use classification::ClassificationMetrics;
pub use confusion::{Averages, ConfusionMatrix};
pub use detection::{DetectionMetrics, ImageErrors};
pub use interval::{bootstrap_interval, bootstrap_intervals, fraction_interval};
pub use multi_label::MultiLabelMetrics;
pub(crate) use ranking::best_f1;
pub use ranking::{OperatingPoint, Ranking};
pub use regression::RegressionMetrics;
pub use segmentation::SegmentationMetrics;
pub use striate_model::{Direction, Metric, Scale, wilson_interval};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt::Debug;

/// What accumulates over batches.
pub trait Metrics: Clone + Send + Sync + PartialEq + Debug + Serialize + DeserializeOwned {
    /// Adds what `other` holds, as if its batches had come after those added so far.
    ///
    /// # Panics
    /// If `other` was made for other classes, columns or labels, or with another [`Detail`].
    fn merge(&mut self, other: &Self);

    /// The numbers. Without a sample they have the same names in the same order, and are NaN.
    fn finish(&self) -> Vec<Metric>;
}

/// How much is kept of each sample, and so what can be told at the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Detail {
    /// Counts alone: for the progress of training.
    Running,
    /// Counts by class: for validation after each epoch.
    Full,
    /// The scores of every sample too: for a report.
    Scores,
}

/// The mean; NaN of nothing.
fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, n) = values.into_iter().fold((0.0, 0), |(sum, n), x| (sum + x, n + 1));
    sum / n as f64
}

/// `part` of `whole`; NaN of nothing.
fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole as f64
}

/// How many rows of `columns` numbers there are.
fn rows(name: &str, len: usize, columns: usize) -> usize {
    assert!(len.is_multiple_of(columns), "{name}: {len} numbers are no rows of {columns}");
    len / columns
}
