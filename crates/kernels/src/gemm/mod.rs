//! Matrix multiplication.

mod blocked;
mod dot;
mod matrix;
mod split;
pub(crate) mod tile;

use crate::conv2d::pointwise;
use crate::memory::NewBuffer;
use crate::packed::Weights;
use crate::settings::Precision;
use crate::strided::CHUNK;
use crate::target::Target;
use crate::{Float, threads};
use blocked::Right;
pub use matrix::Matrix;
use tile::Panels;

/// `c = a · b`, or `c += a · b` if `accumulate`.
///
/// `a` is m × k, `b` is k × n, `c` is dense row-major m × n. Without `accumulate` what `c` held before is ignored, NaN
/// included; with k = 0 it becomes zero.
///
/// # Panics
/// If a slice is too short for its shape, or `c` has not m · n elements.
pub fn gemm<T: Float>(m: usize, n: usize, k: usize, a: Matrix<T>, b: Matrix<T>, c: &mut [T], accumulate: bool) {
    assert!(c.len() == m * n, "gemm: the product is {m}×{n}, but its slice has {} elements", c.len());
    check(m, n, k, &a, &b, a.data.len(), b.data.len());
    dispatch(m, n, k, a, b, c, accumulate);
}

/// `batch` independent products: `c[i] = a[i] · b[i]`, shapes as in [`gemm`].
///
/// `a[i]` starts `i * a_batch_stride` elements into `a`, likewise `b`; a batch stride of zero uses the same matrix for
/// all. `c` is dense `batch` × m × n.
///
/// # Panics
/// If a slice is too short for its shape, or `c` has not batch · m · n elements.
pub fn batched_gemm<T: Float>(
    batch: usize,
    m: usize,
    n: usize,
    k: usize,
    a: Matrix<T>,
    a_batch_stride: usize,
    b: Matrix<T>,
    b_batch_stride: usize,
    c: &mut [T],
) {
    assert!(
        c.len() == batch * m * n,
        "batched_gemm: the product is {batch}×{m}×{n}, but its slice has {} elements",
        c.len()
    );
    if c.is_empty() {
        return;
    }
    let last = batch - 1;
    let a_len = a.data.len().saturating_sub(last * a_batch_stride);
    let b_len = b.data.len().saturating_sub(last * b_batch_stride);
    check(m, n, k, &a, &b, a_len, b_len);
    threads::parallel_chunks(c, m * n, |i, c| {
        let a = Matrix { data: &a.data[(i * a_batch_stride).min(a.data.len())..], ..a };
        let b = Matrix { data: &b.data[(i * b_batch_stride).min(b.data.len())..], ..b };
        dispatch(m, n, k, a, b, c, false);
    });
}

/// The product with a transposed weight, `c = x · weightᵀ`, as [`gemm`] computes it, plus a bias for each column.
///
/// `x` is `rows` × `inputs`, `weight` is dense row-major `outputs` × `inputs`, `c` is dense `rows` × `outputs`.
///
/// # Panics
/// If a slice is too short for its shape, or `c` has not `rows` · `outputs` elements.
pub fn linear<'a, T: Float>(
    rows: usize,
    inputs: usize,
    outputs: usize,
    x: Matrix<T>,
    weight: impl Into<Weights<'a, T>>,
    bias: Option<&[T]>,
    c: &mut [T],
) {
    let weight = weight.into();
    assert!(
        c.len() == rows * outputs,
        "linear: the result is {rows}×{outputs}, but its slice has {} elements",
        c.len()
    );
    let b = Matrix::row_major(weight.values, inputs).t();
    check(rows, outputs, inputs, &x, &b, x.data.len(), weight.len());
    assert!(bias.is_none_or(|b| b.len() == outputs), "linear: {outputs} columns, but the bias has another length");
    let is_dense = x.col_stride == 1 && x.row_stride == inputs;
    let precision = if is_dense { weight.precision() } else { Precision::F32 };
    if let (Some(panels), Some(x_data)) =
        (packed_panels([rows, inputs, outputs], &weight, precision), T::as_f32(x.data))
        && let Some(c) = T::as_f32_mut(c)
    {
        if is_dense {
            let (x, bias) = (&x_data[..rows * inputs], bias.and_then(T::as_f32));
            return pointwise(Target::current(), [rows, inputs, outputs], x, panels, bias, c);
        }
        let x = Matrix { data: x_data, row_stride: x.row_stride, col_stride: x.col_stride };
        blocked::gemm(Target::current(), rows, outputs, inputs, x, Right::Packed(panels), c, false);
    } else {
        assert!(weight.matrix.is_none(), "linear: a weight of f32 for rows of another type");
        dispatch(rows, outputs, inputs, x, b, c, false);
    }
    if let Some(bias) = bias.filter(|b| !b.is_empty()) {
        threads::parallel_chunks(c, outputs * CHUNK.div_ceil(outputs), |_, c| {
            for row in c.chunks_exact_mut(outputs) {
                row.iter_mut().zip(bias).for_each(|(c, &bias)| *c += bias);
            }
        });
    }
}

/// Whether [`linear`] reads a packed weight for this many rows and more.
pub fn reads_packed(rows: usize, inputs: usize, outputs: usize) -> bool {
    /// Weights with more elements are packed at each product.
    const MAX_LEN: usize = 1 << 23;
    rows * inputs * outputs > TINY && !dot::pays(rows, outputs, inputs) && inputs * outputs <= MAX_LEN
}

/// The packed weight, where it is read: where [`dispatch`] would pack it too.
fn packed_panels<'a, T: Float>(
    [rows, inputs, outputs]: [usize; 3],
    weight: &Weights<'a, T>,
    precision: Precision,
) -> Option<&'a Panels> {
    let weight = weight.as_f32()?;
    if weight.matrix.is_none() && !reads_packed(rows, inputs, outputs) {
        return None;
    }
    let lanes = Target::current().lanes();
    let pack = |new: NewBuffer| vec![Panels::in_precision(precision, new, lanes, [1, inputs], outputs, weight.values)];
    weight.panels(lanes, precision, pack)?.first()
}

fn check<T>(m: usize, n: usize, k: usize, a: &Matrix<T>, b: &Matrix<T>, a_len: usize, b_len: usize) {
    assert!(
        a.reach(m, k) <= a_len,
        "gemm: the left matrix is {m}×{k} with strides ({}, {}), but its slice has {a_len} elements",
        a.row_stride,
        a.col_stride
    );
    assert!(
        b.reach(k, n) <= b_len,
        "gemm: the right matrix is {k}×{n} with strides ({}, {}), but its slice has {b_len} elements",
        b.row_stride,
        b.col_stride
    );
}

/// Products with fewer multiplications than this are not worth packing.
const TINY: usize = 4096;

fn dispatch<T: Float>(m: usize, n: usize, k: usize, a: Matrix<T>, b: Matrix<T>, c: &mut [T], accumulate: bool) {
    if m * n * k > TINY
        && let (Some(a_data), Some(b_data)) = (T::as_f32(a.data), T::as_f32(b.data))
        && let Some(c) = T::as_f32_mut(c)
    {
        let a = Matrix { data: a_data, row_stride: a.row_stride, col_stride: a.col_stride };
        let b = Matrix { data: b_data, row_stride: b.row_stride, col_stride: b.col_stride };
        let target = Target::current();
        if a.col_stride == 1 && b.row_stride == 1 && dot::pays(m, n, k) {
            return dot::gemm(target, m, n, k, a, b, c, accumulate);
        }
        return blocked::gemm(target, m, n, k, a, Right::Plain(b), c, accumulate);
    }
    simple_gemm(m, n, k, a, b, c, accumulate);
}

/// Row by row, without blocking: for `f64` and for tiny products.
fn simple_gemm<T: Float>(m: usize, n: usize, k: usize, a: Matrix<T>, b: Matrix<T>, c: &mut [T], accumulate: bool) {
    if m * n == 0 {
        return;
    }
    threads::parallel_chunks(c, n, |i, row| {
        if !accumulate {
            row.fill(T::ZERO);
        }
        for p in 0..k {
            let x = a.data[i * a.row_stride + p * a.col_stride];
            if b.col_stride == 1 {
                for (c, &y) in row.iter_mut().zip(&b.data[p * b.row_stride..][..n]) {
                    *c += x * y;
                }
            } else {
                for (j, c) in row.iter_mut().enumerate() {
                    *c += x * b.data[p * b.row_stride + j * b.col_stride];
                }
            }
        }
    });
}

#[cfg(test)]
mod tests;
