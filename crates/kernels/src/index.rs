//! Picking elements and rows by number, and adding gradients back to where they were picked.

use crate::Element;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;
use std::ops::AddAssign;

fn check_len(op: &str, what: &str, shape: [usize; 3], len: usize) {
    assert_eq!(shape.iter().product::<usize>(), len, "{op}: {what} {shape:?} does not have {len} elements");
}

#[inline(always)]
fn checked(op: &str, index: i64, len: usize) -> usize {
    assert!(index >= 0 && index < len as i64, "{op}: index {index} is out of range for a dimension of size {len}");
    index as usize
}

/// `out[o, k, i] = x[o, index[o, k, i], i]` (`torch.gather`), with dense `x` [outer, len, inner] and dense `index` and `out`
/// [outer, n, inner].
///
/// # Panics
/// If a length does not fit, or an index is not in `0..len`.
pub fn gather<T: Element>(outer: usize, len: usize, inner: usize, n: usize, x: &[T], index: &[i64], out: &mut [T]) {
    check_len("gather", "input", [outer, len, inner], x.len());
    check_len("gather", "index", [outer, n, inner], index.len());
    check_len("gather", "output", [outer, n, inner], out.len());
    parallel_chunks(out, CHUNK, |c, out| {
        for (k, out) in out.iter_mut().enumerate() {
            let at = c * CHUNK + k;
            let row = checked("gather", index[at], len);
            *out = x[(at / (n * inner) * len + row) * inner + at % inner];
        }
    });
}

/// The gradient of [`gather`]: `out[o, index[o, k, i], i] += grad[o, k, i]`, in order of `k`, with dense `grad` and `index`
/// [outer, n, inner] and dense `out` [outer, len, inner].
///
/// # Panics
/// If a length does not fit, or an index is not in `0..len`.
pub fn scatter_add<T: Element + AddAssign>(
    outer: usize,
    len: usize,
    inner: usize,
    n: usize,
    grad: &[T],
    index: &[i64],
    out: &mut [T],
) {
    check_len("scatter_add", "gradient", [outer, n, inner], grad.len());
    check_len("scatter_add", "index", [outer, n, inner], index.len());
    check_len("scatter_add", "output", [outer, len, inner], out.len());
    if grad.is_empty() {
        return;
    }
    assert!(len > 0, "scatter_add: {n} indices into a dimension of size 0");
    let per_task = (CHUNK / (n.max(len) * inner)).max(1);
    parallel_chunks(out, per_task * len * inner, |c, out| {
        for (o, out) in out.chunks_mut(len * inner).enumerate() {
            let first = (c * per_task + o) * n * inner;
            for k in 0..n * inner {
                let row = checked("scatter_add", index[first + k], len);
                out[row * inner + k % inner] += grad[first + k];
            }
        }
    });
}

/// `out[o, k, i] = x[o, index[k], i]` (`torch.index_select`), with dense `x` [outer, len, inner] and dense `out`
/// [outer, index.len(), inner].
///
/// # Panics
/// If a length does not fit, or an index is not in `0..len`.
pub fn index_select<T: Element>(outer: usize, len: usize, inner: usize, x: &[T], index: &[i64], out: &mut [T]) {
    let n = index.len();
    check_len("index_select", "input", [outer, len, inner], x.len());
    check_len("index_select", "output", [outer, n, inner], out.len());
    if out.is_empty() {
        return;
    }
    let per_task = (CHUNK / inner).max(1);
    parallel_chunks(out, per_task * inner, |c, out| {
        for (k, out) in out.chunks_mut(inner).enumerate() {
            let at = c * per_task + k;
            let row = checked("index_select", index[at % n], len);
            out.copy_from_slice(&x[(at / n * len + row) * inner..][..inner]);
        }
    });
}

/// The gradient of [`index_select`]: `out[o, index[k], i] += grad[o, k, i]`, in order of `k`, with dense `grad`
/// [outer, index.len(), inner] and dense `out` [outer, len, inner].
///
/// # Panics
/// If a length does not fit, or an index is not in `0..len`.
pub fn index_add<T: Element + AddAssign>(
    outer: usize,
    len: usize,
    inner: usize,
    grad: &[T],
    index: &[i64],
    out: &mut [T],
) {
    let n = index.len();
    check_len("index_add", "gradient", [outer, n, inner], grad.len());
    check_len("index_add", "output", [outer, len, inner], out.len());
    if grad.is_empty() {
        return;
    }
    assert!(len > 0, "index_add: {n} indices into a dimension of size 0");
    let per_task = (CHUNK / (n.max(len) * inner)).max(1);
    parallel_chunks(out, per_task * len * inner, |c, out| {
        for (o, out) in out.chunks_mut(len * inner).enumerate() {
            for (k, &row) in index.iter().enumerate() {
                let row = checked("index_add", row, len);
                let grad = &grad[((c * per_task + o) * n + k) * inner..][..inner];
                out[row * inner..][..inner].iter_mut().zip(grad).for_each(|(out, g)| *out += *g);
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const CASES: [[usize; 4]; 7] =
        [[1, 1, 1, 1], [3, 5, 1, 2], [2, 3, 17, 4], [1, 4, 3, 9], [0, 3, 2, 2], [2, 3, 2, 0], [300, 7, 33, 5]];

    #[test]
    fn matches_the_reference() {
        for [outer, len, inner, n] in CASES {
            let x: Vec<f64> = (0..outer * len * inner).map(|i| i as f64).collect();
            let grad: Vec<f64> = (0..outer * n * inner).map(|i| (i % 13) as f64).collect();
            let index: Vec<i64> = (0..outer * n * inner).map(|i| (i * i + 3 * i) as i64 % len as i64).collect();
            let rows: Vec<i64> = (0..n).map(|i| (i * 2) as i64 % len as i64).collect();
            let mut want = [vec![0.0; grad.len()], vec![1.0; x.len()], vec![0.0; grad.len()], vec![1.0; x.len()]];
            for o in 0..outer {
                for k in 0..n {
                    for i in 0..inner {
                        let here = (o * n + k) * inner + i;
                        let there = (o * len + index[here] as usize) * inner + i;
                        want[0][here] = x[there];
                        want[1][there] += grad[here];
                        let there = (o * len + rows[k] as usize) * inner + i;
                        want[2][here] = x[there];
                        want[3][there] += grad[here];
                    }
                }
            }
            let mut got = [vec![0.0; grad.len()], vec![1.0; x.len()], vec![0.0; grad.len()], vec![1.0; x.len()]];
            gather(outer, len, inner, n, &x, &index, &mut got[0]);
            scatter_add(outer, len, inner, n, &grad, &index, &mut got[1]);
            index_select(outer, len, inner, &x, &rows, &mut got[2]);
            index_add(outer, len, inner, &grad, &rows, &mut got[3]);
            assert_eq!(got, want, "{outer} {len} {inner} {n}");
        }
    }

    #[test]
    fn indices_out_of_range_are_refused() {
        for bad in [-1, 3] {
            let calls: [fn(i64); 4] = [
                |i| gather(1, 3, 1, 1, &[0u8; 3], &[i], &mut [0]),
                |i| scatter_add(1, 3, 1, 1, &[0f32], &[i], &mut [0.0; 3]),
                |i| index_select(1, 3, 1, &[0u8; 3], &[i], &mut [0]),
                |i| index_add(1, 3, 1, &[0f32], &[i], &mut [0.0; 3]),
            ];
            for call in calls {
                let message = std::panic::catch_unwind(|| call(bad)).unwrap_err();
                let message = message.downcast_ref::<String>().unwrap();
                assert!(
                    message.contains(&format!("index {bad} is out of range for a dimension of size 3")),
                    "{message}"
                );
            }
        }
    }
}
