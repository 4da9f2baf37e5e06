use super::{Optimizer, OptimizerState, ParamGroups, Site, common, filled_like, for_each, number};
use crate::module::Module;
use crate::setters::setters;
use striate_tensor::{Gradients, LambStep, SgdStep, Tensor, Update};

/// Adam whose steps are in proportion to the size of what they change, for large batches (You et al., "Large Batch Optimization for Deep
/// Learning", 2020, algorithm 2, with φ the identity): a parameter tensor moves by the learning rate times its own norm.
#[derive(Clone)]
pub struct Lamb {
    /// The learning rate.
    pub lr: f64,
    /// How long the means of the gradient and of its square remember.
    pub betas: (f64, f64),
    /// What is added to the denominator.
    pub eps: f64,
    /// This times the parameter is added to the direction.
    pub weight_decay: f64,
    /// Settings of some parameters' own.
    pub groups: ParamGroups,
    state: OptimizerState,
}

impl Lamb {
    /// Betas 0.9 and 0.999, `eps` 10⁻⁶, no weight decay.
    pub fn new(lr: f64) -> Self {
        Lamb {
            lr,
            betas: (0.9, 0.999),
            eps: 1e-6,
            weight_decay: 0.0,
            groups: ParamGroups::default(),
            state: OptimizerState::default(),
        }
    }

    common!(betas);

    setters! {
        eps: f64, "With another number added to the denominator.";
        weight_decay: f64, "With this weight decay.";
    }

    common!();
}

fn norm(t: &Tensor) -> f64 {
    number(t.clone().norm(2.0, &[], false))
}

impl Optimizer for Lamb {
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
        let Lamb { lr, betas, eps, weight_decay, groups, state } = self;
        state.steps += 1;
        let steps = state.steps;
        for_each(model, gradients, groups, (*lr, *weight_decay), |site| {
            let Site { name, value, grad, lr, weight_decay } = site;
            let (beta1, beta2) = *betas;
            let step = Update::LambDirection(LambStep { beta1, beta2, eps: *eps, weight_decay, step: steps });
            let direction = state.with(&["exp_avg", "exp_avg_sq"], name, value, 0.0, |value, means| {
                means.push(filled_like(value, 0.0));
                value.update(&step, &grad, means);
                Tensor::from(means.pop().expect("it was pushed"))
            });
            let (size, length) = (norm(value), norm(&direction));
            let trust = if size > 0.0 && length > 0.0 { size / length } else { 1.0 };
            let step = Update::Sgd(SgdStep {
                lr: lr * trust,
                momentum: 0.0,
                dampening: 0.0,
                weight_decay: 0.0,
                nesterov: false,
                first: false,
                maximize: false,
            });
            value.update(&step, &direction, &mut []);
        });
    }

    common!(state);
}
