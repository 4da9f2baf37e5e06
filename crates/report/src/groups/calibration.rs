//! How far confidence and accuracy are apart.

/// The expected calibration error with bins of equal width: images by the probability of the predicted class, of each bin the distance of mean probability and
/// accuracy, and of these the mean, weighed by images (Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015;
/// Guo et al., "On Calibration of Modern Neural Networks", 2017). A bin holds its upper edge, the first one 0 as well. None of no images, or if a probability is NaN.
///
/// # Panics
/// If there are no bins.
pub fn equal_width_ece(images: impl IntoIterator<Item = (f64, bool)>, bins: usize) -> Option<f64> {
    assert!(bins > 0, "equal_width_ece: there are no bins");
    let mut sums = vec![(0.0, 0usize); bins];
    let mut n = 0usize;
    for (confidence, right) in images {
        if confidence.is_nan() {
            return None;
        }
        let bin = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
        sums[bin].0 += confidence - f64::from(u8::from(right));
        sums[bin].1 += 1;
        n += 1;
    }
    (n > 0).then(|| sums.iter().map(|(sum, _)| sum.abs()).sum::<f64>() / n as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_hand() {
        let images = [(0.95, true), (0.9, false), (0.55, true), (0.2, false), (0.0, false), (1.0, true)];
        // Ten bins: 0.2 in the second, 0.9 in the ninth, 0.95 and 1.0 in the last.
        let wanted = (0.0 + 0.2 + 0.45 + 0.9 + (0.05 + 0.0)) / 6.0;
        assert!((equal_width_ece(images, 10).unwrap() - wanted).abs() < 1e-12);
        assert!((equal_width_ece([(0.75, true), (0.25, true)], 1).unwrap() - 0.5).abs() < 1e-12);
        assert_eq!(equal_width_ece([], 10), None);
        assert_eq!(equal_width_ece([(f64::NAN, true)], 10), None);
    }
}
