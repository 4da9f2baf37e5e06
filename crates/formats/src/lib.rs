//! Tensor files: safetensors, npy and npz.
//!
//! Everything read here may come from anywhere: a file that is cut short, damaged or made to harm gives a [`FormatError`], never a panic,
//! and takes no more memory than its size allows for.

mod atomic;
mod error;
pub mod npy;
pub mod npz;
pub mod safetensors;
mod values;

pub use atomic::write_atomic;
pub use error::FormatError;
