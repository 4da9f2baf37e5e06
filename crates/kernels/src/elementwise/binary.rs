//! Functions of two or three operands that broadcast against each other.

use super::activation::{self, Activation};
use super::visit::WithBinary;
use crate::Element;
use crate::float::Float;
use crate::isa::Kernel;
use crate::simd::Simd;
use crate::strided::{CHUNK, Dim, check, collapse, dense, for_rows};
use crate::threads::parallel_chunks;
use crate::training::{TRAINING, no_training};
use serde::{Deserialize, Serialize};

/// A function of two numbers.
///
/// Those named `…Grad` take a function's saved output `y` and the gradient of `y`, and give the gradient of its input.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Binary {
    /// a + b
    Add,
    /// a - b
    Sub,
    /// a · b
    Mul,
    /// a / b
    Div,
    /// a to the power of b.
    Pow,
    /// The larger one; NaN if one is NaN.
    Maximum,
    /// The smaller one; NaN if one is NaN.
    Minimum,
    /// 0 where y ≤ 0, or else the gradient.
    #[serde(skip)]
    ReluGrad,
    /// The gradient where y > 0, or else the slope times the gradient.
    #[serde(skip)]
    LeakyReluGrad(f64),
    /// gradient · (1 - y²)
    #[serde(skip)]
    TanhGrad,
    /// gradient · y · (1 - y)
    #[serde(skip)]
    SigmoidGrad,
    /// gradient · the slope of an activation function at its input, which stands in the place of y.
    #[serde(skip)]
    ActivationGrad(Activation),
}

impl Binary {
    /// PyTorch's name for it; of a gradient its function's with `_grad`.
    pub fn name(self) -> &'static str {
        match self {
            Binary::Add => "add",
            Binary::Sub => "sub",
            Binary::Mul => "mul",
            Binary::Div => "div",
            Binary::Pow => "pow",
            Binary::Maximum => "maximum",
            Binary::Minimum => "minimum",
            Binary::ReluGrad => "relu_grad",
            Binary::LeakyReluGrad(_) => "leaky_relu_grad",
            Binary::TanhGrad => "tanh_grad",
            Binary::SigmoidGrad => "sigmoid_grad",
            Binary::ActivationGrad(_) => "activation_grad",
        }
    }
}

/// A comparison of two numbers. All but `Ne` are false if one is NaN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compare {
    /// a = b
    Eq,
    /// a ≠ b
    Ne,
    /// a < b
    Lt,
    /// a ≤ b
    Le,
    /// a > b
    Gt,
    /// a ≥ b
    Ge,
}

impl Compare {
    /// PyTorch's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Compare::Eq => "eq",
            Compare::Ne => "ne",
            Compare::Lt => "lt",
            Compare::Le => "le",
            Compare::Gt => "gt",
            Compare::Ge => "ge",
        }
    }
}

/// An operand seen through a shape that comes with it.
#[derive(Clone, Copy, Debug)]
pub struct Operand<'a, T> {
    /// The elements, from the first on.
    pub data: &'a [T],
    /// One stride a dimension, in elements; 0 repeats the operand along that dimension.
    pub strides: &'a [usize],
}

fn with_binary<T: Float>(op: Binary, then: impl WithBinary<T, T>) {
    match op {
        Binary::Add => then.call(|a: T, b: T| a + b),
        Binary::Sub => then.call(|a: T, b: T| a - b),
        Binary::Mul => then.call(|a: T, b: T| a * b),
        Binary::Div => then.call(|a: T, b: T| a / b),
        Binary::Pow => then.call(|a: T, b: T| a.powf(b)),
        Binary::Maximum => then.call(|a: T, b: T| if a > b || a.is_nan() { a } else { b }),
        Binary::Minimum => then.call(|a: T, b: T| if a < b || a.is_nan() { a } else { b }),
        _ if !TRAINING => no_training(op.name()),
        Binary::ReluGrad => then.call(|y: T, g: T| if y <= T::ZERO { T::ZERO } else { g }),
        Binary::LeakyReluGrad(slope) => {
            let slope = T::from_f64(slope);
            then.call(move |y: T, g: T| if y > T::ZERO { g } else { g * slope })
        }
        Binary::TanhGrad => then.call(|y: T, g: T| g * (T::ONE - y * y)),
        Binary::SigmoidGrad => then.call(|y: T, g: T| g * y * (T::ONE - y)),
        Binary::ActivationGrad(a) => activation::with_slope(a, then),
    }
}

/// `out = f(a, b)` for `out.len()` elements, of which the first is number `start`.
struct Rows<'a, A, O, F> {
    dims: &'a [Dim<2>],
    start: usize,
    a: &'a [A],
    b: &'a [A],
    out: &'a mut [O],
    f: F,
}

impl<A: Element, O: Element, F: Fn(A, A) -> O> Kernel for Rows<'_, A, O, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Rows { dims, start, a, b, out, f } = self;
        let [sa, sb] = dims[dims.len() - 1].strides;
        for_rows(dims, start, out.len(), |[oa, ob], at, n| {
            let out = &mut out[at..at + n];
            match (sa, sb) {
                (1, 1) => {
                    for ((out, a), b) in out.iter_mut().zip(&a[oa..oa + n]).zip(&b[ob..ob + n]) {
                        *out = f(*a, *b);
                    }
                }
                (1, 0) => {
                    let b = b[ob];
                    for (out, a) in out.iter_mut().zip(&a[oa..oa + n]) {
                        *out = f(*a, b);
                    }
                }
                (0, 1) => {
                    let a = a[oa];
                    for (out, b) in out.iter_mut().zip(&b[ob..ob + n]) {
                        *out = f(a, *b);
                    }
                }
                _ => {
                    for (i, out) in out.iter_mut().enumerate() {
                        *out = f(a[oa + i * sa], b[ob + i * sb]);
                    }
                }
            }
        });
    }
}

struct Write<'a, A, O> {
    dims: Vec<Dim<2>>,
    a: &'a [A],
    b: &'a [A],
    out: &'a mut [O],
}

impl<A: Element, O: Element> WithBinary<A, O> for Write<'_, A, O> {
    fn call(self, f: impl Fn(A, A) -> O + Copy + Sync) {
        let Write { dims, a, b, out } = self;
        parallel_chunks(out, CHUNK, |i, out| A::dispatch(Rows { dims: &dims, start: i * CHUNK, a, b, out, f }));
    }
}

fn write<'a, A, O>(
    op: &str,
    shape: &[usize],
    a: Operand<'a, A>,
    b: Operand<'a, A>,
    out: &'a mut [O],
) -> Write<'a, A, O> {
    check(op, shape, a.strides, a.data.len());
    check(op, shape, b.strides, b.data.len());
    let n: usize = shape.iter().product();
    assert_eq!(out.len(), n, "{op}: shape {shape:?} needs {n} outputs, got {}", out.len());
    Write { dims: collapse(shape, [a.strides, b.strides]), a: a.data, b: b.data, out }
}

/// `out = op(a, b)`, dense and row-major over `shape`.
///
/// # Panics
/// If the operands or the output do not fit the shape.
pub fn binary<T: Float>(op: Binary, shape: &[usize], a: Operand<T>, b: Operand<T>, out: &mut [T]) {
    with_binary(op, write("binary", shape, a, b, out));
}

/// As [`Rows`], with `a` and the output in the same place.
struct RowsAssign<'a, T, F> {
    dims: &'a [Dim<2>],
    start: usize,
    a: &'a mut [T],
    b: &'a [T],
    f: F,
}

impl<T: Element, F: Fn(T, T) -> T> Kernel for RowsAssign<'_, T, F> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let RowsAssign { dims, start, a, b, f } = self;
        let stride = dims[dims.len() - 1].strides[1];
        for_rows(dims, start, a.len(), |[_, ob], at, n| {
            let a = &mut a[at..at + n];
            match stride {
                1 => {
                    for (a, b) in a.iter_mut().zip(&b[ob..ob + n]) {
                        *a = f(*a, *b);
                    }
                }
                0 => {
                    let b = b[ob];
                    for a in a.iter_mut() {
                        *a = f(*a, b);
                    }
                }
                _ => {
                    for (i, a) in a.iter_mut().enumerate() {
                        *a = f(*a, b[ob + i * stride]);
                    }
                }
            }
        });
    }
}

struct Assign<'a, T> {
    dims: Vec<Dim<2>>,
    a: &'a mut [T],
    b: &'a [T],
    swapped: bool,
}

impl<T: Element> Assign<'_, T> {
    fn each(self, f: impl Fn(T, T) -> T + Copy + Sync) {
        let Assign { dims, a, b, .. } = self;
        parallel_chunks(a, CHUNK, |i, a| T::dispatch(RowsAssign { dims: &dims, start: i * CHUNK, a, b, f }));
    }
}

impl<T: Element> WithBinary<T, T> for Assign<'_, T> {
    fn call(self, f: impl Fn(T, T) -> T + Copy + Sync) {
        if self.swapped { self.each(move |a, b| f(b, a)) } else { self.each(f) }
    }
}

/// `a = op(a, b)`, or `op(b, a)` when `swapped`. `a` is dense and row-major over `shape`.
///
/// # Panics
/// If the operands do not fit the shape.
pub fn binary_assign<T: Float>(op: Binary, shape: &[usize], a: &mut [T], b: Operand<T>, swapped: bool) {
    check("binary_assign", shape, b.strides, b.data.len());
    let n: usize = shape.iter().product();
    assert_eq!(a.len(), n, "binary_assign: shape {shape:?} needs {n} elements, got {}", a.len());
    let dims = collapse(shape, [&dense(shape), b.strides]);
    with_binary(op, Assign { dims, a, b: b.data, swapped });
}

/// [`binary`] for integers; what overflows wraps around.
///
/// # Panics
/// If the operation is none of `Add`, `Sub`, `Mul`, `Maximum` and `Minimum`, or the operands or the output do not fit the shape.
pub fn binary_i64(op: Binary, shape: &[usize], a: Operand<i64>, b: Operand<i64>, out: &mut [i64]) {
    let then = write("binary", shape, a, b, out);
    match op {
        Binary::Add => then.call(i64::wrapping_add),
        Binary::Sub => then.call(i64::wrapping_sub),
        Binary::Mul => then.call(i64::wrapping_mul),
        Binary::Maximum => then.call(i64::max),
        Binary::Minimum => then.call(i64::min),
        _ => panic!("{op:?}: not there for integers, which have Add, Sub, Mul, Maximum and Minimum"),
    }
}

/// `out = 1` where the comparison holds, `0` elsewhere; dense and row-major over `shape`.
///
/// # Panics
/// If the operands or the output do not fit the shape.
pub fn compare<T: Element + PartialOrd>(op: Compare, shape: &[usize], a: Operand<T>, b: Operand<T>, out: &mut [u8]) {
    let then = write("compare", shape, a, b, out);
    match op {
        Compare::Eq => then.call(|a, b| (a == b) as u8),
        Compare::Ne => then.call(|a, b| (a != b) as u8),
        Compare::Lt => then.call(|a, b| (a < b) as u8),
        Compare::Le => then.call(|a, b| (a <= b) as u8),
        Compare::Gt => then.call(|a, b| (a > b) as u8),
        Compare::Ge => then.call(|a, b| (a >= b) as u8),
    }
}

struct Select<'a, T> {
    dims: &'a [Dim<3>],
    start: usize,
    cond: &'a [u8],
    a: &'a [T],
    b: &'a [T],
    out: &'a mut [T],
}

impl<T: Element> Kernel for Select<'_, T> {
    type Output = ();
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Select { dims, start, cond, a, b, out } = self;
        let strides = dims[dims.len() - 1].strides;
        for_rows(dims, start, out.len(), |[oc, oa, ob], at, n| {
            let out = &mut out[at..at + n];
            if strides == [1; 3] {
                let (cond, a, b) = (&cond[oc..oc + n], &a[oa..oa + n], &b[ob..ob + n]);
                for (((out, c), a), b) in out.iter_mut().zip(cond).zip(a).zip(b) {
                    *out = if *c != 0 { *a } else { *b };
                }
            } else {
                let [sc, sa, sb] = strides;
                for (i, out) in out.iter_mut().enumerate() {
                    *out = if cond[oc + i * sc] != 0 { a[oa + i * sa] } else { b[ob + i * sb] };
                }
            }
        });
    }
}

/// `out = a` where the condition is not 0, `b` elsewhere (`torch.where`); dense and row-major over `shape`.
///
/// # Panics
/// If the operands or the output do not fit the shape.
pub fn select<T: Element>(shape: &[usize], cond: Operand<u8>, a: Operand<T>, b: Operand<T>, out: &mut [T]) {
    check("where", shape, cond.strides, cond.data.len());
    check("where", shape, a.strides, a.data.len());
    check("where", shape, b.strides, b.data.len());
    let n: usize = shape.iter().product();
    assert_eq!(out.len(), n, "where: shape {shape:?} needs {n} outputs, got {}", out.len());
    let dims = collapse(shape, [cond.strides, a.strides, b.strides]);
    let (cond, a, b) = (cond.data, a.data, b.data);
    parallel_chunks(out, CHUNK, |i, out| T::dispatch(Select { dims: &dims, start: i * CHUNK, cond, a, b, out }));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::strided::span;

    fn reference_binary(op: Binary, a: f64, b: f64) -> f64 {
        match op {
            Binary::Add => a + b,
            Binary::Sub => a - b,
            Binary::Mul => a * b,
            Binary::Div => a / b,
            Binary::Pow => a.powf(b),
            Binary::Maximum | Binary::Minimum if a.is_nan() || b.is_nan() => f64::NAN,
            Binary::Maximum => a.max(b),
            Binary::Minimum => a.min(b),
            Binary::ReluGrad => b * (1.0 - (a <= 0.0) as u8 as f64),
            Binary::LeakyReluGrad(s) => b * if a > 0.0 { 1.0 } else { s },
            Binary::TanhGrad => b * (1.0 - a * a),
            Binary::SigmoidGrad => b * a * (1.0 - a),
            Binary::ActivationGrad(f) => b * activation::tests::slope(f, a),
        }
    }

    const ALL: [Binary; 11] = [
        Binary::Add,
        Binary::Sub,
        Binary::Mul,
        Binary::Div,
        Binary::Pow,
        Binary::Maximum,
        Binary::Minimum,
        Binary::ReluGrad,
        Binary::LeakyReluGrad(0.1),
        Binary::TanhGrad,
        Binary::SigmoidGrad,
    ];

    /// Shape and the strides of both operands.
    type Case = (&'static [usize], &'static [usize], &'static [usize]);

    type Test = fn(&f32, &f32) -> bool;

    const CASES: [Case; 12] = [
        (&[], &[], &[]),
        (&[1], &[1], &[1]),
        (&[17], &[1], &[0]),
        (&[17], &[0], &[1]),
        (&[17], &[2], &[3]),
        (&[3, 17], &[17, 1], &[0, 1]),
        (&[3, 17], &[17, 1], &[1, 0]),
        (&[3, 17], &[1, 3], &[17, 1]),
        (&[2, 3, 4, 5], &[60, 20, 5, 1], &[20, 0, 0, 1]),
        (&[2, 3, 4, 5], &[0, 5, 0, 1], &[3, 1, 0, 0]),
        (&[0, 3], &[3, 1], &[0, 1]),
        (&[3, 70_001], &[70_001, 1], &[0, 1]),
    ];

    fn offsets(shape: &[usize], strides: &[usize]) -> Vec<usize> {
        let mut all = vec![0];
        for (n, s) in shape.iter().zip(strides) {
            all = all.iter().flat_map(|o| (0..*n).map(move |i| o + i * s)).collect();
        }
        all
    }

    fn values<T: Float>(n: usize, seed: usize) -> Vec<T> {
        (0..n)
            .map(|i| match (i * 7 + seed) % 29 {
                0 => T::NAN,
                1 => T::INFINITY,
                2 => T::ZERO,
                v => T::from_f64((v as f64 - 14.0) / 4.0),
            })
            .collect()
    }

    fn assert_close<T: Float>(got: T, want: f64, what: &str) {
        let (got, want) = (got.to_f64(), T::from_f64(want).to_f64());
        let close = got == want || got.is_nan() && want.is_nan() || (got - want).abs() <= 1e-6 * want.abs();
        assert!(close, "{what}: {got}, expected {want}");
    }

    fn check_binary<T: Float>() {
        for (shape, sa, sb) in CASES {
            let (oa, ob) = (offsets(shape, sa), offsets(shape, sb));
            let (a, b) = (values::<T>(span(shape, sa), 3), values::<T>(span(shape, sb), 11));
            let dense_a: Vec<T> = oa.iter().map(|&o| a[o]).collect();
            for op in ALL {
                let mut out = vec![T::ZERO; oa.len()];
                binary(op, shape, Operand { data: &a, strides: sa }, Operand { data: &b, strides: sb }, &mut out);
                let (mut left, mut right) = (dense_a.clone(), dense_a.clone());
                binary_assign(op, shape, &mut left, Operand { data: &b, strides: sb }, false);
                binary_assign(op, shape, &mut right, Operand { data: &b, strides: sb }, true);
                for i in 0..out.len() {
                    let (a, b) = (a[oa[i]].to_f64(), b[ob[i]].to_f64());
                    let what = format!("{op:?}({a}, {b}) in {shape:?}");
                    // A masked gradient is 0 even where the gradient is infinite.
                    if op == Binary::ReluGrad && a <= 0.0 {
                        assert_eq!([out[i], left[i]], [T::ZERO; 2], "{what}");
                        continue;
                    }
                    assert_close(out[i], reference_binary(op, a, b), &what);
                    assert_close(left[i], reference_binary(op, a, b), &what);
                    if op != Binary::ReluGrad {
                        assert_close(right[i], reference_binary(op, b, a), &what);
                    }
                }
            }
        }
    }

    #[test]
    fn binary_matches_the_reference() {
        check_binary::<f32>();
        check_binary::<f64>();
    }

    #[test]
    fn integers_wrap() {
        let (a, b) = ([i64::MAX, 5, -7], [1, 3]);
        let mut out = [0; 3];
        for (op, want) in
            [(Binary::Add, [i64::MIN, 6, -6]), (Binary::Sub, [i64::MAX - 1, 4, -8]), (Binary::Mul, [i64::MAX, 5, -7])]
        {
            binary_i64(op, &[3], Operand { data: &a, strides: &[1] }, Operand { data: &b, strides: &[0] }, &mut out);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn compare_and_select_match_the_reference() {
        for (shape, sa, sb) in CASES {
            let (oa, ob) = (offsets(shape, sa), offsets(shape, sb));
            let (a, b) = (values::<f32>(span(shape, sa), 3), values::<f32>(span(shape, sb), 11));
            let (left, right) = (Operand { data: &a, strides: sa }, Operand { data: &b, strides: sb });
            let ops: [(Compare, Test); 6] = [
                (Compare::Eq, f32::eq),
                (Compare::Ne, f32::ne),
                (Compare::Lt, f32::lt),
                (Compare::Le, f32::le),
                (Compare::Gt, f32::gt),
                (Compare::Ge, f32::ge),
            ];
            for (op, reference) in ops {
                let mut out = vec![9u8; oa.len()];
                compare(op, shape, left, right, &mut out);
                for i in 0..out.len() {
                    assert_eq!(out[i], reference(&a[oa[i]], &b[ob[i]]) as u8, "{op:?} in {shape:?}");
                }
            }
            let cond: Vec<u8> = (0..oa.len()).map(|i| (i % 3) as u8).collect();
            let mut out = vec![0.0; oa.len()];
            let strides = dense(shape);
            select(shape, Operand { data: &cond, strides: &strides }, left, right, &mut out);
            for i in 0..out.len() {
                let want = if i % 3 != 0 { a[oa[i]] } else { b[ob[i]] };
                assert_eq!(out[i].to_bits(), want.to_bits());
            }
        }
    }
}
