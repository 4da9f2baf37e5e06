//! Numbers that are not finite: in the loss, the weights, their average or the optimizer's state.

use crate::error::TrainError;
use crate::task::Task;
use crate::trainer::fit::Loop;
use striate_nn::{Module, first_fault, state_dict};
use striate_tensor::Leaf;
use striate_tensor::autograd::find_non_finite;

/// Where numbers went wrong that came with the batch.
pub(super) const IN_THE_INPUTS: &str = "already in the images";

impl<N: Module, T: Task<N>> Loop<'_, '_, N, T> {
    /// Checks the weights, the running statistics, their average and the optimizer's state.
    pub fn check_weights(&self) -> Result<(), TrainError> {
        match self.non_finite_tensor() {
            None => Ok(()),
            Some(place) => Err(self.non_finite_error("the weights are not finite".into(), place, Vec::new())),
        }
    }

    /// The first tensor that holds a number that is not finite, in words.
    fn non_finite_tensor(&self) -> Option<String> {
        if let Some((name, _)) = first_fault(&state_dict(&*self.network)) {
            let what = if name.contains("running_") { "the running statistics" } else { "the weights" };
            return Some(format!("first in {what} of layer {}", layer_of(name)));
        }
        if let Some((name, _)) = self.ema.as_ref().and_then(|ema| first_fault(ema.state().0)) {
            return Some(format!("first in the average of the weights of layer {}", layer_of(name)));
        }
        first_fault(&self.optimizer.state().tensors).map(|(name, _)| format!("first in the optimizer's {name}"))
    }

    /// Finds out where numbers first went wrong, by computing the step once more and reading every result.
    pub fn non_finite(&self, batch: &T::Batch, place: usize, loss: f64, samples: Vec<String>) -> TrainError {
        let what = format!("the loss is {loss}");
        if !self.task.inputs(batch).iter().all(|x| x.is_finite()) {
            return self.non_finite_error(what, IN_THE_INPUTS.into(), samples);
        }
        if let Some(place) = self.non_finite_tensor() {
            return self.non_finite_error(what, place, Vec::new());
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
        self.non_finite_error(what, place, samples)
    }

    /// The loss on samples held out is no number.
    pub fn non_finite_result(&self, loss: f64) -> TrainError {
        let what = format!("the {} loss is {loss}", self.settings.measured.adjective());
        let place = self.non_finite_tensor().unwrap_or_else(|| "though all weights are finite".into());
        self.non_finite_error(what, place, Vec::new())
    }

    fn non_finite_error(&self, what: String, place: String, samples: Vec<String>) -> TrainError {
        TrainError::NonFinite {
            epoch: self.state.epoch + 1,
            step: self.state.steps + 1,
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
