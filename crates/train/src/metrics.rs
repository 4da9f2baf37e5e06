//! Metrics of classification.

use serde::Serialize;

/// A 95 % confidence interval for a proportion, by Wilson's score (Wilson, 1927).
pub fn wilson_interval(successes: usize, trials: usize) -> (f64, f64) {
    const Z: f64 = 1.959963984540054;
    if trials == 0 {
        return (0.0, 1.0);
    }
    let n = trials as f64;
    let p = successes as f64 / n;
    let centre = p + Z * Z / (2.0 * n);
    let spread = Z * (p * (1.0 - p) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    // At the ends the bound is exact, which rounding must not hide.
    let low = if successes == 0 { 0.0 } else { (centre - spread) / scale };
    let high = if successes == trials { 1.0 } else { (centre + spread) / scale };
    (low, high)
}

/// How often each class was taken for each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConfusionMatrix {
    counts: Vec<Vec<usize>>,
}

impl ConfusionMatrix {
    /// No samples yet of `classes` classes.
    pub fn new(classes: usize) -> Self {
        ConfusionMatrix { counts: vec![vec![0; classes]; classes] }
    }

    /// Counts one sample.
    ///
    /// # Panics
    /// If a class does not exist.
    pub fn add(&mut self, actual: usize, predicted: usize) {
        self.counts[actual][predicted] += 1;
    }

    /// The counts: `[actual][predicted]`.
    pub fn counts(&self) -> &[Vec<usize>] {
        &self.counts
    }

    /// Samples counted.
    pub fn total(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// Samples whose class was predicted.
    pub fn correct(&self) -> usize {
        (0..self.counts.len()).map(|c| self.counts[c][c]).sum()
    }

    /// The share of samples whose class was predicted; 0 of none.
    pub fn accuracy(&self) -> f64 {
        self.correct() as f64 / self.total().max(1) as f64
    }

    /// Of the samples that were taken for `class`, the share that are; none if there are no such samples.
    pub fn precision(&self, class: usize) -> Option<f64> {
        let predicted: usize = self.counts.iter().map(|row| row[class]).sum();
        (predicted > 0).then(|| self.counts[class][class] as f64 / predicted as f64)
    }

    /// Of the samples that are of `class`, the share that were taken for it; none if there are no such samples.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let actual: usize = self.counts[class].iter().sum();
        (actual > 0).then(|| self.counts[class][class] as f64 / actual as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_matches_published_values() {
        // The formula, worked out apart in Python's floats.
        for (k, n, low, high) in [
            (9899, 10_000, 0.987_743, 0.991_680),
            (0, 10, 0.0, 0.277_533),
            (10, 10, 0.722_467, 1.0),
            (5, 10, 0.236_593, 0.763_407),
        ] {
            let (a, b) = wilson_interval(k, n);
            assert!((a - low).abs() < 1e-6 && (b - high).abs() < 1e-6, "{k}/{n}: {a} {b}");
        }
        assert_eq!(wilson_interval(0, 0), (0.0, 1.0));
    }

    #[test]
    fn precision_and_recall_come_from_the_right_axis() {
        let mut m = ConfusionMatrix::new(3);
        for (actual, predicted) in [(0, 0), (0, 0), (0, 1), (1, 1)] {
            m.add(actual, predicted);
        }
        assert_eq!((m.total(), m.correct(), m.accuracy()), (4, 3, 0.75));
        assert_eq!((m.precision(0), m.recall(0)), (Some(1.0), Some(2.0 / 3.0)));
        assert_eq!((m.precision(1), m.recall(1)), (Some(0.5), Some(1.0)));
        assert_eq!((m.precision(2), m.recall(2)), (None, None));
    }
}
