//! The logarithm of the sigmoid.

use crate::array::Array;
use crate::autograd::record;
use crate::op::{Activation, Binary, Unary};
use crate::tensor::Tensor;

impl Tensor {
    /// log(1 / (1 + e⁻ˣ)), also where the sigmoid itself rounds to 0 or 1 (`torch.nn.functional.logsigmoid`).
    ///
    /// # Panics
    /// If the elements are not floating-point.
    pub fn log_sigmoid(self) -> Tensor {
        let (x, node) = self.into_parts();
        let saved = node.is_some().then(|| x.clone());
        let softplus = Unary::Activation(Activation::Softplus { beta: 1.0, threshold: f64::INFINITY });
        let y = x.unary(Unary::Neg).unary(softplus).unary(Unary::Neg);
        record("log_sigmoid", y, [node], |_| {
            move |g: Array, _| [saved.map(|x| x.unary(Unary::Neg).unary(Unary::Sigmoid).binary(Binary::Mul, g))]
        })
    }
}
