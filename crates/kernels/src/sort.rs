//! Sorting.

use crate::Element;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;
use std::cmp::Ordering;

/// The order of numbers, in which NaN is larger than all of them.
fn order<T: PartialOrd>(a: &T, b: &T) -> Ordering {
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    a.partial_cmp(b).unwrap_or_else(|| is_nan(a).cmp(&is_nan(b)))
}

/// For each row of dense `x` [rows, len] the positions of its elements in ascending or descending order; equal ones stay in
/// order. NaN counts as larger than every number, as in PyTorch.
///
/// # Panics
/// If the lengths of `x` and `out` differ, or are no multiple of `len`.
pub fn argsort<T: Element + PartialOrd>(len: usize, descending: bool, x: &[T], out: &mut [i64]) {
    assert_eq!(x.len(), out.len(), "argsort: {} elements, {} positions", x.len(), out.len());
    if out.is_empty() {
        return;
    }
    assert!(x.len().is_multiple_of(len), "argsort: {} elements are no rows of {len}", x.len());
    let per_task = (CHUNK / 8 / len).max(1) * len;
    parallel_chunks(out, per_task, |i, out| {
        for (row, out) in x[i * per_task..].chunks(len).zip(out.chunks_mut(len)) {
            for (k, out) in out.iter_mut().enumerate() {
                *out = k as i64;
            }
            out.sort_by(|&a, &b| {
                let (a, b) = (&row[a as usize], &row[b as usize]);
                if descending { order(b, a) } else { order(a, b) }
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_elements_keep_their_order_and_nan_is_the_largest() {
        let nan = f32::NAN;
        let x = [3.0, nan, -1.0, 3.0, f32::INFINITY, nan, 0.0, -0.0];
        let mut out = [9; 8];
        argsort(8, false, &x, &mut out);
        assert_eq!(out, [2, 6, 7, 0, 3, 4, 1, 5]);
        argsort(8, true, &x, &mut out);
        assert_eq!(out, [1, 5, 4, 0, 3, 6, 7, 2]);
    }

    #[test]
    fn every_row_is_sorted() {
        let x: Vec<i64> = (0..3 * 5000).map(|i| i * 7919 % 1013).collect();
        let mut out = vec![0; x.len()];
        argsort(5000, false, &x, &mut out);
        for (row, order) in x.chunks(5000).zip(out.chunks(5000)) {
            let key = |i: i64| (row[i as usize], i);
            assert!(order.windows(2).all(|w| key(w[0]) < key(w[1])));
        }
        argsort::<u8>(0, false, &[], &mut []);
        argsort::<u8>(3, false, &[], &mut []);
    }
}
