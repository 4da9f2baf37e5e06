//! What can be typed to make probabilities honest.

use super::compute::Compute;
use super::images::Columns;
use clap::Args;
use std::path::PathBuf;

/// Make a model's probabilities honest: fit a temperature on images that it has not learnt from, and store it in the model file.
///
/// What the model predicts stays the same, and so do its weights. predict, eval and export --softmax use the temperature where there is one; predict --coverage makes sets of
/// classes of what is stored beside it.
///
/// Prints how far probabilities are from what came true, before and after: after with temperatures that were fitted on other images than they are measured on.
#[derive(Debug, Args)]
pub struct Calibrate {
    /// The model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "MODEL|RUN")]
    pub model: PathBuf,
    /// Images or idx files (see train --help), or mnist [default: the data that it was trained on]. Images that the model has learnt from are left out, as eval does.
    #[arg(value_name = "DATA")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub columns: Columns,
    /// The model file to write [default: MODEL itself].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Measure, and write no model file.
    #[arg(long, conflicts_with = "out")]
    pub dry_run: bool,
    /// Accuracies to find the least probability for, from which on predictions are as often right.
    #[arg(long, value_name = "FRACTIONS", default_value = "0.95,0.99,0.999", value_delimiter = ',', value_parser = fraction)]
    pub accuracy: Vec<f64>,
    /// How often sets of classes are to hold the actual one: what predict --coverage takes.
    #[arg(long, value_name = "FRACTIONS", default_value = "0.9,0.95,0.99", value_delimiter = ',', value_parser = fraction)]
    pub coverage: Vec<f64>,
    /// Write the reliability diagram and accuracy against coverage as SVG into this folder.
    #[arg(long, value_name = "DIR")]
    pub plots: Option<PathBuf>,
    /// What the folds are drawn from.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// A number between 0 and 1.
pub fn fraction(text: &str) -> Result<f64, String> {
    let number = text.trim().parse().ok().filter(|x| *x > 0.0 && *x < 1.0);
    number.ok_or_else(|| "it must be a number between 0 and 1, such as 0.95".into())
}

/// List images whose label is likely wrong, by confident learning.
///
/// An image is suspected if a model that has not learnt from it is surer of another class than it usually is of images with that label. Best are the answers of a
/// cross-validation (train --folds), which looks at every image; of a model the images that it has not learnt from are looked at.
///
/// What is listed is to be looked at by a person: rare kinds of images look like wrong labels.
#[derive(Debug, Args)]
pub struct LabelErrors {
    /// The directory of a cross-validation or its predictions.csv; or a model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "FOLDS|MODEL|RUN")]
    pub source: PathBuf,
    /// Of a model: images (see train --help), or mnist [default: the data that it was trained on].
    #[arg(value_name = "DATA")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub columns: Columns,
    /// Suspect fewer images, of which more are wrong: those that are also among the least likely of their class.
    #[arg(long)]
    pub strict: bool,
    /// How many to print; --csv and --json have all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub top: usize,
    /// Write all suspects to a file: image, label, suggested class, and the probabilities of both.
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}
