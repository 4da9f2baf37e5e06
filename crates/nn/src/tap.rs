//! Outputs of layers, and their gradients, kept on the way through a network.

use crate::module::Module;
use crate::pass::Names;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use striate_tensor::Tensor;

type Slot = Arc<Mutex<Option<Tensor>>>;

/// The layers to keep outputs of, and what was kept.
pub(crate) struct Taps {
    names: Names,
    /// Output and gradient of each layer.
    layers: Mutex<HashMap<String, (Option<Tensor>, Slot)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Taps {
    pub fn new(names: Names, layers: &[&str]) -> Taps {
        let layers = layers.iter().map(|layer| (layer.to_string(), (None, Slot::default()))).collect();
        Taps { names, layers: Mutex::new(layers) }
    }

    pub fn output(&self, layer: &str) -> Option<Tensor> {
        lock(&self.layers).get(layer)?.0.clone()
    }

    pub fn gradient(&self, layer: &str) -> Option<Tensor> {
        let slot = lock(&self.layers).get(layer)?.1.clone();
        Option::clone(&lock(&slot))
    }

    pub fn observe(&self, layer: &dyn Module, y: Tensor) -> Tensor {
        let Some(name) = self.names.of_part(layer) else { return y };
        let mut layers = lock(&self.layers);
        let Some((output, slot)) = layers.get_mut(name) else { return y };
        *output = Some(y.detach());
        let kept = slot.clone();
        let y = if y.has_grad() || !y.dtype().is_float() { y } else { y.requires_grad() };
        let value = y.detach();
        Tensor::custom("tap", [&y], value, move |gradient, _| {
            *lock(&kept) = Some(gradient.detach());
            [Some(gradient)]
        })
    }
}
