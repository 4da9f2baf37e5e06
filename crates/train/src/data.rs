//! The data of a run: training and test images, and the batches made of them.

use crate::error::TrainError;
use crate::trainer::Batches;
use std::path::Path;
use striate_data::{Batch, DataError, DataLoader, IdxFolder, ImageDataset, Preprocessing, mnist};
use striate_zoo::Architecture;

/// Batches that are made ahead of the one in use.
const PREFETCH: usize = 4;

/// Training and test images with one set of classes.
pub struct Splits {
    /// A short name, such as `mnist`.
    pub name: String,
    /// The names of the classes, in the order of the labels.
    pub classes: Vec<String>,
    /// The images to learn from.
    pub train: ImageDataset,
    /// The images to measure on.
    pub test: ImageDataset,
    /// How a picture from elsewhere becomes one of these.
    pub preprocessing: Preprocessing,
}

/// `mnist`, the built-in data, or the path of a directory of idx files.
pub fn load_data(name: &str) -> Result<Splits, TrainError> {
    let (name, folder) = if name == "mnist" {
        (name.to_string(), mnist()?)
    } else {
        let path = Path::new(name);
        let stem = path.file_name().map_or_else(|| "data".into(), |n| n.to_string_lossy().into_owned());
        (stem, IdxFolder::open(path)?)
    };
    todo!()
}
