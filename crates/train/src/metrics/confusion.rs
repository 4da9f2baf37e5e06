//! The confusion matrix and what is computed from it.

use super::{Direction, Metric, mean, ratio};
use serde::{Deserialize, Serialize};

/// How often each class was taken for each.
///
/// Macro averages are over the classes that occur, as labels or as predictions: scikit-learn's default. What they count 0 of, such as the precision of a
/// class that was never predicted, is 0 there, and none of the class by itself. All averages of no samples are NaN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked")]
pub struct ConfusionMatrix {
    counts: Vec<Vec<usize>>,
    /// By class, samples of which no class was predicted; empty until there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unpredicted: Vec<usize>,
}

/// Precision, recall and F1, averaged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Averages {
    /// Of the samples that were taken for a class, the fraction that are of it.
    pub precision: f64,
    /// Of the samples of a class, the fraction that were taken for it.
    pub recall: f64,
    /// The harmonic mean of a class's precision and recall.
    pub f1: f64,
}

impl ConfusionMatrix {
    /// No samples yet of `classes` classes.
    pub fn new(classes: usize) -> Self {
        ConfusionMatrix { counts: vec![vec![0; classes]; classes], unpredicted: Vec::new() }
    }

    /// Counts one sample.
    ///
    /// # Panics
    /// If a class does not exist.
    pub fn add(&mut self, actual: usize, predicted: usize) {
        self.counts[actual][predicted] += 1;
    }

    /// Counts `count` samples.
    ///
    /// # Panics
    /// If a class does not exist.
    pub fn add_many(&mut self, actual: usize, predicted: usize, count: usize) {
        self.counts[actual][predicted] += count;
    }

    /// Counts one sample of which no class was predicted, because its scores are NaN. It is wrong.
    ///
    /// # Panics
    /// If the class does not exist.
    pub fn add_unpredicted(&mut self, actual: usize) {
        self.add_many_unpredicted(actual, 1);
    }

    /// Counts `count` samples of which no class was predicted.
    ///
    /// # Panics
    /// If the class does not exist.
    pub fn add_many_unpredicted(&mut self, actual: usize, count: usize) {
        self.unpredicted.resize(self.counts.len(), 0);
        self.unpredicted[actual] += count;
    }

    /// Counts the samples of `other`.
    ///
    /// # Panics
    /// If `other` has another number of classes.
    pub fn merge(&mut self, other: &ConfusionMatrix) {
        let (n, m) = (self.counts.len(), other.counts.len());
        assert_eq!(n, m, "ConfusionMatrix::merge: {m} classes into {n}");
        let add = |to: &mut Vec<usize>, from: &[usize]| to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
        for (to, from) in self.counts.iter_mut().zip(&other.counts) {
            add(to, from);
        }
        if !other.unpredicted.is_empty() {
            self.unpredicted.resize(n, 0);
            add(&mut self.unpredicted, &other.unpredicted);
        }
    }

    /// The counts: `[actual][predicted]`.
    pub fn counts(&self) -> &[Vec<usize>] {
        &self.counts
    }

    /// Samples counted.
    pub fn total(&self) -> usize {
        self.counts.iter().flatten().chain(&self.unpredicted).sum()
    }

    /// Samples whose class was predicted.
    pub fn correct(&self) -> usize {
        (0..self.counts.len()).map(|c| self.counts[c][c]).sum()
    }

    /// The fraction of samples whose class was predicted; 0 of none.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.total().max(1) as f64
    }

    /// Of the samples that were taken for `class`, the fraction that are; none if there are no such samples.
    pub fn precision(&self, class: usize) -> Option<f64> {
        let predicted = self.predicted(class);
        (predicted > 0).then(|| ratio(self.counts[class][class], predicted))
    }

    /// Of the samples that are of `class`, the fraction that were taken for it; none if there are no such samples.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let actual = self.actual(class);
        (actual > 0).then(|| ratio(self.counts[class][class], actual))
    }

    /// The harmonic mean of precision and recall of `class`; none if it occurs neither as a label nor as a prediction.
    pub fn f1(&self, class: usize) -> Option<f64> {
        let both = self.actual(class) + self.predicted(class);
        (both > 0).then(|| ratio(2 * self.counts[class][class], both))
    }

    /// Samples of `class`.
    pub fn actual(&self, class: usize) -> usize {
        self.counts[class].iter().chain(self.unpredicted.get(class)).sum()
    }

    /// Samples that were taken for `class`.
    pub fn predicted(&self, class: usize) -> usize {
        self.counts.iter().map(|row| row[class]).sum()
    }

    /// Precision and recall of `class` with their intervals, and its F1.
    pub fn class_metrics(&self, class: usize) -> Vec<Metric> {
        let right = self.counts[class][class];
        vec![
            Metric::proportion("precision", right, self.predicted(class)),
            Metric::proportion("recall", right, self.actual(class)),
            Metric::fraction("f1", self.f1(class).unwrap_or(f64::NAN)),
        ]
    }

    /// The mean recall of the classes that have samples (`sklearn.metrics.balanced_accuracy_score`).
    pub fn balanced_accuracy(&self) -> f64 {
        mean((0..self.counts.len()).filter_map(|c| self.recall(c)))
    }

    /// Over classes, each of which weighs the same (`sklearn.metrics.precision_recall_fscore_support`, `average="macro"`).
    pub fn macro_average(&self) -> Averages {
        let classes: Vec<usize> = (0..self.counts.len()).filter(|&c| self.f1(c).is_some()).collect();
        let over = |of: fn(&Self, usize) -> Option<f64>| mean(classes.iter().map(|&c| of(self, c).unwrap_or(0.0)));
        Averages { precision: over(Self::precision), recall: over(Self::recall), f1: over(Self::f1) }
    }

    /// Over samples, each of which weighs the same (`average="micro"`). All three are the accuracy unless scores were NaN.
    pub fn micro_average(&self) -> Averages {
        let (right, actual) = (self.correct(), self.total());
        let predicted = actual - self.unpredicted.iter().sum::<usize>();
        Averages {
            precision: ratio(right, predicted),
            recall: ratio(right, actual),
            f1: ratio(2 * right, actual + predicted),
        }
    }

    /// How much labels and predictions agree beyond what their frequencies give by chance: 1 for all, 0 for chance (Cohen, "A coefficient of agreement for
    /// nominal scales", 1960; `sklearn.metrics.cohen_kappa_score`). NaN if one class is all labels and all predictions.
    pub fn cohen_kappa(&self) -> f64 {
        let Agreement { total, correct, cross, .. } = self.agreement();
        1.0 - ((total - correct) * total) as f64 / (total * total - cross) as f64
    }

    /// The correlation of labels and predictions, from -1 to 1 (Matthews, 1975; for several classes Gorodkin, "Comparing two K-category assignments by a
    /// K-category correlation coefficient", 2004; `sklearn.metrics.matthews_corrcoef`). 0 if all labels or all predictions are of one class.
    pub fn mcc(&self) -> f64 {
        let Agreement { total, correct, cross, actual, predicted } = self.agreement();
        if total == 0 {
            return f64::NAN;
        }
        let spreads = ((total * total - actual) as f64, (total * total - predicted) as f64);
        let covariance = (total * correct) as f64 - cross as f64;
        if spreads.0 * spreads.1 == 0.0 { 0.0 } else { covariance / (spreads.0 * spreads.1).sqrt() }
    }

    fn agreement(&self) -> Agreement {
        let mut sums = Agreement { total: self.total() as u128, correct: self.correct() as u128, ..Default::default() };
        for class in 0..self.counts.len() {
            let (actual, predicted) = (self.actual(class) as u128, self.predicted(class) as u128);
            sums.cross += actual * predicted;
            sums.actual += actual * actual;
            sums.predicted += predicted * predicted;
        }
        // What was not predicted is a prediction of its own, which is never right.
        sums.predicted += (self.unpredicted.iter().sum::<usize>() as u128).pow(2);
        sums
    }

    /// The numbers over all classes, but for accuracy and micro averages.
    pub(super) fn averages(&self) -> Vec<Metric> {
        let of_classes = self.macro_average();
        vec![
            Metric::fraction("balanced_accuracy", self.balanced_accuracy()),
            Metric::fraction("precision_macro", of_classes.precision),
            Metric::fraction("recall_macro", of_classes.recall),
            Metric::fraction("f1_macro", of_classes.f1),
            Metric::number("cohen_kappa", self.cohen_kappa(), Direction::Maximize),
            Metric::number("mcc", self.mcc(), Direction::Maximize),
        ]
    }
}

/// Samples, those that are right, and over classes the sums of samples by label times samples by prediction, and of both squared.
#[derive(Default)]
struct Agreement {
    total: u128,
    correct: u128,
    cross: u128,
    actual: u128,
    predicted: u128,
}

/// A matrix as it is read.
#[derive(Deserialize)]
struct Unchecked {
    counts: Vec<Vec<usize>>,
    #[serde(default)]
    unpredicted: Vec<usize>,
}

impl TryFrom<Unchecked> for ConfusionMatrix {
    type Error = String;
    fn try_from(Unchecked { counts, unpredicted }: Unchecked) -> Result<Self, String> {
        let n = counts.len();
        if counts.iter().any(|row| row.len() != n) || !(unpredicted.is_empty() || unpredicted.len() == n) {
            return Err(format!("a confusion matrix of {n} classes whose rows have other lengths"));
        }
        Ok(ConfusionMatrix { counts, unpredicted })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(classes: usize, samples: &[(usize, usize)]) -> ConfusionMatrix {
        let mut m = ConfusionMatrix::new(classes);
        samples.iter().for_each(|&(actual, predicted)| m.add(actual, predicted));
        m
    }

    #[test]
    fn precision_and_recall_come_from_the_right_axis() {
        let m = matrix(3, &[(0, 0), (0, 0), (0, 1), (1, 1)]);
        assert_eq!((m.total(), m.correct(), m.accuracy()), (4, 3, 0.75));
        assert_eq!((m.precision(0), m.recall(0)), (Some(1.0), Some(2.0 / 3.0)));
        assert_eq!((m.precision(1), m.recall(1)), (Some(0.5), Some(1.0)));
        assert_eq!((m.precision(2), m.recall(2), m.f1(2)), (None, None, None));
        let micro = m.micro_average();
        assert_eq!((micro.precision, micro.recall, micro.f1), (0.75, 0.75, 0.75));
    }

    #[test]
    fn what_is_not_predicted_is_wrong() {
        let mut m = matrix(2, &[(0, 0), (1, 1)]);
        m.add_unpredicted(1);
        assert_eq!((m.total(), m.correct(), m.actual(1), m.predicted(1)), (3, 2, 2, 1));
        assert_eq!((m.precision(1), m.recall(1)), (Some(1.0), Some(0.5)));
        assert_eq!((m.micro_average().precision, m.micro_average().recall), (1.0, 2.0 / 3.0));
        // As of a third class that is predicted once and never right.
        let third = matrix(3, &[(0, 0), (1, 1), (1, 2)]);
        assert_eq!((m.cohen_kappa(), m.mcc()), (third.cohen_kappa(), third.mcc()));
        let mut merged = matrix(2, &[(0, 0)]);
        merged.merge(&m);
        assert_eq!((merged.total(), merged.actual(1)), (4, 2));
    }

    #[test]
    fn one_class_correlates_with_nothing() {
        let same = matrix(2, &[(0, 0), (0, 0)]);
        assert!(same.cohen_kappa().is_nan());
        assert_eq!((same.mcc(), matrix(2, &[(0, 0), (1, 0)]).mcc()), (0.0, 0.0));
        assert!(matrix(2, &[]).mcc().is_nan() && matrix(2, &[]).balanced_accuracy().is_nan());
    }

    #[test]
    fn json_has_a_square_matrix() {
        let mut m = matrix(2, &[(0, 1)]);
        assert_eq!(serde_json::to_string(&m).unwrap(), r#"{"counts":[[0,1],[0,0]]}"#);
        m.add_unpredicted(0);
        assert_eq!(serde_json::from_str::<ConfusionMatrix>(&serde_json::to_string(&m).unwrap()).unwrap(), m);
        for bad in [r#"{"counts":[[0,1],[0]]}"#, r#"{"counts":[[1]],"unpredicted":[1,2]}"#] {
            assert!(serde_json::from_str::<ConfusionMatrix>(bad).is_err(), "{bad}");
        }
    }
}
