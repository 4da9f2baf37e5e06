//! Adding at places given by number.

use crate::array::Array;
use crate::autograd::record;
use crate::dtype::DType;
use crate::op::Op;
use crate::tensor::Tensor;

impl Tensor {
    /// With the elements of `src` added along `dim` where `index` (`i64`) says: `self[index[i][j]][j] += src[i][j]` for `dim`
    /// 0 and two dimensions (`torch.Tensor.scatter_add`). Elements of `src` beyond the shape of `index` are left out. What
    /// meets at one place is added in order.
    ///
    /// # Panics
    /// If `index` is not `i64`, ranks or types differ, `index` is larger than `src`, or than this tensor in another
    /// dimension, or an index is out of range.
    pub fn scatter_add(self, dim: isize, index: &Tensor, src: Tensor) -> Tensor {
        let (shape, by, from) = (self.shape_value(), index.shape_value(), src.shape_value());
        let d = shape.dim("scatter_add", dim);
        self.same_dtype("scatter_add", &src);
        assert!(index.dtype() == DType::I64, "scatter_add: the index must be i64, got {}", index.dtype());
        let ranks = by.rank() == shape.rank() && from.rank() == shape.rank();
        let fits = ranks && (0..by.rank()).all(|i| by[i] <= from[i] && (i == d || by[i] <= shape[i]));
        assert!(
            fits,
            "scatter_add: an index of shape {by} does not fit a source of shape {from} and a tensor of shape {shape} along dimension {dim}"
        );
        if by.numel() == 0 {
            return self;
        }
        let src = (0..by.rank()).filter(|&i| by[i] < from[i]).fold(src, |s, i| s.narrow(i as isize, 0, by[i]));
        let index = index.array().clone();
        let (x, node) = src.into_parts();
        let sums = Op::ScatterAdd { dim: d, shape }.run1([x, index.clone()]);
        self + record("scatter_add", sums, [node], move |_| {
            move |g: Array, _| [Some(Op::Gather { dim: d }.run1([g, index]))]
        })
    }

    /// Zeros, `size` along dimension `d`, with the slices of this tensor added at the places that `index` names.
    pub(super) fn added_up(self, d: usize, index: Array, size: usize) -> Tensor {
        let (x, node) = self.into_parts();
        record("index_add", Op::IndexAdd { dim: d, size }.run1([x, index.clone()]), [node], move |_| {
            move |g: Array, _| [Some(Op::IndexSelect { dim: d }.run1([g, index]))]
        })
    }

    /// With slice `i` of `source` along `dim` added to slice `index[i]` (`torch.Tensor.index_add`). What meets at one place is
    /// added in order.
    ///
    /// # Panics
    /// If `index` is not a list of `i64` with one number for each slice of `source`, types or the other sizes differ, or an
    /// index is out of range.
    pub fn index_add(self, dim: isize, index: &Tensor, source: Tensor) -> Tensor {
        let (shape, from) = (self.shape_value(), source.shape_value());
        let d = shape.dim("index_add", dim);
        self.same_dtype("index_add", &source);
        assert!(
            index.dtype() == DType::I64 && index.rank() == 1,
            "index_add: the index must be a list of i64, got {} {}",
            index.dtype(),
            index.shape_value()
        );
        let n = index.numel();
        let fits = from.rank() == shape.rank() && from == shape.with(d, n);
        assert!(
            fits,
            "index_add: {n} indices along dimension {dim} of shape {shape} take a source of shape {}, got {from}",
            shape.with(d, n)
        );
        self + source.added_up(d, index.array().clone(), shape[d])
    }
}
