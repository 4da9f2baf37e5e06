//! Precision against recall.

use super::axis::{Axis, Unit};
use super::lines::{self, Point};
use super::panel::{Labels, Legend, Panel};
use super::svg::Svg;
use crate::metrics::{OperatingPoint, Ranking};

const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 350.0;
const INDENT: f64 = 24.0;
/// More curves cannot be told apart.
const MOST: usize = 12;

/// A precision-recall curve for each label, with its average precision: what each threshold of its score gives. A label without positive samples has no curve.
///
/// Of more than 12 labels those of the lowest average precision are drawn.
///
/// ```
/// use striate_train::{Ranking, plots::precision_recall};
///
/// let ranking = Ranking::of([(0.9, true), (0.8, false), (0.4, true)]).unwrap();
/// assert!(precision_recall(&[("cat".into(), ranking)]).contains("cat (AP 83.3%)"));
/// ```
pub fn precision_recall(labels: &[(String, Ranking)]) -> String {
    let rated = labels
        .iter()
        .filter_map(|(name, ranking)| Some((name.as_str(), points(ranking.points()), ranking.average_precision()?)));
    precision_recall_curves(rated.collect())
}

/// Recall and precision at each threshold.
pub(crate) fn points(operating: &[OperatingPoint]) -> Vec<[f64; 2]> {
    operating.iter().map(|point| [point.recall, point.precision]).collect()
}

/// As [`precision_recall`], of names, points `[recall, precision]`, those of the highest threshold first, and average precisions that are known.
pub fn precision_recall_curves(mut rated: Vec<(&str, Vec<[f64; 2]>, f64)>) -> String {
    let all = rated.len();
    if all > MOST {
        rated.sort_by(|a, b| a.2.total_cmp(&b.2));
        rated.truncate(MOST);
    }
    let names: Vec<String> = rated.iter().map(|(name, _, ap)| format!("{name} (AP {:.1}%)", 100.0 * ap)).collect();
    let legend = Legend::new(&names.iter().map(String::as_str).collect::<Vec<_>>(), WIDTH - 2.0 * INDENT);
    let mut svg = Svg::new([WIDTH, HEIGHT + Panel::around() + legend.height()], "Precision and recall");
    let title =
        if all > MOST { &format!("Precision and recall, the lowest {MOST} of {all}") } else { "Precision and recall" };
    let axis = Axis::new(0.0, 1.0, Unit::Percent);
    let labels = Labels { title, x: "recall", y: "precision" };
    let panel = Panel::draw(&mut svg, [0.0, 0.0, WIDTH, HEIGHT], [axis, axis], &labels);
    if rated.is_empty() {
        panel.say(&mut svg, "no label has positive samples");
    }
    for (index, (_, curve, _)) in rated.iter().enumerate() {
        let points: Vec<Point> = steps(curve).into_iter().map(|[r, p]| (panel.x(r), Some(panel.y(p)))).collect();
        lines::draw(&mut svg, index, &points);
    }
    legend.draw(&mut svg, [INDENT, HEIGHT + Panel::around()]);
    svg.finish()
}

/// The corners of the curve: each recall has the precision of the highest threshold that reaches it, which holds back to the recall before. So the area
/// below is the average precision.
fn steps(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let (mut corners, mut reached) = (Vec::new(), 0.0);
    for &[recall, precision] in points {
        if recall > reached {
            corners.extend([[reached, precision], [recall, precision]]);
            reached = recall;
        }
    }
    corners
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_is_the_average_precision() {
        let ranking = Ranking::of(
            [0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.5].into_iter().zip([true, false, true, false, false, true, false]),
        )
        .unwrap();
        let corners = steps(&points(ranking.points()));
        let area: f64 = corners.chunks(2).map(|c| (c[1][0] - c[0][0]) * c[0][1]).sum();
        assert!((area - ranking.average_precision().unwrap()).abs() < 1e-12, "{area}");
        assert_eq!((corners[0][0], corners[corners.len() - 1][0]), (0.0, 1.0));
    }
}
