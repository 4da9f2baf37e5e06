//! Arithmetic over slices and plain shape structs.
//!
//! The only room that holds `unsafe` code and instruction-set specific code. Everything here works on
//! plain slices; tensors, autograd and layers live above.
//!
//! Two rules keep results the same on any number of threads: work is split by the problem's size,
//! never by the number of threads, and partial sums are added in a fixed order.

pub mod batch_norm;
pub mod buffer;
pub mod conv2d;
pub mod copy;
pub mod elementwise;
pub mod float;
pub mod gemm;
pub mod group_norm;
pub mod index;
mod instruction_set;
pub mod isa;
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

pub use buffer::Buffer;
pub use float::Float;
pub use packed::{PackedWeight, Weights};

/// A number that a [`Buffer`] can hold.
///
/// Every bit pattern is a valid value, which is what lets buffers be recycled without clearing them.
///
/// # Safety
/// Implement it only for types for which all bit patterns, all zeros included, are valid.
pub unsafe trait Element: Copy + Send + Sync + PartialEq + std::fmt::Debug + Default + 'static {}

// SAFETY: all bit patterns of these are valid.
unsafe impl Element for f32 {}
// SAFETY: as above.
unsafe impl Element for f64 {}
// SAFETY: as above.
unsafe impl Element for i64 {}
// SAFETY: as above.
unsafe impl Element for u8 {}
