//! Numbers as targets.

use super::{Direction, Metric, Metrics, mean, nan_as_null, rows};
use serde::{Deserialize, Serialize};

/// How far predicted numbers are from their targets.
///
/// `mae`, `rmse` and `r2` as `sklearn.metrics` has `mean_absolute_error`, `root_mean_squared_error` and `r2_score`: over several columns their means, each
/// column weighing the same, and then, such as `mae/width`, those of each column.
///
/// R² of a constant target is 1 if every prediction is exact, otherwise 0; of fewer than two samples it is NaN. A prediction that is NaN makes NaN of its
/// column.
///
/// Sums of squares about the mean are updated as in Welford, "Note on a method for calculating corrected sums of squares and products" (1962), and merged
/// as in Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979). The last bits depend on the order of
/// samples and merges alone.
///
/// ```
/// use striate_train::{Metrics, RegressionMetrics};
///
/// let mut metrics = RegressionMetrics::new(vec!["age".into()]);
/// metrics.add(&[1.0, 2.0, 4.0], &[1.0, 2.0, 3.0]);
/// let found: Vec<(String, f64)> = metrics.finish().into_iter().map(|m| (m.name, m.value)).collect();
/// assert_eq!(found[2], ("r2".into(), 0.5));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RegressionMetrics {
    samples: usize,
    columns: Vec<Column>,
    /// Every column's predicted and actual numbers, where they are kept.
    pairs: Option<Vec<Pairs>>,
}

/// The numbers of a column, in the order in which they were added.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Pairs {
    #[serde(with = "nan_as_null::list")]
    predicted: Vec<f32>,
    #[serde(with = "nan_as_null::list")]
    actual: Vec<f32>,
}

/// One of the numbers that a sample has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Column {
    name: String,
    /// The mean target.
    #[serde(with = "nan_as_null::number")]
    mean: f64,
    /// The sum of squared distances of targets from their mean.
    #[serde(with = "nan_as_null::number")]
    spread: f64,
    /// The sum of absolute errors.
    #[serde(with = "nan_as_null::number")]
    absolute: f64,
    /// The sum of squared errors.
    #[serde(with = "nan_as_null::number")]
    squared: f64,
}

impl Column {
    /// Adds sample number `n`, from 1.
    fn add(&mut self, n: usize, predicted: f64, target: f64) {
        let from_mean = target - self.mean;
        self.mean += from_mean / n as f64;
        self.spread += from_mean * (target - self.mean);
        let error = predicted - target;
        self.absolute += error.abs();
        self.squared += error * error;
    }

    /// Adds `m` samples of `other` to `n` samples.
    fn merge(&mut self, n: f64, other: &Column, m: f64) {
        let apart = other.mean - self.mean;
        self.mean += apart * m / (n + m);
        self.spread += other.spread + apart * apart * n * m / (n + m);
        self.absolute += other.absolute;
        self.squared += other.squared;
    }

    fn mae(&self, samples: usize) -> f64 {
        self.absolute / samples as f64
    }

    fn rmse(&self, samples: usize) -> f64 {
        (self.squared / samples as f64).sqrt()
    }

    fn r2(&self, samples: usize) -> f64 {
        match self.spread {
            _ if samples < 2 || self.squared.is_nan() => f64::NAN,
            0.0 if self.squared == 0.0 => 1.0,
            0.0 => 0.0,
            spread => 1.0 - self.squared / spread,
        }
    }
}

impl RegressionMetrics {
    /// No samples yet, of targets with these names.
    ///
    /// # Panics
    /// If there are no columns.
    pub fn new(columns: Vec<String>) -> Self {
        assert!(!columns.is_empty(), "RegressionMetrics::new: there are no columns");
        let column = |name| Column { name, mean: 0.0, spread: 0.0, absolute: 0.0, squared: 0.0 };
        RegressionMetrics { samples: 0, columns: columns.into_iter().map(column).collect(), pairs: None }
    }

    /// Keeps the numbers of every sample too, for [`RegressionMetrics::pairs`].
    ///
    /// # Panics
    /// If there are samples already.
    pub fn keep_pairs(mut self) -> Self {
        assert_eq!(self.samples, 0, "RegressionMetrics::keep_pairs: samples were added without");
        self.pairs = Some(vec![Pairs::default(); self.columns.len()]);
        self
    }

    /// Each column's name, its predicted and its actual numbers, in the order in which they were added; nothing without
    /// [`RegressionMetrics::keep_pairs`].
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &[f32], &[f32])> {
        let pairs = self.pairs.iter().flatten();
        self.columns.iter().zip(pairs).map(|(column, p)| (&column.name[..], &p.predicted[..], &p.actual[..]))
    }

    /// Adds samples: predictions and targets, both [samples, columns].
    ///
    /// # Panics
    /// If the two have different lengths, or are no rows of the columns.
    pub fn add(&mut self, predicted: &[f32], targets: &[f32]) {
        let name = "RegressionMetrics::add";
        let (n, m, columns) = (predicted.len(), targets.len(), self.columns.len());
        assert_eq!(n, m, "{name}: {n} predictions for {m} targets");
        rows(name, n, columns);
        for (predicted, target) in predicted.chunks(columns).zip(targets.chunks(columns)) {
            self.samples += 1;
            for (column, (predicted, target)) in self.columns.iter_mut().zip(predicted.iter().zip(target)) {
                column.add(self.samples, *predicted as f64, *target as f64);
            }
        }
        for (i, pairs) in self.pairs.iter_mut().flatten().enumerate() {
            pairs.predicted.extend(predicted.iter().skip(i).step_by(columns));
            pairs.actual.extend(targets.iter().skip(i).step_by(columns));
        }
    }

    /// Samples added.
    pub fn samples(&self) -> usize {
        self.samples
    }
}

impl Metrics for RegressionMetrics {
    fn merge(&mut self, other: &Self) {
        let names = |metrics: &Self| metrics.columns.iter().map(|c| c.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(self), names(other), "RegressionMetrics::merge: other columns");
        assert_eq!(self.pairs.is_some(), other.pairs.is_some(), "RegressionMetrics::merge: one of two keeps pairs");
        if other.samples == 0 {
            return;
        }
        for (column, other_column) in self.columns.iter_mut().zip(&other.columns) {
            column.merge(self.samples as f64, other_column, other.samples as f64);
        }
        self.samples += other.samples;
        for (pairs, others) in self.pairs.iter_mut().flatten().zip(other.pairs.iter().flatten()) {
            pairs.predicted.extend(&others.predicted);
            pairs.actual.extend(&others.actual);
        }
    }

    fn finish(&self) -> Vec<Metric> {
        type Of = fn(&Column, usize) -> f64;
        let metrics: [(&str, Of, Direction); 3] = [
            ("mae", Column::mae, Direction::Minimize),
            ("rmse", Column::rmse, Direction::Minimize),
            ("r2", Column::r2, Direction::Maximize),
        ];
        let over_all = metrics.map(|(name, of, direction)| {
            Metric::number(name, mean(self.columns.iter().map(|column| of(column, self.samples))), direction)
        });
        let each = if self.columns.len() > 1 { &self.columns[..] } else { &[] };
        let by_column = each.iter().flat_map(|column| {
            metrics.map(|(name, of, direction)| {
                Metric::number(format!("{name}/{}", column.name), of(column, self.samples), direction)
            })
        });
        over_all.into_iter().chain(by_column).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(predicted: &[f32], targets: &[f32]) -> Vec<f64> {
        let mut metrics = RegressionMetrics::new(vec!["x".into()]);
        metrics.add(predicted, targets);
        metrics.finish().into_iter().map(|m| m.value).collect()
    }

    #[test]
    fn a_large_mean_costs_no_digits() {
        let targets: Vec<f32> = (0..1000).map(|i| 4_194_304.0 + (i % 2) as f32).collect();
        let predicted: Vec<f32> = targets.iter().map(|t| t + 0.5).collect();
        let [mae, rmse, r2] = of(&predicted, &targets)[..] else { panic!() };
        assert!((mae - 0.5).abs() + (rmse - 0.5).abs() + r2.abs() < 1e-12, "{mae} {rmse} {r2}");
    }

    #[test]
    fn a_constant_target_is_explained_wholly_or_not() {
        assert_eq!(of(&[0.1, 0.1, 0.1], &[0.1, 0.1, 0.1]), [0.0, 0.0, 1.0]);
        assert_eq!(of(&[3.0, 1.0], &[2.0, 2.0]), [1.0, 1.0, 0.0]);
        assert!(of(&[1.0], &[1.0])[2].is_nan());
    }

    #[test]
    fn nan_stays_in_its_column() {
        let mut metrics = RegressionMetrics::new(vec!["a".into(), "b".into()]);
        metrics.add(&[f32::NAN, 1.0, 0.0, 3.0], &[0.0, 1.0, 1.0, 2.0]);
        let read: RegressionMetrics = serde_json::from_str(&serde_json::to_string(&metrics).unwrap()).unwrap();
        let finished = read.finish();
        assert_eq!(finished, metrics.finish());
        let names: Vec<&str> = finished.iter().map(|m| m.name.as_str()).collect();
        assert_eq!(names, ["mae", "rmse", "r2", "mae/a", "rmse/a", "r2/a", "mae/b", "rmse/b", "r2/b"]);
        let defined: Vec<bool> = finished.iter().map(|m| !m.value.is_nan()).collect();
        assert_eq!(defined, [false, false, false, false, false, false, true, true, true]);
    }

    #[test]
    fn pairs_are_kept_by_column() {
        let new = || RegressionMetrics::new(vec!["a".into(), "b".into()]).keep_pairs();
        let (mut metrics, mut more) = (new(), new());
        metrics.add(&[1.0, 2.0, 3.0, 4.0], &[5.0, 6.0, 7.0, 8.0]);
        more.add(&[9.0, 10.0], &[11.0, 12.0]);
        metrics.merge(&more);
        let kept: Vec<_> = metrics.pairs().collect();
        assert_eq!(kept[0], ("a", &[1.0, 3.0, 9.0][..], &[5.0, 7.0, 11.0][..]));
        assert_eq!(kept[1], ("b", &[2.0, 4.0, 10.0][..], &[6.0, 8.0, 12.0][..]));
        let mut without = RegressionMetrics::new(vec!["a".into()]);
        without.add(&[1.0], &[2.0]);
        assert_eq!(without.pairs().count(), 0);
    }

    #[test]
    fn nothing_is_nan_and_adds_nothing() {
        let empty = RegressionMetrics::new(vec!["x".into()]);
        assert!(empty.finish().iter().all(|m| m.value.is_nan()));
        let mut merged = empty.clone();
        merged.merge(&empty);
        assert_eq!(merged, empty);
    }
}
