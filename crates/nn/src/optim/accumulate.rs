//! One update from the gradients of several small batches.

use crate::module::Module;
use striate_tensor::Gradients;

/// Collects the gradients of several batches' mean losses. What it gives in the end is the gradient of the mean over all their samples,
/// up to rounding: the update that one large batch would give, in the memory of a small one. (Batch normalization still sees the small
/// batches.)
///
/// ```
/// use striate_nn::optim::{Accumulator, Sgd};
/// use striate_nn::{Forward, Linear, MSELoss, Optimizer, Passes};
/// use striate_tensor::{DType, Generator, Tensor};
/// let mut net = Linear::new(3, 1, &mut Generator::new(0));
/// let (mut accumulator, mut passes) = (Accumulator::new(), Passes::new(&net, 0));
/// for _ in 0..4 {
///     let output = net.forward(Tensor::ones([8, 3], DType::F32), &passes.train());
///     let loss = MSELoss::new().forward(output, &Tensor::zeros([8, 1], DType::F32));
///     accumulator.add(&net, loss.backward(), 8);
/// }
/// let gradients = accumulator.finish();
/// Sgd::new(0.1).step(&mut net, &gradients);
/// ```
#[derive(Default)]
pub struct Accumulator {
    mean: Gradients,
    samples: usize,
}

impl Accumulator {
    /// Nothing collected.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in the gradients of the mean loss of a batch of `samples`. Those of a first batch stay as they are, to the bit.
    pub fn add(&mut self, model: &dyn Module, gradients: Gradients, samples: usize) {
        let mut earlier = std::mem::replace(&mut self.mean, gradients);
        let is_first = self.samples == 0;
        self.samples += samples;
        if is_first {
            return;
        }
        let fraction = samples as f64 / self.samples as f64;
        for (_, parameter) in model.named_parameters() {
            let old = earlier.take(parameter).map(|g| g * (1.0 - fraction));
            let new = self.mean.take(parameter).map(|g| g * fraction);
            if let Some(mean) = match (old, new) {
                (Some(old), Some(new)) => Some(old + new),
                (old, new) => old.or(new),
            } {
                self.mean.set(parameter, mean);
            }
        }
    }

    /// The gradients of the mean loss of all samples; the next collection starts empty.
    pub fn finish(&mut self) -> Gradients {
        std::mem::take(self).mean
    }
}
