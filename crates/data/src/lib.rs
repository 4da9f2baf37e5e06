//! Data sets, transforms and the loader that makes batches of them.

mod collate;
mod dataset;
mod error;
mod idx;
mod image;
mod image_dataset;
mod image_file;
mod loader;
mod mnist;
mod preprocessing;
mod tensor_dataset;
pub mod transforms;

pub use collate::{Batch, Collate, Sample};
pub use dataset::{Dataset, Subset};
pub use error::DataError;
pub use idx::{Idx, IdxFolder};
pub use image::Image;
pub use image_dataset::{ImageDataset, measure};
pub use image_file::decode;
pub use loader::{DataLoader, Epoch};
pub use mnist::mnist;
pub use preprocessing::{Fit, Prepared, Preprocessing};
pub use tensor_dataset::TensorDataset;
pub use transforms::{Compose, Normalize, Pad, ToTensor, Transform};
