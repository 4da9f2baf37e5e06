//! Layers one after the other, under names.

use striate_nn::module::join;
use striate_nn::{Entry, EntryMut, Forward, Module, Pass};
use striate_tensor::Tensor;

/// Layers one after the other, each under a name (`torch.nn.Sequential` of an `OrderedDict`).
#[derive(Default)]
pub(crate) struct Named {
    layers: Vec<(String, Box<dyn Forward>)>,
}

impl Named {
    /// No layers yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// With one more layer at the end.
    pub(crate) fn add(mut self, name: impl Into<String>, layer: impl Forward + 'static) -> Self {
        self.layers.push((name.into(), Box::new(layer)));
        self
    }

    /// Its output, for a network that has these layers among its own.
    pub(crate) fn run(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.layers.iter().fold(x, |x, (_, layer)| pass.observe(layer, layer.forward(x, pass)))
    }
}

impl Module for Named {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        for (name, layer) in &self.layers {
            layer.visit(&join(prefix, name), f);
        }
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        for (name, layer) in &mut self.layers {
            layer.visit_mut(&join(prefix, name), f);
        }
    }
}

impl Forward for Named {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        pass.observe(self, self.run(x, pass))
    }
}
