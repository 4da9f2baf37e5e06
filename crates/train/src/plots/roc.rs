//! ROC curves.

use super::axis::{Axis, Unit};
use super::lines::{self, Point};
use super::panel::{Labels, Legend, Panel};
use super::svg::Svg;

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 350.0;
const INDENT: f64 = 24.0;

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
    let names: Vec<String> = curves.iter().map(|(name, _, auc)| format!("{name} (AUC {:.1}%)", 100.0 * auc)).collect();
    let legend = Legend::new(&names.iter().map(String::as_str).collect::<Vec<_>>(), WIDTH - 2.0 * INDENT);
    let mut svg = Svg::new([WIDTH, HEIGHT + Panel::around() + legend.height()], title);
    let labels = Labels { title, x: "false positive rate", y: "true positive rate" };
    let axis = Axis::new(0.0, 1.0, Unit::Percent);
    let panel = Panel::draw(&mut svg, [0.0, 0.0, WIDTH, HEIGHT], [axis, axis], &labels);
    svg.line("grid", [panel.x(0.0), panel.y(0.0)], [panel.x(1.0), panel.y(1.0)]);
    for (index, (_, points, _)) in curves.iter().enumerate() {
        let points: Vec<Point> = points.iter().map(|[x, y]| (panel.x(*x), Some(panel.y(*y)))).collect();
        lines::draw(&mut svg, index, &points);
    }
    legend.draw(&mut svg, [INDENT, HEIGHT + Panel::around()]);
    svg.finish()
}
