//! Modules: things that have parameters.

use crate::parameter::{Buffer, LayerId, Parameter};
use crate::pass::Pass;
use striate_tensor::{Device, Tensor};

/// One tensor of a module's state.
pub enum Entry<'a> {
    /// A trained one.
    Parameter(&'a Parameter),
    /// One that is kept but not trained.
    Buffer(&'a Buffer),
    /// No tensor, but a layer that needs its name, for it draws random numbers.
    Layer(&'a LayerId),
}

/// As [`Entry`], to change.
pub enum EntryMut<'a> {
    /// A trained one.
    Parameter(&'a mut Parameter),
    /// One that is kept but not trained.
    Buffer(&'a Buffer),
}

/// Something with parameters: a layer, a network, or a part of one. Derive it for your own structs.
pub trait Module {
    /// Calls `f` with the name and value of every parameter and buffer. Names start with `prefix`.
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>));

    /// As [`Module::visit`], with access to change them.
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>));

    /// The parameters with their names, in the order of the fields.
    fn named_parameters(&self) -> Vec<(String, &Parameter)> {
        let mut all = Vec::new();
        self.visit("", &mut |name, entry| {
            if let Entry::Parameter(p) = entry {
                all.push((name.to_string(), p));
            }
        });
        all
    }

    /// As [`Module::named_parameters`], to change.
    fn named_parameters_mut(&mut self) -> Vec<(String, &mut Parameter)> {
        let mut all = Vec::new();
        self.visit_mut("", &mut |name, entry| {
            if let EntryMut::Parameter(p) = entry {
                all.push((name.to_string(), p));
            }
        });
        all
    }

    /// Moves parameters and buffers to `device` (`torch.nn.Module.to`). Optimizers and averages of weights are to be made afterwards: what they keep is where the
    /// parameters are.
    ///
    /// # Panics
    /// If this build or machine has no such device.
    fn to(&mut self, device: Device) {
        self.visit_mut("", &mut |_, entry| match entry {
            EntryMut::Parameter(p) => p.set(p.value().detach().to(device)),
            EntryMut::Buffer(b) => b.set(b.value().to(device)),
        });
    }

    /// How many numbers training changes.
    fn num_parameters(&self) -> usize {
        self.named_parameters().iter().map(|(_, p)| p.value().numel()).sum()
    }
}

/// A module that turns one tensor into another.
pub trait Forward: Module + Send + Sync {
    /// The module's output for `x`.
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor;
}

/// A network whose last layer turns features into one score for each class, of an image, a place or a pixel: what fine-tuning takes apart.
///
/// [`Forward::forward`] is [`Classifier::head`] of [`Classifier::features`], in both kinds of pass.
pub trait Classifier: Forward {
    /// What the last layer sees of `x`: `[n, features]`, or maps `[n, channels, h, w]` where that layer is a convolution.
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor;

    /// What a backbone computes of `x`: all of its maps, and not the convolutions that widen the last one before it becomes features. By default the features.
    fn trunk(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.features(x, pass)
    }

    /// The scores `[n, classes]` of features: the last layer, with the dropout before it and what comes after it.
    fn head(&self, features: Tensor, pass: &Pass) -> Tensor;

    /// The name of the last layer: `fc`, `classifier.1`. Its parameters' names start with this and a dot, and those of a linear layer or
    /// convolution are `weight` and, if there is one, `bias` after it. Nothing has this name in a network without parameters.
    fn head_name(&self) -> String;

    /// What the biases of a fresh last layer are, where they are not PyTorch's default.
    fn fresh_head_bias(&self) -> Option<f32> {
        None
    }
}

/// `prefix.name`, or `name` alone where there is no prefix.
pub fn join(prefix: &str, name: &str) -> String {
    if prefix.is_empty() { name.to_string() } else { format!("{prefix}.{name}") }
}

impl Module for Parameter {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        f(prefix, Entry::Parameter(self));
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        f(prefix, EntryMut::Parameter(self));
    }
}

impl Module for Buffer {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        f(prefix, Entry::Buffer(self));
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        f(prefix, EntryMut::Buffer(self));
    }
}

impl Module for LayerId {
    /// The name is that of the layer whose field this is.
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        f(prefix.rsplit_once('.').map_or("", |(layer, _)| layer), Entry::Layer(self));
    }
    fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, EntryMut<'a>)) {}
}

impl<M: Module> Module for [M] {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        for (i, m) in self.iter().enumerate() {
            m.visit(&join(prefix, &i.to_string()), f);
        }
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        for (i, m) in self.iter_mut().enumerate() {
            m.visit_mut(&join(prefix, &i.to_string()), f);
        }
    }
}

macro_rules! delegate {
    ([$($generics:tt)*] $type:ty, |$this:ident| $inner:expr, $inner_mut:expr) => {
        impl<$($generics)*> Module for $type {
            fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
                let $this = self;
                for m in $inner {
                    m.visit(prefix, f);
                }
            }
            fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
                let $this = self;
                for m in $inner_mut {
                    m.visit_mut(prefix, f);
                }
            }
        }
    };
}

delegate!([M: Module + ?Sized] Box<M>, |x| [&**x], [&mut **x]);
delegate!([M: Module + ?Sized] &mut M, |x| [&**x], [&mut **x]);
delegate!([M: Module] Option<M>, |x| x.iter(), x.iter_mut());
delegate!([M: Module] Vec<M>, |x| [x.as_slice()], [x.as_mut_slice()]);
delegate!([M: Module, const N: usize] [M; N], |x| [x.as_slice()], [x.as_mut_slice()]);

/// Settings have no parameters, so that a struct with settings beside its layers can be derived.
macro_rules! no_parameters {
    ($($type:ty),*) => {$(
        impl Module for $type {
            fn visit<'a>(&'a self, _: &str, _: &mut dyn FnMut(&str, Entry<'a>)) {}
            fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, EntryMut<'a>)) {}
        }
    )*};
}

no_parameters!(bool, usize, u64, i64, f32, f64, String, striate_tensor::Conv2dOptions, striate_tensor::Pool2dOptions);

impl<F: Forward + ?Sized> Forward for Box<F> {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        (**self).forward(x, pass)
    }
}

impl<C: Classifier + ?Sized> Classifier for Box<C> {
    fn features(&self, x: Tensor, pass: &Pass) -> Tensor {
        (**self).features(x, pass)
    }
    fn trunk(&self, x: Tensor, pass: &Pass) -> Tensor {
        (**self).trunk(x, pass)
    }
    fn head(&self, features: Tensor, pass: &Pass) -> Tensor {
        (**self).head(features, pass)
    }
    fn head_name(&self) -> String {
        (**self).head_name()
    }
    fn fresh_head_bias(&self) -> Option<f32> {
        (**self).fresh_head_bias()
    }
}
