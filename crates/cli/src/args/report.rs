//! What can be typed about what is said of a trained model.

use super::compute::Compute;
use super::images::Columns;
use clap::{Args, value_parser};
use std::path::PathBuf;

/// By which groups a model is measured.
#[derive(Clone, Debug, Default, Args)]
pub struct GroupArgs {
    /// Print every metric by group too: by the values of this column of the manifest, such as the hospital that an image comes from. Says how far the groups are
    /// apart, and whether that is more than chance (permutation tests). Images without a value are a group of their own.
    #[arg(long, value_name = "NAME")]
    pub group_column: Option<String>,
}

/// Compare two models on the same images: which is better, and whether that is more than chance.
///
/// Images that either has learnt from are left out. The difference has an interval by resampling the images, each with what both models gave for it; of
/// classification there is McNemar's test as well, and the images for which they predict different classes. Both must have the same task and classes, in any order.
#[derive(Debug, Args)]
pub struct CompareModels {
    /// The first model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "MODEL_A|RUN_A")]
    pub a: PathBuf,
    /// The second one.
    #[arg(value_name = "MODEL_B|RUN_B")]
    pub b: PathBuf,
    /// Images or idx files (see train --help), or mnist.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    #[command(flatten)]
    pub columns: Columns,
    /// Print all classes, and all images for which they predict different classes. By default these are the 20 classes of the largest difference and 10 images.
    #[arg(long)]
    pub all: bool,
    /// What the random numbers of the intervals come from.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = value_parser!(u64))]
    pub seed: u64,
    /// Print one JSON object, with all classes and images.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}
