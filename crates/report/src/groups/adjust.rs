//! Several tests at once.

/// The p-values adjusted for being several, so that those up to a level are false in that fraction of cases at most: Benjamini and Hochberg, "Controlling the
/// False Discovery Rate", 1995 (`scipy.stats.false_discovery_control`). Each is at least the value it was, and 1 at most.
///
/// ```
/// use striate_report::groups::benjamini_hochberg;
///
/// assert_eq!(benjamini_hochberg(&[0.25, 0.125, 0.5]), [0.375, 0.375, 0.5]);
/// ```
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let n = p_values.len();
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; n];
    let mut least = 1.0f64;
    for (rank, &i) in order.iter().enumerate().rev() {
        least = least.min(p_values[i] * n as f64 / (rank + 1) as f64);
        adjusted[i] = least;
    }
    adjusted
}
