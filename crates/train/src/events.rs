//! What happens in a training run, told to whoever listens.

use serde::Serialize;
use std::path::PathBuf;
use striate_data::images::Split;

/// Something that happened. Epochs and steps count from 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// Training begins, or goes on.
    Started {
        /// Where the run keeps its files.
        run: PathBuf,
        /// The network's name, or its layers as text.
        model: String,
        /// How many numbers are trained.
        parameters: usize,
        /// The data's name.
        data: String,
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
        list: PathBuf,
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
    /// A checkpoint lies on the disk.
    Checkpoint {
        /// Its file.
        path: PathBuf,
        /// Steps in all so far.
        steps: u64,
    },
    /// Training was asked to stop, and has.
    Stopped {
        /// Where the run keeps its files.
        run: PathBuf,
        /// Steps in all so far.
        steps: u64,
    },
    /// Training is done.
    Finished {
        /// Where the run keeps its files.
        run: PathBuf,
        /// The model file.
        model: PathBuf,
        /// What the data was for that it was tried on.
        measured: Split,
        /// Share of right answers on it.
        accuracy: f64,
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
