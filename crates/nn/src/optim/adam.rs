use super::{Optimizer, OptimizerState, ParamGroups, Site, common, for_each};
use crate::module::Module;
use crate::setters::setters;
use striate_tensor::{AdamStep, Gradients, Update};

macro_rules! adam {
    ($name:ident, $doc:literal, $decay_doc:literal, $new_doc:literal, decoupled: $decoupled:literal, weight_decay: $decay:literal) => {
        #[doc = $doc]
        #[derive(Clone)]
        pub struct $name {
            /// The learning rate.
            pub lr: f64,
            /// How long the means of the gradient and of its square remember.
            pub betas: (f64, f64),
            /// What is added to the denominator.
            pub eps: f64,
            #[doc = $decay_doc]
            pub weight_decay: f64,
            /// Settings of some parameters' own.
            pub groups: ParamGroups,
            state: OptimizerState,
        }

        impl $name {
            #[doc = $new_doc]
            pub fn new(lr: f64) -> Self {
                $name {
                    lr,
                    betas: (0.9, 0.999),
                    eps: 1e-8,
                    weight_decay: $decay,
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

        impl Optimizer for $name {
            fn step(&mut self, model: &mut dyn Module, gradients: &Gradients) {
                let $name { lr, betas, eps, weight_decay, groups, state } = self;
                state.steps += 1;
                let steps = state.steps;
                for_each(model, gradients, groups, (*lr, *weight_decay), |site| {
                    let Site { name, value, grad, lr, weight_decay } = site;
                    let step = Update::Adam(AdamStep {
                        lr,
                        beta1: betas.0,
                        beta2: betas.1,
                        eps: *eps,
                        weight_decay,
                        decoupled: $decoupled,
                        step: steps,
                    });
                    state.with(&["exp_avg", "exp_avg_sq"], name, value, 0.0, |value, means| {
                        value.update(&step, &grad, means);
                    });
                });
            }

            common!(state);
        }
    };
}

adam!(
    Adam,
    "Adam (`torch.optim.Adam`; Kingma and Ba, 2015).",
    "This times the parameter is added to the gradient, as an L2 penalty.",
    "Betas 0.9 and 0.999, `eps` 10⁻⁸, no weight decay.",
    decoupled: false,
    weight_decay: 0.0
);
adam!(
    AdamW,
    "Adam with weight decay of the parameter itself (`torch.optim.AdamW`; Loshchilov and Hutter, 2019).",
    "The learning rate times this times the parameter is taken from the parameter.",
    "Betas 0.9 and 0.999, `eps` 10⁻⁸, weight decay 0.01.",
    decoupled: true,
    weight_decay: 0.01
);
