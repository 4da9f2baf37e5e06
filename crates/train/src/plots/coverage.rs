//! Accuracy against coverage.

use super::axis::{Axis, Unit, is_drawn};
use super::line_plot::LinePlot;
use super::panel::Labels;

const HEIGHT: f64 = 300.0;

/// The accuracy of the surest images against the fraction of all images that these are, a line for each of a few series of `[coverage, accuracy]`.
///
/// ```
/// use striate_train::plots::coverage;
///
/// assert!(coverage(&[("confidence".into(), vec![[0.5, 1.0], [1.0, 0.9]])]).contains("coverage"));
/// ```
pub fn coverage(series: &[(String, Vec<[f64; 2]>)]) -> String {
    let drawn = series.iter().flat_map(|(_, points)| points).filter(|p| p.iter().all(|x| is_drawn(*x)));
    let up = Axis::spanning(drawn.map(|[_, y]| *y), Unit::Percent).with_margin();
    let across = Axis::new(0.0, 1.0, Unit::Percent);
    let labels = Labels { title: "Accuracy against coverage", x: "coverage", y: "accuracy" };
    let line =
        |(name, points): &(String, Vec<[f64; 2]>)| (name.clone(), points.iter().map(|&[x, y]| (x, Some(y))).collect());
    let plot = LinePlot { height: HEIGHT, axes: [across, up], labels, has_diagonal: false, empty: "no images" };
    plot.document(&series.iter().map(line).collect::<Vec<_>>())
}
