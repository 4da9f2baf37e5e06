//! A metric against how strongly images were changed.

use super::axis::{Axis, Unit, is_drawn};
use super::lines::{self, Point};
use super::panel::{Labels, Legend, Panel};
use super::svg::Svg;
use striate_model::Scale;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 320.0;
const INDENT: f64 = 24.0;

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
    let names: Vec<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
    let legend = Legend::new(&names, WIDTH - 2.0 * INDENT);
    let title = &format!("{metric} against strength");
    let mut svg = Svg::new([WIDTH, HEIGHT + Panel::around() + legend.height()], title);
    let drawn = || series.iter().flat_map(|(_, values)| values).flatten().copied().filter(|y| is_drawn(*y));
    let up = match scale {
        Scale::Fraction => Axis::new(0.0, 1.0, Unit::Percent),
        Scale::Number => Axis::spanning(drawn().chain([0.0]), Unit::Number).with_margin(),
    };
    let most = series.iter().map(|(_, values)| values.len()).max().unwrap_or(0).saturating_sub(1).max(1);
    let across = Axis::new(0.0, most as f64, Unit::Whole);
    let labels = Labels { title, x: "strength (0: as they are)", y: metric };
    let panel = Panel::draw(&mut svg, [0.0, 0.0, WIDTH, HEIGHT], [across, up], &labels);
    if drawn().next().is_none() {
        panel.say(&mut svg, "nothing was measured");
    }
    for (index, (_, values)) in series.iter().enumerate() {
        let place = |(x, y): (usize, &Option<f64>)| (panel.x(x as f64), y.filter(|y| is_drawn(*y)).map(|y| panel.y(y)));
        let points: Vec<Point> = values.iter().enumerate().map(place).collect();
        lines::draw(&mut svg, index, &points);
    }
    legend.draw(&mut svg, [INDENT, HEIGHT + Panel::around()]);
    svg.finish()
}
