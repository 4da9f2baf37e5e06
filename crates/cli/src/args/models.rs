//! What can be typed to use a trained model.

use super::compute::Compute;
use super::images::Columns;
use clap::{Args, ValueEnum, value_parser};
use std::path::PathBuf;

/// Measure a model on images that it has not learnt from: accuracy, loss, precision and recall per class, confusion matrix.
#[derive(Debug, Args)]
pub struct Eval {
    /// The model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "MODEL|RUN")]
    pub model: PathBuf,
    /// Images or idx files (see train --help), or mnist [default: the data that it was trained on]. Images that the model has learnt from are known by
    /// their content, wherever they lie: they are left out, and counted.
    #[arg(value_name = "DATA")]
    pub data: Option<PathBuf>,
    #[command(flatten)]
    pub columns: Columns,
    /// Print one JSON object, with the whole confusion matrix.
    #[arg(long)]
    pub json: bool,
    /// Write the whole confusion matrix to a file: a row for each actual class, a column for each predicted one.
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
    /// Print all classes and the whole confusion matrix where there are more than 20 classes, too. By default these are the 20 classes of
    /// the lowest recall and the 20 pairs of classes that are confused most often.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// Classify images.
///
/// JPEG, PNG, WebP, GIF, TIFF, BMP and PNM files of any size are taken. For a model of grey images a dark drawing on light ground is inverted, and that is said.
///
/// An image that cannot be read gets a line that begins with "error:", the others are predicted, and the exit code is 1.
#[derive(Debug, Args)]
pub struct Predict {
    /// The model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "MODEL|RUN")]
    pub model: PathBuf,
    /// The images: files; folders, for all images in them and in their folders, but for hidden ones; patterns such as 'photos/*.jpg', if the
    /// shell has left them as they are; or - for one image from standard input.
    #[arg(value_name = "IMAGE|FOLDER|-", required = true)]
    pub images: Vec<PathBuf>,
    /// How many of the likeliest classes to print [default: 2, with --json 3].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub top: Option<u32>,
    /// Print one JSON object per image. For a path that is not UTF-8, image has � in its place, and image_bytes all its bytes, percent-encoded
    /// (caf%E9.png).
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// List the ready networks: parameters, multiply-adds, size of images, and the accuracy of published weights.
///
/// The accuracy is that on ImageNet's validation images, as published with the weights that striate train --weights imagenet starts from.
#[derive(Debug, Args)]
pub struct Models {
    /// Show this one alone, with the address of its published weights and how images come to them.
    #[arg(value_name = "NAME")]
    pub name: Option<String>,
    /// Print one JSON object per network.
    #[arg(long)]
    pub json: bool,
}

/// Write a model's weights for other programs, under PyTorch's names.
///
/// The file has the weights and nothing else: torch is a state dict as torch.save writes it. The model file itself is a safetensors file, too,
/// with the classes and the preprocessing in its metadata.
#[derive(Debug, Args)]
pub struct Export {
    /// The model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "MODEL|RUN")]
    pub model: PathBuf,
    /// What to write: torch, which may be called pth or pt, npz or safetensors [default: as the ending of --out says, else torch].
    #[arg(long, value_name = "torch|npz|safetensors", hide_possible_values = true)]
    pub format: Option<ExportFormat>,
    /// The file to write [default: beside the model, such as model-weights.pth].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The kinds of files that weights are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    #[value(aliases = ["pth", "pt", "pytorch"])]
    Torch,
    #[value(alias = "numpy")]
    Npz,
    Safetensors,
}
