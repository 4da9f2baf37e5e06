//! Arithmetic over slices and plain shape structs.
//!
//! The only room that holds `unsafe` code and instruction-set specific code. Everything here works on
//! plain slices; tensors, autograd and layers live above.
//!
//! Two rules keep results the same on any number of threads: sums are split by the problem's size,
//! never by the number of threads, and partial sums are added in a fixed order.

pub mod batch_norm;
pub mod conv2d;
pub mod copy;
mod element;
pub mod elementwise;
pub mod float;
pub mod gemm;
pub mod grid_sample;
pub mod group_norm;
pub mod index;
mod instruction_set;
pub mod isa;
pub mod memory;
pub mod number;
pub mod optim;
mod packed;
pub mod peak;
pub mod pool2d;
pub mod reduce;
pub mod resample;
pub mod scan;
pub mod settings;
pub mod simd;
pub mod softmax;
pub mod sort;
mod strided;
mod target;
pub mod threads;
mod training;

pub use element::{Bool, Element};
pub use float::Float;
pub use memory::AlignedVec;
pub use packed::{PackedMatrix, PackedWeight, Weights};
pub use training::{TRAINING, no_training};
