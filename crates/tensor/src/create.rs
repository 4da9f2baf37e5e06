//! Tensors made of regular numbers, and from Rust's arrays.

use crate::dtype::{DType, by_type};
use crate::element::Element;
use crate::shape::Shape;
use crate::tensor::Tensor;

/// A tensor of floating-point numbers or whole ones, rounded towards 0.
fn of_values(values: &[f64], shape: Shape, dtype: DType) -> Tensor {
    fn convert<T: Element>(values: &[f64], shape: Shape) -> Tensor {
        Tensor::from_vec(values.iter().map(|&v| <T as Element>::from_f64(v)).collect(), shape)
    }
    by_type!(dtype, |T| convert::<T>(values, shape))
}

impl Tensor {
    /// `steps` evenly spaced numbers from `start` to `end`, both included (`torch.linspace`).
    pub fn linspace(start: f64, end: f64, steps: usize, dtype: DType) -> Tensor {
        let step = if steps > 1 { (end - start) / (steps - 1) as f64 } else { 0.0 };
        // From both ends, so that both are exact.
        let value = |i: usize| {
            if i < steps.div_ceil(2) { start + step * i as f64 } else { end - step * (steps - 1 - i) as f64 }
        };
        of_values(&(0..steps).map(value).collect::<Vec<_>>(), Shape::from([steps]), dtype)
    }

    /// The numbers from `start` on, `step` apart, before `end` (`torch.arange`). For 0, 1, 2, … see [`Tensor::arange`].
    ///
    /// # Panics
    /// If `step` is 0 or leads away from `end`.
    pub fn arange_step(start: f64, end: f64, step: f64, dtype: DType) -> Tensor {
        let count = ((end - start) / step).ceil();
        assert!(count >= 0.0 && count.is_finite(), "arange: steps of {step} do not lead from {start} to {end}");
        let values: Vec<f64> = (0..count as usize).map(|i| start + step * i as f64).collect();
        let n = values.len();
        of_values(&values, Shape::from([n]), dtype)
    }

    /// `[n, m]` with ones on the diagonal and zeros elsewhere (`torch.eye`).
    pub fn eye(n: usize, m: usize, dtype: DType) -> Tensor {
        let values: Vec<f64> = (0..n * m).map(|i| (i / m == i % m) as u8 as f64).collect();
        of_values(&values, Shape::from([n, m]), dtype)
    }
}

impl<T: Element> From<Vec<T>> for Tensor {
    /// One dimension.
    fn from(values: Vec<T>) -> Self {
        let n = values.len();
        Tensor::from_vec(values, [n])
    }
}

impl<T: Element> From<&[T]> for Tensor {
    /// One dimension.
    fn from(values: &[T]) -> Self {
        Tensor::from_slice(values, [values.len()])
    }
}

impl<T: Element, const A: usize> From<[T; A]> for Tensor {
    /// One dimension.
    fn from(values: [T; A]) -> Self {
        Tensor::from_slice(&values, [A])
    }
}

impl<T: Element, const A: usize, const B: usize> From<[[T; B]; A]> for Tensor {
    /// Two dimensions.
    fn from(values: [[T; B]; A]) -> Self {
        Tensor::from_slice(values.as_flattened(), [A, B])
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize> From<[[[T; C]; B]; A]> for Tensor {
    /// Three dimensions.
    fn from(values: [[[T; C]; B]; A]) -> Self {
        Tensor::from_slice(values.as_flattened().as_flattened(), [A, B, C])
    }
}

impl<T: Element, const A: usize, const B: usize, const C: usize, const D: usize> From<[[[[T; D]; C]; B]; A]>
    for Tensor
{
    /// Four dimensions.
    fn from(values: [[[[T; D]; C]; B]; A]) -> Self {
        Tensor::from_slice(values.as_flattened().as_flattened().as_flattened(), [A, B, C, D])
    }
}
