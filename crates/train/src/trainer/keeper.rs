//! [`Keeper`]: where checkpoints and weights go.

use crate::checkpoint::{self, Identity};
use crate::error::TrainError;
use crate::run_dir::RunDir;
use crate::state::{Measured, TrainState};
use std::collections::BTreeMap;
use std::path::PathBuf;
use striate_formats::safetensors;
use striate_nn::{Ema, Module, Optimizer, StateDict, load_state_dict, state_dict};

/// Which of a run's weights are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kept {
    /// Those of the best epoch so far.
    Best,
    /// Those of the last epoch.
    Last,
}

/// What a checkpoint holds.
pub(crate) struct Contents<'a, N> {
    pub state: &'a TrainState,
    pub network: &'a N,
    pub optimizer: &'a dyn Optimizer,
    pub ema: Option<&'a Ema>,
}

/// Where checkpoints and weights go.
pub(crate) trait Keeper<N> {
    /// Writes a checkpoint, and says where it lies.
    fn checkpoint(&mut self, contents: Contents<N>) -> Result<Option<PathBuf>, TrainError>;
    /// Keeps the weights of an epoch.
    fn model(&mut self, network: &N, which: Kept, measured: &Measured) -> Result<(), TrainError>;
    /// Whether weights of a best epoch are kept.
    fn has_best(&self) -> bool;
    /// The last checkpoint that holds a state after some steps.
    fn last_checkpoint(&self) -> Option<PathBuf>;
    /// The names of the network's outputs; none of a network whose outputs have no names.
    fn outputs(&self) -> &[String] {
        &[]
    }
    /// The run directory, if there is one.
    fn directory(&self) -> Option<PathBuf>;
}

/// The best weights in memory, and everything in a run directory if there is one.
pub(crate) struct Weights<'a> {
    pub run: Option<&'a RunDir>,
    pub identity: Identity<'a>,
    pub has_checkpoint: bool,
    pub best: Option<StateDict>,
}

impl Weights<'_> {
    /// Gives `network` the weights of the best epoch.
    pub fn restore<N: Module>(&self, network: &mut N) -> Result<(), TrainError> {
        let (best, path) = match (&self.best, self.run) {
            (Some(best), _) => (best.clone(), PathBuf::new()),
            (None, Some(run)) => (safetensors::read(&run.model())?.tensors.into_iter().collect(), run.model()),
            (None, None) => return Ok(()),
        };
        load_state_dict(network, &best).map_err(|cause| TrainError::Weights { path, cause })
    }
}

impl<N: Module> Keeper<N> for Weights<'_> {
    fn checkpoint(&mut self, contents: Contents<N>) -> Result<Option<PathBuf>, TrainError> {
        let Some(run) = self.run else { return Ok(None) };
        let Contents { state, network, optimizer, ema } = contents;
        let path = checkpoint::write(run, self.identity, state, network, optimizer, ema)?;
        self.has_checkpoint = state.steps > 0;
        Ok(Some(path))
    }

    fn model(&mut self, network: &N, which: Kept, _: &Measured) -> Result<(), TrainError> {
        let weights = state_dict(network);
        if let Some(run) = self.run {
            let path = if which == Kept::Best { run.model() } else { run.last_model() };
            safetensors::write(&path, &weights, &BTreeMap::from([("format".to_string(), "pt".to_string())]))?;
        }
        if which == Kept::Best {
            self.best = Some(weights);
        }
        Ok(())
    }

    fn has_best(&self) -> bool {
        self.best.is_some() || self.run.is_some_and(|run| run.model().is_file())
    }

    fn last_checkpoint(&self) -> Option<PathBuf> {
        self.run.filter(|_| self.has_checkpoint).map(RunDir::checkpoint)
    }

    fn outputs(&self) -> &[String] {
        self.identity.classes
    }

    fn directory(&self) -> Option<PathBuf> {
        self.run.map(|run| run.path().to_path_buf())
    }
}
