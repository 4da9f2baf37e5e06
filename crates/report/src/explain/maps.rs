//! Arithmetic on maps: rows of numbers, one for each pixel.

/// What keeps a map of one value from a division by 0, as in pytorch-grad-cam.
const EPS: f32 = 1e-7;

/// From 0 for its least number to 1 for its largest (`scale_cam_image`).
pub(crate) fn scaled(map: &mut [f32]) {
    let least = map.iter().copied().fold(f32::INFINITY, f32::min);
    map.iter_mut().for_each(|x| *x -= least);
    let largest = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    map.iter_mut().for_each(|x| *x /= EPS + largest);
}

/// The two of `n` numbers around a position in pixels, where the middle of the first is at 0.5, and how far it is from the first to the second.
pub(crate) fn neighbours(at: f64, n: usize) -> (usize, usize, f32) {
    let at = (at - 0.5).clamp(0.0, (n - 1) as f64);
    let first = at.floor() as usize;
    (first, (first + 1).min(n - 1), (at - first as f64) as f32)
}

/// The number at a point of a map, by bilinear interpolation.
pub(crate) fn sample(map: &[f32], [h, w]: [usize; 2], [x, y]: [f64; 2]) -> f32 {
    let ((x0, x1, fx), (y0, y1, fy)) = (neighbours(x, w), neighbours(y, h));
    let line = |y: usize| map[y * w + x0] * (1.0 - fx) + map[y * w + x1] * fx;
    line(y0) * (1.0 - fy) + line(y1) * fy
}

/// A map of another height and width, by bilinear interpolation (`cv2.resize`).
pub(crate) fn resized(map: &[f32], from: [usize; 2], to: [usize; 2]) -> Vec<f32> {
    let at = |i: usize, axis: usize| (i as f64 + 0.5) * from[axis] as f64 / to[axis] as f64;
    let rows = (0..to[0]).map(|y| at(y, 0));
    rows.flat_map(|y| (0..to[1]).map(move |x| sample(map, from, [at(x, 1), y]))).collect()
}

/// The ranks of the numbers from the least, 0; equal ones share the mean of theirs.
fn ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut begin = 0;
    while begin < order.len() {
        let same = order[begin..].iter().take_while(|&&i| values[i] == values[order[begin]]).count().max(1);
        let mean = begin as f64 + (same - 1) as f64 / 2.0;
        order[begin..begin + same].iter().for_each(|&i| ranks[i] = mean);
        begin += same;
    }
    ranks
}

/// Spearman's rank correlation (`scipy.stats.spearmanr`); none where either is constant or has NaN.
pub(crate) fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.iter().chain(b).any(|x| x.is_nan()) {
        return None;
    }
    let (a, b) = (ranks(a), ranks(b));
    let mean = (a.len() as f64 - 1.0) / 2.0;
    let moment = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - mean) * (y - mean)).sum::<f64>();
    let scale = (moment(&a, &a) * moment(&b, &b)).sqrt();
    (scale > 0.0).then(|| moment(&a, &b) / scale)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_scaled_and_resized_as_opencv_does() {
        let mut map = [3.0, 1.0, 2.0];
        scaled(&mut map);
        assert!(map.iter().zip([1.0, 0.0, 0.5]).all(|(a, b)| (a - b).abs() < 1e-6));
        let mut flat = [2.0; 3];
        scaled(&mut flat);
        assert_eq!(flat, [0.0; 3]);
        // cv2.resize(np.float32([[0, 1], [2, 3]]), (4, 3))
        let got = resized(&[0.0, 1.0, 2.0, 3.0], [2, 2], [3, 4]);
        assert_eq!(got, [0.0, 0.25, 0.75, 1.0, 1.0, 1.25, 1.75, 2.0, 2.0, 2.25, 2.75, 3.0]);
        assert_eq!(resized(&[5.0], [1, 1], [2, 3]), [5.0; 6]);
    }

    #[test]
    fn ranks_correlate_as_scipy_says() {
        // scipy.stats.spearmanr([1, 2, 2, 4, 5], [5, 6, 7, 8, 7]).statistic
        let got = spearman(&[1.0, 2.0, 2.0, 4.0, 5.0], &[5.0, 6.0, 7.0, 8.0, 7.0]).unwrap();
        assert!((got - 0.763_157_894_736_842).abs() < 1e-12, "{got}");
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[9.0, 4.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&[1.0, 2.0], &[4.0, 4.0]), None);
        assert_eq!(spearman(&[1.0, f32::NAN], &[4.0, 5.0]), None);
        assert_eq!(spearman(&[], &[]), None);
    }
}
