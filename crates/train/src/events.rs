//! What happens in a training run, told to whoever listens.

use crate::sinks::as_text;
use serde::Serialize;
use std::path::PathBuf;
use striate_imaging::Split;

/// Something that happened. Epochs and steps count from 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training begins, or goes on.
    Started {
        /// Where the run keeps its files.
        #[serde(serialize_with = "as_text")]
        run: PathBuf,
        /// The network's name, or its layers as text.
        model: String,
        /// How many numbers are trained.
        parameters: usize,
        /// The data's name.
        data: String,
        /// The names of the classes, in the order of the outputs.
        classes: Vec<String>,
        /// Channels, height and width of what the network sees.
        input: [usize; 3],
        /// Training samples.
        train_samples: usize,
        /// Test samples.
        test_samples: usize,
        /// What those are for.
        measured: Split,
        /// Epochs in all.
        epochs: usize,
        /// The share of the training samples that each goes through.
        epoch_share: f64,
        /// Steps in an epoch.
        steps: usize,
        /// Samples in a step.
        batch_size: usize,
        /// What all random numbers come from.
        seed: u64,
        /// Threads that compute.
        threads: usize,
        /// The instruction set in use.
        isa: &'static str,
        /// Steps that were done before, in a run that goes on.
        resumed_at: Option<u64>,
    },
    /// What was taken of the weights that the run starts from.
    Weights {
        /// A line.
        text: String,
    },
    /// Something about the data that its owner should know.
    Note {
        /// A line.
        text: String,
    },
    /// A frozen backbone has made features of some more images, which is done once.
    Features {
        /// Images done.
        done: usize,
        /// Images in all.
        total: usize,
    },
    /// Images that could not be read, and were left out.
    BadImages {
        /// How many.
        count: usize,
        /// The first few, a line each.
        reasons: Vec<String>,
        /// The file that lists all.
        #[serde(serialize_with = "as_text")]
        list: PathBuf,
    },
    /// A batch was left out, because only one of its images can be read and batch normalization needs two.
    LeftOut {
        /// The epoch.
        epoch: usize,
    },
    /// A step is done.
    Step {
        /// The epoch.
        epoch: usize,
        /// The step within it.
        step: usize,
        /// Samples in the step.
        samples: usize,
        /// The mean loss of the step.
        loss: f64,
    },
    /// A line's worth of steps is done.
    Progress {
        /// The epoch.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// The step within the epoch.
        step: usize,
        /// Steps in an epoch.
        steps: usize,
        /// Mean loss since the last line.
        loss: f64,
        /// Share of right answers since the last line.
        accuracy: f64,
        /// The learning rate.
        lr: f64,
    },
    /// The network has been tried on the test data.
    Tested {
        /// The epoch.
        epoch: usize,
        /// Epochs in all.
        epochs: usize,
        /// Steps in all so far.
        steps: u64,
        /// What that data is for.
        measured: Split,
        /// Mean loss.
        loss: f64,
        /// Share of right answers.
        accuracy: f64,
    },
    /// Early stopping ends a stage of the run: no epoch was the best for a while.
    StoppedEarly {
        /// The epoch.
        epoch: usize,
        /// Epochs in all, had it gone on.
        epochs: usize,
        /// The best epoch so far.
        best: usize,
        /// Epochs since.
        stale: usize,
    },
    /// A checkpoint lies on the disk.
    Checkpoint {
        /// Its file.
        #[serde(serialize_with = "as_text")]
        path: PathBuf,
        /// Steps in all so far.
        steps: u64,
    },
    /// Training was asked to stop, and has.
    Stopped {
        /// Where the run keeps its files.
        #[serde(serialize_with = "as_text")]
        run: PathBuf,
        /// Steps in all so far.
        steps: u64,
    },
    /// Training is done.
    Finished {
        /// Where the run keeps its files.
        #[serde(serialize_with = "as_text")]
        run: PathBuf,
        /// The model file, with the weights of the best epoch.
        #[serde(serialize_with = "as_text")]
        model: PathBuf,
        /// The model file with the weights of the last epoch.
        #[serde(serialize_with = "as_text")]
        last_model: PathBuf,
        /// What the data is for that the epochs were measured on.
        measured: Split,
        /// The best epoch.
        epoch: usize,
        /// The last epoch.
        last_epoch: usize,
        /// The best epoch's mean loss.
        loss: f64,
        /// The best epoch's fraction of right answers.
        accuracy: f64,
        /// A 95 % interval of that, by Wilson's score.
        accuracy_interval_95: [f64; 2],
        /// The last epoch's fraction of right answers.
        last_accuracy: f64,
        /// Samples that were measured on.
        samples: usize,
        /// The accuracy of always answering with the most frequent class.
        chance: f64,
        /// Seconds that this process has trained.
        seconds: f64,
    },
}

/// Something that listens to events.
pub trait Sink {
    /// Takes note of `event`.
    fn event(&mut self, event: &Event);
}

impl Sink for Vec<Event> {
    fn event(&mut self, event: &Event) {
        self.push(event.clone());
    }
}
