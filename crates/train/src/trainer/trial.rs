//! [`Trial`]: steps of training of which nothing remains.

use super::faults::IN_THE_INPUTS;
use super::{Contents, Keeper, Kept, Loop, LoopSettings};
use crate::batches::Batches;
use crate::error::TrainError;
use crate::events::{Event, Sink};
use crate::state::{Measured, TrainState};
use crate::task::Task;
use std::cell::RefCell;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use striate_imaging::Split;
use striate_model::Metric;
use striate_nn::{Module, Optimizer, Passes, load_state_dict, state_dict};

/// Steps of training after which the network and the optimizer are as before, whatever happens.
///
/// Random numbers are keyed by seed, epoch and step, so a training that follows draws the same ones as without.
pub(crate) struct Trial<'a, N: Module, T: Task<N>> {
    pub task: &'a T,
    pub network: &'a mut N,
    pub optimizer: &'a mut dyn Optimizer,
    pub settings: LoopSettings,
    pub seed: u64,
    /// Looked at before each step.
    pub stop: &'a AtomicBool,
}

/// A step that was taken.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    pub lr: f64,
    /// The mean loss and the metrics of its batches.
    pub metrics: Vec<Metric>,
    /// The norm of its gradient, before it is clipped.
    pub grad_norm: f64,
}

impl Taken {
    /// The mean loss.
    pub fn loss(&self) -> f64 {
        self.metrics.first().map_or(f64::NAN, |loss| loss.value)
    }

    /// The value of the metric of this name, if there is one.
    pub fn value(&self, name: &str) -> Option<f64> {
        self.metrics.iter().find(|metric| metric.name == name).map(|metric| metric.value)
    }
}

/// Why there are no more steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Halt {
    /// There were enough.
    Enough,
    /// The loss is not finite any more.
    NotFinite,
    /// The flag was set.
    Stopped,
}

impl<N: Module, T: Task<N>> Trial<'_, N, T> {
    /// Takes steps, epoch after epoch, as long as `next` names a learning rate for the next one, given those that were taken.
    ///
    /// # Errors
    /// If a batch cannot be made, there is none, or the loss is not finite for another reason than the steps.
    pub fn run(
        mut self,
        train: &dyn Batches<Batch = T::Batch>,
        next: &mut dyn FnMut(&[Taken]) -> Option<f64>,
    ) -> Result<(Vec<Taken>, Halt), TrainError> {
        let weights = state_dict(&*self.network);
        let (state, lr) = (self.optimizer.state().clone(), self.optimizer.lr());
        let result = self.steps(train, next);
        self.optimizer.set_state(state);
        self.optimizer.set_lr(lr);
        load_state_dict(self.network, &weights).expect("they are the network's own");
        result
    }

    fn steps(
        &mut self,
        train: &dyn Batches<Batch = T::Batch>,
        next: &mut dyn FnMut(&[Taken]) -> Option<f64>,
    ) -> Result<(Vec<Taken>, Halt), TrainError> {
        let all = Rc::new(RefCell::new(Vec::new()));
        let taken = || all.borrow().clone();
        let mut record = Record(all.clone());
        let mut state = TrainState::default();
        let running = Loop::running_of(self.task, &mut state);
        let mut training = Loop {
            passes: Passes::new(&*self.network, self.seed).accumulate(self.settings.accumulate as u64),
            task: self.task,
            network: &mut *self.network,
            optimizer: &mut *self.optimizer,
            train,
            last_step: None,
            learning_rate: None,
            ema: None,
            settings: LoopSettings { log_every: 1, ..self.settings.clone() },
            keeper: &mut Nowhere,
            csv: &mut None,
            state: &mut state,
            callbacks: &mut [],
            sink: &mut record,
            stop: self.stop,
            running,
            panicked: None,
            since: Instant::now(),
        };
        loop {
            let mut batches = train.epoch_from(training.state.epoch, 0);
            let before = training.state.steps;
            while !training.settings.is_full(training.state.batch) {
                if self.stop.load(Ordering::Relaxed) {
                    return Ok((taken(), Halt::Stopped));
                }
                let Some(lr) = next(&all.borrow()) else { return Ok((taken(), Halt::Enough)) };
                training.optimizer.set_lr(lr);
                match training.step(&mut *batches, None) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(TrainError::NonFinite { what, place, samples, .. })
                        if training.state.steps == 0 || place == IN_THE_INPUTS =>
                    {
                        return Err(TrainError::NonFiniteAtAnyRate { what, place, samples });
                    }
                    Err(TrainError::NonFinite { .. }) => return Ok((taken(), Halt::NotFinite)),
                    Err(e) => return Err(e),
                }
            }
            if training.state.steps == before {
                return Err(TrainError::NothingMeasured { measured: Split::Train });
            }
            training.state.epoch += 1;
            training.state.batch = 0;
        }
    }
}

/// Takes note of each step.
struct Record(Rc<RefCell<Vec<Taken>>>);

impl crate::recorder::Record for Record {}

impl Sink for Record {
    fn event(&mut self, event: &Event) {
        if let Event::Progress { metrics, lr, grad_norm, .. } = event {
            self.0.borrow_mut().push(Taken { lr: *lr, metrics: metrics.clone(), grad_norm: *grad_norm });
        }
    }
}

/// Keeps nothing.
struct Nowhere;

impl<N> Keeper<N> for Nowhere {
    fn checkpoint(&mut self, _: Contents<N>) -> Result<Option<PathBuf>, TrainError> {
        Ok(None)
    }
    fn model(&mut self, _: &N, _: Kept, _: &Measured) -> Result<(), TrainError> {
        Ok(())
    }
    fn has_best(&self) -> bool {
        false
    }
    fn last_checkpoint(&self) -> Option<PathBuf> {
        None
    }
    fn directory(&self) -> Option<PathBuf> {
        None
    }
}
