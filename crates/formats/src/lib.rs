//! Tensor files: safetensors, PyTorch, npy and npz.
//!
//! Everything read here may come from anywhere: a file that is cut short, damaged or made to harm gives a [`FormatError`], never a panic,
//! and takes no more memory than its size allows for.

mod atomic;
mod elements;
mod error;
mod names;
pub mod npy;
#[cfg(feature = "archives")]
pub mod npz;
#[cfg(feature = "archives")]
mod pickle;
#[cfg(feature = "archives")]
pub mod pth;
#[cfg(feature = "archives")]
mod read;
pub mod safetensors;
#[cfg(feature = "archives")]
mod sniff;
mod unreadable;
mod values;
#[cfg(feature = "archives")]
mod weights;

pub use atomic::{write_atomic, write_atomic_with};
pub use error::FormatError;
pub use names::shown;
#[cfg(feature = "archives")]
pub use read::{read_weights, read_weights_entry, weights_from_bytes};
pub use unreadable::Unreadable;
#[cfg(feature = "archives")]
pub use weights::{Format, Weights};
