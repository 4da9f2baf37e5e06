//! Losses and metrics over time.

use super::axis::{Axis, Unit, is_drawn};
use super::lines;
use super::panel::{Labels, Legend, Panel};
use super::svg::Svg;
use crate::metrics::Scale;

/// A number that changes over time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// What it is, such as `validation`.
    pub name: String,
    /// Steps or epochs, and the number then. One that is not finite is a gap.
    pub points: Vec<[f64; 2]>,
    /// How it is shown; none of a loss.
    pub scale: Option<Scale>,
}

impl Series {
    /// A loss.
    pub fn loss(name: impl Into<String>, points: Vec<[f64; 2]>) -> Self {
        Series { name: name.into(), points, scale: None }
    }

    /// A metric.
    pub fn metric(name: impl Into<String>, points: Vec<[f64; 2]>, scale: Scale) -> Self {
        Series { name: name.into(), points, scale: Some(scale) }
    }
}

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 270.0;
/// How far a legend is from the edge.
const INDENT: f64 = 24.0;

/// Losses on the left, metrics on the right, over what `x` names, such as `epoch`.
///
/// The axis of losses is logarithmic if they are positive and the largest is more than 50 times the smallest. Metrics are percentages if all of them are
/// fractions. They share one axis: those of very different size belong into plots of their own.
///
/// ```
/// use striate_train::Scale;
/// use striate_train::plots::{Series, curves};
///
/// let loss = Series::loss("training", vec![[1.0, 0.9], [2.0, 0.4]]);
/// let accuracy = Series::metric("accuracy", vec![[1.0, 0.71], [2.0, 0.84]], Scale::Fraction);
/// assert!(curves(&[loss, accuracy], "epoch").starts_with("<svg"));
/// ```
pub fn curves(series: &[Series], x: &str) -> String {
    plot(series, x, "Loss and metrics over time", |across| across)
}

/// As [`curves`], over numbers of which the logarithm is shown, such as `learning rate`. Those that are not positive have none.
pub fn curves_over_log(series: &[Series], x: &str) -> String {
    let positive = |series: &Series| {
        let points = series.points.iter().copied().filter(|[x, _]| *x > 0.0).collect();
        Series { points, ..series.clone() }
    };
    let series: Vec<Series> = series.iter().map(positive).collect();
    plot(&series, x, &format!("Loss and metrics over the {x}"), Axis::log)
}

fn plot(series: &[Series], x: &str, title: &str, across: impl Fn(Axis) -> Axis) -> String {
    let (losses, metrics): (Vec<&Series>, Vec<&Series>) = series.iter().partition(|s| s.scale.is_none());
    let fractions = metrics.iter().all(|s| s.scale == Some(Scale::Fraction));
    let unit = if fractions { Unit::Percent } else { Unit::Number };
    let mut panels = vec![("Loss", losses, Unit::Number), ("Metrics", metrics, unit)];
    panels.retain(|(_, series, _)| !series.is_empty());
    if panels.is_empty() {
        panels.push(("Loss", Vec::new(), Unit::Number));
    }

    let legends: Vec<Legend> = panels.iter().map(|(_, series, _)| legend(series)).collect();
    let below = legends.iter().map(Legend::height).fold(0.0, f64::max);
    let mut svg = Svg::new([WIDTH * panels.len() as f64, HEIGHT + Panel::around() + below], title);
    for (i, ((title, series, unit), legend)) in panels.iter().zip(&legends).enumerate() {
        let left = i as f64 * WIDTH;
        draw(&mut svg, [left, 0.0, WIDTH, HEIGHT], series, [title, x], *unit, &across);
        legend.draw(&mut svg, [left + INDENT, HEIGHT + Panel::around()]);
    }
    svg.finish()
}

fn legend(series: &[&Series]) -> Legend {
    let names: Vec<&str> = series.iter().map(|s| s.name.as_str()).collect();
    Legend::new(&names, WIDTH - 2.0 * INDENT)
}

fn draw(
    svg: &mut Svg,
    place: [f64; 4],
    series: &[&Series],
    [title, x]: [&str; 2],
    unit: Unit,
    across: &impl Fn(Axis) -> Axis,
) {
    let all = || series.iter().flat_map(|s| &s.points).filter(|[x, _]| is_drawn(*x));
    let whole = if all().all(|[x, _]| x.fract() == 0.0) { Unit::Whole } else { Unit::Number };
    let across = across(Axis::spanning(all().map(|[x, _]| *x), whole));
    let up = Axis::spanning(all().map(|[_, y]| *y), unit);
    let up = if title == "Loss" { up.log_if_wide() } else { up }.with_margin();
    let title = if up.is_log() { &format!("{title}, logarithmic") } else { title };
    let panel = Panel::draw(svg, place, [across.with_margin(), up], &Labels { title, x, y: "" });
    if !all().any(|[_, y]| is_drawn(*y)) {
        panel.say(svg, "no numbers yet");
    }
    for (index, series) in series.iter().enumerate() {
        let mut points: Vec<[f64; 2]> = series.points.iter().copied().filter(|[x, _]| is_drawn(*x)).collect();
        points.sort_by(|a, b| a[0].total_cmp(&b[0]));
        let place = |&[x, y]: &[f64; 2]| (panel.x(x), is_drawn(y).then(|| panel.y(y)));
        lines::draw(svg, index, &points.iter().map(place).collect::<Vec<_>>());
    }
}
