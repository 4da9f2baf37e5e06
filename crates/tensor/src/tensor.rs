//! [`Tensor`]: an array that knows how it was computed.

use crate::array::Array;
use crate::deferred::{Input, Value};
use crate::device::Device;
use crate::dtype::DType;
use crate::element::{Element, Stored};
use crate::node::{Node, check_has_gradients, next_id};
use crate::op::Spec;
use crate::shape::Shape;
use std::sync::Arc;
use striate_kernels::AlignedVec;

/// Numbers with a shape, and, where a gradient was asked for, a record of how they were computed.
///
/// The meaning is PyTorch's: images are `[n, c, h, w]`. A clone is a cheap handle: it computes nothing and copies nothing. Ops take `self` by
/// value and write into its memory when nobody else holds it, so pass tensors on rather than cloning them.
///
/// A few ops are computed when their result is first read, so that the op that reads it can be one pass with them; [`Tensor::realize`] reads it.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) value: Value,
    pub(crate) node: Option<Arc<Node>>,
}

impl From<Array> for Tensor {
    fn from(array: Array) -> Self {
        Tensor { value: array.into(), node: None }
    }
}

impl Tensor {
    /// A tensor of `values` in row-major order.
    ///
    /// # Panics
    /// If the number of values does not fit `shape`.
    pub fn from_vec<T: Element>(values: Vec<T>, shape: impl Into<Shape>) -> Tensor {
        Tensor::from_slice(&values, shape)
    }

    /// As [`Tensor::from_vec`], from a slice.
    ///
    /// # Panics
    /// If the number of values does not fit `shape`.
    pub fn from_slice<T: Element>(values: &[T], shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        assert!(values.len() == shape.numel(), "from_slice: {} values do not fill shape {shape}", values.len());
        Array::from_slice(values, shape).into()
    }

    /// As [`Tensor::from_vec`], from what gives the values one after the other.
    ///
    /// # Panics
    /// If the number of values does not fit `shape`.
    pub fn from_values<T: Element>(values: impl ExactSizeIterator<Item = T>, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        assert!(values.len() == shape.numel(), "from_values: {} values do not fill shape {shape}", values.len());
        Array::from_values(values, shape).into()
    }

    /// A tensor of shape `[n, c, h, w]` from values in the order `[n, h, w, c]`, the order of an image file's pixels.
    ///
    /// # Panics
    /// If the number of values does not fit `shape`.
    pub fn from_channels_last<T: Stored>(values: impl Into<AlignedVec<T>>, shape: [usize; 4]) -> Tensor {
        let (values, shape) = (values.into(), Shape::from(shape));
        assert!(values.len() == shape.numel(), "from_channels_last: {} values do not fill shape {shape}", values.len());
        Array::from_buffer(values, shape).into()
    }

    /// A tensor filled with `value`.
    pub fn full(value: f64, shape: impl Into<Shape>, dtype: DType) -> Tensor {
        Array::full(value, shape.into(), dtype).into()
    }

    /// A tensor of zeros.
    pub fn zeros(shape: impl Into<Shape>, dtype: DType) -> Tensor {
        Tensor::full(0.0, shape, dtype)
    }

    /// A tensor of ones.
    pub fn ones(shape: impl Into<Shape>, dtype: DType) -> Tensor {
        Tensor::full(1.0, shape, dtype)
    }

    /// A tensor of the same shape, type and device, filled with `value`.
    pub fn full_like(other: &Tensor, value: f64) -> Tensor {
        other.array().filled_like(value, other.shape_value()).into()
    }

    /// The `i64` numbers from 0 to `n - 1`.
    pub fn arange(n: usize) -> Tensor {
        Tensor::from_vec((0..n as i64).collect(), [n])
    }

    /// The sizes of its dimensions.
    pub fn shape(&self) -> &[usize] {
        self.value.shape()
    }

    /// As [`Tensor::shape`], as a value.
    pub fn shape_value(&self) -> Shape {
        *self.value.shape()
    }

    /// Its shape and type.
    pub fn spec(&self) -> Spec {
        self.value.spec()
    }

    /// The size of dimension `dim`; negative numbers count from the end.
    ///
    /// # Panics
    /// If there is no such dimension.
    pub fn size(&self, dim: isize) -> usize {
        self.shape()[self.value.shape().dim("size", dim)]
    }

    /// How many dimensions it has.
    pub fn rank(&self) -> usize {
        self.value.shape().rank()
    }

    /// How many elements it has.
    pub fn numel(&self) -> usize {
        self.value.shape().numel()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.spec().dtype
    }

    /// The device that keeps it.
    pub fn device(&self) -> Device {
        match &self.value {
            Value::Ready(array) => array.device(),
            Value::Deferred(deferred) => deferred.device(),
        }
    }

    /// Computes the elements now, if they are yet to be computed.
    pub fn realize(&self) -> &Tensor {
        self.value.array();
        self
    }

    /// The array without its record.
    pub fn array(&self) -> &Array {
        self.value.array()
    }

    /// The array without its record, by value.
    pub fn into_array(self) -> Array {
        self.value.into_array()
    }

    /// The elements in row-major order.
    ///
    /// # Panics
    /// If the tensor's type is not `T`.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        assert!(self.dtype() == T::DTYPE, "to_vec: asked for {}, the tensor is {}", T::DTYPE, self.dtype());
        self.array().to_vec()
    }

    /// The only element.
    ///
    /// # Panics
    /// If there is not exactly one, or the tensor's type is not `T`.
    pub fn item<T: Element>(&self) -> T {
        assert!(self.numel() == 1, "item: needs a tensor of one element, got shape {}", self.shape_value());
        self.to_vec::<T>()[0]
    }

    /// A tensor whose gradient [`Tensor::backward`] gives. It has no record of how it was computed.
    ///
    /// # Panics
    /// If the elements are not floating-point, or of 16 bits.
    pub fn requires_grad(self) -> Tensor {
        self.leaf(next_id())
    }

    /// As [`Tensor::requires_grad`], under an identity made with [`crate::autograd::next_id`].
    ///
    /// # Panics
    /// If the elements are not floating-point, or of 16 bits.
    pub fn leaf(self, id: u64) -> Tensor {
        assert!(
            self.dtype().is_float(),
            "requires_grad: only floating-point tensors have gradients, got {}",
            self.dtype()
        );
        check_has_gradients("requires_grad", self.dtype());
        let node = Node::leaf(id, self.shape_value());
        Tensor { value: self.value, node: Some(node) }
    }

    /// The same numbers without a record of how they were computed.
    pub fn detach(&self) -> Tensor {
        Tensor { value: self.value.clone(), node: None }
    }

    /// Whether a gradient will flow through this tensor.
    pub fn has_grad(&self) -> bool {
        self.node.is_some()
    }

    /// The name of the op that computed this tensor, such as `softmax`, where it is recorded for a gradient.
    pub fn op_name(&self) -> Option<&'static str> {
        self.node.as_ref().map(|node| node.op)
    }

    /// Whether every element is finite.
    ///
    /// # Panics
    /// If the elements are not floating-point.
    pub fn is_finite(&self) -> bool {
        self.array().is_finite()
    }

    pub(crate) fn into_parts(self) -> (Array, Option<Arc<Node>>) {
        (self.value.into_array(), self.node)
    }

    pub(crate) fn into_input(self) -> Input {
        Input { array: self.value.into_array(), node: self.node }
    }

    /// The op's name and both types in a panic if they differ.
    pub(crate) fn same_dtype(&self, op: &str, other: &Tensor) {
        crate::op::must(crate::op::same_dtype(op, &self.spec(), &other.spec()));
    }
}
