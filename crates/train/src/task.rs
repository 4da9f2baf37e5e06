//! Tasks: what a network is trained to do.

use striate_data::Batch;
use striate_graph::Executable;
use striate_nn::{Classifier, CrossEntropyLoss, Entry, EntryMut, FocalLoss, Forward, Module, Pass};
use striate_tensor::Tensor;

/// What a network is trained to do: which part of a batch it sees, and how its output is judged.
pub trait Task: Send + Sync {
    /// What the data loader gives.
    type Batch;
    /// What kind of network it takes.
    type Network: Forward + ?Sized;
    /// What the network sees of a batch.
    fn input(&self, batch: &Self::Batch) -> Tensor;
    /// What the network gives for a batch.
    fn forward(&self, network: &Self::Network, batch: &Self::Batch, pass: &Pass) -> Tensor {
        network.forward(self.input(batch), pass)
    }
    /// What the network gives in evaluation, ready to run on inputs of this shape ([`Task::input`]).
    fn executable(&self, network: &Self::Network, input: &[usize]) -> Executable {
        Executable::of(network, input)
    }
    /// How many samples are in a batch.
    fn samples(&self, batch: &Self::Batch) -> usize;
    /// The mean loss over a batch.
    fn loss(&self, output: Tensor, batch: &Self::Batch) -> Tensor;
    /// The mean loss that training makes smaller, where that is another one.
    fn train_loss(&self, output: Tensor, batch: &Self::Batch) -> Tensor {
        self.loss(output, batch)
    }
    /// How many samples of a batch the network got right.
    fn correct(&self, output: &Tensor, batch: &Self::Batch) -> usize;
}

/// Which part of a network learns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Part {
    /// All of it.
    #[default]
    Whole,
    /// Its head. The rest is frozen: it works as in evaluation, dropout off and running statistics as they are.
    Head,
    /// Its head, and batches hold what it sees of images: [`Classifier::features`] of them.
    HeadOnFeatures,
}

/// One class per image, by cross-entropy.
#[derive(Clone, Debug, Default)]
pub struct Classification {
    /// Which part of the network learns.
    pub part: Part,
    /// The share of each target that is spread over all classes in training.
    pub label_smoothing: f64,
    /// The gamma of the focal loss that is trained on in the place of cross-entropy. It takes neither smoothed nor mixed labels.
    pub focal: Option<f64>,
    /// How much each class weighs in training; all the same if nothing is said.
    pub class_weights: Option<Tensor>,
}

impl Classification {
    /// The class that the network holds most likely, for each sample.
    pub fn predicted(output: &Tensor) -> Vec<usize> {
        output.argmax(1, false).to_vec::<i64>().into_iter().map(|c| c as usize).collect()
    }
}

impl Task for Classification {
    type Batch = Batch;
    type Network = dyn Classifier;
    fn input(&self, batch: &Batch) -> Tensor {
        batch.images.clone()
    }
    fn forward(&self, network: &dyn Classifier, batch: &Batch, pass: &Pass) -> Tensor {
        let x = self.input(batch);
        match self.part {
            Part::Whole => network.forward(x, pass),
            Part::Head => network.head(network.features(x, &Pass::eval()), pass),
            Part::HeadOnFeatures => network.head(x, pass),
        }
    }
    fn executable(&self, network: &dyn Classifier, input: &[usize]) -> Executable {
        match self.part {
            Part::Whole | Part::Head => Executable::of(network, input),
            Part::HeadOnFeatures => Executable::of(&PartOf { network, part: |n, x, pass| n.head(x, pass) }, input),
        }
    }
    fn samples(&self, batch: &Batch) -> usize {
        batch.images.size(0)
    }
    fn loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        CrossEntropyLoss::new().forward(output, &batch.labels)
    }
    fn train_loss(&self, output: Tensor, batch: &Batch) -> Tensor {
        if let Some(gamma) = self.focal {
            let mut loss = FocalLoss::new().gamma(gamma);
            loss.weight = self.class_weights.clone();
            return loss.forward(output, &batch.labels);
        }
        let mut loss = CrossEntropyLoss::new().label_smoothing(self.label_smoothing);
        if let Some(weights) = &self.class_weights {
            loss = loss.weight(weights.clone());
        }
        loss.forward(output, batch.shares.as_ref().unwrap_or(&batch.labels))
    }
    fn correct(&self, output: &Tensor, batch: &Batch) -> usize {
        let labels = batch.labels.to_vec::<i64>();
        Classification::predicted(output).iter().zip(labels).filter(|(p, l)| **p as i64 == *l).count()
    }
}

/// A part of a network, as a network in evaluation.
struct PartOf<'n> {
    network: &'n dyn Classifier,
    part: fn(&dyn Classifier, Tensor, &Pass) -> Tensor,
}

impl Module for PartOf<'_> {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.network.visit(prefix, f);
    }
    fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, EntryMut<'a>)) {}
}

impl Forward for PartOf<'_> {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        (self.part)(self.network, x, pass)
    }
}

/// [`Classifier::features`] in evaluation, ready to run on inputs of this shape.
pub(crate) fn features_of(network: &dyn Classifier, input: &[usize]) -> Executable {
    Executable::of(&PartOf { network, part: |n, x, pass| n.features(x, pass) }, input)
}
