//! Running sums.

use crate::Element;
use crate::float::Float;
use crate::strided::CHUNK;
use crate::threads::parallel_chunks;

/// `out[o, k, i]` is the sum of `x[o, ..=k, i]`, or of `x[o, k.., i]` when `reverse`, both dense [outer, len, inner]. It is
/// added up in `f64`.
///
/// # Panics
/// If a length does not fit.
pub fn cumsum<T: Float>(outer: usize, len: usize, inner: usize, reverse: bool, x: &[T], out: &mut [T]) {
    scan([outer, len, inner], reverse, x, out, |sum: f64, x| sum + x.to_f64(), T::from_f64);
}

/// [`cumsum`] for integers; what overflows wraps around.
///
/// # Panics
/// If a length does not fit.
pub fn cumsum_i64(outer: usize, len: usize, inner: usize, reverse: bool, x: &[i64], out: &mut [i64]) {
    scan([outer, len, inner], reverse, x, out, |sum: i64, x: i64| sum.wrapping_add(x), |sum| sum);
}

fn scan<T: Element, A: Copy + Default + Send>(
    shape: [usize; 3],
    reverse: bool,
    x: &[T],
    out: &mut [T],
    add: impl Fn(A, T) -> A + Sync,
    round: impl Fn(A) -> T + Sync,
) {
    let [outer, len, inner] = shape;
    assert_eq!(x.len(), outer * len * inner, "cumsum: {shape:?} does not have {} elements", x.len());
    assert_eq!(x.len(), out.len(), "cumsum: {} inputs, {} outputs", x.len(), out.len());
    if out.is_empty() {
        return;
    }
    let block = len * inner;
    let per_task = (CHUNK / block).max(1) * block;
    parallel_chunks(out, per_task, |i, out| {
        let mut sums = vec![A::default(); inner];
        for (x, out) in x[i * per_task..].chunks(block).zip(out.chunks_mut(block)) {
            sums.fill(A::default());
            for k in 0..len {
                let row = if reverse { len - 1 - k } else { k } * inner;
                for j in 0..inner {
                    sums[j] = add(sums[j], x[row + j]);
                    out[row + j] = round(sums[j]);
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_reference() {
        for [outer, len, inner] in [[1, 1, 1], [3, 17, 1], [2, 5, 3], [1, 0, 4], [300, 7, 33], [1, 40_000, 1]] {
            let x: Vec<i64> = (0..(outer * len * inner) as i64).map(|i| i * 31 % 17 - 8).collect();
            let floats: Vec<f32> = x.iter().map(|&x| x as f32).collect();
            for reverse in [false, true] {
                let (mut out, mut float_out) = (vec![0; x.len()], vec![0.0; x.len()]);
                cumsum_i64(outer, len, inner, reverse, &x, &mut out);
                cumsum(outer, len, inner, reverse, &floats, &mut float_out);
                for o in 0..outer {
                    for j in 0..inner {
                        let at = |k: usize| (o * len + k) * inner + j;
                        let mut sum = 0;
                        for k in 0..len {
                            let k = if reverse { len - 1 - k } else { k };
                            sum += x[at(k)];
                            assert_eq!((out[at(k)], float_out[at(k)]), (sum, sum as f32));
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn long_sums_keep_their_precision() {
        let mut out = vec![0.0; 1_000_000];
        cumsum(1, out.len(), 1, false, &vec![0.1f32; 1_000_000], &mut out);
        assert!((out[999_999] / 100_000.0 - 1.0).abs() < 1e-7);
    }
}
