//! ROC curves of classes and labels.

use crate::classes::ClassRow;
use crate::number::Number;
use schemars::JsonSchema;
use serde::Serialize;
use striate_train::{Ranking, plots};

/// How many of what is to be found each threshold finds, against how many of the rest it takes for that.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RocCurve {
    /// The class against the rest, or the label; `macro average` of the mean over all.
    pub name: String,
    /// The area below; of the average the mean of the areas.
    pub auc: f64,
    /// Its 95 % confidence interval over resampled images.
    pub auc_interval_95: Option<[f64; 2]>,
    /// Its points, `[false positive rate, true positive rate]`, thinned. Between two points lines are straight.
    pub points: Vec<[f64; 2]>,
}

/// Points of all curves together, and of one.
const ALL_POINTS: usize = 40_000;
const POINTS: usize = 200;
const LEAST_POINTS: usize = 20;
/// Points of the average.
const STEPS: usize = 100;
/// More lines cannot be told apart.
const DRAWN: usize = 12;

/// The curve of each class or label that has samples of both kinds; before several their macro average. Intervals are those of these metrics, over all and of
/// each class.
pub(crate) fn curves(
    names: &[String],
    metrics: &[Number],
    rows: &[ClassRow],
    ranking: impl Fn(usize) -> Option<Ranking>,
) -> Vec<RocCurve> {
    let interval = |metrics: &[Number], name: &str| metrics.iter().find(|m| m.name == name)?.interval_95;
    let kept = (ALL_POINTS / names.len().max(1)).clamp(LEAST_POINTS, POINTS);
    let mut sums = [0.0; STEPS + 1];
    let curve = |(i, name): (usize, &String)| {
        let ranking = ranking(i)?;
        let (auc, points) = (ranking.roc_auc()?, ranking.roc()?);
        sums.iter_mut().enumerate().for_each(|(step, sum)| *sum += at(&points, step as f64 / STEPS as f64));
        let auc_interval_95 = rows.get(i).and_then(|row| interval(&row.metrics, "roc_auc"));
        Some(RocCurve { name: name.clone(), auc, auc_interval_95, points: thinned(&points, kept) })
    };
    let mut curves: Vec<RocCurve> = names.iter().enumerate().filter_map(curve).collect();
    let n = curves.len();
    if n > 1 {
        let points = sums.iter().enumerate().map(|(step, sum)| [step as f64 / STEPS as f64, sum / n as f64]);
        let points = [[0.0, 0.0]].into_iter().chain(points).collect();
        let auc = curves.iter().map(|curve| curve.auc).sum::<f64>() / n as f64;
        let auc_interval_95 = interval(metrics, "roc_auc_macro");
        curves.insert(0, RocCurve { name: "macro average".into(), auc, auc_interval_95, points });
    }
    curves
}

/// The highest true positive rate of a curve at a false positive rate, between its points on the line.
fn at(points: &[[f64; 2]], x: f64) -> f64 {
    let after = points.partition_point(|point| point[0] <= x);
    let [x0, y0] = points[after - 1];
    match points.get(after) {
        Some([x1, y1]) => y0 + (y1 - y0) * (x - x0) / (x1 - x0),
        None => y0,
    }
}

/// About `most` points, evenly spread along the curve.
fn thinned(points: &[[f64; 2]], most: usize) -> Vec<[f64; 2]> {
    if points.len() <= most {
        return points.to_vec();
    }
    let apart = 2.0 / most as f64;
    let (mut kept, mut reached) = (Vec::new(), f64::NEG_INFINITY);
    for (i, point) in points.iter().enumerate() {
        let along = point[0] + point[1];
        if along >= reached + apart || i + 1 == points.len() {
            kept.push(*point);
            reached = along;
        }
    }
    kept
}

/// The average and the curves of the least area as a plot.
pub(crate) fn plot(curves: &[RocCurve]) -> String {
    let average = usize::from(curves.len() > 1);
    let mut shown: Vec<&RocCurve> = curves.iter().skip(average).collect();
    let all = shown.len();
    let room = DRAWN - average;
    if all > room {
        shown.sort_by(|a, b| a.auc.total_cmp(&b.auc));
        shown.truncate(room);
    }
    let title = if all > room { format!("ROC curves, the lowest {room} of {all}") } else { "ROC curves".into() };
    let lines = curves.iter().take(average).chain(shown);
    let lines: Vec<_> = lines.map(|curve| (curve.name.as_str(), curve.points.clone(), curve.auc)).collect();
    plots::roc(&lines, &title)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranking(seed: usize, n: usize) -> Ranking {
        Ranking::of((0..n).map(|i| ((i * (seed + 3) * 37 % 101) as f32, i * 7919 % (seed + 2) == 0))).unwrap()
    }

    #[test]
    fn the_average_is_the_mean_of_the_curves() {
        let names: Vec<String> = (0..4).map(|i| format!("class {i}")).collect();
        let found = curves(&names, &[], &[], |i| (i != 2).then(|| ranking(i, 300)));
        assert_eq!(
            found.iter().map(|c| c.name.as_str()).collect::<Vec<_>>(),
            ["macro average", "class 0", "class 1", "class 3"]
        );
        let mean = [0, 1, 3].map(|i| ranking(i, 300).roc_auc().unwrap()).iter().sum::<f64>() / 3.0;
        assert!((found[0].auc - mean).abs() < 1e-12);
        let area: f64 = found[0].points.windows(2).map(|w| (w[1][0] - w[0][0]) * (w[1][1] + w[0][1]) / 2.0).sum();
        assert!((area - mean).abs() < 0.01, "{area} {mean}");
        // One curve is its own average, and a class of every image has none.
        assert_eq!(curves(&names[..1], &[], &[], |i| Some(ranking(i, 300))).len(), 1);
        assert!(curves(&names, &[], &[], |_| Ranking::of([(0.5, true)])).is_empty());
    }

    #[test]
    fn thinned_curves_have_the_same_area() {
        let points = ranking(1, 20_000).roc().unwrap();
        let dense: Vec<[f64; 2]> = (0..=5000).map(|i| i as f64 / 5000.0).map(|x| [x, x.sqrt()]).collect();
        for (points, most) in [(points, 20), (dense, 200)] {
            let area =
                |p: &[[f64; 2]]| p.windows(2).map(|w| (w[1][0] - w[0][0]) * (w[1][1] + w[0][1]) / 2.0).sum::<f64>();
            let kept = thinned(&points, most);
            assert!(kept.len() <= most + 2 && (area(&kept) - area(&points)).abs() < 0.01, "{}", kept.len());
            assert_eq!((kept[0], kept[kept.len() - 1]), ([0.0; 2], [1.0; 2]));
        }
    }

    #[test]
    fn of_many_classes_the_worst_are_drawn() {
        let names: Vec<String> = (0..30).map(|i| format!("class {i}")).collect();
        let found = curves(&names, &[], &[], |i| Some(ranking(i, 300)));
        let svg = plot(&found);
        assert!(svg.contains("the lowest 11 of 30") && svg.contains("macro average (AUC"));
        let worst = found[1..].iter().min_by(|a, b| a.auc.total_cmp(&b.auc)).unwrap();
        assert!(svg.contains(&format!("{} (AUC", worst.name)));
    }
}
