use super::{Optimizer, OptimizerState, ParamGroups, Site, common, for_each};
use crate::module::Module;
use crate::setters::setters;
use striate_tensor::{AdagradStep, Gradients, RmsPropStep, Update};

/// Gradients divided by their recent size (`torch.optim.RMSprop`; Hinton, 2012).
#[derive(Clone)]
pub struct RMSprop {
    /// The learning rate.
    pub lr: f64,
    /// How long the mean of the squared gradient remembers.
    pub alpha: f64,
    /// What is added to the denominator.
    pub eps: f64,
    /// This times the parameter is added to the gradient.
    pub weight_decay: f64,
    /// The fraction of the last step that is kept.
    pub momentum: f64,
    /// Whether to divide by the standard deviation instead of the root mean square (Graves, 2013).
    pub centered: bool,
    /// Settings of some parameters' own.
    pub groups: ParamGroups,
    state: OptimizerState,
}

impl RMSprop {
    /// Alpha 0.99, `eps` 10⁻⁸, no momentum, not centered, no weight decay.
    pub fn new(lr: f64) -> Self {
        RMSprop {
            lr,
            alpha: 0.99,
            eps: 1e-8,
            weight_decay: 0.0,
            momentum: 0.0,
            centered: false,
            groups: ParamGroups::default(),
            state: OptimizerState::default(),
        }
    }

    setters! {
        alpha: f64, "With another memory of the squared gradient.";
        eps: f64, "With another number added to the denominator.";
        weight_decay: f64, "With weight decay, as an L2 penalty.";
        momentum: f64, "With momentum.";
        centered: bool, "Divided by the standard deviation instead of the root mean square.";
    }

    common!();
}

impl Optimizer for RMSprop {
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
        let RMSprop { lr, alpha, eps, weight_decay, momentum, centered, groups, state } = self;
        let mut kinds = vec!["square_avg"];
        kinds.extend(centered.then_some("grad_avg"));
        kinds.extend((*momentum != 0.0).then_some("momentum_buffer"));
        for_each(model, gradients, groups, (*lr, *weight_decay), |site| {
            let Site { name, value, grad, lr, weight_decay } = site;
            let (alpha, eps, momentum, centered) = (*alpha, *eps, *momentum, *centered);
            let step = Update::RmsProp(RmsPropStep { lr, alpha, eps, weight_decay, momentum, centered });
            state.with(&kinds, name, value, 0.0, |value, state| value.update(&step, &grad, state));
        });
        state.steps += 1;
    }

    common!(state);
}

/// Gradients divided by the root of the sum of all their squares so far (`torch.optim.Adagrad`; Duchi et al., 2011).
#[derive(Clone)]
pub struct Adagrad {
    /// The learning rate.
    pub lr: f64,
    /// Step t (from 0) takes the learning rate divided by 1 + t · this.
    pub lr_decay: f64,
    /// This times the parameter is added to the gradient.
    pub weight_decay: f64,
    /// What the sums of squares start from.
    pub initial_accumulator_value: f64,
    /// What is added to the denominator.
    pub eps: f64,
    /// Settings of some parameters' own.
    pub groups: ParamGroups,
    state: OptimizerState,
}

impl Adagrad {
    /// No decay of the learning rate or the weights, sums that start from 0, `eps` 10⁻¹⁰.
    pub fn new(lr: f64) -> Self {
        Adagrad {
            lr,
            lr_decay: 0.0,
            weight_decay: 0.0,
            initial_accumulator_value: 0.0,
            eps: 1e-10,
            groups: ParamGroups::default(),
            state: OptimizerState::default(),
        }
    }

    setters! {
        lr_decay: f64, "With a decay of the learning rate.";
        weight_decay: f64, "With weight decay, as an L2 penalty.";
        initial_accumulator_value: f64, "With another start of the sums of squares.";
        eps: f64, "With another number added to the denominator.";
    }

    common!();
}

impl Optimizer for Adagrad {
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
        let Adagrad { lr, lr_decay, weight_decay, initial_accumulator_value, eps, groups, state } = self;
        let decayed = *lr / (1.0 + state.steps as f64 * *lr_decay);
        for_each(model, gradients, groups, (decayed, *weight_decay), |site| {
            let Site { name, value, grad, lr, weight_decay } = site;
            let step = Update::Adagrad(AdagradStep { lr, eps: *eps, weight_decay });
            let start = *initial_accumulator_value;
            state.with(&["sum"], name, value, start, |value, state| value.update(&step, &grad, state));
        });
        state.steps += 1;
    }

    common!(state);
}
