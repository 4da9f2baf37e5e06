//! Precision against recall.

use super::axis::{Axis, Unit};
use super::line_plot::LinePlot;
use super::panel::Labels;
use crate::metrics::{OperatingPoint, Ranking};

const HEIGHT: f64 = 350.0;
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
    let title =
        if all > MOST { &format!("Precision and recall, the lowest {MOST} of {all}") } else { "Precision and recall" };
    let line = |(name, curve, ap): &(&str, Vec<[f64; 2]>, f64)| {
        let points = steps(curve).into_iter().map(|[recall, precision]| (recall, Some(precision)));
        (format!("{name} (AP {:.1}%)", 100.0 * ap), points.collect())
    };
    let axis = Axis::new(0.0, 1.0, Unit::Percent);
    let labels = Labels { title, x: "recall", y: "precision" };
    let empty = "no label has positive samples";
    let plot = LinePlot { height: HEIGHT, axes: [axis, axis], labels, has_diagonal: false, empty };
    plot.document(&rated.iter().map(line).collect::<Vec<_>>())
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
