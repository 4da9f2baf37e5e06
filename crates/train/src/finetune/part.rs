//! The part of a network that learns.

use striate_graph::Executable;
use striate_nn::{Classifier, Entry, EntryMut, Forward, Module, Pass};
use striate_tensor::Tensor;

/// Which part of a network learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Part {
    /// All of it.
    #[default]
    Whole,
    /// Its head. The backbone is frozen: it works as in evaluation, dropout off and running statistics as they are.
    Head,
    /// Its head, and batches hold features: [`Classifier::features`] of images.
    HeadOnFeatures,
}

/// A network of which a part learns.
pub(crate) struct Tuned {
    /// All of it.
    pub network: Box<dyn Classifier>,
    /// What learns.
    pub part: Part,
}

impl Module for Tuned {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.network.visit(prefix, f);
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        self.network.visit_mut(prefix, f);
    }
}

impl Forward for Tuned {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        match self.part {
            Part::Head if pass.is_train() => self.network.head(self.network.features(x, &Pass::eval()), pass),
            Part::Whole | Part::Head => self.network.forward(x, pass),
            Part::HeadOnFeatures => self.network.head(x, pass),
        }
    }
}

/// The features of a network, as a network.
struct Features<'n>(&'n dyn Classifier);

impl Module for Features<'_> {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.0.visit(prefix, f);
    }
    fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, EntryMut<'a>)) {}
}

impl Forward for Features<'_> {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.0.features(x, pass)
    }
}

/// [`Classifier::features`] in evaluation, ready to run on inputs of this shape.
pub(crate) fn features_of(network: &dyn Classifier, input: &[usize]) -> Executable {
    Executable::of(&Features(network), input)
}
