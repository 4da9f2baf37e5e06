//! How far a number that was measured on few samples can be off.

use striate_data::parallel;
use striate_tensor::{Generator, num_threads};

/// A 95 % confidence interval for any statistic of `n` samples, by the percentile bootstrap (Efron and Tibshirani, An Introduction to the Bootstrap, 1993,
/// chapters 10 and 13): the statistic of `rounds` resamples, each of `n` indices drawn with replacement, and of these the percentiles 2.5 and 97.5. Where the
/// mean of the resamples differs from the statistic of all samples by more than a quarter of their standard deviation, both percentiles are shifted by that
/// bias, which can lead out of the range of the statistic. The interval holds the statistic of all samples.
///
/// It depends on `n`, `rounds` and `seed` alone: each round has its own generator. Rounds whose statistic is not finite are left out, such as the ROC-AUC of
/// a resample of one class. There is no interval if all others are equal: such samples do not tell how far the statistic can be off.
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
    if n == 0 || rounds == 0 {
        return vec![None; count];
    }
    let checked = |indices: &[usize]| {
        let found = statistics(indices);
        assert_eq!(found.len(), count, "bootstrap_intervals: {} statistics, not {count}", found.len());
        found
    };
    let all = checked(&Vec::from_iter(0..n));
    let drawn = parallel::map(rounds, num_threads(), |round| {
        let mut generator = Generator::keyed([seed, BOOTSTRAP, round as u64, 0]);
        checked(&Vec::from_iter((0..n).map(|_| generator.below(n as u64) as usize)))
    });
    (0..count).map(|i| interval(all[i], drawn.iter().map(|round| round[i]))).collect()
}

/// The interval of a statistic with this value, from that of each resample.
fn interval(value: f64, drawn: impl Iterator<Item = f64>) -> Option<[f64; 2]> {
    let mut drawn: Vec<f64> = drawn.filter(|x| x.is_finite()).collect();
    drawn.sort_unstable_by(f64::total_cmp);
    let (first, last) = (drawn.first()?, drawn.last()?);
    // Sums in another order differ in their last bits.
    if !value.is_finite() || last - first <= 1e-12 * value.abs().max(1.0) {
        return None;
    }
    let n = drawn.len() as f64;
    let mean = drawn.iter().sum::<f64>() / n;
    let deviation = (drawn.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n).sqrt();
    let bias = mean - value;
    let shift = if bias.abs() > NEGLIGIBLE_BIAS * deviation { bias } else { 0.0 };
    let [low, high] = [quantile(&drawn, 0.025)? - shift, quantile(&drawn, 0.975)? - shift];
    Some([low.min(value), high.max(value)])
}

/// The part of an interval in which a fraction can lie: a shift by the bias can lead out of it.
pub fn fraction_interval(interval: [f64; 2]) -> [f64; 2] {
    interval.map(|x| x.clamp(0.0, 1.0))
}

/// In standard deviations.
const NEGLIGIBLE_BIAS: f64 = 0.25;

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
    fn the_bias_of_resamples_is_taken_off() {
        // A resample has about two thirds of the distinct samples.
        let distinct = |indices: &[usize]| {
            let mut indices = indices.to_vec();
            indices.sort_unstable();
            indices.dedup();
            indices.len() as f64
        };
        let [low, high] = bootstrap_interval(100, 1000, 0, distinct).unwrap();
        assert!(low > 93.0 && low < 95.0 && high > 105.0 && high < 107.0, "{low} {high}");
    }

    #[test]
    fn samples_that_say_nothing_have_no_interval() {
        assert_eq!(bootstrap_interval(6, 50, 0, |_| 1.0), None);
        assert_eq!(interval(0.3, [0.1 + 0.2, 0.3, 0.3].into_iter()), None);
        assert_eq!(interval(f64::NAN, [0.1, 0.2].into_iter()), None);
    }

    #[test]
    fn undefined_rounds_are_left_out() {
        let sum = |indices: &[usize]| indices.iter().sum::<usize>() as f64;
        let defined = |indices: &[usize]| if sum(indices) < 4.0 { sum(indices) } else { f64::NAN };
        let [low, high] = bootstrap_interval(3, 200, 0, defined).unwrap();
        assert!(low < 3.0 && high > 3.0 && high < 6.0, "{low} {high}");
        let infinite = |indices: &[usize]| if indices[0] == 0 { f64::INFINITY } else { indices[0] as f64 };
        assert_eq!(bootstrap_interval(3, 50, 0, infinite), None, "its value is not finite");
        assert_eq!(bootstrap_interval(3, 50, 0, |_| f64::NAN), None);
        assert_eq!(bootstrap_interval(0, 50, 0, |_| 1.0), None);
        assert_eq!(bootstrap_interval(3, 0, 0, |_| 1.0), None);
    }
}
