//! What happens in a training run, told to whoever listens.

use crate::sinks::{as_map, as_text, some_as_text};
use crate::state::Measured;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use striate_imaging::Split;
use striate_model::Metric;

/// Something that happened. Epochs and steps count from 1. Metrics are an object in JSON, from names to numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs, reason = "a field whose name says all needs no words")]
pub enum Event {
    /// Training begins, or goes on.
    Started(Box<Started>),
    /// What was taken of the weights that the run starts from.
    Weights { text: String },
    /// Something that the owner of the data or of the run should know.
    Note { text: String },
    /// A frozen backbone has made features of some more images, which is done once.
    Features {
        /// Images so far.
        done: usize,
        /// Images in all.
        total: usize,
    },
    /// A run of a cross-validation begins, or goes on.
    Fold {
        number: usize,
        /// Folds in all.
        of: usize,
    },
    /// A run of a sweep begins, or goes on.
    Trial {
        number: usize,
        /// Trials in all.
        of: usize,
        /// Its settings of the sweep's space, as text by name.
        settings: Vec<(String, String)>,
        /// Its epochs, where the sweep sets them.
        epochs: Option<usize>,
    },
    /// Images could not be read, and are left out.
    BadImages {
        count: usize,
        /// The reasons of the first ones.
        reasons: Vec<String>,
        /// The file that lists all of them.
        #[serde(serialize_with = "as_text")]
        list: PathBuf,
    },
    /// A batch of one sample was left out: batch normalization needs two.
    LeftOut { epoch: usize },
    /// A step is done.
    Step {
        epoch: usize,
        /// The step within the epoch.
        step: usize,
        samples: usize,
        /// The mean loss of the step.
        loss: f64,
    },
    /// The loss of a step is far above that of the steps before.
    LossSpike {
        epoch: usize,
        /// Steps in all so far.
        steps: u64,
        loss: f64,
        /// What the loss has been like before.
        usual: f64,
        /// The layer whose gradient is largest, measured by its weights.
        layer: String,
        /// What the samples of the batch are called.
        samples: Vec<String>,
    },
    /// A line's worth of steps is done.
    Progress {
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// The step within the epoch.
        step: usize,
        /// Steps in an epoch, where that is known.
        steps: Option<usize>,
        /// Steps in all so far.
        steps_done: u64,
        /// The loss and metrics of the training samples since the last line.
        #[serde(serialize_with = "as_map")]
        metrics: Vec<Metric>,
        lr: f64,
        /// The norm of the last step's gradient, before it is clipped.
        grad_norm: f64,
    },
    /// An epoch's weights have been measured on samples held out.
    Measured {
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Steps in all so far.
        steps: u64,
        /// What those samples are for.
        split: Split,
        #[serde(serialize_with = "as_map")]
        metrics: Vec<Metric>,
        /// The name of the metric that the best epoch is chosen by.
        monitor: String,
    },
    /// A stage of the run ends before all its epochs are done.
    StoppedEarly {
        epoch: usize,
        /// Epochs in all, had it gone on.
        epochs: usize,
        /// The best epoch so far.
        best: usize,
        /// Why.
        reason: String,
    },
    /// A checkpoint has been written.
    Checkpoint {
        #[serde(serialize_with = "as_text")]
        path: PathBuf,
        /// Steps in all so far.
        steps: u64,
    },
    /// Training was asked to stop, and has.
    Stopped {
        /// The run directory, if there is one.
        #[serde(serialize_with = "some_as_text")]
        run: Option<PathBuf>,
        /// Steps in all so far.
        steps: u64,
    },
    /// Training is done.
    Finished(Box<Finished>),
}

/// How a run begins.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Started {
    /// The task's name.
    pub task: String,
    /// The run directory, if there is one.
    #[serde(serialize_with = "some_as_text")]
    pub run: Option<PathBuf>,
    /// The network's name, or its layers as text; empty of a network without either.
    pub model: String,
    /// How many numbers are trained.
    pub parameters: usize,
    /// The data, where a name describes it.
    #[serde(flatten)]
    pub data: Option<StartedData>,
    /// What the samples held out are for.
    pub measured: Split,
    /// Epochs in all.
    pub epochs: usize,
    /// Steps in an epoch, where that is known.
    pub steps: Option<usize>,
    /// Samples in a step, where that is known.
    pub batch_size: Option<usize>,
    /// What all random numbers come from.
    pub seed: u64,
    /// Threads that compute.
    pub threads: usize,
    /// The instruction set in use.
    pub isa: &'static str,
    /// Steps that were done before, in a run that goes on.
    pub resumed_at: Option<u64>,
}

/// The data of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StartedData {
    /// Its name.
    pub data: String,
    /// The names of the network's outputs, in their order.
    pub classes: Vec<String>,
    /// Channels, height and width of what the network sees.
    pub input: [usize; 3],
    /// Samples to learn from.
    pub train_samples: usize,
    /// Samples to measure on.
    pub measured_samples: usize,
    /// The fraction of the training samples that each epoch goes through.
    pub epoch_fraction: f64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finished {
    /// The run directory, if there is one.
    #[serde(serialize_with = "some_as_text")]
    pub run: Option<PathBuf>,
    /// The file with the weights of the best epoch.
    #[serde(serialize_with = "some_as_text")]
    pub model: Option<PathBuf>,
    /// The file with the weights of the last epoch.
    #[serde(serialize_with = "some_as_text")]
    pub last_model: Option<PathBuf>,
    /// What the samples are for that the epochs were measured on.
    pub split: Split,
    /// The name of the metric that the best epoch was chosen by.
    pub monitor: String,
    /// The best epoch.
    pub best: Measured,
    /// The last epoch.
    pub last: Measured,
    /// What an answer without looking would give.
    pub baseline: Option<Baseline>,
    /// Seconds that this process has trained.
    pub seconds: f64,
}

/// What an answer gives that does not look at the sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// The value of the metric that the best epoch is chosen by.
    pub value: f64,
    /// What is answered: `always answering with the most frequent class`.
    pub answer: String,
}

/// Something that listens to events.
pub trait Sink {
    /// Takes note of `event`.
    fn event(&mut self, event: &Event);
}

impl<S: Sink + ?Sized> Sink for Box<S> {
    fn event(&mut self, event: &Event) {
        (**self).event(event);
    }
}

impl<S: Sink + ?Sized> Sink for &mut S {
    fn event(&mut self, event: &Event) {
        (**self).event(event);
    }
}

impl Sink for Vec<Event> {
    fn event(&mut self, event: &Event) {
        self.push(event.clone());
    }
}

/// A sink that hears nothing.
impl Sink for () {
    fn event(&mut self, _: &Event) {}
}
