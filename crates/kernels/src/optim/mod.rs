//! Optimizer updates, each one pass over the parameter, its gradient and the optimizer's state.

mod adagrad;
mod adam;
mod lamb;
mod lerp;
mod lion;
mod moments;
mod nadam;
mod rmsprop;
mod rule;
mod sgd;
#[cfg(test)]
mod tests;

use crate::float::Float;
pub use adagrad::AdagradStep;
pub use adam::AdamStep;
pub use lamb::LambStep;
pub use lion::LionStep;
pub use nadam::NAdamStep;
pub use rmsprop::RmsPropStep;
pub use sgd::SgdStep;

/// One step of an optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Update {
    /// `torch.optim.SGD`.
    Sgd(SgdStep),
    /// `torch.optim.Adam` or `AdamW`.
    Adam(AdamStep),
    /// `torch.optim.RMSprop`.
    RmsProp(RmsPropStep),
    /// `torch.optim.Adagrad`.
    Adagrad(AdagradStep),
    /// `torch.optim.NAdam`.
    NAdam(NAdamStep),
    /// Lion.
    Lion(LionStep),
    /// The direction of a step of LAMB.
    LambDirection(LambStep),
    /// Moves the parameter towards the gradient by this fraction of their distance: a moving average. No state.
    Lerp(f64),
}

impl Update {
    /// How many slices of state it has.
    pub fn slots(&self) -> usize {
        match self {
            Update::Sgd(step) => step.slots(),
            Update::RmsProp(step) => step.slots(),
            Update::Adagrad(_) | Update::Lion(_) => 1,
            Update::Adam(_) | Update::NAdam(_) => 2,
            Update::LambDirection(_) => 3,
            Update::Lerp(_) => 0,
        }
    }

    /// Its name in messages and profiles.
    pub fn name(&self) -> &'static str {
        match self {
            Update::Sgd(_) => "sgd_step",
            Update::Adam(_) => "adam_step",
            Update::RmsProp(_) => "rmsprop_step",
            Update::Adagrad(_) => "adagrad_step",
            Update::NAdam(_) => "nadam_step",
            Update::Lion(_) => "lion_step",
            Update::LambDirection(_) => "lamb_direction",
            Update::Lerp(_) => "lerp",
        }
    }
}

/// One step of an optimizer. Before the first step the state is all zeros, unless the optimizer says otherwise.
///
/// # Panics
/// If the lengths differ, there are not [`Update::slots`] slices of state, or the step of Adam or LAMB is 0.
pub fn update<T: Float>(step: &Update, param: &mut [T], grad: &[T], state: Vec<&mut [T]>) {
    let (name, slots) = (step.name(), step.slots());
    assert_eq!(param.len(), grad.len(), "{name}: {} parameters, {} gradients", param.len(), grad.len());
    assert_eq!(state.len(), slots, "{name}: {step:?} takes {slots} slices of state, got {}", state.len());
    for s in &state {
        assert_eq!(param.len(), s.len(), "{name}: {} parameters, a state of {}", param.len(), s.len());
    }
    let slices = rule::Slices { param, grad, state };
    match step {
        Update::Sgd(step) => step.run(slices),
        Update::Adam(step) => step.run(slices),
        Update::RmsProp(step) => step.run(slices),
        Update::Adagrad(step) => step.run(slices),
        Update::NAdam(step) => step.run(slices),
        Update::Lion(step) => step.run(slices),
        Update::LambDirection(step) => step.run(slices),
        Update::Lerp(fraction) => slices.apply(lerp::Lerp(T::from_f64(*fraction))),
    }
}
