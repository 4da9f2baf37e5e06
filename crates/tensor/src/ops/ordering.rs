//! Sorting, and choosing the largest and the smallest.

use crate::op::Op;
use crate::tensor::Tensor;

impl Tensor {
    /// The positions (`i64`) that sort the elements along `dim`. Equal elements keep their order; NaN counts as larger than every
    /// number (`torch.argsort` with `stable=True`).
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn argsort(&self, dim: isize, descending: bool) -> Tensor {
        let d = self.shape_value().dim("argsort", dim);
        Op::ArgSort { dim: d, descending }.run1([self.array().clone()]).into()
    }

    /// The elements along `dim` in ascending or descending order, and their former positions (`i64`), as [`Tensor::argsort`]
    /// (`torch.sort` with `stable=True`).
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn sort(self, dim: isize, descending: bool) -> (Tensor, Tensor) {
        let order = self.argsort(dim, descending);
        (self.gather(dim, &order), order)
    }

    /// The `k` largest (or smallest) elements along `dim`, the most extreme first, and their positions (`i64`); of equal ones
    /// those that come first (`torch.topk`). NaN counts as larger than every number.
    ///
    /// # Panics
    /// If the dimension does not exist or has fewer than `k` elements.
    pub fn topk(self, k: usize, dim: isize, largest: bool) -> (Tensor, Tensor) {
        let shape = self.shape_value();
        let n = shape[shape.dim("topk", dim)];
        assert!(k <= n, "topk: there are no {k} elements in dimension {dim} of shape {shape}");
        let order = self.argsort(dim, largest).narrow(dim, 0, k);
        (self.gather(dim, &order), order)
    }

    /// The maximum along `dim` and its position (`i64`), the first of several; a NaN counts as the maximum (`torch.max` with a
    /// dimension). The gradient flows to that element alone; [`Tensor::max`] shares it among equal ones.
    ///
    /// # Panics
    /// If the dimension does not exist or is empty.
    pub fn max_dim(self, dim: isize, keepdim: bool) -> (Tensor, Tensor) {
        let index = self.argmax(dim, true);
        self.chosen(dim, index, keepdim)
    }

    /// The minimum along `dim` and its position (`i64`), the first of several; a NaN counts as the minimum (`torch.min` with a
    /// dimension). The gradient flows to that element alone; [`Tensor::min`] shares it among equal ones.
    ///
    /// # Panics
    /// If the dimension does not exist or is empty.
    pub fn min_dim(self, dim: isize, keepdim: bool) -> (Tensor, Tensor) {
        let index = self.argmin(dim, true);
        self.chosen(dim, index, keepdim)
    }

    fn chosen(self, dim: isize, index: Tensor, keepdim: bool) -> (Tensor, Tensor) {
        let values = self.gather(dim, &index);
        if keepdim { (values, index) } else { (values.squeeze(dim), index.squeeze(dim)) }
    }
}
