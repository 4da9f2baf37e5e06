use super::{Optimizer, OptimizerState, ParamGroups, Site, common, for_each};
use crate::module::Module;
use crate::setters::setters;
use striate_tensor::{Gradients, LionStep, Update};

/// Steps of one length in every element, in the direction of a mean of gradients (Chen et al., "Symbolic Discovery of Optimization
/// Algorithms", 2023). It takes a learning rate 3 to 10 times smaller than Adam's, and a weight decay as much larger.
#[derive(Clone)]
pub struct Lion {
    /// The learning rate: how far every element moves.
    pub lr: f64,
    /// How much of the mean goes into the direction, and how long the mean remembers.
    pub betas: (f64, f64),
    /// The learning rate times this times the parameter is taken from the parameter.
    pub weight_decay: f64,
    /// Settings of some parameters' own.
    pub groups: ParamGroups,
    state: OptimizerState,
}

impl Lion {
    /// Betas 0.9 and 0.99, no weight decay.
    pub fn new(lr: f64) -> Self {
        Lion {
            lr,
            betas: (0.9, 0.99),
            weight_decay: 0.0,
            groups: ParamGroups::default(),
            state: OptimizerState::default(),
        }
    }

    common!(betas);

    setters! {
        weight_decay: f64, "With this weight decay.";
    }

    common!();
}

impl Optimizer for Lion {
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
        let Lion { lr, betas, weight_decay, groups, state } = self;
        for_each(model, gradients, groups, (*lr, *weight_decay), |site| {
            let Site { name, value, grad, lr, weight_decay } = site;
            let step = Update::Lion(LionStep { lr, beta1: betas.0, beta2: betas.1, weight_decay });
            state.with(&["exp_avg"], name, value, 0.0, |value, state| value.update(&step, &grad, state));
        });
        state.steps += 1;
    }

    common!(state);
}
