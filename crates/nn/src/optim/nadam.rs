use super::{Optimizer, OptimizerState, ParamGroups, Site, common, for_each};
use crate::module::Module;
use crate::setters::setters;
use striate_tensor::{Gradients, NAdamStep, Update};

/// Adam with Nesterov's momentum (`torch.optim.NAdam`; Dozat, 2016).
#[derive(Clone)]
pub struct NAdam {
    /// The learning rate.
    pub lr: f64,
    /// How long the means of the gradient and of its square remember.
    pub betas: (f64, f64),
    /// What is added to the denominator.
    pub eps: f64,
    /// This times the parameter is added to the gradient.
    pub weight_decay: f64,
    /// How fast the momentum grows towards the first beta.
    pub momentum_decay: f64,
    /// Settings of some parameters' own.
    pub groups: ParamGroups,
    state: OptimizerState,
    /// A number of steps, and the product of the momenta of that many first steps.
    product: (u64, f64),
}

impl NAdam {
    /// Betas 0.9 and 0.999, `eps` 10⁻⁸, momentum decay 0.004, no weight decay.
    pub fn new(lr: f64) -> Self {
        NAdam {
            lr,
            betas: (0.9, 0.999),
            eps: 1e-8,
            weight_decay: 0.0,
            momentum_decay: 4e-3,
            groups: ParamGroups::default(),
            state: OptimizerState::default(),
            product: (0, 1.0),
        }
    }

    common!(betas);

    setters! {
        eps: f64, "With another number added to the denominator.";
        weight_decay: f64, "With weight decay, as an L2 penalty.";
        momentum_decay: f64, "With another growth of the momentum.";
    }

    common!();

    /// The momentum of a step, which counts from 1.
    fn momentum(&self, step: u64) -> f64 {
        self.betas.0 * (1.0 - 0.5 * 0.96f64.powf(step as f64 * self.momentum_decay))
    }
}

impl Optimizer for NAdam {
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
        let done = self.state.steps;
        if self.product.0 != done {
            self.product = (done, (1..=done).map(|step| self.momentum(step)).product());
        }
        let step = done + 1;
        let (now, next) = (self.momentum(step), self.momentum(step + 1));
        let product = self.product.1 * now;
        self.product = (step, product);
        let NAdam { lr, betas, eps, weight_decay, groups, state, .. } = self;
        state.steps = step;
        for_each(model, gradients, groups, (*lr, *weight_decay), |site| {
            let Site { name, value, grad, lr, weight_decay } = site;
            let step = Update::NAdam(NAdamStep {
                lr_grad: lr * (1.0 - now) / (1.0 - product),
                lr_mean: lr * next / (1.0 - product * next),
                beta1: betas.0,
                beta2: betas.1,
                correction2: 1.0 - betas.1.powf(step as f64),
                eps: *eps,
                weight_decay,
            });
            let kinds = ["exp_avg", "exp_avg_sq"];
            state.with(&kinds, name, value, 0.0, |value, state| value.update(&step, &grad, state));
        });
    }

    common!(state);
}
