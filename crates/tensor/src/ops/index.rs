//! Picking elements by number.

use crate::array::Array;
use crate::autograd::record;
use crate::dtype::DType;
use crate::op::{Op, Spec, ensure, has_dim, needs_index};
use crate::tensor::Tensor;

/// Shape and type of `gather`'s result.
pub(crate) fn gather_rule(x: &Spec, index: &Spec, dim: usize) -> Result<Spec, String> {
    let (shape, by) = (x.shape, index.shape);
    has_dim("gather", shape, dim)?;
    needs_index("gather", index)?;
    let fits = by.rank() == shape.rank() && (0..by.rank()).all(|i| i == dim || by[i] <= shape[i]);
    ensure!(fits, "gather: an index of shape {by} does not fit a tensor of shape {shape} along dimension {dim}");
    Ok(x.reshaped(by))
}

impl Tensor {
    /// Element `index[i][j]…` of dimension `dim` at each place `i, j, …` of `index` (`torch.gather`).
    ///
    /// # Panics
    /// If `index` is not `i64`, its rank differs, it is larger in another dimension, or an index is out of range.
    pub fn gather(self, dim: isize, index: &Tensor) -> Tensor {
        let (shape, by) = (self.shape_value(), index.shape_value());
        let d = shape.dim("gather", dim);
        assert!(
            index.dtype() == DType::I64,
            "gather: the index must be i64, got {} (convert it with to_dtype)",
            index.dtype()
        );
        let fits = by.rank() == shape.rank() && (0..by.rank()).all(|i| i == d || by[i] <= shape[i]);
        assert!(fits, "gather: an index of shape {by} does not fit a tensor of shape {shape} along dimension {dim}");
        let index = index.array().clone();
        let (x, node) = self.into_parts();
        record("gather", Op::Gather { dim: d }.run1([x, index.clone()]), [node], move |_| {
            move |g: Array, _| [Some(Op::ScatterAdd { dim: d, shape }.run1([g, index]))]
        })
    }

    /// The slices of dimension `dim` that `index` names, in its order.
    ///
    /// # Panics
    /// If `index` is not `i64` and one-dimensional, or an index is out of range.
    pub fn index_select(self, dim: isize, index: &Tensor) -> Tensor {
        let shape = self.shape_value();
        let d = shape.dim("index_select", dim);
        assert!(
            index.dtype() == DType::I64 && index.rank() == 1,
            "index_select: the index must be a list of i64, got {} {}",
            index.dtype(),
            index.shape_value()
        );
        let index = index.array().clone();
        let (x, node) = self.into_parts();
        record("index_select", Op::IndexSelect { dim: d }.run1([x, index.clone()]), [node], move |_| {
            move |g: Array, _| [Some(Op::IndexAdd { dim: d, size: shape[d] }.run1([g, index]))]
        })
    }
}
