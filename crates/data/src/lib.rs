//! Data sets, transforms and the loader that makes batches of them.

mod collate;
mod dataset;
mod decode;
pub mod download;
mod error;
mod idx;
mod image;
mod image_dataset;
pub mod images;
mod loader;
mod mnist;
pub mod parallel;
mod preprocessing;
mod resize;
mod tensor_dataset;
pub mod transforms;

pub use collate::{Batch, Collate, Sample};
pub use dataset::{Dataset, Subset};
pub use decode::{DecodeOptions, decode, decode_bytes, decode_image};
pub use error::DataError;
pub use idx::{Idx, IdxFolder};
pub use image::{AnyImage, Depth, Image};
pub use image_dataset::{ImageDataset, measure};
pub use loader::{DataLoader, Epoch};
pub use mnist::mnist;
pub use preprocessing::{Fit, Prepared, Preprocessing};
pub use resize::{Filter, Part, Scale};
pub use tensor_dataset::TensorDataset;
pub use transforms::{Compose, Normalize, Pad, ToTensor, Transform};
