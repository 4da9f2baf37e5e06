//! The logarithm of the sigmoid.

use crate::array::Array;
use crate::autograd::record;
use crate::backend::{Binary, Compare, Unary};
use crate::tensor::Tensor;

/// log(1 + z) for z from 0 to 1, without the loss of small z in the sum: what rounding did to 1 + z is divided out again.
fn log_1p(z: Array) -> Array {
    let sum = z.clone().unary(Unary::AddScalar(1.0));
    let kept = sum.clone().unary(Unary::AddScalar(-1.0));
    let lost_all = kept.clone().compare(Compare::Eq, kept.like(0.0));
    let divisor = lost_all.clone().select(kept.like(1.0), kept);
    let log = sum.unary(Unary::Log).binary(Binary::Mul, z.clone()).binary(Binary::Div, divisor);
    lost_all.select(z, log)
}

impl Tensor {
    /// log(1 / (1 + e⁻ˣ)), also where the sigmoid itself rounds to 0 or 1 (`torch.nn.functional.logsigmoid`).
    ///
    /// # Panics
    /// If the elements are not floating-point.
    pub fn log_sigmoid(self) -> Tensor {
        let (x, node) = self.into_parts();
        let saved = node.is_some().then(|| x.clone());
        let z = x.clone().unary(Unary::Abs).unary(Unary::Neg).unary(Unary::Exp);
        let y = x.unary(Unary::ClampMax(0.0)).binary(Binary::Sub, log_1p(z));
        record("log_sigmoid", y, [node], |_| {
            move |g: Array, _| [saved.map(|x| x.unary(Unary::Neg).unary(Unary::Sigmoid).binary(Binary::Mul, g))]
        })
    }
}
