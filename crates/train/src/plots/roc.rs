//! ROC curves.

use super::axis::{Axis, Unit};
use super::line_plot::LinePlot;
use super::panel::Labels;

const HEIGHT: f64 = 350.0;

/// How many of what is to be found each threshold finds, against how many of the rest it takes for that: names, points `[false positive rate, true positive
/// rate]` and the areas below. A thin line is what guessing gives.
///
/// ```
/// use striate_train::plots::roc;
///
/// let cat = ("cat", vec![[0.0, 0.0], [0.0, 0.5], [1.0, 1.0]], 0.75);
/// assert!(roc(&[cat], "ROC curve").contains("cat (AUC 75.0%)"));
/// ```
pub fn roc(curves: &[(&str, Vec<[f64; 2]>, f64)], title: &str) -> String {
    let line = |(name, points, auc): &(&str, Vec<[f64; 2]>, f64)| {
        (format!("{name} (AUC {:.1}%)", 100.0 * auc), points.iter().map(|&[x, y]| (x, Some(y))).collect())
    };
    let axis = Axis::new(0.0, 1.0, Unit::Percent);
    let labels = Labels { title, x: "false positive rate", y: "true positive rate" };
    let plot = LinePlot { height: HEIGHT, axes: [axis, axis], labels, has_diagonal: true, empty: "no curve" };
    plot.document(&curves.iter().map(line).collect::<Vec<_>>())
}
