//! The seam between what an op means and where it is computed.
//!
//! One method per meaningful op. [`cpu::Cpu`] computes with the kernels; a capturing backend writes the ops down instead;
//! a GPU computes elsewhere. Methods take arrays by value, so that a backend may reuse memory that nobody else holds.
//! Shapes have been checked before: the ops in [`crate::ops`] do that, with messages for people.

pub mod cpu;

use crate::array::Array;
use crate::device::Device;
use crate::dtype::DType;
use crate::profile;
use crate::shape::Shape;
use std::ops::Deref;
use std::sync::Arc;
pub use striate_kernels::batch_norm::Clamp;
pub use striate_kernels::elementwise::{Activation, Binary, Compare, Unary};
pub use striate_kernels::optim::{AdagradStep, AdamStep, LambStep, LionStep, NAdamStep, RmsPropStep, SgdStep, Update};
pub use striate_kernels::reduce::Reduce;
pub use striate_kernels::resample::Taps;

/// The settings of a 2-D convolution, each for height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conv2dOptions {
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Zeros added before and after.
    pub padding: [[usize; 2]; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Groups of channels that do not see each other.
    pub groups: usize,
}

impl Default for Conv2dOptions {
    fn default() -> Self {
        Conv2dOptions { stride: [1; 2], padding: [[0; 2]; 2], dilation: [1; 2], groups: 1 }
    }
}

/// The settings of 2-D pooling, each for height, then width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool2dOptions {
    /// Size of a window.
    pub kernel_size: [usize; 2],
    /// Steps between windows.
    pub stride: [usize; 2],
    /// Elements added on both sides.
    pub padding: [usize; 2],
    /// Distance between the elements of a window.
    pub dilation: [usize; 2],
    /// Whether windows that hang over the end count.
    pub ceil_mode: bool,
    /// Whether average pooling divides by padded elements too.
    pub count_include_pad: bool,
}

impl Pool2dOptions {
    /// Windows of `kernel_size` that do not overlap, without padding.
    pub fn new(kernel_size: [usize; 2]) -> Self {
        Pool2dOptions {
            kernel_size,
            stride: kernel_size,
            padding: [0; 2],
            dilation: [1; 2],
            ceil_mode: false,
            count_include_pad: true,
        }
    }
}

impl From<usize> for Pool2dOptions {
    /// Square windows that do not overlap.
    fn from(kernel_size: usize) -> Self {
        Pool2dOptions::new([kernel_size; 2])
    }
}

/// What an op reads: an array, or max(x, 0) of one, which then needs no pass of its own.
#[derive(Clone)]
pub struct Input {
    /// The array.
    pub array: Array,
    /// Whether its ReLU is meant.
    pub relu: bool,
}

impl From<Array> for Input {
    fn from(array: Array) -> Self {
        Input { array, relu: false }
    }
}

impl Input {
    /// The array that is meant.
    pub fn settled(self) -> Array {
        if self.relu { self.array.unary(Unary::Relu) } else { self.array }
    }
}

/// What a normalization of known statistics takes for each channel, `[c]`.
#[derive(Clone)]
pub struct Statistics {
    /// The means.
    pub mean: Array,
    /// The variances.
    pub var: Array,
    /// What the normalized values are multiplied by.
    pub weight: Option<Array>,
    /// What is added then.
    pub bias: Option<Array>,
    /// What is added to the variances.
    pub eps: f64,
}

/// What group normalization gives: the output and the statistics of each sample's groups.
pub struct GroupNormed {
    /// The normalized input.
    pub output: Array,
    /// Mean per group, `[n, groups]`.
    pub mean: Array,
    /// Biased variance per group, `[n, groups]`.
    pub var: Array,
}

/// One place where ops are computed, or written down.
///
/// Unless said otherwise all arrays of a call have the same floating-point type, and the result has it too.
pub trait Backend: Send + Sync {
    /// The device that it computes on.
    fn device(&self) -> Device;
    /// Brings an array from memory here. `tag` is the identity of the parameter that it belongs to, if any.
    fn upload(&self, x: &Array, tag: Option<u64>) -> Array;

    /// Any type. The same elements in row-major order under another shape.
    fn reshape(&self, x: Array, shape: Shape) -> Array;
    /// Any type. Dimension `i` of the result is dimension `order[i]` of `x`.
    fn permute(&self, x: Array, order: &[usize]) -> Array;
    /// Any type. Repeats dimensions of size 1; `x` has the rank of `shape`.
    fn expand(&self, x: Array, shape: Shape) -> Array;
    /// Any type. `len` elements of dimension `dim`, from `start` on.
    fn narrow(&self, x: Array, dim: usize, start: usize, len: usize) -> Array;
    /// Any type. Joins arrays along `dim`.
    fn cat(&self, xs: &[Array], dim: usize) -> Array;
    /// Any type. Adds `padding[d]` elements of `value` before and after each dimension.
    fn pad(&self, x: Array, padding: &[[usize; 2]], value: f64) -> Array;
    /// Any type. Converts the elements as Rust's `as` does.
    fn cast(&self, x: Array, dtype: DType) -> Array;

    /// An elementwise function of one array.
    fn unary(&self, op: Unary, x: Array) -> Array;
    /// An elementwise function of two arrays, broadcast against each other.
    fn binary(&self, op: Binary, a: Array, b: Array) -> Array;
    /// Any type. Compares two arrays, broadcast against each other; the result is `u8`, 1 for true.
    fn compare(&self, op: Compare, a: Array, b: Array) -> Array;
    /// Any type. `a` where `condition` (`u8`) is not zero, else `b`; all broadcast against each other.
    fn select(&self, condition: Array, a: Array, b: Array) -> Array;

    /// Also `i64`, but for the mean. Reduces the dimensions `dims` to size 1.
    fn reduce(&self, op: Reduce, x: Array, dims: &[usize]) -> Array;
    /// Any type. The position (`i64`) of the maximum along `dim`, which becomes size 1.
    fn argmax(&self, x: Array, dim: usize) -> Array;
    /// As `argmax`, of the minimum.
    fn argmin(&self, x: Array, dim: usize) -> Array;
    /// Any type. The positions (`i64`) that sort `x` along `dim`; equal elements keep their order, NaN is the largest.
    fn argsort(&self, x: Array, dim: usize, descending: bool) -> Array;
    /// Also `i64`. The running sums along `dim`, from the end on if `reverse`.
    fn cumsum(&self, x: Array, dim: usize, reverse: bool) -> Array;
    /// `[…, m, k] × […, k, n]` with equal leading dimensions.
    fn matmul(&self, a: Array, b: Array) -> Array;
    /// `x [n, in] × weightᵀ [in, out] + bias [out]`
    fn linear(&self, x: Array, weight: Array, bias: Option<Array>) -> Array;

    /// Any type. `torch.gather`: `index` (`i64`) has the rank of `x` and picks along `dim`.
    fn gather(&self, x: Array, dim: usize, index: Array) -> Array;
    /// Also `i64`. The gradient of `gather`: zeros of `shape` with `grad` added at the places that `index` names.
    fn scatter_add(&self, grad: Array, dim: usize, index: Array, shape: Shape) -> Array;
    /// Any type. The slices of `x` along `dim` that `index` (`i64`, one-dimensional) names.
    fn index_select(&self, x: Array, dim: usize, index: Array) -> Array;
    /// Also `i64`. The gradient of `index_select`: zeros of `shape` with the slices of `grad` added.
    fn index_add(&self, grad: Array, dim: usize, index: Array, shape: Shape) -> Array;

    /// `x [n, c, h, w]`, `weight [o, c/groups, kh, kw]`, `bias [o]`
    fn conv2d(&self, x: Input, weight: Array, bias: Option<Array>, options: &Conv2dOptions) -> Array;
    /// The gradient of `conv2d` with respect to its input, which is also what a transposed convolution computes. If `before_relu` is given,
    /// the input is the ReLU of that array, and the gradient that with respect to the array: 0 where it (or its ReLU) is not above 0.
    fn conv2d_input_grad(
        &self,
        grad: Array,
        weight: Array,
        before_relu: Option<Array>,
        input: Shape,
        options: &Conv2dOptions,
    ) -> Array;
    /// The gradient of `conv2d` with respect to its weight.
    fn conv2d_weight_grad(&self, x: Input, grad: Array, weight: Shape, options: &Conv2dOptions) -> Array;
    /// The maxima of windows, and where in its window each was found. With a ReLU, windows without anything above 0 have no such
    /// place, and `max_pool2d_grad` gives the gradient of the array before it.
    fn max_pool2d(&self, x: Input, options: &Pool2dOptions) -> (Array, Array);
    /// A [`Backend::conv2d`] whose result is normalized by the statistics given and clamped before it is written. Only on the CPU does a convolution wait for these.
    fn conv2d_finished(
        &self,
        x: Input,
        weight: Array,
        bias: Option<Array>,
        options: &Conv2dOptions,
        norm: Option<Statistics>,
        clamp: Option<Clamp>,
    ) -> Array;
    /// The largest of each 2×2 elements of a [`Backend::conv2d`], clamped; likewise.
    fn conv2d_max_pool2(
        &self,
        x: Input,
        weight: Array,
        bias: Option<Array>,
        options: &Conv2dOptions,
        clamp: Option<Clamp>,
    ) -> Array;
    /// The gradient of `max_pool2d`.
    fn max_pool2d_grad(&self, grad: Array, position: Array, input: Shape, options: &Pool2dOptions) -> Array;
    /// The means of windows.
    fn avg_pool2d(&self, x: Array, options: &Pool2dOptions) -> Array;
    /// The gradient of `avg_pool2d`.
    fn avg_pool2d_grad(&self, grad: Array, input: Shape, options: &Pool2dOptions) -> Array;

    /// The mean and the biased variance of each channel (dimension 1), `[c]`.
    fn batch_norm_stats(&self, x: &Array) -> [Array; 2];
    /// Normalizes each channel by the statistics given, adds what is `added`, of the same shape, and clamps the result.
    fn batch_norm_fixed(&self, x: Array, statistics: Statistics, added: Option<Array>, clamp: Option<Clamp>) -> Array;
    /// The gradients of `batch_norm_fixed` without what is added with respect to `x`, `weight` and `bias`; the statistics are those of `x` itself if they are its `own`, else
    /// constants.
    fn batch_norm_grad(
        &self,
        grad: Array,
        x: Array,
        statistics: Statistics,
        clamp: Option<Clamp>,
        own: bool,
    ) -> [Array; 3];

    /// Normalizes groups of channels of each sample `[n, c, h, w]`; `weight` and `bias` are `[c]`.
    fn group_norm(&self, x: Array, groups: usize, weight: Option<Array>, bias: Option<Array>, eps: f64) -> GroupNormed;
    /// The gradients of `group_norm` with respect to `x`, `weight` and `bias`.
    fn group_norm_grad(
        &self,
        grad: Array,
        x: Array,
        mean: Array,
        var: Array,
        weight: Option<Array>,
        eps: f64,
    ) -> [Array; 3];
    /// Applies a sparse matrix along each of some dimensions, one after the other. `op` says what that amounts to.
    fn resample(&self, op: &'static str, x: Array, steps: &[(usize, Taps)]) -> Array;

    /// Softmax, or its logarithm, along `dim`.
    fn softmax(&self, x: Array, dim: usize, log: bool) -> Array;
    /// The gradient of `softmax`, from its output `y`.
    fn softmax_grad(&self, y: Array, grad: Array, dim: usize, log: bool) -> Array;
    /// The cross-entropy of each row of `logits [n, c]` against its class in `target` (`i64`), and the log-probabilities.
    fn cross_entropy(&self, logits: Array, target: Array) -> (Array, Array);
    /// The gradient of `cross_entropy`: `grad` has one element per row.
    fn cross_entropy_grad(&self, log_probs: Array, target: Array, grad: Array) -> Array;

    /// One step of an optimizer; `state` has [`Update::slots`] arrays.
    fn update(&self, step: &Update, param: &mut Array, grad: &Array, state: &mut [Array]);
    /// Whether every element is finite.
    fn is_finite(&self, x: &Array) -> bool;
}

/// The backend that an array is kept by.
pub enum Place {
    /// This process's memory.
    Cpu,
    /// Elsewhere.
    Remote(Arc<dyn Backend>),
}

impl Deref for Place {
    type Target = dyn Backend;
    fn deref(&self) -> &(dyn Backend + 'static) {
        match self {
            Place::Cpu if profile::is_on() => &profile::Profiled,
            Place::Cpu => &cpu::Cpu,
            Place::Remote(b) => &**b,
        }
    }
}

/// Where the arrays of one call meet: the first place that is not the CPU.
pub(crate) fn meet(arrays: &[&Array]) -> Place {
    arrays.iter().map(|a| a.place()).find(|p| matches!(p, Place::Remote(_))).unwrap_or(Place::Cpu)
}

/// The ops that gradients are made of.
impl Array {
    pub(crate) fn unary(self, op: Unary) -> Array {
        self.place().unary(op, self)
    }
    pub(crate) fn binary(self, op: Binary, other: Array) -> Array {
        meet(&[&self, &other]).binary(op, self, other)
    }
    pub(crate) fn scale(self, factor: f64) -> Array {
        if factor == 1.0 { self } else { self.unary(Unary::MulScalar(factor)) }
    }
    pub(crate) fn reduce(self, op: Reduce, dims: &[usize]) -> Array {
        self.place().reduce(op, self, dims)
    }
    pub(crate) fn reshape(self, shape: Shape) -> Array {
        self.place().reshape(self, shape)
    }
    pub(crate) fn expand(self, shape: Shape) -> Array {
        self.place().expand(self, shape)
    }
    pub(crate) fn permute(self, order: &[usize]) -> Array {
        self.place().permute(self, order)
    }
    pub(crate) fn narrow(self, dim: usize, start: usize, len: usize) -> Array {
        self.place().narrow(self, dim, start, len)
    }
    /// Swaps the last two dimensions.
    pub(crate) fn transposed(self) -> Array {
        let rank = self.shape.rank();
        let mut order: Vec<usize> = (0..rank).collect();
        order.swap(rank - 2, rank - 1);
        self.permute(&order)
    }
    pub(crate) fn matmul(self, other: Array) -> Array {
        meet(&[&self, &other]).matmul(self, other)
    }
    pub(crate) fn select(self, a: Array, b: Array) -> Array {
        meet(&[&self, &a, &b]).select(self, a, b)
    }
    pub(crate) fn compare(self, op: Compare, other: Array) -> Array {
        meet(&[&self, &other]).compare(op, self, other)
    }
    pub(crate) fn like(&self, value: f64) -> Array {
        Array::full(value, Shape::from([]), self.dtype())
    }
    /// Sums the dimensions that broadcasting from `shape` repeated.
    pub(crate) fn unbroadcast(self, shape: Shape) -> Array {
        if self.shape == shape {
            return self;
        }
        let extra = self.shape.rank() - shape.rank();
        let dims: Vec<usize> =
            (0..self.shape.rank()).filter(|&d| d < extra || (shape[d - extra] == 1 && self.shape[d] != 1)).collect();
        self.reduce(Reduce::Sum, &dims).reshape(shape)
    }
    pub(crate) fn cast(self, dtype: DType) -> Array {
        if self.dtype() == dtype { self } else { self.place().cast(self, dtype) }
    }
}
