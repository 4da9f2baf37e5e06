//! The transpose of one matrix.

use crate::Element;

const TILE: usize = 8;
/// With at most this many columns the result's rows are so short that a few of its columns can be written from end to end.
const MAX_PANEL: usize = 32;

/// `out[row, col] = src[col · stride + row]`, with `out` dense and `cols` wide.
///
/// # Panics
/// If `out` is not made of whole rows, or `src` is too short.
pub(crate) fn transpose<T: Element>(cols: usize, stride: usize, src: &[T], out: &mut [T]) {
    let rows = out.len() / cols;
    assert_eq!(out.len(), rows * cols, "transpose: {} outputs are no whole rows of {cols}", out.len());
    let need = (cols - 1) * stride + rows;
    assert!(rows == 0 || need <= src.len(), "transpose: needs {need} elements, got {}", src.len());
    // As in a channel shuffle of two groups.
    if cols == 2 {
        let pairs = out.chunks_exact_mut(2).zip(src.iter().zip(&src[stride.min(src.len())..]));
        return pairs.for_each(|(to, (&x, &y))| (to[0], to[1]) = (x, y));
    }
    let (whole_rows, whole_cols) = whole_tiles(rows, cols, stride, src, out);
    for r in 0..rows {
        for c in if r < whole_rows { whole_cols } else { 0 }..cols {
            out[r * cols + c] = src[c * stride + r];
        }
    }
}

/// Transposes as many whole tiles as there are a fast way for; returns how many rows and columns are done.
#[cfg(target_arch = "x86_64")]
fn whole_tiles<T: Element>(rows: usize, cols: usize, stride: usize, src: &[T], out: &mut [T]) -> (usize, usize) {
    use crate::isa::{Isa, isa};
    if size_of::<T>() != size_of::<f32>() || isa() < Isa::Avx2 {
        return (0, 0);
    }
    let (rows, whole_cols) = (rows / TILE * TILE, cols / TILE * TILE);
    if rows == 0 || whole_cols == 0 {
        return (0, 0);
    }
    assert!((rows - 1) * cols + whole_cols <= out.len() && (whole_cols - 1) * stride + rows <= src.len());
    // SAFETY: the machine has AVX2; the elements are as large as `f32`, and only moved; the assertion keeps all rows and
    // columns within the slices.
    unsafe { x86::tiles(rows, whole_cols, cols, stride, src.as_ptr().cast(), out.as_mut_ptr().cast()) };
    (rows, whole_cols)
}

#[cfg(not(target_arch = "x86_64"))]
fn whole_tiles<T: Element>(_: usize, _: usize, _: usize, _: &[T], _: &mut [T]) -> (usize, usize) {
    (0, 0)
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{MAX_PANEL, TILE};
    use std::arch::x86_64::*;

    /// Transposes `rows` × `cols` elements, both multiples of 8.
    ///
    /// # Safety
    /// The machine must have AVX2. `src[c * stride + r]` must be readable and `out[r * out_stride + c]` writable for all
    /// `r < rows` and `c < cols`.
    #[target_feature(enable = "avx2")]
    pub unsafe fn tiles(rows: usize, cols: usize, out_stride: usize, stride: usize, src: *const f32, out: *mut f32) {
        // Sources whose columns lie a power of two apart share few sets of the cache: lines would be evicted before they are used up.
        let together = if cols <= MAX_PANEL { rows } else { TILE };
        for first in (0..rows).step_by(together) {
            for c in (0..cols).step_by(TILE) {
                for r in (first..rows.min(first + together)).step_by(TILE) {
                    // SAFETY: the tile lies within the rows and columns that the caller vouches for.
                    unsafe { tile(src.add(c * stride + r), stride, out.add(r * out_stride + c), out_stride) }
                }
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn tile(src: *const f32, stride: usize, out: *mut f32, out_stride: usize) {
        // SAFETY: the caller vouches for eight elements at each of eight strides.
        let mut a = [_mm256_setzero_ps(); TILE];
        for j in 0..TILE {
            // SAFETY: as above.
            a[j] = unsafe { _mm256_loadu_ps(src.add(j * stride)) };
        }
        // Pairs, then fours, then eights of each column's neighbours come together.
        let [t0, t1] = [_mm256_unpacklo_ps(a[0], a[1]), _mm256_unpackhi_ps(a[0], a[1])];
        let [t2, t3] = [_mm256_unpacklo_ps(a[2], a[3]), _mm256_unpackhi_ps(a[2], a[3])];
        let [t4, t5] = [_mm256_unpacklo_ps(a[4], a[5]), _mm256_unpackhi_ps(a[4], a[5])];
        let [t6, t7] = [_mm256_unpacklo_ps(a[6], a[7]), _mm256_unpackhi_ps(a[6], a[7])];
        let fours = |a, b| [_mm256_shuffle_ps::<0x44>(a, b), _mm256_shuffle_ps::<0xEE>(a, b)];
        let ([u0, u1], [u2, u3]) = (fours(t0, t2), fours(t1, t3));
        let ([u4, u5], [u6, u7]) = (fours(t4, t6), fours(t5, t7));
        let rows = [
            _mm256_permute2f128_ps::<0x20>(u0, u4),
            _mm256_permute2f128_ps::<0x20>(u1, u5),
            _mm256_permute2f128_ps::<0x20>(u2, u6),
            _mm256_permute2f128_ps::<0x20>(u3, u7),
            _mm256_permute2f128_ps::<0x31>(u0, u4),
            _mm256_permute2f128_ps::<0x31>(u1, u5),
            _mm256_permute2f128_ps::<0x31>(u2, u6),
            _mm256_permute2f128_ps::<0x31>(u3, u7),
        ];
        for (i, row) in rows.into_iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { _mm256_storeu_ps(out.add(i * out_stride), row) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matches_the_reference() {
        for (rows, cols, stride) in [
            (1, 1, 1),
            (8, 8, 8),
            (3, 17, 5),
            (17, 3, 17),
            (58, 2, 58),
            (5, 2, 9),
            (33, 7, 40),
            (40, 33, 41),
            (64, 19, 64),
        ] {
            let x: Vec<f32> = (0..(cols - 1) * stride + rows).map(|i| i as f32).collect();
            let mut out = vec![-1.0; rows * cols];
            transpose(cols, stride, &x, &mut out);
            for (i, got) in out.iter().enumerate() {
                assert_eq!(*got, x[i % cols * stride + i / cols], "{rows} {cols} {stride}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "transpose: needs 16 elements, got 15")]
    fn short_sources_are_refused() {
        transpose(2, 8, &[0f32; 15], &mut [0.0; 16]);
    }
}
