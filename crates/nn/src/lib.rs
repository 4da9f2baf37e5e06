//! Networks: parameters, modules, layers, losses and optimizers, under PyTorch's names.
//!
//! ```
//! use striate_nn::{Conv2d, Forward, Linear, Module, Pass};
//! use striate_tensor::{DType, Generator, Tensor};
//!
//! #[derive(Module)]
//! struct Net {
//!     conv: Conv2d,
//!     fc: Linear,
//! }
//!
//! impl Forward for Net {
//!     fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
//!         let x = self.conv.forward(x, pass).relu().max_pool2d(2);
//!         self.fc.forward(x.flatten(1, -1), pass)
//!     }
//! }
//!
//! let rng = &mut Generator::new(0);
//! let net = Net { conv: Conv2d::new(1, 4, 3, rng), fc: Linear::new(36, 10, rng) };
//! let logits = net.forward(Tensor::zeros([2, 1, 8, 8], DType::F32), &Pass::eval());
//! assert_eq!(logits.shape(), [2, 10]);
//! assert_eq!(net.named_parameters()[0].0, "conv.weight");
//! ```

extern crate self as striate_nn;

pub mod init;
pub mod layers;
mod load_matching;
pub mod losses;
pub mod module;
pub mod notice;
pub mod optim;
mod overlap;
mod parameter;
mod pass;
pub mod schedule;
mod setters;
mod state_dict;
mod tap;

pub use layers::activation::*;
pub use layers::adaptive_pool::*;
pub use layers::branches::*;
pub use layers::conv_transpose::*;
pub use layers::conv1d::*;
pub use layers::conv2d::*;
pub use layers::dropout::*;
pub use layers::embedding::*;
pub use layers::linear::*;
pub use layers::norm::*;
pub use layers::pad::*;
pub use layers::pool::*;
pub use layers::sequential::*;
pub use layers::squeeze_excitation::*;
pub use layers::upsample::*;
pub use load_matching::{Fit, Matched, first_fault, load_matching, number_fault};
pub use losses::{
    BCEWithLogitsLoss, CIoULoss, CosineEmbeddingLoss, CrossEntropyLoss, DIoULoss, DiceLoss, FocalLoss, GIoULoss,
    HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, LovaszSoftmaxLoss, MSELoss, MultiMarginLoss, NLLLoss,
    SigmoidFocalLoss, SmoothL1Loss, TripletMarginLoss,
};
pub use module::{Classifier, Entry, EntryMut, Forward, Module};
pub use optim::{
    Adagrad, Adam, AdamW, Ema, Lamb, Lion, NAdam, Optimizer, OptimizerState, ParamGroup, ParamGroups, RMSprop, Sgd,
};
pub use overlap::{Overlap, Prefix, StateNames};
pub use parameter::{Buffer, LayerId, Parameter};
pub use pass::{Pass, Passes, Statistics};
pub use schedule::{ReduceOnPlateau, Schedule};
pub use state_dict::{StateDict, StateDictError, load_state_dict, state_dict};
pub use striate_nn_derive::Module;
