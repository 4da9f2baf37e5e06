//! How near the boundaries of classes are to where they should be.

/// For each class the F1 of its boundaries in an image (Csurka et al., "What is a good evaluation measure for semantic segmentation?", 2013): of the precision,
/// the fraction of predicted boundary pixels that are nearer to a true one than the tolerance, and the recall, the fraction of true ones that are nearer to a
/// predicted one. The tolerance is a fraction of the diagonal.
///
/// A pixel is on the boundary of its class if one of its four neighbours is of another class. Where the target is below 0 there is neither target nor
/// prediction, and no boundary towards it. None for a class without a boundary in both, 0 for one with a boundary in one alone.
///
/// # Panics
/// If the lengths of `predicted` and `target` differ or are no rows of `width`, or a prediction is not below `classes`.
pub fn boundary_f1(
    predicted: &[i64],
    target: &[i64],
    width: usize,
    classes: usize,
    tolerance: f64,
) -> Vec<Option<f64>> {
    let (n, m) = (predicted.len(), target.len());
    assert!(n == m && width > 0 && n.is_multiple_of(width), "boundary_f1: {n} and {m} pixels are no rows of {width}");
    let height = n / width;
    let tolerance = tolerance * (width as f64).hypot(height as f64);
    let known = |classes: &[i64]| classes.iter().zip(target).map(|(&c, &t)| if t < 0 { t } else { c }).collect();
    let (predicted, target): (Vec<i64>, Vec<i64>) = (known(predicted), target.to_vec());
    let [predicted, target] = [predicted, target].map(|map| boundaries(&map, width, classes));
    let f1 = |(predicted, target): (&Vec<usize>, &Vec<usize>)| {
        if predicted.is_empty() || target.is_empty() {
            return (predicted.len() != target.len()).then_some(0.0);
        }
        let fraction =
            |of: &[usize], near: &[usize]| near_pixels(of, near, [height, width], tolerance) as f64 / of.len() as f64;
        let (precision, recall) = (fraction(predicted, target), fraction(target, predicted));
        Some(if precision + recall > 0.0 { 2.0 * precision * recall / (precision + recall) } else { 0.0 })
    };
    predicted.iter().zip(&target).map(f1).collect()
}

/// By class the pixels on its boundary.
fn boundaries(map: &[i64], width: usize, classes: usize) -> Vec<Vec<usize>> {
    let mut found = vec![Vec::new(); classes];
    for (at, &class) in map.iter().enumerate().filter(|(_, class)| **class >= 0) {
        let x = at % width;
        let differs = |there: bool, neighbour: usize| {
            there && map.get(neighbour).is_some_and(|&other| other >= 0 && other != class)
        };
        if differs(x > 0, at.wrapping_sub(1))
            || differs(x + 1 < width, at + 1)
            || differs(at >= width, at.wrapping_sub(width))
            || differs(true, at + width)
        {
            found[class as usize].push(at);
        }
    }
    found
}

/// How many pixels of `of` are nearer to one of `near` than `tolerance`.
fn near_pixels(of: &[usize], near: &[usize], [height, width]: [usize; 2], tolerance: f64) -> usize {
    const FAR: u32 = u32::MAX / 2;
    // For each pixel how many rows the next one of `near` in its column is away.
    let mut rows = vec![FAR; height * width];
    near.iter().for_each(|&at| rows[at] = 0);
    for at in width..rows.len() {
        rows[at] = rows[at].min(rows[at - width] + 1);
    }
    for at in (0..rows.len().saturating_sub(width)).rev() {
        rows[at] = rows[at].min(rows[at + width] + 1);
    }
    let most = tolerance.ceil() as usize;
    let squared = tolerance * tolerance;
    let is_near = |&&at: &&usize| {
        let (x, row) = (at % width, at - at % width);
        let (first, last) = (x.saturating_sub(most), (x + most).min(width - 1));
        (first..=last).any(|other| {
            let (dx, dy) = (x.abs_diff(other) as f64, f64::from(rows[row + other]));
            dx * dx + dy * dy < squared
        })
    };
    of.iter().filter(is_near).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shift_within_the_tolerance_is_forgiven() {
        let map = |edge: usize| (0..20 * 20).map(|i| (i % 20 >= edge) as i64).collect::<Vec<_>>();
        let f1 = |edge, tolerance: f64| boundary_f1(&map(edge), &map(10), 20, 3, tolerance / 800f64.sqrt());
        assert_eq!(f1(10, 0.5)[..2], [Some(1.0); 2]);
        assert!(f1(10, 0.5)[2].is_none());
        assert_eq!(f1(12, 2.1)[..2], [Some(1.0); 2]);
        assert_eq!(f1(12, 1.9)[..2], [Some(0.0); 2]);
        // A tolerance of 0 takes nothing, one beyond the image all.
        assert_eq!(f1(10, 0.0)[..2], [Some(0.0); 2]);
        assert_eq!(f1(3, 1e9)[..2], [Some(1.0); 2]);
    }

    #[test]
    fn one_boundary_alone_is_wrong_and_void_has_none() {
        let target = [0, 0, 0, 0, 1, 1];
        assert_eq!(boundary_f1(&[0; 6], &target, 2, 2, 0.5), [Some(0.0); 2]);
        let void = boundary_f1(&[0, 0, 1, 1, 1, 1], &[0, 0, -1, -1, 1, 1], 2, 2, 0.5);
        assert!(void.iter().all(|f1| f1.is_none()), "{void:?}");
        assert!(boundary_f1(&[], &[], 2, 1, 0.5)[0].is_none());
    }
}
