//! Accuracy against coverage.

use super::axis::{Axis, Unit, is_drawn};
use super::lines::{self, Point};
use super::panel::{Labels, Legend, Panel};
use super::svg::Svg;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 300.0;
const INDENT: f64 = 24.0;

/// The accuracy of the surest images against the fraction of all images that these are, a line for each of a few series of `[coverage, accuracy]`.
///
/// ```
/// use striate_train::plots::coverage;
///
/// assert!(coverage(&[("confidence".into(), vec![[0.5, 1.0], [1.0, 0.9]])]).contains("coverage"));
/// ```
pub fn coverage(series: &[(String, Vec<[f64; 2]>)]) -> String {
    let names: Vec<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
    let legend = Legend::new(&names, WIDTH - 2.0 * INDENT);
    let mut svg = Svg::new([WIDTH, HEIGHT + Panel::around() + legend.height()], "Accuracy against coverage");
    let drawn = || series.iter().flat_map(|(_, points)| points).filter(|p| p.iter().all(|x| is_drawn(*x)));
    let up = Axis::spanning(drawn().map(|[_, y]| *y), Unit::Percent).with_margin();
    let labels = Labels { title: "Accuracy against coverage", x: "coverage", y: "accuracy" };
    let across = Axis::new(0.0, 1.0, Unit::Percent);
    let panel = Panel::draw(&mut svg, [0.0, 0.0, WIDTH, HEIGHT], [across, up], &labels);
    if drawn().next().is_none() {
        panel.say(&mut svg, "no images");
    }
    for (index, (_, points)) in series.iter().enumerate() {
        let place = |[x, y]: &[f64; 2]| (panel.x(*x), is_drawn(*y).then(|| panel.y(*y)));
        let points: Vec<Point> = points.iter().filter(|[x, _]| is_drawn(*x)).map(place).collect();
        lines::draw(&mut svg, index, &points);
    }
    legend.draw(&mut svg, [INDENT, HEIGHT + Panel::around()]);
    svg.finish()
}
