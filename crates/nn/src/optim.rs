//! Optimizers.

use crate::module::Module;
use std::collections::BTreeMap;
use striate_tensor::{AdamStep, Array, Gradients, SgdStep, Tensor};

/// What an optimizer carries from step to step: tensors by name, and the number of steps taken.
#[derive(Clone, Default)]
pub struct OptimizerState {
    /// Tensors by `<kind>.<parameter>`, such as `exp_avg.conv1.weight`.
    pub tensors: BTreeMap<String, Tensor>,
    /// Steps taken.
    pub steps: u64,
}

/// Something that changes a network's parameters by their gradients.
pub trait Optimizer: Send {
    /// Changes every parameter of `model` that has a gradient.
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients);
    /// The learning rate.
    fn lr(&self) -> f64;
    /// Changes the learning rate of later steps.
    fn set_lr(&mut self, lr: f64);
    /// What it carries from step to step.
    fn state(&self) -> &OptimizerState;
    /// Goes on from an earlier state.
    fn set_state(&mut self, state: OptimizerState);
}

fn zeros_like(t: &Tensor) -> Array {
    Tensor::zeros(t.shape_value(), t.dtype()).into_array()
}

/// Calls `f` with the name, value and gradient of every parameter that has one.
fn for_each(model: &mut dyn Module, gradients: &Gradients, mut f: impl FnMut(&str, &mut Tensor, Tensor)) {
    for (name, parameter) in model.named_parameters_mut() {
        if let Some(grad) = gradients.get(parameter) {
            f(&name, parameter.value_mut(), grad);
        }
    }
}

macro_rules! state_and_lr {
    () => {
        fn lr(&self) -> f64 {
            self.lr
        }
        fn set_lr(&mut self, lr: f64) {
            self.lr = lr;
        }
        fn state(&self) -> &OptimizerState {
            &self.state
        }
        fn set_state(&mut self, state: OptimizerState) {
            self.state = state;
        }
    };
}

/// Stochastic gradient descent (`torch.optim.SGD`).
#[derive(Clone, Default)]
pub struct Sgd {
    /// The learning rate.
    pub lr: f64,
    /// The share of the last step's direction that is kept.
    pub momentum: f64,
    /// The share of the gradient that momentum leaves out.
    pub dampening: f64,
    /// This times the parameter is added to the gradient.
    pub weight_decay: f64,
    /// Whether to look ahead along the momentum (Nesterov).
    pub nesterov: bool,
    state: OptimizerState,
}

impl Sgd {
    /// Plain gradient descent.
    pub fn new(lr: f64) -> Self {
        Sgd { lr, ..Sgd::default() }
    }

    /// With momentum.
    pub fn momentum(mut self, momentum: f64) -> Self {
        self.momentum = momentum;
        self
    }

    /// With Nesterov's momentum.
    pub fn nesterov(mut self, momentum: f64) -> Self {
        self.nesterov = true;
        self.momentum(momentum)
    }

    /// With dampening of the gradient that enters the momentum.
    pub fn dampening(mut self, dampening: f64) -> Self {
        self.dampening = dampening;
        self
    }

    /// With weight decay, as an L2 penalty.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }
}

impl Optimizer for Sgd {
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
        let Sgd { lr, momentum, dampening, weight_decay, nesterov, state } = self;
        for_each(model, gradients, |name, value, grad| {
            let key = format!("momentum_buffer.{name}");
            let mut velocity = (*momentum != 0.0).then(|| match state.tensors.remove(&key) {
                Some(v) => (v.into_array(), false),
                None => (zeros_like(value), true),
            });
            let step = SgdStep {
                lr: *lr,
                momentum: *momentum,
                dampening: *dampening,
                weight_decay: *weight_decay,
                nesterov: *nesterov,
                first: velocity.as_ref().is_some_and(|v| v.1),
                maximize: false,
            };
            value.sgd_step(&step, &grad, velocity.as_mut().map(|v| &mut v.0));
            if let Some((velocity, _)) = velocity {
                state.tensors.insert(key, velocity.into());
            }
        });
        state.steps += 1;
    }

    state_and_lr!();
}

/// Adam (`torch.optim.Adam`; Kingma and Ba, 2015).
#[derive(Clone)]
pub struct Adam {
    /// The learning rate.
    pub lr: f64,
    /// How long the means of the gradient and of its square remember.
    pub betas: (f64, f64),
    /// What is added to the denominator.
    pub eps: f64,
    /// This times the parameter is added to the gradient.
    pub weight_decay: f64,
    state: OptimizerState,
}

impl Adam {
    /// Betas 0.9 and 0.999, `eps` 10⁻⁸, no weight decay.
    pub fn new(lr: f64) -> Self {
        Adam { lr, betas: (0.9, 0.999), eps: 1e-8, weight_decay: 0.0, state: OptimizerState::default() }
    }

    /// With other betas.
    pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
        self.betas = (beta1, beta2);
        self
    }

    /// With weight decay, as an L2 penalty.
    pub fn weight_decay(mut self, weight_decay: f64) -> Self {
        self.weight_decay = weight_decay;
        self
    }
}

impl Optimizer for Adam {
    fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
        let Adam { lr, betas, eps, weight_decay, state } = self;
        state.steps += 1;
        let step = AdamStep {
            lr: *lr,
            beta1: betas.0,
            beta2: betas.1,
            eps: *eps,
            weight_decay: *weight_decay,
            decoupled: false,
            step: state.steps,
        };
        for_each(model, gradients, |name, value, grad| {
            let keys = [format!("exp_avg.{name}"), format!("exp_avg_sq.{name}")];
            let mut take =
                |key: &String| state.tensors.remove(key).map_or_else(|| zeros_like(value), Tensor::into_array);
            let [mut m, mut v] = [take(&keys[0]), take(&keys[1])];
            value.adam_step(&step, &grad, &mut m, &mut v);
            let [m_key, v_key] = keys;
            state.tensors.insert(m_key, m.into());
            state.tensors.insert(v_key, v.into());
        });
    }

    state_and_lr!();
}
