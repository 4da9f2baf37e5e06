//! Numbers as targets.

use super::{Direction, Metric, Metrics, mean, nan_as_null, rows};
use serde::{Deserialize, Serialize};

/// How far predicted numbers are from their targets.
///
/// `mae`, `rmse` and `r2` as `sklearn.metrics` has `mean_absolute_error`, `root_mean_squared_error` and `r2_score`: over several columns their means, each
/// column weighing the same, and then, such as `mae/width`, those of each column.
///
/// R² of a constant target is 1 if every prediction is exact, otherwise 0; of fewer than two samples it is NaN. A prediction that is NaN makes NaN of its column.
///
/// Sums of squares about the mean are updated as in Welford, "Note on a method for calculating corrected sums of squares and products" (1962), and merged as in
/// Chan, Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample variances" (1979). The last bits depend on the order of samples and merges alone.
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
    columns: Vec<String>,
    samples: usize,
    /// By column: the mean target,
    #[serde(with = "nan_as_null::list")]
    mean: Vec<f64>,
    /// the sum of squared distances of targets from it,
    #[serde(with = "nan_as_null::list")]
    spread: Vec<f64>,
    /// the sum of absolute errors,
    #[serde(with = "nan_as_null::list")]
    absolute: Vec<f64>,
    /// and that of squared errors.
    #[serde(with = "nan_as_null::list")]
    squared: Vec<f64>,
}

impl RegressionMetrics {
    /// No samples yet, of targets with these names.
    ///
    /// # Panics
    /// If there are no columns.
    pub fn new(columns: Vec<String>) -> Self {
        assert!(!columns.is_empty(), "RegressionMetrics::new: there are no columns");
        let zeros = vec![0.0; columns.len()];
        RegressionMetrics {
            columns,
            samples: 0,
            mean: zeros.clone(),
            spread: zeros.clone(),
            absolute: zeros.clone(),
            squared: zeros,
        }
    }

    /// Adds samples: predictions and targets, both [samples, columns].
    ///
    /// # Panics
    /// If the two have different lengths, or are no rows of the columns.
    pub fn add(&mut self, predicted: &[f32], targets: &[f32]) {
        let name = "RegressionMetrics::add";
        let (n, m) = (predicted.len(), targets.len());
        assert_eq!(n, m, "{name}: {n} predictions for {m} targets");
        rows(name, n, self.columns.len());
        let columns = self.columns.len();
        for (predicted, target) in predicted.chunks(columns).zip(targets.chunks(columns)) {
            self.samples += 1;
            for (c, (&predicted, &target)) in predicted.iter().zip(target).enumerate() {
                let (target, error) = (target as f64, predicted as f64 - target as f64);
                let from_mean = target - self.mean[c];
                self.mean[c] += from_mean / self.samples as f64;
                self.spread[c] += from_mean * (target - self.mean[c]);
                self.absolute[c] += error.abs();
                self.squared[c] += error * error;
            }
        }
    }

    /// Samples added.
    pub fn samples(&self) -> usize {
        self.samples
    }

    fn mae(&self, column: usize) -> f64 {
        self.absolute[column] / self.samples as f64
    }

    fn rmse(&self, column: usize) -> f64 {
        (self.squared[column] / self.samples as f64).sqrt()
    }

    fn r2(&self, column: usize) -> f64 {
        let (error, spread) = (self.squared[column], self.spread[column]);
        match spread {
            _ if self.samples < 2 || error.is_nan() => f64::NAN,
            0.0 if error == 0.0 => 1.0,
            0.0 => 0.0,
            _ => 1.0 - error / spread,
        }
    }
}

impl Metrics for RegressionMetrics {
    fn merge(&mut self, other: &Self) {
        assert_eq!(self.columns, other.columns, "RegressionMetrics::merge: other columns");
        if other.samples == 0 {
            return;
        }
        let (n, m) = (self.samples as f64, other.samples as f64);
        for c in 0..self.columns.len() {
            let apart = other.mean[c] - self.mean[c];
            self.mean[c] += apart * m / (n + m);
            self.spread[c] += other.spread[c] + apart * apart * n * m / (n + m);
            self.absolute[c] += other.absolute[c];
            self.squared[c] += other.squared[c];
        }
        self.samples += other.samples;
    }

    fn finish(&self) -> Vec<Metric> {
        type Of = fn(&RegressionMetrics, usize) -> f64;
        let metrics: [(&str, Of, Direction); 3] = [
            ("mae", Self::mae, Direction::Minimize),
            ("rmse", Self::rmse, Direction::Minimize),
            ("r2", Self::r2, Direction::Maximize),
        ];
        let columns = 0..self.columns.len();
        let over_all = metrics
            .iter()
            .map(|(name, of, direction)| Metric::number(*name, mean(columns.clone().map(|c| of(self, c))), *direction));
        let each = if self.columns.len() > 1 { &self.columns[..] } else { &[] };
        let by_column = each.iter().enumerate().flat_map(|(c, column)| {
            metrics.map(|(name, of, direction)| Metric::number(format!("{name}/{column}"), of(self, c), direction))
        });
        over_all.chain(by_column).collect()
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
    fn nothing_is_nan_and_adds_nothing() {
        let empty = RegressionMetrics::new(vec!["x".into()]);
        assert!(empty.finish().iter().all(|m| m.value.is_nan()));
        let mut merged = empty.clone();
        merged.merge(&empty);
        assert_eq!(merged, empty);
    }
}
