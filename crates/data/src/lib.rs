//! Data sets, transforms and the loader that makes batches of them.

pub mod annotations;
mod collate;
mod dataset;
pub mod download;
mod error;
mod idx;
mod image_dataset;
pub mod images;
mod loader;
mod mask;
mod mnist;
mod object;
pub mod parallel;
mod source;
mod target;
mod tensor_dataset;
pub mod transforms;

pub use collate::{Batch, Collate, Sample};
pub use dataset::{Dataset, Subset};
pub use error::DataError;
pub use idx::{Idx, IdxFolder};
pub use image_dataset::{ImageDataset, measure};
pub use loader::{DataLoader, Epoch};
pub use mask::{Mask, VOID, class_numbers};
pub use mnist::mnist;
pub use object::Object;
pub use target::{Target, TargetKind};
pub use tensor_dataset::TensorDataset;
