//! [`Callback`]: what a program does at certain points of a training.

use crate::state::{Measured, TrainState};
use serde_json::Value;
use striate_nn::Optimizer;
use striate_tensor::Gradients;

/// Where a training stands when a callback is called, and what it may change.
pub struct Context<'a, N> {
    /// The network.
    pub network: &'a N,
    /// Epochs, batches and steps so far.
    pub state: &'a TrainState,
    pub(crate) optimizer: &'a mut dyn Optimizer,
    pub(crate) stop: &'a mut Option<String>,
}

impl<N> Context<'_, N> {
    /// The learning rate of the optimizer.
    pub fn lr(&self) -> f64 {
        self.optimizer.lr()
    }

    /// Changes the learning rate. Where a schedule sets it at each step, this holds for the step under way: call it in
    /// [`Callback::before_step`], which comes after the schedule.
    pub fn set_lr(&mut self, lr: f64) {
        self.optimizer.set_lr(lr);
    }

    /// Ends the training after the step under way, as early stopping does: its epoch is measured, and the best weights are kept.
    pub fn stop(&mut self, reason: &str) {
        self.stop.get_or_insert_with(|| reason.to_string());
    }
}

/// What a program does at certain points of a training. All methods do nothing by default.
///
/// They are called in this order: `before_fit`; for each epoch `before_epoch`, for each step of it `before_step`, `gradients` and `after_step`, then
/// `before_validation`, `after_validation` and `after_epoch`; at the end `after_fit`. Several callbacks are called in the order in which they were added. A training that
/// resumes begins with `before_fit`, and leaves out `before_epoch` in an epoch that has begun.
///
/// A callback that panics ends the training with an error, after the step under way and with a checkpoint of it.
pub trait Callback<N> {
    /// Before the first step.
    fn before_fit(&mut self, context: &mut Context<N>) {
        let _ = context;
    }
    /// Before the first step of an epoch.
    fn before_epoch(&mut self, context: &mut Context<N>) {
        let _ = context;
    }
    /// Before the forward pass of a step. The learning rate is that of the step.
    fn before_step(&mut self, context: &mut Context<N>) {
        let _ = context;
    }
    /// After the backward pass, before gradients are clipped and used. They can be read and replaced.
    fn gradients(&mut self, context: &mut Context<N>, gradients: &mut Gradients) {
        let _ = (context, gradients);
    }
    /// After the update. `loss` is the mean loss of the step.
    fn after_step(&mut self, context: &mut Context<N>, loss: f64) {
        let _ = (context, loss);
    }
    /// Before the samples held out are measured.
    fn before_validation(&mut self, context: &mut Context<N>) {
        let _ = context;
    }
    /// After that.
    fn after_validation(&mut self, context: &mut Context<N>, measured: &Measured) {
        let _ = (context, measured);
    }
    /// At the end of an epoch, before its checkpoint.
    fn after_epoch(&mut self, context: &mut Context<N>, measured: &Measured) {
        let _ = (context, measured);
    }
    /// After the last epoch.
    fn after_fit(&mut self, context: &mut Context<N>) {
        let _ = context;
    }
    /// What the callback must remember so that a training that resumes goes on as if it had not stopped. It is part of each checkpoint.
    fn state(&self) -> Value {
        Value::Null
    }
    /// Takes back what [`Callback::state`] gave.
    fn set_state(&mut self, state: Value) {
        let _ = state;
    }
}
