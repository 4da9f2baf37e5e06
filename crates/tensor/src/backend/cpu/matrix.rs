//! Matrix products.

use super::weights::Weight;
use super::{by_float, take, take_more, views};
use crate::array::Array;
use crate::element::Stored;
use crate::op::{Op, Spec};
use crate::shape::Shape;
use striate_kernels::gemm::{self, Matrix, batched_gemm, gemm};
use striate_kernels::{AlignedVec, Float, PackedWeight};

/// The results of an op of this family.
pub fn run(op: &Op, packed: Option<&PackedWeight>, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
    let shape = outputs[0].shape;
    let one = match op {
        Op::MatMul => {
            let [a, b] = take(inputs);
            by_float!(a, "matmul", |T| matmul::<T>(a, b))
        }
        Op::Linear => {
            let ([x, weight], bias) = take_more(inputs);
            let x = as_rows(x);
            let y = by_float!(x, "linear", |T| linear::<T>(x, weight, bias, packed));
            views::reshape(y, shape)
        }
        _ => unreachable!("{} is no product", op.name()),
    };
    vec![one]
}

/// The stride from one matrix of a stack to the next, if it is one number.
fn batch_stride(x: &Array) -> Option<usize> {
    let lead = x.shape.rank() - 2;
    let dims: Vec<(usize, usize)> = (0..lead).map(|d| (x.shape[d], x.strides[d])).filter(|d| d.0 != 1).collect();
    let even = dims.windows(2).all(|w| w[0].1 == w[1].0 * w[1].1);
    even.then(|| dims.last().map_or(0, |d| d.1))
}

fn matrix<T: Stored>(x: &Array) -> Matrix<'_, T> {
    let rank = x.shape.rank();
    Matrix { data: x.data(), row_stride: x.strides[rank - 2], col_stride: x.strides[rank - 1] }
}

/// `x · weightᵀ`, plus a bias.
pub fn linear<T: Stored + Float>(x: Array, weight: Array, bias: Option<Array>, packed: Option<&PackedWeight>) -> Array {
    let [rows, inputs, outputs] = [x.shape[0], x.shape[1], weight.shape[0]];
    if !weight.is_dense_in(&[0, 1]) {
        let mut y = matmul::<T>(x, views::permute(weight, &[1, 0]));
        if let Some(bias) = bias {
            let bias = bias.packed_default::<T>();
            let rows = y.make_mut::<T>().chunks_exact_mut(outputs.max(1));
            rows.for_each(|row| row.iter_mut().zip(&bias[..]).for_each(|(y, b)| *y += *b));
        }
        return y;
    }
    let mut out = AlignedVec::unspecified(rows * outputs);
    let weight = Weight { array: &weight, packed };
    let values = weight.values::<T>();
    let bias = bias.as_ref().map(|b| b.packed_default::<T>());
    gemm::linear(rows, inputs, outputs, matrix::<T>(&x), weight.of_values(&values), bias.as_deref(), &mut out);
    Array::from_buffer(out, Shape::from([rows, outputs]))
}

pub fn matmul<T: Stored + Float>(a: Array, b: Array) -> Array {
    let rank = a.shape.rank();
    let [m, k, n] = [a.shape[rank - 2], a.shape[rank - 1], b.shape[rank - 1]];
    let shape = a.shape.with(rank - 1, n);
    let mut out = AlignedVec::unspecified(shape.numel());
    if rank == 2 {
        gemm(m, n, k, matrix::<T>(&a), matrix::<T>(&b), &mut out, false);
        return Array::from_buffer(out, shape);
    }
    let even = |x: Array| match batch_stride(&x) {
        Some(stride) => (x, stride),
        None => {
            let rows: Vec<usize> = (0..rank).collect();
            let packed = Array::in_order(x.packed::<T>(&rows).into_buffer(), x.shape, &rows);
            (packed, x.shape[rank - 2] * x.shape[rank - 1])
        }
    };
    let batch: usize = shape[..rank - 2].iter().product();
    let ((a, a_stride), (b, b_stride)) = (even(a), even(b));
    batched_gemm(batch, m, n, k, matrix::<T>(&a), a_stride, matrix::<T>(&b), b_stride, &mut out);
    let stacked = Array::in_order(out, Shape::from([batch, m, n]), &[0, 1, 2]);
    views::reshape(stacked, shape)
}

/// `[.., features]` as rows.
fn as_rows(x: Array) -> Array {
    let (rank, shape) = (x.shape.rank(), x.shape);
    if rank == 2 {
        return x;
    }
    let rows = shape[..rank - 1].iter().product();
    views::reshape(x, Shape::from([rows, shape[rank - 1]]))
}
