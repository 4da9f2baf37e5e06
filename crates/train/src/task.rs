//! [`Task`]: what a network is trained to do.

use crate::metrics::{Detail, Metrics};
use serde_json::Value;
use striate_data::Collate;
use striate_nn::{Module, Pass};
use striate_tensor::Tensor;

/// What gives the outputs of a network in evaluation, batch after batch.
pub type Evaluate<'a, Batch, Output> = Box<dyn FnMut(&Batch) -> Output + 'a>;

/// What a network of type `N` is trained to do: what a batch is, the loss, and what is measured.
///
/// The trainer, its events, `metrics.csv`, checkpoints and model cards know no more of a task than this.
pub trait Task<N: Module>: Send + Sync {
    /// What a data set gives.
    type Sample: Collate<Batch = Self::Batch>;
    /// What the data loader makes of samples.
    type Batch: Send;
    /// What the network gives for a batch.
    type Output;
    /// What is measured besides the loss.
    type Metrics: Metrics;

    /// Its name, as checkpoints and model cards have it: `classification`.
    fn name(&self) -> &str;

    /// How many samples are in a batch.
    fn samples(&self, batch: &Self::Batch) -> usize;

    /// What the network sees of a batch. A loss that is not finite is looked for here first.
    fn inputs(&self, batch: &Self::Batch) -> Vec<Tensor>;

    /// What the network gives for a batch.
    fn forward(&self, network: &N, batch: &Self::Batch, pass: &Pass) -> Self::Output;

    /// The mean loss over a batch.
    fn loss(&self, output: Self::Output, batch: &Self::Batch) -> Tensor;

    /// The mean loss that training makes smaller, where that is another one: with smoothed labels, say.
    fn train_loss(&self, output: Self::Output, batch: &Self::Batch) -> Tensor {
        self.loss(output, batch)
    }

    /// Metrics of no samples yet, as they are summed up in training, batch by batch, or over all samples that are measured on.
    fn metrics(&self, detail: Detail) -> Self::Metrics;

    /// Adds a batch to the metrics.
    fn measure(&self, output: &Self::Output, batch: &Self::Batch, metrics: &mut Self::Metrics);

    /// What a model file is to hold of what was measured besides numbers, such as thresholds chosen on the samples held out.
    fn calibrate(&self, metrics: &Self::Metrics) -> Value {
        let _ = metrics;
        Value::Null
    }

    /// The name of the metric by which the best epoch is chosen: one of those that [`Task::metrics`] finish into, or `loss`.
    fn monitor(&self) -> &str {
        "loss"
    }

    /// A picture of the metrics over the samples held out, as a file name and SVG: what the network of the best epoch gets right and wrong. `outputs` are the
    /// names of the network's outputs, if they have some. A run's directory gets it.
    fn picture(&self, metrics: &Self::Metrics, outputs: &[String]) -> Option<(&'static str, String)> {
        let _ = (metrics, outputs);
        None
    }

    /// What the network gives in evaluation, batch after batch. A task whose networks can be captured runs their optimized graph: see
    /// [`Evaluator`](crate::Evaluator).
    fn evaluator<'a>(&'a self, network: &'a N) -> Evaluate<'a, Self::Batch, Self::Output> {
        Box::new(move |batch| self.forward(network, batch, &Pass::eval()))
    }
}
