//! Tensor files, read and written as a user of the crate would.

mod npy;
mod weights;
