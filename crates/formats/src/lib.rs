//! Tensor files: safetensors, PyTorch, npy and npz.
//!
//! Everything read here may come from anywhere: a file that is cut short, damaged or made to harm gives a [`FormatError`], never a panic,
//! and takes no more memory than its size allows for.

mod atomic;
mod elements;
mod error;
mod names;
pub mod npy;
pub mod npz;
mod pickle;
pub mod pth;
mod read;
pub mod safetensors;
mod sniff;
mod values;
mod weights;

pub use atomic::write_atomic;
pub use error::FormatError;
pub use names::shown;
pub use read::{read_weights, read_weights_entry, weights_from_bytes};
pub use weights::{Format, Unreadable, Weights};
