//! Numbers that are not finite: in the loss, the weights, their average or the optimizer's state.

use crate::error::TrainError;
use crate::task::Task;
use crate::trainer::fit::Loop;
use std::ops::Range;
use striate_nn::{Module, first_fault, state_dict};
use striate_tensor::Leaf;
use striate_tensor::autograd::find_non_finite;

/// Where numbers went wrong that came with the batch.
pub(super) const IN_THE_INPUTS: &str = "already in the images";

const BAD_WEIGHTS: &str = "the weights are not finite";

/// The step that was done last.
#[derive(Clone, Debug)]
pub(crate) struct LastStep {
    pub epoch: usize,
    /// The numbers of its batches in that epoch.
    pub batches: Range<usize>,
}

/// A tensor that is not finite.
struct BadTensor {
    /// Which, in words.
    place: String,
    /// Whether the network computes with it.
    is_used: bool,
}

impl<N: Module, T: Task<N>> Loop<'_, '_, N, T> {
    /// Checks the weights, the running statistics, their average and the optimizer's state.
    pub fn check_weights(&self) -> Result<(), TrainError> {
        match self.non_finite_tensor() {
            None => Ok(()),
            Some(tensor) => Err(self.bad_tensor(BAD_WEIGHTS.into(), tensor)),
        }
    }

    /// The first tensor that holds a number that is not finite.
    fn non_finite_tensor(&self) -> Option<BadTensor> {
        if let Some((name, _)) = first_fault(&state_dict(&*self.network)) {
            let what = if name.contains("running_") { "the running statistics" } else { "the weights" };
            // A step uses the statistics of its own batch: that its loss is a number says nothing of the running ones.
            let is_used = what == "the weights";
            return Some(BadTensor { place: format!("first in {what} of layer {}", layer_of(name)), is_used });
        }
        let place = match self.ema.as_ref().and_then(|ema| first_fault(ema.state().0)) {
            Some((name, _)) => format!("first in the average of the weights of layer {}", layer_of(name)),
            None => format!("first in the optimizer's {}", first_fault(&self.optimizer.state().tensors)?.0),
        };
        Some(BadTensor { place, is_used: false })
    }

    /// The error of a tensor that is not finite since an update: that of the last step, where the network uses it, for the loss of that step was a number.
    fn bad_tensor(&self, what: String, tensor: BadTensor) -> TrainError {
        let samples = if tensor.is_used { self.names_of_last_step() } else { Vec::new() };
        self.non_finite_error(self.state.steps.max(1), what, tensor.place, samples)
    }

    /// What the samples of the last step are called: its batches are made once more. Nothing where that cannot be.
    fn names_of_last_step(&self) -> Vec<String> {
        let Some(LastStep { epoch, batches }) = self.last_step.clone() else { return Vec::new() };
        let again = self.train.epoch_from(epoch, batches.start).take(batches.len());
        again.flatten().flat_map(|batch| self.train.names(&batch)).collect()
    }

    /// Finds out where numbers first went wrong, by computing the step once more and reading every result.
    pub fn non_finite(&self, batch: &T::Batch, place: usize, loss: f64, samples: Vec<String>) -> TrainError {
        let what = format!("the loss is {loss}");
        if !self.task.inputs(batch).iter().all(|x| x.is_finite()) {
            return self.non_finite_error(self.state.steps + 1, what, IN_THE_INPUTS.into(), samples);
        }
        if let Some(tensor) = self.non_finite_tensor() {
            return self.bad_tensor(BAD_WEIGHTS.into(), tensor);
        }
        let again = || self.task.train_loss(self.task.forward(self.network, batch, &self.pass(place)), batch);
        let (_, found) = find_non_finite(again);
        let place = found.map_or("for an unknown reason".to_string(), |found| {
            let name = |id| self.network.named_parameters().into_iter().find(|(_, p)| p.leaf_id() == Some(id));
            match found.leaf.and_then(name) {
                Some((name, _)) => format!("first at layer {} (op {})", layer_of(&name), found.op),
                None => format!("first at op {}", found.op),
            }
        });
        self.non_finite_error(self.state.steps + 1, what, place, samples)
    }

    /// The loss on samples held out is no number.
    pub fn non_finite_result(&self, loss: f64) -> TrainError {
        let what = format!("the {} loss is {loss}", self.settings.measured.adjective());
        match self.non_finite_tensor() {
            Some(tensor) => self.bad_tensor(what, tensor),
            None => {
                let place = "though all weights are finite".into();
                self.non_finite_error(self.state.steps.max(1), what, place, Vec::new())
            }
        }
    }

    fn non_finite_error(&self, step: u64, what: String, place: String, samples: Vec<String>) -> TrainError {
        TrainError::NonFinite {
            epoch: self.state.epoch + 1,
            step,
            what,
            place,
            samples,
            lr: self.optimizer.lr(),
            checkpoint: self.keeper.last_checkpoint(),
        }
    }
}

/// `conv1` of `conv1.weight`.
pub(super) fn layer_of(parameter: &str) -> &str {
    parameter.rsplit_once('.').map_or(parameter, |(layer, _)| layer)
}
