//! Optimizers, and what goes with them: parameter groups, clipping, accumulation, penalties, averaged weights.
//!
//! ```
//! use striate_nn::optim::{AdamW, ParamGroups, clip_grad_norm};
//! use striate_nn::{Linear, Forward, Optimizer, Pass};
//! use striate_tensor::{DType, Generator, Tensor};
//!
//! let mut net = Linear::new(3, 1, &mut Generator::new(0));
//! let mut optimizer = AdamW::new(1e-3).weight_decay(0.05).groups(ParamGroups::new().no_decay_on_biases_and_norms());
//! let loss = net.forward(Tensor::ones([2, 3], DType::F32), &Pass::train(0)).square().sum_all();
//! let mut gradients = loss.backward();
//! let norm = clip_grad_norm(&net, &mut gradients, 1.0, 2.0);
//! optimizer.step(&mut net, &gradients);
//! assert!(norm > 0.0);
//! ```

mod accumulate;
mod adam;
mod clip;
mod ema;
mod groups;
mod lamb;
mod lion;
mod nadam;
mod penalty;
mod rmsprop;
mod sgd;

pub use accumulate::Accumulator;
pub use adam::{Adam, AdamW};
pub use clip::{clip_grad_norm, clip_grad_value, grad_norm};
pub use ema::Ema;
pub use groups::{ParamGroup, ParamGroups};
pub use lamb::Lamb;
pub use lion::Lion;
pub use nadam::NAdam;
pub use penalty::{l1_penalty, l2_penalty};
pub use rmsprop::{Adagrad, RMSprop};
pub use sgd::Sgd;

use crate::module::Module;
use std::collections::BTreeMap;
use striate_tensor::{Array, DType, Gradients, Tensor};

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
    /// Changes every parameter of `model` that has a gradient and is not frozen.
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

fn filled_like(t: &Tensor, value: f64) -> Array {
    Tensor::full_like(t, value).into_array()
}

/// A parameter to change, with the settings that its groups leave it.
struct Site<'a> {
    name: &'a str,
    value: &'a mut Tensor,
    grad: Tensor,
    lr: f64,
    weight_decay: f64,
}

/// Calls `f` for every parameter that has a gradient and is not frozen.
fn for_each(
    model: &mut dyn Module,
    gradients: &Gradients,
    groups: &ParamGroups,
    (lr, weight_decay): (f64, f64),
    mut f: impl FnMut(Site),
) {
    for (name, parameter) in model.named_parameters_mut() {
        let Some(grad) = gradients.get(parameter) else { continue };
        let own = groups.settings(&name, parameter.value());
        if own.frozen == Some(true) {
            continue;
        }
        f(Site {
            name: &name,
            value: parameter.value_mut(),
            grad,
            lr: own.lr_scale.map_or(lr, |scale| lr * scale),
            weight_decay: own.weight_decay.unwrap_or(weight_decay),
        });
    }
}

impl OptimizerState {
    /// Calls `f` with the tensors `<kind>.<name>`, to change. Those that are not there yet start filled with `start`.
    fn with<R>(
        &mut self,
        kinds: &[&str],
        name: &str,
        like: &mut Tensor,
        start: f64,
        f: impl FnOnce(&mut Tensor, &mut Vec<Array>) -> R,
    ) -> R {
        let keys: Vec<String> = kinds.iter().map(|kind| format!("{kind}.{name}")).collect();
        let take = |key: &String| self.tensors.remove(key).map_or_else(|| filled_like(like, start), Tensor::into_array);
        let mut arrays: Vec<Array> = keys.iter().map(take).collect();
        let result = f(like, &mut arrays);
        self.tensors.extend(keys.into_iter().zip(arrays.into_iter().map(Tensor::from)));
        result
    }
}

/// The only element, whatever its type.
fn number(t: Tensor) -> f64 {
    t.detach().to_dtype(DType::F64).item::<f64>()
}

/// The builder methods and the parts of [`Optimizer`] that all have.
macro_rules! common {
    () => {
        /// With settings of their own for some parameters.
        pub fn groups(mut self, groups: ParamGroups) -> Self {
            self.groups = groups;
            self
        }
    };
    (betas) => {
        /// With other betas.
        pub fn betas(mut self, beta1: f64, beta2: f64) -> Self {
            self.betas = (beta1, beta2);
            self
        }
    };
    (state) => {
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
use common;
