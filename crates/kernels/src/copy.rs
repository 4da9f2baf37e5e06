//! Copies between operands with strides: transposes, slices, concatenation, padding.

pub(crate) mod transpose;

use crate::Element;
use crate::float::Float;
use crate::strided::{CHUNK, Dim, check, collapse, dense, for_rows, parallel_parts};
use crate::threads::parallel_chunks;

/// Rows of a large transpose that one task takes.
const ROWS: usize = 32;
/// Fewer elements are not worth a task of their own.
const SMALL: usize = 2048;

/// Copies a strided operand into `out`, dense and row-major over `shape`. A stride of 0 repeats elements.
///
/// # Panics
/// If `src` or `out` does not fit the shape.
pub fn copy_strided<T: Element>(shape: &[usize], src: &[T], src_strides: &[usize], out: &mut [T]) {
    check("copy", shape, src_strides, src.len());
    let n: usize = shape.iter().product();
    assert_eq!(out.len(), n, "copy: shape {shape:?} needs {n} outputs, got {}", out.len());
    let dims = collapse(shape, [src_strides, &dense(shape)]);
    if let [outer @ .., rows, cols] = &dims[..]
        && rows.strides[0] == 1
        && cols.strides[0] > 1
        && outer.len() <= 1
    {
        let (images, image_stride) = outer.first().map_or((1, 0), |d| (d.size, d.strides[0]));
        return transpose_images(images, image_stride, rows.size, cols.size, cols.strides[0], src, out);
    }
    let chunk = chunk_of(n);
    parallel_chunks(out, chunk, |i, out| copy_rows(&dims, i * chunk, src, out));
}

/// How many of `len` elements a task takes, so that there are several.
fn chunk_of(len: usize) -> usize {
    (len / 8).clamp(SMALL, CHUNK)
}

fn copy_rows<T: Element>(dims: &[Dim<2>], start: usize, src: &[T], out: &mut [T]) {
    let stride = dims[dims.len() - 1].strides[0];
    for_rows(dims, start, out.len(), |[from, _], at, n| {
        let out = &mut out[at..at + n];
        match stride {
            1 => out.copy_from_slice(&src[from..from + n]),
            0 => out.fill(src[from]),
            _ => {
                for (out, x) in out.iter_mut().zip(src[from..].iter().step_by(stride)) {
                    *out = *x;
                }
            }
        }
    });
}

/// For each image, `out[row, col] = src[col · stride + row]`.
fn transpose_images<T: Element>(
    images: usize,
    image_stride: usize,
    rows: usize,
    cols: usize,
    stride: usize,
    src: &[T],
    out: &mut [T],
) {
    // Parts of a fixed number of rows, none of which lies in two images.
    let per_part = if images == 1 || rows.is_multiple_of(ROWS) { ROWS } else { rows };
    let (parts_per_image, len) = (rows.div_ceil(per_part), per_part * cols);
    let per_task = SMALL.div_ceil(len.max(1));
    parallel_chunks(out, per_task * len, |task, out| {
        for (i, out) in out.chunks_mut(len).enumerate() {
            let part = task * per_task + i;
            let (image, part) = (part / parts_per_image, part % parts_per_image);
            transpose::transpose(cols, stride, &src[image * image_stride + part * per_part..], out);
        }
    });
}

/// Calls `row` for rows of the source and of the destination, in parallel where the destination's outermost rows lie
/// apart from each other.
fn into_strided<T: Element>(
    op: &str,
    shape: &[usize],
    [src_strides, dst_strides]: [&[usize]; 2],
    src: &[T],
    dst: &mut [T],
    row: impl Fn(&[T], usize, &mut [T], usize, usize) + Copy + Sync,
) {
    check(op, shape, src_strides, src.len());
    check(op, shape, dst_strides, dst.len());
    let len: usize = shape.iter().product();
    let dims = collapse(shape, [src_strides, dst_strides]);
    if len == 0 {
        return;
    }
    let [src_stride, dst_stride] = dims[dims.len() - 1].strides;
    let rows = move |dims: &[Dim<2>], start: usize, len: usize, base: usize, dst: &mut [T]| {
        for_rows(dims, start, len, |[from, to], _, n| {
            row(&src[from..], src_stride, &mut dst[to - base..], dst_stride, n)
        });
    };
    let (outer, inner) = (dims[0], len / dims[0].size);
    let inner_span: usize = 1 + dims[1..].iter().map(|d| (d.size - 1) * d.strides[1]).sum::<usize>();
    if outer.strides[1] < inner_span {
        return rows(&dims, 0, len, 0, dst);
    }
    let per_part = chunk_of(len).div_ceil(inner);
    parallel_parts(dst.chunks_mut(per_part * outer.strides[1]).take(outer.size.div_ceil(per_part)), |i, dst| {
        let first = i * per_part;
        let count = per_part.min(outer.size - first);
        rows(&dims, first * inner, count * inner, first * outer.strides[1], dst);
    });
}

/// Copies a strided operand into another place with strides, `dst`, which starts at the first element written. What
/// lies between the elements stays as it is.
///
/// # Panics
/// If `src` or `dst` does not fit the shape.
pub fn copy_into_strided<T: Element>(
    shape: &[usize],
    src: &[T],
    src_strides: &[usize],
    dst: &mut [T],
    dst_strides: &[usize],
) {
    into_strided("copy", shape, [src_strides, dst_strides], src, dst, |src, ss, dst, ds, n| match (ss, ds) {
        (1, 1) => dst[..n].copy_from_slice(&src[..n]),
        (0, 1) => dst[..n].fill(src[0]),
        _ => (0..n).for_each(|i| dst[i * ds] = src[i * ss]),
    });
}

/// Adds a strided operand to another place with strides, `dst`, which starts at the first element changed. Where `dst`
/// has stride 0, elements add up in row-major order.
///
/// # Panics
/// If `src` or `dst` does not fit the shape.
pub fn add_into_strided<T: Float>(
    shape: &[usize],
    src: &[T],
    src_strides: &[usize],
    dst: &mut [T],
    dst_strides: &[usize],
) {
    into_strided("add", shape, [src_strides, dst_strides], src, dst, |src, ss, dst, ds, n| match (ss, ds) {
        (1, 1) => dst[..n].iter_mut().zip(&src[..n]).for_each(|(d, s)| *d += *s),
        _ => (0..n).for_each(|i| dst[i * ds] += src[i * ss]),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strided::span;

    fn offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
        let mut all = vec![0];
        for (n, s) in shape.iter().zip(strides) {
            all = all.iter().flat_map(|o| (0..*n).map(move |i| o + i * s)).collect();
        }
        all
    }

    /// Shapes and source strides.
    const CASES: [(&[usize], &[usize]); 18] = [
        (&[], &[]),
        (&[1, 1], &[5, 3]),
        (&[17], &[1]),
        (&[17], &[3]),
        (&[17], &[0]),
        (&[3, 17], &[1, 3]),
        (&[40, 33], &[1, 40]),
        (&[2, 64, 19], &[64 * 19, 1, 64]),
        (&[784, 58, 2], &[116, 1, 58]),
        (&[45, 58, 3], &[200, 1, 60]),
        (&[70, 7, 3, 61], &[1300, 183, 61, 1]),
        (&[3, 5, 16, 9], &[720, 1, 45, 5]),
        (&[3, 16, 9, 5], &[720, 9, 1, 144]),
        (&[2, 3, 4, 5], &[1, 2, 6, 24]),
        (&[2, 3, 4], &[0, 1, 3]),
        (&[0, 3], &[3, 1]),
        (&[2, 0, 3], &[9, 1, 3]),
        (&[2, 3, 40_000], &[3, 1, 6]),
    ];

    fn check_copy<T: Element>(value: impl Fn(usize) -> T) {
        for (shape, strides) in CASES {
            let src: Vec<T> = (0..span(shape, strides)).map(&value).collect();
            let from = offsets(shape, strides);
            let mut out = vec![T::default(); from.len()];
            copy_strided(shape, &src, strides, &mut out);
            let want: Vec<T> = from.iter().map(|&o| src[o]).collect();
            assert!(out == want, "{shape:?} {strides:?}");
        }
    }

    #[test]
    fn copies_match_the_reference() {
        check_copy(|i| i as f32);
        check_copy(|i| i as f64);
        check_copy(|i| i as i64);
        check_copy(|i| i as u8);
    }

    #[test]
    fn copies_and_sums_into_strided_places_match_the_reference() {
        for (shape, strides) in CASES {
            let src: Vec<f32> = (0..span(shape, strides)).map(|i| i as f32).collect();
            let mut places = vec![dense(shape), dense(shape).iter().map(|s| s * 2).collect(), vec![0; shape.len()]];
            // Column-major: the outermost rows interleave.
            places.push((0..shape.len()).map(|d| shape[..d].iter().product()).collect());
            for to in places {
                let (sources, targets) = (offsets(shape, strides), offsets(shape, &to));
                let mut copied = vec![-1.0; span(shape, &to)];
                let (mut want_copied, mut added) = (copied.clone(), copied.clone());
                let mut want_added = copied.clone();
                for (&s, &t) in sources.iter().zip(&targets) {
                    want_copied[t] = src[s];
                    want_added[t] += src[s];
                }
                copy_into_strided(shape, &src, strides, &mut copied, &to);
                add_into_strided(shape, &src, strides, &mut added, &to);
                assert!(copied == want_copied && added == want_added, "{shape:?} {strides:?} {to:?}");
            }
        }
    }
}
