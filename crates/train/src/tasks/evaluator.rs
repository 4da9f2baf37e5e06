//! [`Evaluator`].

use striate_graph::Executable;
use striate_nn::Forward;
use striate_tensor::Tensor;

/// A network in evaluation: its optimized graph, captured anew where inputs come in another shape.
pub struct Evaluator<'n, N: ?Sized> {
    network: &'n N,
    executable: Option<Executable>,
}

impl<'n, N: Forward + ?Sized> Evaluator<'n, N> {
    /// Of `network`, with the weights that it has now.
    pub fn new(network: &'n N) -> Self {
        Evaluator { network, executable: None }
    }

    /// The network's output for `x`.
    pub fn forward(&mut self, x: Tensor) -> Tensor {
        let ready = self.executable.take().filter(|e| e.takes(std::slice::from_ref(&x)));
        self.executable.insert(ready.unwrap_or_else(|| Executable::of(self.network, x.shape()))).forward(x)
    }
}
