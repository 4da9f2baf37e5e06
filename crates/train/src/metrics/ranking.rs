//! What ROC and precision-recall curves are drawn from.

use super::ratio;

/// How often samples are right at each threshold of a score: `sklearn.metrics.confusion_matrix_at_thresholds`, and what is computed from that.
///
/// Samples of the same score stand together: no threshold tells them apart.
///
/// ```
/// use striate_train::Ranking;
///
/// let ranking = Ranking::of([(0.9, true), (0.8, false), (0.8, true), (0.1, false)]).unwrap();
/// assert_eq!(ranking.roc_auc(), Some(0.875));
/// assert_eq!(ranking.points()[1].threshold, 0.8);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Ranking {
    points: Vec<OperatingPoint>,
    positives: usize,
    negatives: usize,
}

/// What a threshold gives: samples with that score or more are taken for positive.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingPoint {
    /// The least score of a positive prediction.
    pub threshold: f32,
    /// Positive samples that are found.
    pub true_positives: usize,
    /// Negative samples that are taken for positive.
    pub false_positives: usize,
    /// The fraction of positive predictions that are right.
    pub precision: f64,
    /// The fraction of positive samples that are found; NaN if there are none.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
}

impl Ranking {
    /// From each sample's score and whether it is positive; none if a score is NaN.
    pub fn of(samples: impl IntoIterator<Item = (f32, bool)>) -> Option<Self> {
        let mut samples: Vec<(f32, bool)> = samples.into_iter().collect();
        if samples.iter().any(|(score, _)| score.is_nan()) {
            return None;
        }
        // Which way samples of one score stand does not matter; -0 and 0 are one score.
        samples.sort_unstable_by(|(a, _), (b, _)| b.partial_cmp(a).expect("no score is NaN"));
        let positives = samples.iter().filter(|(_, positive)| *positive).count();
        let mut points: Vec<OperatingPoint> = Vec::new();
        let (mut found, mut seen) = (0, 0);
        for same in samples.chunk_by(|(a, _), (b, _)| a == b) {
            found += same.iter().filter(|(_, positive)| *positive).count();
            seen += same.len();
            points.push(OperatingPoint {
                threshold: same[0].0,
                true_positives: found,
                false_positives: seen - found,
                precision: ratio(found, seen),
                recall: ratio(found, positives),
                f1: ratio(2 * found, seen + positives),
            });
        }
        Some(Ranking { points, positives, negatives: samples.len() - positives })
    }

    /// One point for each score that occurs, the highest first: the precision-recall curve.
    pub fn points(&self) -> &[OperatingPoint] {
        &self.points
    }

    /// The ROC curve: false and true positive rate at each threshold, from `[0, 0]` to `[1, 1]`, between which lines are straight. None unless there are samples of
    /// both kinds.
    pub fn roc(&self) -> Option<Vec<[f64; 2]>> {
        let rates = |p: &OperatingPoint| [ratio(p.false_positives, self.negatives), p.recall];
        let points = [[0.0, 0.0]].into_iter().chain(self.points.iter().map(rates));
        (self.positives > 0 && self.negatives > 0).then(|| points.collect())
    }

    /// The area under the ROC curve: how likely a positive sample has a higher score than a negative one, where equal scores count half (Hanley and McNeil,
    /// 1982; `sklearn.metrics.roc_auc_score`). None unless there are samples of both kinds.
    pub fn roc_auc(&self) -> Option<f64> {
        // Twice the number of pairs in the right order.
        let (mut pairs, mut found, mut wrong) = (0u128, 0, 0);
        for point in &self.points {
            let negatives = (point.false_positives - wrong) as u128;
            pairs += negatives * (found + point.true_positives) as u128;
            (found, wrong) = (point.true_positives, point.false_positives);
        }
        let all = 2 * self.positives as u128 * self.negatives as u128;
        (all > 0).then(|| pairs as f64 / all as f64)
    }

    /// The mean precision over the positive samples, each at the threshold that finds it: the sum of (Rₙ - Rₙ₋₁)·Pₙ, without interpolation
    /// (`sklearn.metrics.average_precision_score`). None without positive samples, of which scikit-learn says 0.
    pub fn average_precision(&self) -> Option<f64> {
        let mut before = 0;
        let sum = self.points.iter().map(|point| {
            let gained = point.true_positives - before;
            before = point.true_positives;
            gained as f64 * point.precision
        });
        (self.positives > 0).then(|| sum.sum::<f64>() / self.positives as f64)
    }

    /// The point of the highest F1; of equal ones that of the highest threshold. None without positive samples.
    pub fn best_f1(&self) -> Option<OperatingPoint> {
        if self.positives == 0 { None } else { best_f1(&self.points) }
    }
}

/// The point of the highest F1; of equal ones the first.
pub(crate) fn best_f1(points: &[OperatingPoint]) -> Option<OperatingPoint> {
    points.iter().copied().reduce(|best, point| if point.f1 > best.f1 { point } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_area_below_the_roc_curve_is_its_auc() {
        let samples =
            [0.9, 0.8, 0.8, 0.7, 0.6, 0.5, 0.5].into_iter().zip([true, false, true, false, false, true, false]);
        let ranking = Ranking::of(samples).unwrap();
        let points = ranking.roc().unwrap();
        let area: f64 = points.windows(2).map(|w| (w[1][0] - w[0][0]) * (w[1][1] + w[0][1]) / 2.0).sum();
        assert!((area - ranking.roc_auc().unwrap()).abs() < 1e-12, "{area}");
        assert_eq!((points[0], points[points.len() - 1]), ([0.0; 2], [1.0; 2]));
        assert_eq!(Ranking::of([(0.5, true)]).unwrap().roc(), None);
    }

    #[test]
    fn equal_scores_make_one_point() {
        let ranking = Ranking::of([(0.5, true), (0.5, false), (0.5, true), (0.0, false), (-0.0, true)]).unwrap();
        let counts: Vec<_> = ranking.points().iter().map(|p| (p.true_positives, p.false_positives)).collect();
        assert_eq!(counts, [(2, 1), (3, 2)]);
    }

    #[test]
    fn a_constant_score_ranks_nothing() {
        let ranking = Ranking::of([(1.0, true), (1.0, false), (1.0, false), (1.0, false)]).unwrap();
        assert_eq!((ranking.roc_auc(), ranking.average_precision()), (Some(0.5), Some(0.25)));
    }

    #[test]
    fn samples_of_one_kind_have_no_area() {
        let positive = Ranking::of([(0.1, true), (0.2, true)]).unwrap();
        assert_eq!((positive.roc_auc(), positive.average_precision()), (None, Some(1.0)));
        let negative = Ranking::of([(0.1, false)]).unwrap();
        assert_eq!((negative.roc_auc(), negative.average_precision(), negative.best_f1()), (None, None, None));
        let nothing = Ranking::of([]).unwrap();
        assert_eq!((nothing.roc_auc(), nothing.average_precision(), nothing.best_f1()), (None, None, None));
        assert_eq!(Ranking::of([(f32::NAN, true)]), None);
    }

    #[test]
    fn of_equal_f1_the_highest_threshold_is_taken() {
        // 1/1 and 1/2, then 2/2 and 2/4 after two wrong ones: both are 2/3.
        let ranking = Ranking::of([(0.9, true), (0.6, false), (0.5, false), (0.4, true)]).unwrap();
        assert_eq!(ranking.best_f1().map(|p| (p.threshold, p.f1)), Some((0.9, 2.0 / 3.0)));
    }
}
