//! Tensors with automatic differentiation.
//!
//! A [`Tensor`] is an [`Array`] (numbers, shape, layout) and a record of how it was computed. [`Op`] lists the ops as data; [`ops`] has each
//! op's shape rule and gradient, and the methods that call it; what computes it is a [`backend::Backend`]; [`autograd`] walks the record backwards.
//!
//! ```
//! use striate_tensor::Tensor;
//! let x = Tensor::from_vec(vec![1.0f32, 2.0, 3.0], [3]).requires_grad();
//! let loss = x.clone().square().sum_all();
//! let grads = loss.backward();
//! assert_eq!(grads.get(&x).unwrap().to_vec::<f32>(), [2.0, 4.0, 6.0]);
//! ```

pub mod array;
pub mod autograd;
pub mod backend;
mod catch;
mod create;
mod deferred;
mod device;
mod display;
mod dtype;
mod element;
mod gradcheck;
#[cfg(feature = "image")]
mod image;
#[cfg(feature = "ndarray")]
mod ndarray;
mod node;
pub mod op;
pub mod ops;
pub mod profile;
mod random;
mod shape;
mod tensor;

pub use array::Array;
pub use autograd::{Gradients, Leaf};
pub use backend::{AdagradStep, AdamStep, LambStep, LionStep, NAdamStep, RmsPropStep, SgdStep, Update};
pub use catch::catch_panic;
pub use device::{Device, DeviceError};
pub use dtype::DType;
pub use element::{Element, Stored};
pub use gradcheck::{GradcheckError, gradcheck};
pub use half::{bf16, f16};
pub use op::{
    Conv2dOptions, ConvTranspose2dOptions, Family, Interpolation, Op, PaddingMode, Pool2dOptions, Resize, Spec,
};
pub use ops::batch_norm::BatchNorm;
pub use ops::compare::Operand;
pub use ops::conv_transpose::ConvTranspose1dOptions;
pub use ops::conv1d::{Conv1dOptions, Pool1dOptions};
pub use ops::loss::Reduction;
pub use ops::slicing::{Index, Indices};
pub use ops::unfold::UnfoldOptions;
pub use random::Generator;
pub use shape::{MAX_RANK, Shape};
pub use striate_kernels::AlignedVec;
pub use striate_kernels::isa;
pub use striate_kernels::memory::{
    held as memory_held, peak_during as peak_memory_during, reusing_larger as reusing_larger_memory,
    trim as trim_memory,
};
pub use striate_kernels::peak;
pub use striate_kernels::settings::{ComputeSettings, Precision};
pub use striate_kernels::threads::{Running, num_threads, set_num_threads};
pub use tensor::Tensor;
