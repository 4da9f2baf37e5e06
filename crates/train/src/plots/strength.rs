//! A metric against how strongly images were changed.

use super::axis::{Axis, Unit};
use super::line_plot::LinePlot;
use super::panel::Labels;
use striate_model::Scale;

const HEIGHT: f64 = 320.0;

/// A metric at each strength, 0 where nothing happened, a line for each of a few kinds of change. A value that is missing is a gap.
///
/// ```
/// use striate_model::Scale;
/// use striate_train::plots::strength;
///
/// let noise = ("noise".to_string(), vec![Some(0.9), Some(0.8), Some(0.5)]);
/// assert!(strength(&[noise], "accuracy", Scale::Fraction).contains("strength"));
/// ```
pub fn strength(series: &[(String, Vec<Option<f64>>)], metric: &str, scale: Scale) -> String {
    let values = || series.iter().flat_map(|(_, values)| values).flatten().copied();
    let up = match scale {
        Scale::Fraction => Axis::new(0.0, 1.0, Unit::Percent),
        Scale::Number => Axis::spanning(values().chain([0.0]), Unit::Number).with_margin(),
    };
    let most = series.iter().map(|(_, values)| values.len()).max().unwrap_or(0).saturating_sub(1).max(1);
    let across = Axis::new(0.0, most as f64, Unit::Whole);
    let labels = Labels { title: &format!("{metric} against strength"), x: "strength (0: as they are)", y: metric };
    let line = |(name, values): &(String, Vec<Option<f64>>)| {
        (name.clone(), values.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect())
    };
    let empty = "nothing was measured";
    let plot = LinePlot { height: HEIGHT, axes: [across, up], labels, has_diagonal: false, empty };
    plot.document(&series.iter().map(line).collect::<Vec<_>>())
}
