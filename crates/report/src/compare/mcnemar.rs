//! McNemar's test.

use schemars::JsonSchema;
use serde::Serialize;

/// Which of two models is right on how many images, and whether one is right more often than by chance (McNemar, "Note on the sampling error of the difference
/// between correlated proportions or percentages", 1947).
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct McNemar {
    /// Images on which both are right.
    pub both_right: usize,
    /// Images on which the first alone is right.
    pub only_a_right: usize,
    /// Images on which the second alone is right.
    pub only_b_right: usize,
    /// Images on which both are wrong.
    pub both_wrong: usize,
    /// How likely the images on which one alone is right are divided this unevenly if both are as good: the exact two-sided binomial test
    /// (`statsmodels.stats.contingency_tables.mcnemar`, `exact=True`).
    pub p_exact: f64,
    /// The mid-p variant, which is less cautious than the exact one and keeps its level nearly as well (Fagerland, Lydersen and Laake, "The McNemar test for
    /// binary matched-pairs data: mid-p and asymptotic are better than exact conditional", 2013).
    pub p_mid: f64,
}

impl McNemar {
    /// Of images with whether each model is right.
    pub fn of(images: impl IntoIterator<Item = (bool, bool)>) -> McNemar {
        let mut counts = [0; 4];
        for (a, b) in images {
            counts[2 * usize::from(!a) + usize::from(!b)] += 1;
        }
        let [both_right, only_a_right, only_b_right, both_wrong] = counts;
        let (below, at) = binomial_tail(only_a_right.min(only_b_right), only_a_right + only_b_right);
        let p_mid = if only_a_right == only_b_right { 1.0 - at / 2.0 } else { 2.0 * below - at };
        // Without an image on which they differ nothing speaks for either.
        let p_mid = if only_a_right + only_b_right == 0 { 1.0 } else { p_mid };
        McNemar { both_right, only_a_right, only_b_right, both_wrong, p_exact: (2.0 * below).min(1.0), p_mid }
    }
}

/// The probability of at most `k` and of exactly `k` heads among `n` of a fair coin, of which `k` is at most half.
fn binomial_tail(k: usize, n: usize) -> (f64, f64) {
    let log = (1..=k).map(|i| ((n - k + i) as f64 / i as f64).ln()).sum::<f64>() - n as f64 * 2f64.ln();
    let at = log.exp();
    let (mut term, mut below) = (at, at);
    for i in (1..=k).rev() {
        term *= i as f64 / (n - i + 1) as f64;
        below += term;
        if term < below * f64::EPSILON {
            break;
        }
    }
    (below, at)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(only_a: usize, only_b: usize) -> McNemar {
        let images = [((true, true), 7), ((true, false), only_a), ((false, true), only_b), ((false, false), 2)];
        McNemar::of(images.into_iter().flat_map(|(image, n)| std::iter::repeat_n(image, n)))
    }

    #[test]
    fn by_hand() {
        let test = of(5, 1);
        assert_eq!((test.both_right, test.only_a_right, test.only_b_right, test.both_wrong), (7, 5, 1, 2));
        assert!((test.p_exact - 2.0 * 7.0 / 64.0).abs() < 1e-15);
        assert!((test.p_mid - (2.0 * 7.0 - 6.0) / 64.0).abs() < 1e-15);
        let same = of(2, 2);
        assert_eq!(same.p_exact, 1.0);
        assert!((same.p_mid - (1.0 - 6.0 / 32.0)).abs() < 1e-15);
    }

    #[test]
    fn models_that_never_differ() {
        assert_eq!((of(0, 0).p_exact, of(0, 0).p_mid), (1.0, 1.0));
        assert_eq!(McNemar::of([]).p_exact, 1.0);
        assert!((of(0, 10).p_exact - 2.0 / 1024.0).abs() < 1e-15);
        assert!((of(0, 10).p_mid - 1.0 / 1024.0).abs() < 1e-15);
    }

    #[test]
    fn many_images_do_not_overflow() {
        let test = of(50_400, 49_600);
        assert!(test.p_exact > 0.01 && test.p_exact < 0.0125, "{test:?}");
        assert!(of(40_000, 60_000).p_exact < 1e-100);
    }
}
