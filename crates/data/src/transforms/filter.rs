//! Blur, sharpness, and parts painted over, with torchvision's meaning.

use striate_imaging::{Depth, Image};

/// Blurred by a Gaussian of deviation `sigma` pixels, cut off after `kernel / 2` pixels; the image is mirrored at its edges (torchvision's
/// `gaussian_blur`).
///
/// # Panics
/// If `kernel` is even, or `sigma` not positive.
pub fn blur<T: Depth>(image: &Image<T>, kernel: usize, sigma: f64) -> Image<T> {
    assert!(kernel % 2 == 1 && sigma > 0.0, "blur: needs an odd kernel and a positive sigma, got {kernel} and {sigma}");
    let half = (kernel / 2) as isize;
    let weights: Vec<f64> = (-half..=half).map(|i| (-0.5 * (i as f64 / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    let weights: Vec<f32> = weights.into_iter().map(|w| (w / sum) as f32).collect();
    let (w, h, c) = (image.width, image.height, image.channels);
    let values: Vec<f32> = image.data.iter().map(|v| v.to_u32() as f32).collect();
    let across = along(&values, &weights, h, w, c);
    // Rows of all columns are columns of `w * c` values.
    let down = along(&across, &weights, 1, h, w * c);
    Image { data: down.into_iter().map(T::from_f32).collect(), ..*image }
}

/// Weighted sums over neighbours along the middle dimension of `[outer, n, inner]`.
fn along(values: &[f32], weights: &[f32], outer: usize, n: usize, inner: usize) -> Vec<f32> {
    let half = weights.len() / 2;
    let mut out = vec![0.0; values.len()];
    for o in 0..outer {
        for i in 0..n {
            let to = &mut out[(o * n + i) * inner..][..inner];
            for (k, weight) in weights.iter().enumerate() {
                let from = (o * n + mirrored(i as isize + k as isize - half as isize, n)) * inner;
                to.iter_mut().zip(&values[from..from + inner]).for_each(|(t, v)| *t += weight * v);
            }
        }
    }
    out
}

/// The place that shows at place `i` outside of 0 to `n - 1`, the edge itself shown once.
fn mirrored(i: isize, n: usize) -> usize {
    let period = (2 * n as isize - 2).max(1);
    let i = i.rem_euclid(period);
    if n == 1 { 0 } else { i.min(period - i) as usize }
}

/// Away from a blurred image by `factor`, or towards it; pixels at the edge stay as they are.
pub fn sharpness<T: Depth>(image: &Image<T>, factor: f32) -> Image<T> {
    let (w, h, c) = (image.width, image.height, image.channels);
    let mut out = image.clone();
    if w < 3 || h < 3 {
        return out;
    }
    for y in 1..h - 1 {
        for x in 1..w - 1 {
            for channel in 0..c {
                let at = (y * w + x) * c + channel;
                let around = [at - w * c, at, at + w * c];
                let sum: u32 = around.iter().flat_map(|&a| [a - c, a, a + c]).map(|a| image.data[a].to_u32()).sum();
                let value = image.data[at].to_u32() as f32;
                let blurred = (sum as f32 + 4.0 * value) / 13.0;
                out.data[at] = T::from_f32(factor * value + (1.0 - factor) * blurred);
            }
        }
    }
    out
}

/// Black in the `width`×`height` pixels whose first is in column `left` of row `top` (torchvision's `erase` with zeros).
///
/// # Panics
/// If they do not lie in the image.
pub fn erase<T: Depth>(mut image: Image<T>, left: usize, top: usize, width: usize, height: usize) -> Image<T> {
    let (w, c) = (image.width, image.channels);
    assert!(left + width <= w && top + height <= image.height, "erase: the part does not lie in the image");
    for y in top..top + height {
        image.data[(y * w + left) * c..(y * w + left + width) * c].fill(T::default());
    }
    image
}
