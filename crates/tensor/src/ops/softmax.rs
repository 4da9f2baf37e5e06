//! Softmax and its logarithm.

use crate::array::Array;
use crate::autograd::record;
use crate::tensor::Tensor;

impl Tensor {
    fn softmax_by(self, name: &'static str, dim: isize, log: bool) -> Tensor {
        let d = self.array.shape.dim(name, dim);
        let (x, node) = self.into_parts();
        record(name, x.place().softmax(x, d, log), [node], move |y| {
            let y = y.clone();
            move |g: Array, _| [Some(g.place().softmax_grad(y, g, d, log))]
        })
    }

    /// eˣ, divided by its sum along `dim`.
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn softmax(self, dim: isize) -> Tensor {
        self.softmax_by("softmax", dim, false)
    }

    /// The logarithm of [`Tensor::softmax`], without its loss of precision.
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn log_softmax(self, dim: isize) -> Tensor {
        self.softmax_by("log_softmax", dim, true)
    }
}
