//! Conversion from and to arrays of the `ndarray` crate (feature `ndarray`).

use crate::element::Element;
use crate::shape::Shape;
use crate::tensor::Tensor;
use ndarray::{ArrayBase, ArrayD, Data, Dimension, IxDyn};

impl<T: Element, S: Data<Elem = T>, D: Dimension> From<&ArrayBase<S, D>> for Tensor {
    /// A copy, whatever the array's layout.
    ///
    /// # Panics
    /// If the array has more dimensions than [`crate::MAX_RANK`].
    fn from(array: &ArrayBase<S, D>) -> Self {
        let shape = Shape::new(array.shape());
        match array.as_slice() {
            Some(values) => Tensor::from_slice(values, shape),
            None => Tensor::from_vec(array.iter().copied().collect(), shape),
        }
    }
}

impl<T: Element, S: Data<Elem = T>, D: Dimension> From<ArrayBase<S, D>> for Tensor {
    /// As from a reference to the array.
    fn from(array: ArrayBase<S, D>) -> Self {
        Tensor::from(&array)
    }
}

impl Tensor {
    /// The elements as an array of the `ndarray` crate, in row-major order (feature `ndarray`). `into_dimensionality` gives it a
    /// fixed number of dimensions.
    ///
    /// # Panics
    /// If the tensor's type is not `T`.
    pub fn to_ndarray<T: Element>(&self) -> ArrayD<T> {
        ArrayD::from_shape_vec(IxDyn(self.shape()), self.to_vec::<T>())
            .expect("as many values as the shape has elements")
    }
}
