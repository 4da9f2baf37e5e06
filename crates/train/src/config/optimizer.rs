//! [`OptimizerKind`].

use serde::{Deserialize, Serialize};
use striate_nn::{Adagrad, Adam, AdamW, Lamb, Lion, NAdam, RMSprop, Sgd};

/// Which optimizer trains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Adam with PyTorch's defaults.
    #[default]
    Adam,
    /// AdamW with PyTorch's defaults, weight decay 0.01 among them.
    AdamW,
    /// Stochastic gradient descent with Nesterov momentum 0.9.
    Sgd,
    /// RMSprop with PyTorch's defaults.
    RmsProp,
    /// Adagrad with PyTorch's defaults.
    Adagrad,
    /// NAdam with PyTorch's defaults.
    NAdam,
    /// Lion with its paper's betas.
    Lion,
    /// LAMB with its paper's settings.
    Lamb,
}

impl OptimizerKind {
    /// All of them.
    pub const ALL: [OptimizerKind; 8] = [
        OptimizerKind::Adam,
        OptimizerKind::AdamW,
        OptimizerKind::Sgd,
        OptimizerKind::RmsProp,
        OptimizerKind::Adagrad,
        OptimizerKind::NAdam,
        OptimizerKind::Lion,
        OptimizerKind::Lamb,
    ];

    /// Its name, as it is written in `config.toml` and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            OptimizerKind::Adam => "adam",
            OptimizerKind::AdamW => "adamw",
            OptimizerKind::Sgd => "sgd",
            OptimizerKind::RmsProp => "rmsprop",
            OptimizerKind::Adagrad => "adagrad",
            OptimizerKind::NAdam => "nadam",
            OptimizerKind::Lion => "lion",
            OptimizerKind::Lamb => "lamb",
        }
    }

    /// Its own weight decay.
    pub fn weight_decay(self) -> f64 {
        const ANY: f64 = 1.0;
        match self {
            OptimizerKind::Adam => Adam::new(ANY).weight_decay,
            OptimizerKind::AdamW => AdamW::new(ANY).weight_decay,
            OptimizerKind::Sgd => Sgd::new(ANY).weight_decay,
            OptimizerKind::RmsProp => RMSprop::new(ANY).weight_decay,
            OptimizerKind::Adagrad => Adagrad::new(ANY).weight_decay,
            OptimizerKind::NAdam => NAdam::new(ANY).weight_decay,
            OptimizerKind::Lion => Lion::new(ANY).weight_decay,
            OptimizerKind::Lamb => Lamb::new(ANY).weight_decay,
        }
    }

    /// Whether it has means of the gradient and of its square, whose memory betas set.
    pub fn has_betas(self) -> bool {
        !matches!(self, OptimizerKind::Sgd | OptimizerKind::RmsProp | OptimizerKind::Adagrad)
    }
}
