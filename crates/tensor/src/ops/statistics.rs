//! Variance, norms, running sums, and the logarithm of a sum of exponentials.

use crate::array::Array;
use crate::autograd::record;
use crate::op::{Binary, Compare, Op, Reduce, Unary, must};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// `slope`, but 0 where `x` is 0.
fn zero_where_zero(x: Array, slope: Array) -> Array {
    let (zero, none) = (x.like(0.0), slope.like(0.0));
    x.compare(Compare::Eq, zero).select(none, slope)
}

impl Tensor {
    fn needs_float(&self, op: &str) {
        must(crate::op::hints::is_float(op, &self.spec()));
    }

    /// Without the dimensions `dims`, which have size 1, unless they are to be kept.
    fn dropped(self, dims: &[usize], keepdim: bool) -> Tensor {
        let shape = self.shape_value();
        let rest: Shape = (0..shape.rank()).filter(|d| !dims.contains(d)).map(|d| shape[d]).collect();
        if keepdim { self } else { self.reshape(rest) }
    }

    /// The variance over `dims` (an empty list means all): the sum of squared distances from the mean, divided by their
    /// number less `correction`. PyTorch's default is 1 (`torch.var`); 0 gives the biased variance of batch normalization.
    ///
    /// # Panics
    /// If a dimension does not exist or is named twice, or the elements are not floating-point.
    pub fn var(self, dims: &[isize], correction: usize, keepdim: bool) -> Tensor {
        self.needs_float("var");
        let shape = self.shape_value();
        let n: usize = shape.dims("var", dims).iter().map(|&d| shape[d]).product();
        // No gradient is lost: the distances from the mean add up to 0.
        let mean = self.detach().mean_keepdim(dims);
        (self - mean).square().sum_by(dims, keepdim) * (1.0 / n.saturating_sub(correction) as f64)
    }

    /// The square root of [`Tensor::var`] (`torch.std`). Its gradient at 0 is 0.
    ///
    /// # Panics
    /// As [`Tensor::var`].
    pub fn std(self, dims: &[isize], correction: usize, keepdim: bool) -> Tensor {
        let (x, node) = self.var(dims, correction, keepdim).into_parts();
        record("std", x.unary(Unary::Sqrt), [node], |y| {
            let y = y.clone();
            move |g: Array, _| [Some(zero_where_zero(y.clone(), g.scale(0.5).binary(Binary::Div, y)))]
        })
    }

    /// The `p`-norm over `dims` (an empty list means all): the `p`-th root of the sum of the absolute values' `p`-th powers
    /// (`torch.linalg.vector_norm`). Infinite `p` gives the largest or smallest absolute value, 0 the number of elements
    /// that are not 0. Its gradient at 0 is 0.
    ///
    /// # Panics
    /// If a dimension does not exist or is named twice, or the elements are not floating-point.
    pub fn norm(self, p: f64, dims: &[isize], keepdim: bool) -> Tensor {
        self.needs_float("norm");
        let dtype = self.dtype();
        if p == f64::INFINITY {
            return self.abs().max_by(dims, keepdim);
        }
        if p == f64::NEG_INFINITY {
            return self.abs().min_by(dims, keepdim);
        }
        if p == 0.0 {
            return self.ne(0.0).sum_by(dims, keepdim).to_dtype(dtype);
        }
        let which = self.shape_value().dims("norm", dims);
        let (x, node) = self.into_parts();
        let saved = node.is_some().then(|| x.clone());
        let sum = |x: Array| x.reduce(Reduce::Sum, &which);
        let y = match p {
            1.0 => sum(x.unary(Unary::Abs)),
            2.0 => sum(x.unary(Unary::Square)).unary(Unary::Sqrt),
            _ => sum(x.unary(Unary::Abs).unary(Unary::PowScalar(p))).unary(Unary::PowScalar(1.0 / p)),
        };
        let y = record("norm", y, [node], |y| {
            let y = y.clone();
            move |g: Array, _| {
                let x = saved.expect("kept when a gradient is wanted");
                if p == 1.0 {
                    return [Some(x.unary(Unary::Sign).binary(Binary::Mul, g))];
                }
                let power = |x: Array| if p == 2.0 { x } else { x.unary(Unary::PowScalar(p - 1.0)) };
                let quotient = zero_where_zero(y.clone(), g.binary(Binary::Div, power(y)));
                let slope = if p == 2.0 {
                    x
                } else {
                    let slope = power(x.clone().unary(Unary::Abs)).binary(Binary::Mul, x.clone().unary(Unary::Sign));
                    zero_where_zero(x, slope)
                };
                [Some(slope.binary(Binary::Mul, quotient))]
            }
        });
        y.dropped(&which, keepdim)
    }

    /// The logarithm of the sum of eˣ over `dims` (an empty list means all), without overflow (`torch.logsumexp`).
    ///
    /// # Panics
    /// If a dimension does not exist or is named twice, or the elements are not floating-point.
    pub fn logsumexp(self, dims: &[isize], keepdim: bool) -> Tensor {
        self.needs_float("logsumexp");
        let shape = self.shape_value();
        let which = shape.dims("logsumexp", dims);
        if which.iter().any(|&d| shape[d] == 0) {
            return self.exp().sum_by(dims, keepdim).log();
        }
        let max = self.detach().max_keepdim(dims);
        let max = max.isinf().where_(0.0, max);
        ((self - &max).exp().sum_keepdim(dims).log() + max).dropped(&which, keepdim)
    }

    /// The running sum along `dim`: each element becomes the sum of those up to it (`torch.cumsum`); bytes become `i64`.
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn cumsum(self, dim: isize) -> Tensor {
        let d = self.shape_value().dim("cumsum", dim);
        let (x, node) = self.widened().into_parts();
        let sums = move |x: Array, reverse: bool| Op::CumSum { dim: d, reverse }.run1([x]);
        record("cumsum", sums(x, false), [node], move |_| move |g: Array, _| [Some(sums(g, true))])
    }
}
