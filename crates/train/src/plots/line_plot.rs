//! A panel with lines, and their names below it.

use super::axis::{Axis, is_drawn};
use super::lines::{self, Point};
use super::panel::{Labels, Legend, Panel};
use super::svg::Svg;

const WIDTH: f64 = 480.0;
const INDENT: f64 = 24.0;

/// A name, and points from left to right. One without a height is a gap.
pub type Line = (String, Vec<(f64, Option<f64>)>);

/// A panel for lines.
pub struct LinePlot<'a> {
    /// The height of what the axes enclose.
    pub height: f64,
    pub axes: [Axis; 2],
    pub labels: Labels<'a>,
    /// Whether a thin line shows where both are equal, from 0 to 1.
    pub has_diagonal: bool,
    /// What is said where nothing can be drawn.
    pub empty: &'a str,
}

impl LinePlot<'_> {
    /// The document with these lines.
    pub fn document(self, lines: &[Line]) -> String {
        let LinePlot { height, axes, labels, has_diagonal, empty } = self;
        let names: Vec<&str> = lines.iter().map(|(name, _)| name.as_str()).collect();
        let legend = Legend::new(&names, WIDTH - 2.0 * INDENT);
        let below = height + Panel::around();
        let mut svg = Svg::new([WIDTH, below + legend.height()], labels.title);
        let panel = Panel::draw(&mut svg, [0.0, 0.0, WIDTH, height], axes, &labels);
        if has_diagonal {
            svg.line("grid", [panel.x(0.0), panel.y(0.0)], [panel.x(1.0), panel.y(1.0)]);
        }
        let place = |&(x, y): &(f64, Option<f64>)| {
            is_drawn(x).then(|| (panel.x(x), y.filter(|y| is_drawn(*y)).map(|y| panel.y(y))))
        };
        let placed: Vec<Vec<Point>> = lines.iter().map(|(_, line)| line.iter().filter_map(place).collect()).collect();
        if !placed.iter().flatten().any(|(_, y)| y.is_some()) {
            panel.say(&mut svg, empty);
        }
        placed.iter().enumerate().for_each(|(index, points)| lines::draw(&mut svg, index, points));
        legend.draw(&mut svg, [INDENT, below]);
        svg.finish()
    }
}
