//! [`Tensor`]: an array that knows how it was computed.

use crate::array::Array;
use crate::autograd::{Node, next_id};
use crate::backend::Input;
use crate::device::Device;
use crate::dtype::{DType, Element};
use crate::lazy::{Lazy, skip_relu};
use crate::shape::Shape;
use std::ops::Deref;
use std::sync::Arc;
use striate_kernels::Buffer;

/// Numbers with a shape, and, where a gradient was asked for, a record of how they were computed.
///
/// The meaning is PyTorch's: images are `[n, c, h, w]`. A clone is a cheap handle. Ops take `self` by value and write into
/// its memory when nobody else holds it, so pass tensors on rather than cloning them.
#[derive(Clone)]
pub struct Tensor {
    pub(crate) array: Lazy,
    pub(crate) node: Option<Arc<Node>>,
}

impl Deref for Tensor {
    type Target = Array;
    fn deref(&self) -> &Array {
        &self.array
    }
}

impl From<Array> for Tensor {
    fn from(array: Array) -> Self {
        Tensor { array: array.into(), node: None }
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

    /// A tensor of shape `[n, c, h, w]` from values in the order `[n, h, w, c]`, the order of an image file's pixels.
    ///
    /// # Panics
    /// If the number of values does not fit `shape`.
    pub fn from_channels_last<T: Element>(values: impl Into<Buffer<T>>, shape: [usize; 4]) -> Tensor {
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
        let here = Array::full(value, other.shape_value(), other.dtype());
        other.place().upload(&here, None).into()
    }

    /// The `i64` numbers from 0 to `n - 1`.
    pub fn arange(n: usize) -> Tensor {
        Tensor::from_vec((0..n as i64).collect(), [n])
    }

    /// The sizes of its dimensions.
    pub fn shape(&self) -> &[usize] {
        match &self.array {
            Lazy::Ready(array) => &array.shape,
            Lazy::Waiting(pending) => pending.shape(),
        }
    }

    /// As [`Tensor::shape`], as a value.
    pub fn shape_value(&self) -> Shape {
        self.array.shape()
    }

    /// The size of dimension `dim`; negative numbers count from the end.
    ///
    /// # Panics
    /// If there is no such dimension.
    pub fn size(&self, dim: isize) -> usize {
        self.array.shape()[self.array.shape().dim("size", dim)]
    }

    /// How many dimensions it has.
    pub fn rank(&self) -> usize {
        self.array.shape().rank()
    }

    /// How many elements it has.
    pub fn numel(&self) -> usize {
        self.array.shape().numel()
    }

    /// The type of its elements.
    pub fn dtype(&self) -> DType {
        self.array.dtype()
    }

    /// The device that keeps it.
    pub fn device(&self) -> Device {
        self.place().device()
    }

    /// The array without its record.
    pub fn array(&self) -> &Array {
        &self.array
    }

    /// The array without its record, by value.
    pub fn into_array(self) -> Array {
        self.array.into_array()
    }

    /// The elements in row-major order.
    ///
    /// # Panics
    /// If the tensor's type is not `T`.
    pub fn to_vec<T: Element>(&self) -> Vec<T> {
        assert!(self.dtype() == T::DTYPE, "to_vec: asked for {}, the tensor is {}", T::DTYPE, self.dtype());
        self.array.to_vec()
    }

    /// The only element.
    ///
    /// # Panics
    /// If there is not exactly one, or the tensor's type is not `T`.
    pub fn item<T: Element>(&self) -> T {
        assert!(self.numel() == 1, "item: needs a tensor of one element, got shape {}", self.array.shape);
        self.to_vec::<T>()[0]
    }

    /// A tensor whose gradient [`Tensor::backward`] gives. It has no record of how it was computed.
    ///
    /// # Panics
    /// If the elements are not floating-point.
    pub fn requires_grad(self) -> Tensor {
        self.leaf(next_id())
    }

    /// As [`Tensor::requires_grad`], under an identity made with [`crate::autograd::next_id`].
    ///
    /// # Panics
    /// If the elements are not floating-point.
    pub fn leaf(self, id: u64) -> Tensor {
        assert!(
            self.dtype().is_float(),
            "requires_grad: only floating-point tensors have gradients, got {}",
            self.dtype()
        );
        let node = Node::leaf(id, self.shape_value());
        Tensor { array: self.array, node: Some(node) }
    }

    /// The same numbers without a record of how they were computed.
    pub fn detach(&self) -> Tensor {
        Tensor { array: self.array.clone(), node: None }
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
        self.place().is_finite(&self.array)
    }

    pub(crate) fn into_parts(self) -> (Array, Option<Arc<Node>>) {
        (self.array.into_array(), self.node)
    }

    /// As [`Tensor::into_parts`], for an op that can apply a ReLU as it reads. The flag says whether the node is the one before a
    /// ReLU, so that the gradient must be 0 where the array is not above 0.
    pub(crate) fn into_parts_before_relu(self) -> (Input, Option<Arc<Node>>, bool) {
        let input = self.array.into_input();
        let (node, skipped) = skip_relu(self.node);
        (input, node, skipped)
    }

    /// The op's name and both types in a panic if they differ.
    pub(crate) fn same_dtype(&self, op: &str, other: &Tensor) {
        let (a, b) = (self.dtype(), other.dtype());
        assert!(a == b, "{op}: needs tensors of one type, got {a} and {b} (convert one with to_dtype)");
    }

    /// The elements converted to another type. Between floating-point types the gradient flows.
    pub fn to_dtype(self, dtype: DType) -> Tensor {
        let from = self.dtype();
        if from == dtype {
            return self;
        }
        let (x, node) = self.into_parts();
        let node = node.filter(|_| dtype.is_float());
        crate::autograd::record("to_dtype", x.cast(dtype), [node], |_| move |g: Array, _| [Some(g.cast(from))])
    }
}
