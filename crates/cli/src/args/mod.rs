//! What can be typed: each flag's name, help and type stand here alone.

use crate::args_images::{Columns, Data};
use crate::args_training::{Finetune, Train};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;
use std::ffi::OsString;
use std::path::PathBuf;
use striate::prelude::Device;
use striate::zoo::text::closest;

/// Train, fine-tune, measure and use convolutional neural networks.
#[derive(Debug, Parser)]
#[command(name = "striate", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Train(Box<Train>),
    Finetune(Box<Finetune>),
    Eval(Eval),
    Predict(Predict),
    Inspect(Inspect),
    Models(Models),
    Export(Export),
    Bench(Bench),
    Data(Data),
    Completions(Completions),
}

/// Where and how fast to compute.
#[derive(Clone, Copy, Debug, Args)]
pub struct Compute {
    /// Where to compute: auto takes a GPU if this build supports one and the machine has it.
    #[arg(long, value_name = "auto|cpu|gpu", default_value = "auto", value_parser = device)]
    pub device: Device,
    /// Threads to compute with [default: what this process may use]. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,
    /// Compute convolutions by the plain sum, without the faster algorithm (Winograd's) that rounds a little more.
    #[arg(long)]
    pub exact: bool,
}

fn device(name: &str) -> Result<Device, String> {
    name.to_lowercase().parse().map_err(|e: striate::DeviceError| e.to_string())
}

/// What `typed` names, in any case and with `_` for `-`; else what may have been meant, and all there is.
pub fn one_of<T: Copy>(typed: &str, all: &[(&str, T)]) -> Result<T, String> {
    let plain = typed.trim().to_lowercase().replace('_', "-");
    if let Some((_, value)) = all.iter().find(|(name, _)| *name == plain) {
        return Ok(*value);
    }
    let names: Vec<&str> = all.iter().map(|(name, _)| *name).collect();
    let guess = closest(&plain, names.iter().copied()).map_or(String::new(), |near| format!("did you mean {near}? "));
    Err(format!("{guess}it is one of {}", names.join(", ")))
}

fn input_shape(text: &str) -> Result<[usize; 3], String> {
    let sizes: Option<Vec<usize>> = text.split(['x', '×']).map(|n| n.parse().ok().filter(|&n| n > 0)).collect();
    let sizes = sizes.and_then(|sizes| <[usize; 3]>::try_from(sizes).ok());
    let fits = |s: &[usize; 3]| s.iter().all(|&n| n <= 16_384) && s.iter().product::<usize>() <= 100_000_000;
    sizes.filter(fits).ok_or_else(|| "it must be channels, height and width, such as 3x32x32".into())
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    Text,
    Json,
}

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

/// Show a network layer by layer: output shape, parameters, multiply-adds, activation memory.
///
/// For a network that is written as its layers: striate inspect "conv 8 3, relu, flatten, linear" --input 1x28x28
#[derive(Debug, Args)]
pub struct Inspect {
    /// A model file, the directory of the run that made it, or a network: mnist-net, lenet, resnet18 or another ready one, its layers, or @FILE that holds them (see train --help).
    #[arg(value_name = "MODEL|RUN|NAME|LAYERS|@FILE")]
    pub model: OsString,
    /// Channels, height and width of the images, for a network that takes several [default: 1x28x28 for one written as its layers].
    #[arg(long, value_name = "CxHxW", value_parser = input_shape)]
    pub input: Option<[usize; 3]>,
    /// How many classes there are, for a network that is not a model file [default: 10].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub classes: Option<u32>,
    /// Images in a batch.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Measure this machine, and how much of it each layer of a network uses.
///
/// The machine: the most multiply-adds that one thread and all can do, and how fast memory is copied. Then each convolution and linear layer
/// by itself, on random numbers: milliseconds of the forward pass, the input's gradient and the weight's, GFLOP/s counted by the plain
/// algorithm, and that as a share of the most (a faster algorithm may give more than 100%). Last a training step of the whole.
#[derive(Debug, Args)]
pub struct Bench {
    /// The network: a ready one, its layers, or @FILE that holds them (see train --help).
    #[arg(long, value_name = "NAME|LAYERS|@FILE", default_value = "mnist-net")]
    pub model: OsString,
    /// Images in a batch.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// Channels, height and width of the images, for a network that takes several [default: 1x28x28 for one written as its layers].
    #[arg(long, value_name = "CxHxW", value_parser = input_shape)]
    pub input: Option<[usize; 3]>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// Print a script that completes striate's commands in a shell.
///
/// For bash: striate completions bash > ~/.local/share/bash-completion/completions/striate
#[derive(Debug, Args)]
pub struct Completions {
    /// The shell.
    #[arg(value_name = "SHELL")]
    pub shell: Shell,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
