//! Confidence and accuracy.

use super::axis::{Axis, Unit};
use super::lines::{self, Point, draw_dots};
use super::panel::{Labels, Legend, Panel};
use super::svg::{Svg, n};

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 340.0;
/// The height of the bars below the diagram.
const BARS: f64 = 70.0;
const INDENT: f64 = 24.0;
const DOT: f64 = 6.0;
/// The width of a bar.
const BAR: f64 = 8.0;
/// Half the width of the ends of an interval.
const CAP: f64 = 3.0;

/// A bin of a reliability diagram.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReliabilityPoint {
    /// The mean confidence of its predictions.
    pub confidence: f64,
    /// The fraction of them that is right.
    pub accuracy: f64,
    /// The interval of that fraction.
    pub interval: [f64; 2],
    /// How many predictions it has.
    pub count: usize,
}

/// Accuracy against confidence, with the diagonal on which both are equal, a line for each of a few series such as `before` and `after`. Below it, how many
/// predictions of the first series each bin has.
///
/// ```
/// use striate_train::plots::{ReliabilityPoint, reliability};
///
/// let bin = ReliabilityPoint { confidence: 0.9, accuracy: 0.8, interval: [0.7, 0.87], count: 100 };
/// assert!(reliability(&[("before".into(), vec![bin])], "confidence", "accuracy").contains("before"));
/// ```
pub fn reliability(series: &[(String, Vec<ReliabilityPoint>)], x: &str, y: &str) -> String {
    let names: Vec<&str> = series.iter().map(|(name, _)| name.as_str()).collect();
    let legend = Legend::new(&names, WIDTH - 2.0 * INDENT);
    let below = HEIGHT + Panel::around();
    let full = below + BARS + Panel::around() + legend.height();
    let mut svg = Svg::new([WIDTH, full], "Reliability diagram");
    let axis = Axis::new(0.0, 1.0, Unit::Percent);
    let labels = Labels { title: "Reliability", x, y };
    let panel = Panel::draw(&mut svg, [0.0, 0.0, WIDTH, HEIGHT], [axis, axis], &labels);
    svg.line("rule", [panel.x(0.0), panel.y(0.0)], [panel.x(1.0), panel.y(1.0)]);
    if series.iter().all(|(_, bins)| bins.is_empty()) {
        panel.say(&mut svg, "no predictions");
    }
    for (index, (_, bins)) in series.iter().enumerate() {
        let class = lines::class(index);
        let whiskers: String = bins.iter().map(|bin| whisker(&panel, bin)).collect();
        if !whiskers.is_empty() {
            svg.path(&class, &whiskers, 1.0);
        }
        let points: Vec<Point> =
            bins.iter().map(|bin| (panel.x(bin.confidence), Some(panel.y(bin.accuracy)))).collect();
        lines::draw(&mut svg, index, &points);
        let dots: Vec<[f64; 2]> = bins.iter().map(|bin| [panel.x(bin.confidence), panel.y(bin.accuracy)]).collect();
        draw_dots(&mut svg, &class, &dots, DOT);
    }
    let first = series.first().map_or(&[][..], |(_, bins)| bins);
    let all: usize = first.iter().map(|bin| bin.count).sum();
    let fraction = |bin: &ReliabilityPoint| bin.count as f64 / all as f64;
    let up = Axis::new(0.0, 1.0, Unit::Percent);
    let labels = Labels { title: "Predictions in each bin", x, y: "fraction" };
    let bars = Panel::draw(&mut svg, [0.0, below, WIDTH, BARS], [axis, up], &labels);
    for bin in first.iter().filter(|bin| bin.count > 0) {
        let (at, top, bottom) = (bars.x(bin.confidence), bars.y(fraction(bin)), bars.y(0.0));
        svg.area(
            "c7",
            &format!("M{} {}h{}v{}h-{}z", n(at - BAR / 2.0), n(bottom), n(BAR), n(top - bottom), n(BAR)),
            None,
        );
    }
    legend.draw(&mut svg, [INDENT, below + BARS + Panel::around()]);
    svg.finish()
}

fn whisker(panel: &Panel, bin: &ReliabilityPoint) -> String {
    let at = panel.x(bin.confidence);
    let [low, high] = bin.interval.map(|y| panel.y(y));
    let cap = |y: f64| format!("M{} {}h{}", n(at - CAP), n(y), n(2.0 * CAP));
    format!("M{} {}v{}{}{}", n(at), n(low), n(high - low), cap(low), cap(high))
}
