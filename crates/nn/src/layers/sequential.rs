//! Layers one after the other.

use crate::module::Forward;
use crate::pass::Pass;
use std::ops::RangeBounds;
use striate_tensor::Tensor;

/// Layers one after the other, named by number as in `torch.nn.Sequential`: `0.weight`.
///
/// ```
/// use striate_nn::{Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential};
/// # let rng = &mut striate_tensor::Generator::new(0);
/// let net = Sequential::new()
///     .add(Conv2d::new(1, 8, 3, rng))
///     .add(ReLU)
///     .add(MaxPool2d::new(2))
///     .add(Flatten::default())
///     .add(Linear::new(8 * 13 * 13, 10, rng));
/// # assert_eq!(net.len(), 5);
/// ```
#[derive(Default)]
pub struct Sequential {
    layers: Vec<Box<dyn Forward>>,
}

impl Sequential {
    /// No layers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more layer at the end.
    #[allow(clippy::should_implement_trait)]
    pub fn add(mut self, layer: impl Forward + 'static) -> Self {
        self.layers.push(Box::new(layer));
        self
    }

    /// How many layers there are.
    pub fn len(&self) -> usize {
        self.layers.len()
    }

    /// Whether there are no layers.
    pub fn is_empty(&self) -> bool {
        self.layers.is_empty()
    }

    /// The output for `x` of the layers in `range` alone.
    ///
    /// # Panics
    /// If the range goes beyond the layers.
    pub fn forward_range(&self, range: impl RangeBounds<usize>, x: Tensor, pass: &Pass) -> Tensor {
        let layers = &self.layers[(range.start_bound().cloned(), range.end_bound().cloned())];
        layers.iter().fold(x, |x, layer| pass.observe(layer, layer.forward(x, pass)))
    }
}

impl crate::Module for Sequential {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, crate::Entry<'a>)) {
        self.layers.visit(prefix, f);
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, crate::EntryMut<'a>)) {
        self.layers.visit_mut(prefix, f);
    }
}

impl Forward for Sequential {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        pass.observe(self, self.forward_range(.., x, pass))
    }
}
