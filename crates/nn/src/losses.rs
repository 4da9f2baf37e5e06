//! Losses as values, for those who like to name them once.

use striate_tensor::{Reduction, Tensor};

macro_rules! loss {
    ($name:ident, $method:ident, $doc:literal) => {
        #[doc = $doc]
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name {
            /// What is given of the losses of all elements.
            pub reduction: Reduction,
        }

        impl $name {
            /// The mean over all elements.
            pub fn new() -> Self {
                Self::default()
            }

            /// The loss of `input` against `target`.
            ///
            /// # Panics
            /// If shapes or types do not fit.
            pub fn forward(&self, input: Tensor, target: &Tensor) -> Tensor {
                input.$method(target, self.reduction)
            }
        }
    };
}

loss!(CrossEntropyLoss, cross_entropy, "Cross-entropy of logits against classes: see [`Tensor::cross_entropy`].");
loss!(NLLLoss, nll_loss, "Negative log-likelihood of classes under log-probabilities: see [`Tensor::nll_loss`].");
loss!(MSELoss, mse_loss, "Squared difference: see [`Tensor::mse_loss`].");
