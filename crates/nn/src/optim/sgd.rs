use super::{Optimizer, OptimizerState, ParamGroups, Site, common, filled_like, for_each};
use crate::module::Module;
use crate::setters::setters;
use striate_tensor::{Gradients, SgdStep, Tensor, Update};

/// Stochastic gradient descent (`torch.optim.SGD`).
#[derive(Clone, Default)]
pub struct Sgd {
    /// The learning rate.
    pub lr: f64,
    /// The fraction of the last step's direction that is kept.
    pub momentum: f64,
    /// The fraction of the gradient that momentum leaves out.
    pub dampening: f64,
    /// This times the parameter is added to the gradient.
    pub weight_decay: f64,
    /// Whether to look ahead along the momentum (Nesterov).
    pub nesterov: bool,
    /// Settings of some parameters' own.
    pub groups: ParamGroups,
    state: OptimizerState,
}

impl Sgd {
    /// Plain gradient descent.
    pub fn new(lr: f64) -> Self {
        Sgd { lr, ..Sgd::default() }
    }

    setters! {
        momentum: f64, "With momentum.";
    }

    /// With Nesterov's momentum.
    pub fn nesterov(mut self, momentum: f64) -> Self {
        self.nesterov = true;
        self.momentum(momentum)
    }

    setters! {
        dampening: f64, "With dampening of the gradient that enters the momentum.";
        weight_decay: f64, "With weight decay, as an L2 penalty.";
    }

    common!();
}

impl Optimizer for Sgd {
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
        let Sgd { lr, momentum, dampening, weight_decay, nesterov, groups, state } = self;
        for_each(model, gradients, groups, (*lr, *weight_decay), |site| {
            let Site { name, value, grad, lr, weight_decay } = site;
            let key = format!("momentum_buffer.{name}");
            let mut velocity = (*momentum != 0.0).then(|| match state.tensors.remove(&key) {
                Some(v) => (v.into_array(), false),
                None => (filled_like(value, 0.0), true),
            });
            let step = Update::Sgd(SgdStep {
                lr,
                momentum: *momentum,
                dampening: *dampening,
                weight_decay,
                nesterov: *nesterov,
                first: velocity.as_ref().is_some_and(|v| v.1),
                maximize: false,
            });
            let own = velocity.as_mut().map_or(&mut [][..], |v| std::slice::from_mut(&mut v.0));
            value.update(&step, &grad, own);
            if let Some((velocity, _)) = velocity {
                state.tensors.insert(key, Tensor::from(velocity));
            }
        });
        state.steps += 1;
    }

    common!(state);
}
