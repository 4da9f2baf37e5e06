//! Sums, means, products, maxima and minima over dimensions.
//!
//! Short runs are added up in the element type, the runs' results in `f64` and in order, so that the error stays near the
//! element type's rounding however many elements there are.

use crate::Element;
use crate::copy::copy_strided;
use crate::float::Float;
use crate::isa::Kernel;
use crate::memory::AlignedVec;
use crate::simd::Simd;
use crate::strided::{CHUNK, check, dense};
use crate::threads::parallel_chunks;
use serde::{Deserialize, Serialize};

/// What becomes of the elements along the reduced dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reduce {
    /// Their sum; 0 if there are none.
    Sum,
    /// Their mean; NaN if there are none.
    Mean,
    /// The largest; NaN if one is NaN.
    Max,
    /// The smallest; NaN if one is NaN.
    Min,
    /// Their product; 1 if there are none.
    Prod,
}

impl Reduce {
    /// PyTorch's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Reduce::Sum => "sum",
            Reduce::Mean => "mean",
            Reduce::Max => "max",
            Reduce::Min => "min",
            Reduce::Prod => "prod",
        }
    }
}

trait Fold: Copy + Sync {
    fn start<T: Float>() -> T;
    fn join<T: Float>(a: T, b: T) -> T;
}

#[derive(Clone, Copy)]
struct Sum;
#[derive(Clone, Copy)]
struct Prod;
#[derive(Clone, Copy)]
struct Max;
#[derive(Clone, Copy)]
struct Min;

impl Fold for Sum {
    #[inline(always)]
    fn start<T: Float>() -> T {
        T::ZERO
    }
    #[inline(always)]
    fn join<T: Float>(a: T, b: T) -> T {
        a + b
    }
}

impl Fold for Prod {
    #[inline(always)]
    fn start<T: Float>() -> T {
        T::ONE
    }
    #[inline(always)]
    fn join<T: Float>(a: T, b: T) -> T {
        a * b
    }
}

impl Fold for Max {
    #[inline(always)]
    fn start<T: Float>() -> T {
        T::NEG_INFINITY
    }
    #[inline(always)]
    fn join<T: Float>(a: T, b: T) -> T {
        if a > b || a.is_nan() { a } else { b }
    }
}

impl Fold for Min {
    #[inline(always)]
    fn start<T: Float>() -> T {
        T::INFINITY
    }
    #[inline(always)]
    fn join<T: Float>(a: T, b: T) -> T {
        if a < b || a.is_nan() { a } else { b }
    }
}

/// How many elements (of a row) or rows (of columns) are joined in the element type.
pub(crate) const LANES: usize = 32;

#[inline(always)]
fn fold_row<T: Float, F: Fold>(x: &[T]) -> f64 {
    if x.len() <= LANES / 2 {
        return x.iter().fold(F::start::<T>(), |a, b| F::join(a, *b)).to_f64();
    }
    let mut total = F::start::<f64>();
    for run in x.chunks(LANES * LANES) {
        let mut lanes = [F::start::<T>(); LANES];
        let mut groups = run.chunks_exact(LANES);
        for group in groups.by_ref() {
            for j in 0..LANES {
                lanes[j] = F::join(lanes[j], group[j]);
            }
        }
        for (lane, x) in lanes.iter_mut().zip(groups.remainder()) {
            *lane = F::join(*lane, *x);
        }
        let mut width = LANES / 2;
        while width > 0 {
            for j in 0..width {
                lanes[j] = F::join(lanes[j], lanes[j + width]);
            }
            width /= 2;
        }
        total = F::join(total, lanes[0].to_f64());
    }
    total
}

/// The sum of `x`, with an error near the element type's rounding.
#[inline(always)]
pub(crate) fn sum<T: Float>(x: &[T]) -> f64 {
    fold_row::<T, Sum>(x)
}

/// Joins rows that lie `stride` apart, column by column, into `total`.
#[inline(always)]
fn fold_columns<T: Float, F: Fold>(x: &[T], rows: usize, stride: usize, run: &mut [T], total: &mut [f64]) {
    let cols = total.len();
    total.fill(F::start());
    for first in (0..rows).step_by(LANES) {
        run.fill(F::start());
        let last = rows.min(first + LANES);
        let mut r = first;
        while r + 4 <= last {
            let row = |k: usize| &x[(r + k) * stride..][..cols];
            let [a, b, c, d] = [row(0), row(1), row(2), row(3)];
            for j in 0..cols {
                run[j] = F::join(run[j], F::join(F::join(a[j], b[j]), F::join(c[j], d[j])));
            }
            r += 4;
        }
        for r in r..last {
            let row = &x[r * stride..][..cols];
            for j in 0..cols {
                run[j] = F::join(run[j], row[j]);
            }
        }
        for j in 0..cols {
            total[j] = F::join(total[j], run[j].to_f64());
        }
    }
}

/// The sum of each column of `rows` rows that lie `stride` apart. `run` is scratch space for a row.
#[inline(always)]
pub(crate) fn sum_columns<T: Float>(x: &[T], rows: usize, stride: usize, run: &mut [T], total: &mut [f64]) {
    fold_columns::<T, Sum>(x, rows, stride, run, total);
}

/// How [outer, len, inner] is cut into units of work; each gives `width` partial results.
#[derive(Clone, Copy)]
struct Cut {
    len: usize,
    inner: usize,
    width: usize,
    column_parts: usize,
    rows: usize,
    blocks: usize,
}

impl Cut {
    fn new(len: usize, inner: usize) -> Self {
        let width = inner.min(2048);
        let rows = (CHUNK / width).next_multiple_of(LANES);
        Cut { len, inner, width, column_parts: inner.div_ceil(width), rows, blocks: len.div_ceil(rows) }
    }
}

struct Units<'a, T, F> {
    cut: Cut,
    first: usize,
    x: &'a [T],
    partial: &'a mut [f64],
    fold: std::marker::PhantomData<F>,
}

impl<T: Float, F: Fold> Kernel for Units<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Cut { len, inner, width, column_parts, rows, blocks } = self.cut;
        let mut run = vec![T::ZERO; width];
        for (u, partial) in self.partial.chunks_mut(width).enumerate() {
            let unit = self.first + u;
            let (block, column_part) = (unit % blocks, unit / blocks % column_parts);
            let (outer, row, column) = (unit / blocks / column_parts, block * rows, column_part * width);
            let rows = rows.min(len - row);
            let x = &self.x[(outer * len + row) * inner + column..];
            if inner == 1 {
                partial[0] = fold_row::<T, F>(&x[..rows]);
            } else {
                let cols = width.min(inner - column);
                fold_columns::<T, F>(x, rows, inner, &mut run[..cols], &mut partial[..cols]);
            }
        }
    }
}

/// Folds dense `x` [outer, len, inner] over its middle dimension, which is not empty.
fn fold<T: Float, F: Fold>(
    _: F,
    outer: usize,
    len: usize,
    inner: usize,
    x: &[T],
    out: &mut [T],
    finish: impl Fn(f64) -> f64 + Sync,
) {
    let cut = Cut::new(len, inner);
    let Cut { width, column_parts, rows, blocks, .. } = cut;
    let mut partials = AlignedVec::<f64>::unspecified(outer * column_parts * blocks * width);
    let per_task = (CHUNK / (rows.min(len) * width)).max(1);
    parallel_chunks(&mut partials, per_task * width, |i, partial| {
        T::dispatch(Units::<T, F> { cut, first: i * per_task, x, partial, fold: std::marker::PhantomData })
    });
    let partials = &partials[..];
    parallel_chunks(out, CHUNK, |i, out| {
        for (j, out) in out.iter_mut().enumerate() {
            let (outer, column) = ((i * CHUNK + j) / inner, (i * CHUNK + j) % inner);
            let first = (outer * column_parts + column / width) * blocks * width + column % width;
            let total = partials[first..].iter().step_by(width).take(blocks).fold(F::start(), |a, b| F::join(a, *b));
            *out = T::from_f64(finish(total));
        }
    });
}

/// The loops over a dense operand that is reduced over one run of neighbouring dimensions: before, along and after it.
fn one_run(shape: &[usize], strides: &[usize], reduced: &[bool]) -> Option<[usize; 3]> {
    let dims: Vec<usize> = (0..shape.len()).filter(|&d| shape[d] != 1).collect();
    let sizes: Vec<usize> = dims.iter().map(|&d| shape[d]).collect();
    if dims.iter().zip(dense(&sizes)).any(|(&d, stride)| strides[d] != stride) {
        return None;
    }
    let mut runs = [1; 3];
    let mut at = 0;
    for &d in &dims {
        match (at, reduced[d]) {
            (0, true) => at = 1,
            (1, false) => at = 2,
            (2, true) => return None,
            _ => {}
        }
        runs[at] *= shape[d];
    }
    Some(runs)
}

/// Reduces a strided operand over the dimensions marked in `reduced`; `out` is dense and row-major over the others, in
/// order.
///
/// # Panics
/// If `x` or `out` does not fit the shape, or a maximum or minimum is taken of nothing.
pub fn reduce<T: Float>(op: Reduce, shape: &[usize], strides: &[usize], x: &[T], reduced: &[bool], out: &mut [T]) {
    check("reduce", shape, strides, x.len());
    assert_eq!(shape.len(), reduced.len(), "{op:?}: {} dimensions of {shape:?} are marked", reduced.len());
    let [kept, len] = [false, true]
        .map(|which| (0..shape.len()).filter(|&d| reduced[d] == which).map(|d| shape[d]).product::<usize>());
    assert_eq!(out.len(), kept, "{op:?}: {shape:?} over {reduced:?} needs {kept} outputs, got {}", out.len());
    if kept == 0 {
        return;
    }
    if len == 0 {
        out.fill(match op {
            Reduce::Sum => T::ZERO,
            Reduce::Mean => T::NAN,
            Reduce::Prod => T::ONE,
            Reduce::Max | Reduce::Min => panic!("{op:?}: {shape:?} over {reduced:?} is of no elements"),
        });
        return;
    }
    let Some([outer, len, inner]) = one_run(shape, strides, reduced) else {
        let order: Vec<usize> =
            (0..shape.len()).filter(|&d| !reduced[d]).chain((0..shape.len()).filter(|&d| reduced[d])).collect();
        let [shape, strides] = [shape, strides].map(|v| order.iter().map(|&d| v[d]).collect::<Vec<_>>());
        let mut packed = AlignedVec::unspecified(kept * len);
        copy_strided(&shape, x, &strides, &mut packed);
        return reduce_dense(op, kept, len, 1, &packed, out);
    };
    reduce_dense(op, outer, len, inner, x, out);
}

fn reduce_dense<T: Float>(op: Reduce, outer: usize, len: usize, inner: usize, x: &[T], out: &mut [T]) {
    match op {
        Reduce::Sum => fold(Sum, outer, len, inner, x, out, |v| v),
        Reduce::Mean => fold(Sum, outer, len, inner, x, out, |v| v / len as f64),
        Reduce::Max => fold(Max, outer, len, inner, x, out, |v| v),
        Reduce::Min => fold(Min, outer, len, inner, x, out, |v| v),
        Reduce::Prod => fold(Prod, outer, len, inner, x, out, |v| v),
    }
}

/// [`reduce`] for integers, over the last dimension of dense `x` [rows, len]; what overflows wraps around.
///
/// # Panics
/// If `x` does not fit, a maximum or minimum is taken of nothing, or the operation is `Mean`.
pub fn reduce_i64(op: Reduce, len: usize, x: &[i64], out: &mut [i64]) {
    assert_eq!(x.len(), out.len() * len, "{op:?}: {} rows of {len} do not have {} elements", out.len(), x.len());
    let fold = |row: &[i64]| match op {
        Reduce::Sum => row.iter().fold(0, |a: i64, b| a.wrapping_add(*b)),
        Reduce::Prod => row.iter().fold(1, |a: i64, b| a.wrapping_mul(*b)),
        Reduce::Max => *row.iter().max().expect("there are elements to choose from"),
        Reduce::Min => *row.iter().min().expect("there are elements to choose from"),
        Reduce::Mean => panic!("Mean: not there for integers"),
    };
    let per_task = (CHUNK / len.max(1)).max(1);
    parallel_chunks(out, per_task, |i, out| {
        for (j, out) in out.iter_mut().enumerate() {
            *out = fold(&x[(i * per_task + j) * len..][..len]);
        }
    });
}

/// Where the largest element along the middle dimension of dense `x` [outer, len, inner] stands: the first of several. NaN
/// counts as larger than every number. `out` is [outer, inner].
///
/// # Panics
/// If `x` or `out` does not fit, or `len` is 0 while `out` is not empty.
pub fn argmax<T: Element + PartialOrd>(outer: usize, len: usize, inner: usize, x: &[T], out: &mut [i64]) {
    first_of("argmax", outer, len, inner, x, out, |a, b| a > b);
}

/// As [`argmax`], the smallest element; NaN counts as smaller than every number.
///
/// # Panics
/// As [`argmax`].
pub fn argmin<T: Element + PartialOrd>(outer: usize, len: usize, inner: usize, x: &[T], out: &mut [i64]) {
    first_of("argmin", outer, len, inner, x, out, |a, b| a < b);
}

fn first_of<T: Element + PartialOrd>(
    op: &str,
    outer: usize,
    len: usize,
    inner: usize,
    x: &[T],
    out: &mut [i64],
    wins: impl Fn(T, T) -> bool + Sync,
) {
    assert_eq!(x.len(), outer * len * inner, "{op}: [{outer}, {len}, {inner}] does not have {} elements", x.len());
    assert_eq!(out.len(), outer * inner, "{op}: [{outer}, {len}, {inner}] does not give {} results", out.len());
    if out.is_empty() {
        return;
    }
    assert!(len > 0, "{op}: [{outer}, {len}, {inner}] has no elements to choose from");
    let is_nan = |x: &T| x.partial_cmp(x).is_none();
    let per_task = (CHUNK / (len * inner)).max(1);
    parallel_chunks(out, per_task * inner, |i, out| {
        let mut best = vec![T::default(); inner];
        for (o, out) in out.chunks_mut(inner).enumerate() {
            let x = &x[(i * per_task + o) * len * inner..][..len * inner];
            best.copy_from_slice(&x[..inner]);
            out.fill(0);
            for (l, row) in x.chunks(inner).enumerate().skip(1) {
                for j in 0..inner {
                    if wins(row[j], best[j]) || is_nan(&row[j]) && !is_nan(&best[j]) {
                        best[j] = row[j];
                        out[j] = l as i64;
                    }
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference_reduce(op: Reduce, shape: &[usize], strides: &[usize], x: &[f64], reduced: &[bool]) -> Vec<f64> {
        let kept: usize = (0..shape.len()).filter(|&d| !reduced[d]).map(|d| shape[d]).product();
        let mut groups = vec![Vec::new(); kept];
        for i in 0..shape.iter().product::<usize>() {
            let (mut rest, mut from, mut to, mut step) = (i, 0, 0, 1);
            for d in (0..shape.len()).rev() {
                let k = rest % shape[d];
                rest /= shape[d];
                from += k * strides[d];
                if !reduced[d] {
                    to += k * step;
                    step *= shape[d];
                }
            }
            groups[to].push(x[from]);
        }
        let extreme = |g: &Vec<f64>, f: fn(f64, f64) -> f64| {
            g.iter().copied().reduce(|a, b| if a.is_nan() || b.is_nan() { f64::NAN } else { f(a, b) }).unwrap()
        };
        groups
            .iter()
            .map(|g| match op {
                Reduce::Sum => g.iter().sum(),
                Reduce::Mean => g.iter().sum::<f64>() / g.len() as f64,
                Reduce::Max => extreme(g, f64::max),
                Reduce::Min => extreme(g, f64::min),
                Reduce::Prod => g.iter().product(),
            })
            .collect()
    }

    const ALL: [Reduce; 5] = [Reduce::Sum, Reduce::Mean, Reduce::Max, Reduce::Min, Reduce::Prod];

    fn check_all<T: Float>(tolerance: f64) {
        const CASES: [(&[usize], Option<&[usize]>); 12] = [
            (&[], None),
            (&[1], None),
            (&[17], None),
            (&[17], Some(&[3])),
            (&[3, 17], None),
            (&[17, 3], Some(&[1, 17])),
            (&[133, 40], None),
            (&[3, 4000], None),
            (&[2, 3, 5, 7], None),
            (&[2, 3, 5, 7], Some(&[0, 1, 3, 15])),
            (&[70_001], None),
            (&[1100, 70], None),
        ];
        for (shape, strides) in CASES {
            let strides = strides.map_or_else(|| dense(shape), <[usize]>::to_vec);
            let span = crate::strided::span(shape, &strides);
            let x: Vec<f64> = (0..span).map(|i| (0.9 + (i * 31 % 101) as f64 / 500.0) as f32 as f64).collect();
            let with_nan: Vec<f64> =
                x.iter().enumerate().map(|(i, &x)| if i % 59 == 7 { f64::NAN } else { x }).collect();
            for x in [x, with_nan] {
                let typed: Vec<T> = x.iter().map(|&x| T::from_f64(x)).collect();
                for mask in 0..1usize << shape.len() {
                    let reduced: Vec<bool> = (0..shape.len()).map(|d| mask >> d & 1 == 1).collect();
                    for op in ALL {
                        let want = reference_reduce(op, shape, &strides, &x, &reduced);
                        let mut out = vec![T::ZERO; want.len()];
                        reduce(op, shape, &strides, &typed, &reduced, &mut out);
                        for (got, want) in out.iter().zip(want) {
                            let got = got.to_f64();
                            // Products of many factors gather many roundings.
                            let tolerance = if op == Reduce::Prod { 1e3 * tolerance } else { tolerance };
                            let close = (got - want).abs() <= tolerance * want.abs() + 1e-30
                                || T::from_f64(want).to_f64() == got
                                || got.is_nan() && want.is_nan();
                            assert!(close, "{op:?} of {shape:?} {strides:?} over {reduced:?}: {got}, expected {want}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn reduce_matches_the_reference() {
        check_all::<f32>(3e-7);
        check_all::<f64>(1e-13);
    }

    #[test]
    fn long_sums_keep_their_precision() {
        let x = vec![0.1f32; 3_000_000];
        for (shape, reduced) in [(&[3_000_000, 1], [true, false]), (&[300_000, 10], [true, false])] {
            let mut out = vec![0.0; shape[1]];
            reduce(Reduce::Mean, shape, &dense(shape), &x, &reduced, &mut out);
            assert!(out.iter().all(|m| (m - 0.1).abs() < 3e-8), "{out:?}");
        }
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let x: Vec<f32> = (0..300_000).map(|i| ((i * 31 % 977) as f32 - 400.0) * 1.1).collect();
        for shape in [[300_000, 1], [30_000, 10], [1, 300_000]] {
            let sums = |threads| {
                crate::threads::set_num_threads(threads);
                let mut out = vec![0.0; shape[1]];
                reduce(Reduce::Sum, &shape, &dense(&shape), &x, &[true, false], &mut out);
                let mut all = [0.0];
                reduce(Reduce::Sum, &shape, &dense(&shape), &x, &[true, true], &mut all);
                out.push(all[0]);
                out
            };
            let one = sums(1);
            assert!(one == sums(2) && one == sums(5), "{shape:?}");
        }
    }

    #[test]
    fn nothing_to_reduce() {
        let of_none = |op| {
            let mut out = [7f32; 2];
            reduce(op, &[2, 0], &[0, 1], &[], &[false, true], &mut out);
            out
        };
        assert_eq!(of_none(Reduce::Sum), [0.0; 2]);
        assert_eq!(of_none(Reduce::Prod), [1.0; 2]);
        assert!(of_none(Reduce::Mean)[1].is_nan());
        assert!(std::panic::catch_unwind(|| of_none(Reduce::Max)).is_err());
        reduce::<f32>(Reduce::Max, &[0, 0], &[0, 1], &[], &[false, true], &mut []);
    }

    #[test]
    fn integers_are_exact() {
        let x = [i64::MAX, 1, -3, 0, 7, 7];
        let of = |op| {
            let mut out = [9; 2];
            reduce_i64(op, 3, &x, &mut out);
            out
        };
        assert_eq!(of(Reduce::Sum), [i64::MAX - 2, 14]);
        assert_eq!(of(Reduce::Max), [i64::MAX, 7]);
        assert_eq!(of(Reduce::Min), [-3, 0]);
        assert_eq!(of(Reduce::Prod), [i64::MAX.wrapping_mul(-3), 0]);
        let mut none = [9; 2];
        reduce_i64(Reduce::Sum, 0, &[], &mut none);
        assert_eq!(none, [0; 2]);
    }

    #[test]
    fn argmax_takes_the_first_and_nan() {
        let nan = f32::NAN;
        let mut out = [9; 4];
        argmax(4, 3, 1, &[1.0, 3.0, 3.0, 2.0, nan, nan, -1.0, -2.0, -3.0, 0.0, 0.0, f32::INFINITY], &mut out);
        assert_eq!(out, [1, 1, 0, 2]);
        argmax(2, 2, 2, &[1.0, 5.0, 2.0, 4.0, nan, 0.0, 7.0, nan], &mut out);
        assert_eq!(out, [1, 0, 0, 1]);
        argmin(4, 3, 1, &[1.0, 0.0, 0.0, 2.0, nan, nan, -1.0, -2.0, -3.0, 0.0, 0.0, f32::NEG_INFINITY], &mut out);
        assert_eq!(out, [1, 1, 2, 2]);
        argmin(1, 3, 2, &[3u8, 1, 2, 1, 9, 0], &mut out[..2]);
        assert_eq!(out[..2], [1, 2]);
        argmax::<f32>(0, 3, 1, &[], &mut []);
    }
}
