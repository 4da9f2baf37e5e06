//! Train, fine-tune, measure and use convolutional neural networks.
//!
//! ```
//! use striate::prelude::*;
//!
//! // A network: its parameters are named after its fields, as in PyTorch.
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
//! // Two noisy patterns, told apart after a few steps.
//! let rng = &mut Generator::new(0);
//! let mut net = Net { conv: Conv2d::new(1, 4, 3, rng), fc: Linear::new(4 * 3 * 3, 2, rng) };
//! let noise = Tensor::randn([8, 1, 8, 8], DType::F32, rng) * 0.1;
//! let labels = Tensor::from_vec(vec![0i64, 1, 0, 1, 0, 1, 0, 1], [8]);
//! let images = noise + labels.clone().to_dtype(DType::F32).reshape([8, 1, 1, 1]);
//!
//! let (mut optimizer, mut passes) = (Adam::new(0.01), Passes::new(&net, 0));
//! for _ in 0..50 {
//!     let logits = net.forward(images.clone(), &passes.train());
//!     let loss = CrossEntropyLoss::new().forward(logits, &labels);
//!     optimizer.step(&mut net, &loss.backward());
//! }
//! let predicted = net.forward(images, &Pass::eval()).argmax(1, false);
//! assert_eq!(predicted.to_vec::<i64>(), labels.to_vec::<i64>());
//! ```

// So that the derive macro's paths work inside this crate too.
extern crate self as striate;

pub use striate_data as data;
pub use striate_embed as embed;
pub use striate_formats as formats;
pub use striate_graph as graph;
pub use striate_imaging as imaging;
pub use striate_model as model;
pub use striate_nn as nn;
pub use striate_onnx as onnx;
pub use striate_report as report;
pub use striate_tensor as tensor;
pub use striate_tensor::*;
pub use striate_train as train;
pub use striate_zoo as zoo;

/// What most programs need. Activations and normalizations are here with their whole files, so that a new one needs no change here; this page lists
/// them with all other names.
pub mod prelude {
    pub use striate_data::{Batch, DataLoader, Dataset, Sample, Target, mnist};
    pub use striate_imaging::{Compose, Normalize, Pad, ToTensor};
    pub use striate_model::Model;
    #[doc(inline)]
    pub use striate_nn::layers::{activation::*, norm::*};
    pub use striate_nn::{
        AdaptiveAvgPool1d, AdaptiveAvgPool2d, AdaptiveMaxPool1d, AdaptiveMaxPool2d, AvgPool1d, AvgPool2d,
        CircularPad2d, Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, Dropout, Dropout2d, Embedding, Identity, Join,
        Linear, MaxPool1d, MaxPool2d, Padding, Parallel, PixelShuffle, PixelUnshuffle, ReflectionPad2d,
        ReplicationPad2d, Residual, Sequential, SqueezeExcitation, StochasticDepth, Upsample, ZeroPad2d,
    };
    // Modules, passes and state.
    pub use striate_nn::{
        Buffer, Classifier, Forward, Module, Parameter, Pass, Passes, StateDict, Statistics, load_state_dict,
        state_dict,
    };
    // Losses.
    pub use striate_nn::{
        BCEWithLogitsLoss, CIoULoss, CosineEmbeddingLoss, CrossEntropyLoss, DIoULoss, DiceLoss, FocalLoss, GIoULoss,
        HingeEmbeddingLoss, HuberLoss, KLDivLoss, L1Loss, LovaszSoftmaxLoss, MSELoss, MultiMarginLoss, NLLLoss,
        SigmoidFocalLoss, SmoothL1Loss, TripletMarginLoss,
    };
    // Optimizers and schedules.
    pub use striate_nn::{
        Adagrad, Adam, AdamW, Ema, Lamb, Lion, NAdam, Optimizer, ParamGroup, ParamGroups, RMSprop, ReduceOnPlateau,
        Schedule, Sgd,
    };
    pub use striate_tensor::{
        Conv1dOptions, Conv2dOptions, ConvTranspose1dOptions, ConvTranspose2dOptions, DType, Device, Generator,
        Gradients, Index, Interpolation, Leaf, PaddingMode, Pool1dOptions, Pool2dOptions, Reduction, Resize, Shape,
        Tensor, UnfoldOptions, gradcheck,
    };
    pub use striate_train::{
        Classification, Config, Detection, Event, MultiLabel, OptimizerKind, Outcome, Regression, SchedulePlan,
        Segmentation, Session, Sink, Trainer,
    };
}

/// The README's code, so that it is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

#[cfg(doctest)]
mod book;
