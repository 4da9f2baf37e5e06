//! What can be typed about what is said of a trained model.

use super::choice::one_of;
use super::compute::Compute;
use super::images::Columns;
use clap::{Args, value_parser};
use std::path::PathBuf;
use striate::report::robustness::Attack;

/// By which groups a model is measured.
#[derive(Clone, Debug, Default, Args)]
pub struct GroupArgs {
    /// Print every metric by group too: by the values of this column of the manifest, such as the hospital that an image comes from. Says how far the groups are
    /// apart, and whether that is more than chance (permutation tests). Images without a value are a group of their own.
    #[arg(long, value_name = "NAME")]
    pub group_column: Option<String>,
    /// Read that column from this table, whose column path has the names of the images or the ends of their paths: for folders, and for objects.
    #[arg(long, value_name = "FILE.csv", requires = "group_column")]
    pub group_table: Option<PathBuf>,
}

/// What happens to the images that a model is measured on.
#[derive(Clone, Debug, Args)]
pub struct RobustnessArgs {
    /// Measure on corrupted images too: noise, blur, JPEG, brightness, contrast, rotation, scale, occlusion and pixelation, each at five strengths. What it costs is
    /// said before it starts.
    #[arg(long)]
    pub robustness: bool,
    /// Measure on images that are changed by the gradient of the loss too: fgsm, pgd, or both with a comma between them.
    #[arg(long, value_name = "fgsm|pgd", value_delimiter = ',', value_parser = attack)]
    pub attack: Vec<Attack>,
    /// By how much an attack may change a value of a pixel at most, in steps of a byte (1/255); several with commas between them.
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "2,4,8", value_parser = step, requires = "attack")]
    pub epsilon: Vec<f64>,
    /// Steps of pgd.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = value_parser!(u32).range(1..=1000), requires = "attack")]
    pub attack_steps: u32,
    /// The size of a step of pgd, in steps of a byte [default: 2.5 epsilon / steps].
    #[arg(long, value_name = "N", value_parser = step, requires = "attack")]
    pub attack_step_size: Option<f64>,
    /// The most images that are corrupted or attacked, evenly spread over all.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = value_parser!(u32).range(1..))]
    pub robustness_images: u32,
    /// Write an image with each corruption, and a few attacked ones, as PNG files into this folder.
    #[arg(long, value_name = "DIR")]
    pub robustness_examples: Option<PathBuf>,
}

fn attack(name: &str) -> Result<Attack, String> {
    one_of(name, &Attack::ALL.map(|attack| (attack.name(), attack)))
}

/// A number of steps of a byte.
fn step(text: &str) -> Result<f64, String> {
    let size = text.trim().parse().ok().filter(|size| *size > 0.0 && *size <= 255.0);
    size.ok_or_else(|| "it must be a number of steps of a byte, more than 0 and at most 255".into())
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
