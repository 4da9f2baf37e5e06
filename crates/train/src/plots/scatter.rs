//! Predicted and actual numbers.

use super::axis::{Axis, Unit, is_drawn};
use super::lines::draw_dots;
use super::panel::{Labels, Panel};
use super::svg::{OPACITIES, Svg};
use std::collections::BTreeMap;

const WIDTH: f64 = 460.0;
const HEIGHT: f64 = 380.0;
const DOT: f64 = 5.0;
/// This many panels are drawn.
const MOST: usize = 12;
/// Dots that are nearer than this are one.
const APART: f64 = 3.0;
/// From this many points on a dot has the next opacity.
const SHADES: [usize; OPACITIES.len()] = [1, 2, 5, 20];

/// Actual numbers against predicted ones, with the diagonal on which both are equal. Points that fall together are one more opaque dot; those that
/// are not finite are counted in the title.
///
/// ```
/// use striate_train::plots::scatter;
///
/// assert!(scatter(&[1.0, 2.5], &[1.0, 2.0], "age").contains("predicted age"));
/// ```
///
/// # Panics
/// If there are not as many predicted numbers as actual ones.
pub fn scatter(predicted: &[f32], actual: &[f32], what: &str) -> String {
    scatters(&[(what, predicted, actual)])
}

/// As [`scatter`], one panel below the other, of names, predicted and actual numbers. Of more than 12 the first 12 are drawn.
///
/// # Panics
/// As [`scatter`].
pub fn scatters(columns: &[(&str, &[f32], &[f32])]) -> String {
    let drawn = &columns[..columns.len().min(MOST)];
    let height = HEIGHT + Panel::around();
    let mut svg = Svg::new([WIDTH, height * drawn.len().max(1) as f64], "Predicted and actual numbers");
    for (i, (what, predicted, actual)) in drawn.iter().enumerate() {
        draw(&mut svg, i as f64 * height, predicted, actual, what);
    }
    svg.finish()
}

fn draw(svg: &mut Svg, top: f64, predicted: &[f32], actual: &[f32], what: &str) {
    let (n, m) = (predicted.len(), actual.len());
    assert_eq!(n, m, "scatter: {n} predicted numbers for {m} actual ones");
    let pairs = predicted.iter().zip(actual).map(|(p, a)| [*p as f64, *a as f64]);
    let points: Vec<[f64; 2]> = pairs.filter(|pair| pair.iter().all(|x| is_drawn(*x))).collect();
    let axis = Axis::spanning(points.iter().flatten().copied(), Unit::Number).with_margin();
    let title = match n - points.len() {
        0 => "Predicted and actual".to_string(),
        lost => format!("Predicted and actual ({lost} not finite)"),
    };
    let (x, y) = (format!("predicted {what}"), format!("actual {what}"));
    let labels = Labels { title: &title, x: &x, y: &y };
    let panel = Panel::draw(svg, [0.0, top, WIDTH, HEIGHT], [axis, axis], &labels);
    if points.is_empty() {
        panel.say(svg, "no numbers");
    } else {
        let [low, high] = axis.ends();
        svg.line("rule", [panel.x(low), panel.y(low)], [panel.x(high), panel.y(high)]);
    }
    let placed = points.iter().map(|[p, a]| [panel.x(*p), panel.y(*a)]);
    for (shade, dots) in shaded(placed).iter().enumerate() {
        draw_dots(svg, &format!("l0 o{shade}"), dots, DOT);
    }
}

/// One dot for each square that has points, by how many it has.
fn shaded(points: impl Iterator<Item = [f64; 2]>) -> [Vec<[f64; 2]>; OPACITIES.len()] {
    let mut squares: BTreeMap<[i64; 2], (usize, [f64; 2])> = BTreeMap::new();
    for point in points {
        squares.entry(point.map(|x| (x / APART).floor() as i64)).or_insert((0, point)).0 += 1;
    }
    let mut shades: [Vec<[f64; 2]>; OPACITIES.len()] = Default::default();
    for (count, point) in squares.into_values() {
        let shade = SHADES.iter().rposition(|&from| count >= from).unwrap_or(0);
        shades[shade].push(point);
    }
    shades
}
