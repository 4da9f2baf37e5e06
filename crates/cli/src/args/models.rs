//! What can be typed to use a trained model.

use super::calibrate::fraction;
use super::compute::Inference;
use super::images::Columns;
use super::report::{GroupArgs, RobustnessArgs};
use clap::{Args, ValueEnum, value_parser};
use std::path::PathBuf;
use striate::model::ConformalMethod;

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
    #[command(flatten)]
    pub groups: GroupArgs,
    #[command(flatten)]
    pub robustness: RobustnessArgs,
    #[command(flatten)]
    pub boxes: BoxArgs,
    /// Classes: measure how well scores tell these images, which the model was not made for, from DATA: maximum softmax, energy, and the Mahalanobis distance of features.
    /// Classes of theirs are not looked at.
    #[arg(long, value_name = "OTHER")]
    pub out_of_distribution: Option<PathBuf>,
    /// Classes: also measure how often the right class is among the K of the highest scores.
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(1..))]
    pub top_k: Option<u32>,
    /// Print one JSON object, with all metrics, their 95% intervals (Wilson's of proportions, else over resampled images) and the whole confusion matrix.
    #[arg(long)]
    pub json: bool,
    /// Write the whole confusion matrix to a file: a row for each actual class, a column for each predicted one.
    #[arg(long, value_name = "FILE.csv")]
    pub csv: Option<PathBuf>,
    /// Write a report into this folder: report.html, a page that needs no other file, with what is right and wrong, how sure that is, and the images on which the
    /// model fails; all its numbers as report.json; and MODEL_CARD.md, in which only what its author must write is left open, and stays when it is written again.
    #[arg(long, value_name = "DIR")]
    pub report: Option<PathBuf>,
    /// The images have no labels: print how often each class, label or object is predicted, or the range of the numbers, and with --report show the images of
    /// which the model is least and most certain. Nothing is measured.
    #[arg(long, requires = "data", conflicts_with_all = ["out_of_distribution", "csv", "group_column", "robustness", "attack", "top_k"])]
    pub unlabelled: bool,
    /// Print all classes and the whole confusion matrix where there are more than 20 classes, too. By default these are the 20 classes of
    /// the lowest recall and the 20 pairs of classes that are confused most often.
    #[arg(long)]
    pub all: bool,
    #[command(flatten)]
    pub inference: Inference,
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
    /// Detection and segmentation: write a PNG file of each image into this folder, with boxes, classes and scores, or the colours of the classes, drawn over it.
    #[arg(long, value_name = "DIR")]
    pub draw: Option<PathBuf>,
    /// Segmentation: write the class of each pixel into this folder, as a PNG file with a palette whose indices are the classes, 255 where the network does not see
    /// the image.
    #[arg(long, value_name = "DIR")]
    pub masks: Option<PathBuf>,
    /// Detection: the least score of a box [default: for each class the one of the highest F1 on the validation images].
    #[arg(long, value_name = "SCORE", value_parser = score)]
    pub score: Option<f32>,
    #[command(flatten)]
    pub boxes: BoxArgs,
    /// Segmentation: go over larger images in squares of this many of their pixels, each of which the network sees at its own size. Take the side that the training
    /// images had. [default: the whole image at once]
    #[arg(long, value_name = "PIXELS", value_parser = value_parser!(u32).range(1..))]
    pub window: Option<u32>,
    /// How far these squares overlap, as a fraction of their side.
    #[arg(long, value_name = "FRACTION", default_value = "0.5", value_parser = overlap, requires = "window")]
    pub overlap: f64,
    /// Classes: print the set of classes that holds the actual one so often, such as 0.95, for images like those that striate calibrate has seen.
    #[arg(long, value_name = "FRACTION", value_parser = fraction)]
    pub coverage: Option<f64>,
    /// How sets are made: lac (classes from a probability on: the smallest sets) or aps (the likeliest classes up to a probability in all: coverage is more even over easy and
    /// hard images).
    #[arg(long, value_name = "lac|aps", default_value = "lac", requires = "coverage")]
    pub sets: ConformalMethod,
    /// Print one JSON object per image. For a path that is not UTF-8, image has � in its place, and image_bytes all its bytes, percent-encoded
    /// (caf%E9.png).
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub inference: Inference,
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

/// Write a model for other programs: its weights under PyTorch's names, the whole network as ONNX, or a Rust crate with the weights embedded.
///
/// torch, npz and safetensors have the weights and nothing else: torch is a state dict as torch.save writes it. onnx has the network, too, with
/// the classes and the preprocessing in its metadata. rust is a crate with classify(&[u8]) and a program that calls it, which need no model file; cargo builds it.
/// What is written as onnx or rust is read back and must give what the model gives. The model file itself is a safetensors file.
#[derive(Debug, Args)]
pub struct Export {
    /// The model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "MODEL|RUN")]
    pub model: PathBuf,
    /// What to write: onnx, rust (a crate with the weights embedded), torch, which may be called pth or pt, npz or safetensors [default: as the ending of --out says,
    /// else torch].
    #[arg(long, value_name = "onnx|rust|torch|npz|safetensors", hide_possible_values = true)]
    pub format: Option<ExportFormat>,
    /// The file to write, or the directory of the crate, which gives it its name [default: beside the model, such as model.onnx, model-weights.pth or model-crate].
    #[arg(long, value_name = "FILE|DIR")]
    pub out: Option<PathBuf>,
    /// ONNX: take images of any size, u8 [batch, height, width, 3] in the order red, green, blue, and prepare them in the file itself: grey, scaling, cutting out the
    /// middle, normalization. Needs opset 18.
    #[arg(long)]
    pub with_preprocessing: bool,
    /// ONNX: the version of the operators, 17 to 28 [default: 17, which most runtimes take; 18 for --with-preprocessing].
    #[arg(long, value_name = "N")]
    pub opset: Option<i64>,
    /// ONNX: end with a softmax, so that the outputs are probabilities and not scores.
    #[arg(long)]
    pub softmax: bool,
    /// ONNX: end a detector with non-maximum suppression, by the model's own thresholds: a further output, detections, has a row for each object: image, class, score,
    /// left, top, right, bottom.
    #[arg(long)]
    pub nms: bool,
    /// ONNX and rust: store weights in 16 bits, for a file of half the size. They are computed with in 32.
    #[arg(long)]
    pub half: bool,
}

/// Make a model file of a classifier that another program wrote as ONNX.
///
/// eval, predict, inspect and export take it. The names of the classes and the preprocessing are those in the file's metadata, where Striate wrote it.
#[derive(Debug, Args)]
pub struct Import {
    /// The ONNX file.
    #[arg(value_name = "FILE.onnx")]
    pub file: PathBuf,
    /// The model file to write [default: in this directory, with the file's name].
    #[arg(long, value_name = "FILE.safetensors")]
    pub out: Option<PathBuf>,
    /// A text file with the name of a class in each line, in the order of the outputs [default: as the file says, else their numbers].
    #[arg(long, value_name = "FILE")]
    pub classes: Option<PathBuf>,
    /// How images are prepared: imagenet (the middle of the image, less ImageNet's mean, by its deviation), unit (values from 0 to 1), signed (-1 to 1), bytes (0 to
    /// 255), or a JSON file such as a run's preprocessing.json [default: as the file says].
    #[arg(long, value_name = "NAME|FILE.json")]
    pub preprocessing: Option<PathBuf>,
}

/// Run a network on arrays: any ONNX file of supported operators, or a model file.
///
/// Prints shape, range and mean of each output. Without inputs it says which the network takes.
#[derive(Debug, Args)]
pub struct RunFile {
    /// The ONNX file, the model file (model.safetensors), or the directory of the run that made it.
    #[arg(value_name = "FILE.onnx|MODEL|RUN")]
    pub file: PathBuf,
    /// An array for an input, NAME=x.npy; x.npy alone where there is one input; or several by their names, x.npz. May be given several times. An input for which the file
    /// has a default may be left out.
    #[arg(long = "input", value_name = "[NAME=]x.npy|x.npz")]
    pub inputs: Vec<String>,
    /// Write all outputs under their names.
    #[arg(long, value_name = "FILE.npz")]
    pub output: Option<PathBuf>,
    /// Run for two seconds, and print the time of a run.
    #[arg(long)]
    pub time: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub inference: Inference,
}

/// The kinds of files that weights are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    #[value(aliases = ["pth", "pt", "pytorch"])]
    Torch,
    #[value(alias = "numpy")]
    Npz,
    Onnx,
    #[value(alias = "crate")]
    Rust,
    Safetensors,
}

/// How a detector looks at an image, and which of its boxes stay.
#[derive(Clone, Debug, Default, Args)]
pub struct BoxArgs {
    /// Detection: look at each image at these times the model's own size as well, such as 0.75,1.5, and join what is found (multi-scale test).
    #[arg(long, value_name = "FACTOR", value_delimiter = ',')]
    pub scales: Vec<f64>,
    /// Detection: a box lowers the scores of those that overlap with it by exp(-IoU²/SIGMA), instead of dropping them (soft-NMS). 0.5 is usual.
    #[arg(long, value_name = "SIGMA", value_parser = sigma)]
    pub soft_nms: Option<f32>,
}

fn sigma(text: &str) -> Result<f32, String> {
    let sigma = text.parse().ok().filter(|sigma: &f32| *sigma > 0.0 && sigma.is_finite());
    sigma.ok_or_else(|| "it must be a number above 0, such as 0.5".into())
}

fn score(text: &str) -> Result<f32, String> {
    text.parse()
        .ok()
        .filter(|score| (0.0..1.0).contains(score))
        .ok_or_else(|| "it must be a number from 0 to below 1".into())
}

fn overlap(text: &str) -> Result<f64, String> {
    let overlap = text.parse().ok().filter(|overlap| (0.0..=0.9).contains(overlap));
    overlap.ok_or_else(|| "it must be a number from 0 to 0.9".into())
}
