//! Softmax and its logarithm.

use crate::array::Array;
use crate::autograd::record;
use crate::op::Op;
use crate::tensor::Tensor;

impl Tensor {
    fn by_result(self, op: Op, gradient: Op) -> Tensor {
        let (x, node) = self.into_parts();
        record(op.name(), op.run1([x]), [node], move |y| {
            let y = y.clone();
            move |g: Array, _| [Some(gradient.run1([y, g]))]
        })
    }

    /// eˣ, divided by its sum along `dim`.
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn softmax(self, dim: isize) -> Tensor {
        let dim = self.shape_value().dim("softmax", dim);
        self.by_result(Op::Softmax { dim }, Op::SoftmaxGrad { dim })
    }

    /// The logarithm of [`Tensor::softmax`], without its loss of precision.
    ///
    /// # Panics
    /// If the dimension does not exist.
    pub fn log_softmax(self, dim: isize) -> Tensor {
        let dim = self.shape_value().dim("log_softmax", dim);
        self.by_result(Op::LogSoftmax { dim }, Op::LogSoftmaxGrad { dim })
    }
}
