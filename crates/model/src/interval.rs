//! How far a proportion that was measured on few samples can be off.

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
}
