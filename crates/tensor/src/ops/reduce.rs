//! Reductions over some or all dimensions. An empty list of dimensions means all.

use crate::array::Array;
use crate::autograd::record;
use crate::dtype::DType;
use crate::op::hints;
use crate::op::{Binary, Compare, Op, Reduce, must, reduced};
use crate::tensor::Tensor;

impl Tensor {
    fn reduce_by(
        self,
        name: &'static str,
        op: Reduce,
        dims: &[isize],
        keepdim: bool,
        grad: impl FnOnce(Option<Array>, Array, Array) -> Array + Send + 'static,
        keeps_input: bool,
    ) -> Tensor {
        let dims = self.shape_value().dims(name, dims);
        let (x, node) = self.into_parts();
        let shape = x.shape();
        let kept = reduced(shape, &dims, true);
        let saved = (keeps_input && node.is_some()).then(|| x.clone());
        let y = Op::Reduce { op, dims, keepdim }.run1([x]);
        record(name, y, [node], |y| {
            let y = y.clone().reshape(kept);
            move |g: Array, _| [Some(grad(saved, y, g.reshape(kept)).expand(shape))]
        })
    }

    /// Small integers and truth values as `i64`, in which PyTorch adds them up.
    pub(super) fn widened(self) -> Tensor {
        if self.dtype().is_small_integer() { self.to_dtype(DType::I64) } else { self }
    }

    /// The sum over `dims`; of small integers and truth values, such as the result of a comparison, as `i64`.
    ///
    /// # Panics
    /// If a dimension does not exist or is named twice. So do the other reductions.
    pub fn sum(self, dims: &[isize]) -> Tensor {
        self.sum_by(dims, false)
    }

    /// As [`Tensor::sum`], with the dimensions kept with size 1.
    ///
    /// # Panics
    /// As [`Tensor::sum`].
    pub fn sum_keepdim(self, dims: &[isize]) -> Tensor {
        self.sum_by(dims, true)
    }

    /// The sum of all elements.
    ///
    /// # Panics
    /// As [`Tensor::sum`].
    pub fn sum_all(self) -> Tensor {
        self.sum_by(&[], false)
    }

    pub(crate) fn sum_by(self, dims: &[isize], keepdim: bool) -> Tensor {
        self.widened().reduce_by("sum", Reduce::Sum, dims, keepdim, |_, _, g| g, false)
    }

    /// The mean over `dims`; NaN over no elements.
    ///
    /// # Panics
    /// Also if the elements are not floating-point.
    pub fn mean(self, dims: &[isize]) -> Tensor {
        self.mean_by(dims, false)
    }

    /// As [`Tensor::mean`], with the dimensions kept with size 1.
    ///
    /// # Panics
    /// As [`Tensor::mean`].
    pub fn mean_keepdim(self, dims: &[isize]) -> Tensor {
        self.mean_by(dims, true)
    }

    /// The mean of all elements.
    ///
    /// # Panics
    /// As [`Tensor::mean`].
    pub fn mean_all(self) -> Tensor {
        self.mean_by(&[], false)
    }

    pub(crate) fn mean_by(self, dims: &[isize], keepdim: bool) -> Tensor {
        let shape = self.shape_value();
        must(hints::is_float("mean", &self.spec()));
        let n: usize = shape.dims("mean", dims).iter().map(|&d| shape[d]).product();
        self.reduce_by("mean", Reduce::Mean, dims, keepdim, move |_, _, g| g.scale(1.0 / n as f64), false)
    }

    /// The maximum over `dims`; NaN if any element is. Equal maxima share the gradient (`torch.amax`).
    ///
    /// # Panics
    /// Also if there are no elements to choose from.
    pub fn max(self, dims: &[isize]) -> Tensor {
        self.max_by(dims, false)
    }

    /// As [`Tensor::max`], with the dimensions kept with size 1.
    ///
    /// # Panics
    /// As [`Tensor::max`].
    pub fn max_keepdim(self, dims: &[isize]) -> Tensor {
        self.max_by(dims, true)
    }

    /// The maximum of all elements.
    ///
    /// # Panics
    /// As [`Tensor::max`].
    pub fn max_all(self) -> Tensor {
        self.max_by(&[], false)
    }

    pub(crate) fn max_by(self, dims: &[isize], keepdim: bool) -> Tensor {
        self.extreme("max", Reduce::Max, dims, keepdim)
    }

    /// The minimum over `dims`; NaN if any element is. Equal minima share the gradient (`torch.amin`).
    ///
    /// # Panics
    /// Also if there are no elements to choose from.
    pub fn min(self, dims: &[isize]) -> Tensor {
        self.min_by(dims, false)
    }

    /// As [`Tensor::min`], with the dimensions kept with size 1.
    ///
    /// # Panics
    /// As [`Tensor::min`].
    pub fn min_keepdim(self, dims: &[isize]) -> Tensor {
        self.min_by(dims, true)
    }

    /// The minimum of all elements.
    ///
    /// # Panics
    /// As [`Tensor::min`].
    pub fn min_all(self) -> Tensor {
        self.min_by(&[], false)
    }

    pub(crate) fn min_by(self, dims: &[isize], keepdim: bool) -> Tensor {
        self.extreme("min", Reduce::Min, dims, keepdim)
    }

    fn extreme(self, name: &'static str, op: Reduce, dims: &[isize], keepdim: bool) -> Tensor {
        let which = self.shape_value().dims(name, dims);
        let n: usize = which.iter().map(|&d| self.shape_value()[d]).product();
        assert!(
            n > 0,
            "{name}: there is nothing to choose from over dimensions {dims:?} of shape {}",
            self.shape_value()
        );
        let dtype = self.dtype();
        if dtype.is_small_integer() {
            return self.widened().reduce_by(name, op, dims, keepdim, |_, _, g| g, false).to_dtype(dtype);
        }
        let split = move |x: Option<Array>, y: Array, g: Array| {
            let mask = x.expect("the input is kept").compare(Compare::Eq, y).cast(g.dtype());
            let count = mask.clone().reduce(Reduce::Sum, &which);
            mask.binary(Binary::Mul, g.binary(Binary::Div, count))
        };
        self.reduce_by(name, op, dims, keepdim, split, true)
    }

    /// The product over `dims`; of small integers and truth values as `i64`.
    pub fn prod(self, dims: &[isize]) -> Tensor {
        self.prod_by(dims, false)
    }

    /// As [`Tensor::prod`], with the dimensions kept with size 1.
    ///
    /// # Panics
    /// As [`Tensor::prod`].
    pub fn prod_keepdim(self, dims: &[isize]) -> Tensor {
        self.prod_by(dims, true)
    }

    /// The product of all elements.
    ///
    /// # Panics
    /// As [`Tensor::prod`].
    pub fn prod_all(self) -> Tensor {
        self.prod_by(&[], false)
    }

    pub(crate) fn prod_by(self, dims: &[isize], keepdim: bool) -> Tensor {
        let which = self.shape_value().dims("prod", dims);
        let grad = move |x: Option<Array>, _: Array, g: Array| {
            // The gradient is the product of the others: with one zero among them only the zero has any.
            let x = x.expect("the input is kept");
            let (zero, one) = (x.like(0.0), x.like(1.0));
            let is_zero = x.clone().compare(Compare::Eq, zero.clone());
            let others = is_zero.clone().select(one.clone(), x);
            let product = others.clone().reduce(Reduce::Prod, &which);
            let zeros = is_zero.clone().cast(g.dtype()).reduce(Reduce::Sum, &which);
            let none = zeros.clone().compare(Compare::Eq, zero.clone());
            let single = zeros.compare(Compare::Eq, one);
            let at_zero = single.select(product.clone(), zero.clone());
            let elsewhere = none.select(product.binary(Binary::Div, others), zero);
            is_zero.select(at_zero, elsewhere).binary(Binary::Mul, g)
        };
        self.widened().reduce_by("prod", Reduce::Prod, dims, keepdim, grad, true)
    }

    /// The position (`i64`) of the maximum along `dim`, the first of several; a NaN counts as the maximum.
    ///
    /// # Panics
    /// If the dimension does not exist or is empty.
    pub fn argmax(&self, dim: isize, keepdim: bool) -> Tensor {
        self.arg_extreme("argmax", dim, |dim| Op::ArgMax { dim, keepdim })
    }

    /// The position (`i64`) of the minimum along `dim`, the first of several; a NaN counts as the minimum.
    ///
    /// # Panics
    /// If the dimension does not exist or is empty.
    pub fn argmin(&self, dim: isize, keepdim: bool) -> Tensor {
        self.arg_extreme("argmin", dim, |dim| Op::ArgMin { dim, keepdim })
    }

    fn arg_extreme(&self, name: &str, dim: isize, op: impl Fn(usize) -> Op) -> Tensor {
        let d = self.shape_value().dim(name, dim);
        op(d).run1([self.array().clone()]).into()
    }
}
