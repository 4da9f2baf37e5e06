//! How far a number that was measured on few samples can be off.

use striate_data::parallel;
use striate_tensor::{Generator, num_threads};

/// A 95 % confidence interval for any statistic of `n` samples, by the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
/// chapter 13): the statistic of `rounds` resamples, each of `n` indices drawn with replacement, and of these the percentiles 2.5 and 97.5.
///
/// It depends on `n`, `rounds` and `seed` alone: each round has its own generator. Rounds whose statistic is NaN are left out, such as the ROC-AUC of a
/// resample of one class; none if no other is left.
///
/// ```
/// use striate_train::bootstrap_interval;
///
/// let errors: Vec<f64> = (0..100).map(f64::from).collect();
/// let mean = |indices: &[usize]| indices.iter().map(|&i| errors[i]).sum::<f64>() / indices.len() as f64;
/// let [low, high] = bootstrap_interval(errors.len(), 1000, 0, mean).unwrap();
/// assert!(low > 40.0 && low < 49.5 && 49.5 < high && high < 59.0);
/// ```
pub fn bootstrap_interval(
    n: usize,
    rounds: usize,
    seed: u64,
    statistic: impl Fn(&[usize]) -> f64 + Sync,
) -> Option<[f64; 2]> {
    bootstrap_intervals(n, rounds, seed, 1, |indices| vec![statistic(indices)])[0]
}

/// As [`bootstrap_interval`], of several statistics of the same resamples.
///
/// # Panics
/// If `statistics` does not give `count` numbers.
pub fn bootstrap_intervals(
    n: usize,
    rounds: usize,
    seed: u64,
    count: usize,
    statistics: impl Fn(&[usize]) -> Vec<f64> + Sync,
) -> Vec<Option<[f64; 2]>> {
    let rounds = if n == 0 { 0 } else { rounds };
    let drawn = parallel::map(rounds, num_threads(), |round| {
        let mut generator = Generator::keyed([seed, BOOTSTRAP, round as u64, 0]);
        let indices: Vec<usize> = (0..n).map(|_| generator.below(n as u64) as usize).collect();
        let found = statistics(&indices);
        assert_eq!(found.len(), count, "bootstrap_intervals: {} statistics, not {count}", found.len());
        found
    });
    let interval = |i: usize| {
        let mut values: Vec<f64> = drawn.iter().map(|round| round[i]).filter(|x| !x.is_nan()).collect();
        values.sort_unstable_by(f64::total_cmp);
        Some([quantile(&values, 0.025)?, quantile(&values, 0.975)?])
    };
    (0..count).map(interval).collect()
}

/// Tells these draws from others of the same seed.
const BOOTSTRAP: u64 = u64::from_le_bytes(*b"bootstrp");

/// The quantile `q` of sorted numbers, interpolated linearly as `numpy.quantile` does.
fn quantile(sorted: &[f64], q: f64) -> Option<f64> {
    let position = q * sorted.len().checked_sub(1)? as f64;
    let (below, fraction) = (position.floor() as usize, position.fract());
    let above = sorted[(below + 1).min(sorted.len() - 1)];
    Some(if fraction == 0.0 { sorted[below] } else { sorted[below] * (1.0 - fraction) + above * fraction })
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_model::wilson_interval;

    #[test]
    fn quantiles_are_interpolated() {
        let x = [1.0, 2.0, 4.0, 8.0, 16.0];
        for (q, value) in [(0.0, 1.0), (0.5, 4.0), (1.0, 16.0), (0.025, 1.1), (0.975, 15.2)] {
            assert!((quantile(&x, q).unwrap() - value).abs() < 1e-12, "{q}");
        }
        assert_eq!((quantile(&[3.0], 0.975), quantile(&[], 0.5)), (Some(3.0), None));
    }

    #[test]
    fn a_bootstrapped_proportion_is_near_wilsons() {
        let right: Vec<bool> = (0..400).map(|i| i % 5 != 0).collect();
        let accuracy = |indices: &[usize]| indices.iter().filter(|&&i| right[i]).count() as f64 / indices.len() as f64;
        let interval = bootstrap_interval(right.len(), 2000, 7, accuracy).unwrap();
        let (low, high) = wilson_interval(320, 400);
        assert!((interval[0] - low).abs() < 0.01 && (interval[1] - high).abs() < 0.01, "{interval:?} {low} {high}");
        assert_eq!(bootstrap_interval(right.len(), 2000, 7, accuracy), Some(interval));
        assert_ne!(bootstrap_interval(right.len(), 2000, 8, accuracy), Some(interval));
    }

    #[test]
    fn undefined_rounds_are_left_out() {
        let defined = |indices: &[usize]| if indices.contains(&0) { 1.0 } else { f64::NAN };
        assert_eq!(bootstrap_interval(3, 50, 0, defined), Some([1.0, 1.0]));
        assert_eq!(bootstrap_interval(3, 50, 0, |_| f64::NAN), None);
        assert_eq!(bootstrap_interval(0, 50, 0, |_| 1.0), None);
        assert_eq!(bootstrap_interval(3, 0, 0, |_| 1.0), None);
    }
}
