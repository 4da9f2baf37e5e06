//! A device that computes every op in plain loops, written from its definition: the measure for the other backends.
//!
//! Numbers of all types are held as `f64`, and sums run in `f64`; each result is rounded to its type. Integers beyond 2⁵³ are therefore
//! not exact here.

mod conv;
mod elementwise;
mod grid;
mod loss;
mod norm;
mod pool;
mod reduce;
mod resample;
mod shape;
#[cfg(test)]
mod tests;
mod update;

use super::{Backend, Update};
use crate::array::{Array, Remote};
use crate::device::Device;
use crate::dtype::{DType, by_type};
use crate::element::Element;
use crate::op::{Family, Op, Spec};
use crate::shape::Shape;
use elementwise::round;
use grid::Grid;
use std::any::Any;
use std::sync::Arc;

/// Computes every op in plain loops.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference;

/// The elements of an array on this device, in row-major order of its shape.
#[derive(Clone, Debug)]
pub struct Plain {
    values: Vec<f64>,
    dtype: DType,
}

impl Remote for Plain {
    fn backend(&self) -> Arc<dyn Backend> {
        Reference::shared()
    }
    fn dtype(&self) -> DType {
        self.dtype
    }
    fn download(&self, shape: Shape) -> Array {
        fn typed<T: Element>(values: &[f64], shape: Shape) -> Array {
            Array::from_slice(&values.iter().map(|&x| T::from_f64(x)).collect::<Vec<T>>(), shape)
        }
        by_type!(self.dtype, |T| typed::<T>(&self.values, shape))
    }
}

/// The elements of an array that this backend keeps.
fn numbers(x: &Array) -> Grid {
    let remote: Option<&dyn Any> = x.as_remote().map(|r| &**r as &dyn Any);
    let plain = remote.and_then(|r| r.downcast_ref::<Plain>());
    let Some(plain) = plain else { panic!("expected an array on the reference device, got one on {}", x.device()) };
    Grid { shape: x.shape(), values: plain.values.clone() }
}

/// An array of what was computed, rounded to its type.
fn array(numbers: Grid, spec: Spec) -> Array {
    let values = numbers.reshaped(spec.shape).values.into_iter().map(|x| round(x, spec.dtype)).collect();
    Array::remote(Arc::new(Plain { values, dtype: spec.dtype }), spec.shape)
}

impl Reference {
    /// The one that all share.
    pub fn shared() -> Arc<Reference> {
        Arc::new(Reference)
    }
}

impl Backend for Reference {
    fn device(&self) -> Device {
        Device::Reference
    }
    fn upload(&self, x: &Array, _tag: Option<u64>) -> Array {
        fn all<T: Element>(x: &Array) -> Vec<f64> {
            x.to_vec::<T>().into_iter().map(T::to_f64).collect()
        }
        let values = by_type!(x.dtype(), |T| all::<T>(x));
        Array::remote(Arc::new(Plain { values, dtype: x.dtype() }), x.shape())
    }
    fn run(&self, op: &Op, inputs: Vec<Array>, outputs: &[Spec]) -> Vec<Array> {
        let operands: Vec<Grid> = inputs.iter().map(numbers).collect();
        let results = compute(op, &operands, inputs[0].dtype(), outputs[0].shape);
        // Poolings give positions even if nobody asked for them.
        results.into_iter().zip(outputs).map(|(y, spec)| array(y, *spec)).collect()
    }
    fn update(&self, step: &Update, param: &mut Array, grad: &Array, state: &mut [Array]) {
        let (mut p, g) = (numbers(param), numbers(grad));
        let mut s: Vec<Grid> = state.iter().map(numbers).collect();
        update::update(step, &mut p, &g, &mut s);
        *param = array(p, param.spec());
        for (old, new) in state.iter_mut().zip(s) {
            *old = array(new, old.spec());
        }
    }
}

/// The results of `op`, the first of which has the shape `shape`, for operands `x` of which the first has the type `dtype`.
fn compute(op: &Op, x: &[Grid], dtype: DType, shape: Shape) -> Vec<Grid> {
    let family = match op.family() {
        Family::Shape | Family::Concatenation | Family::Indexing | Family::Conversion => shape::compute,
        Family::Unary | Family::Elementwise => elementwise::compute,
        Family::Reduction | Family::Matrix => reduce::compute,
        Family::Convolution | Family::TransposedConvolution => conv::compute,
        Family::Pooling | Family::AdaptivePooling => pool::compute,
        Family::Resampling => resample::compute,
        Family::Normalization => norm::compute,
        Family::Softmax => loss::compute,
    };
    family(op, x, dtype, shape)
}
