//! What can be typed: each flag's name, help and type stand here alone.

use crate::args_images::Data;
use crate::args_training::{Finetune, Train};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;
use std::path::PathBuf;
use striate::prelude::Device;

/// Train, explain, shrink and ship convolutional neural networks.
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
    name.parse().map_err(|e: striate::DeviceError| e.to_string())
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

/// Measure a model on test images: accuracy, loss, precision and recall per class, confusion matrix.
#[derive(Debug, Args)]
pub struct Eval {
    /// The model file (model.safetensors).
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// Images or idx files (see train --help), or mnist [default: the data that it was trained on, but for what it learnt from].
    #[arg(value_name = "DATA")]
    pub data: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// Say what is on images.
///
/// JPEG, PNG, WebP, GIF, TIFF, BMP and PNM files of any size are taken. For a model of grey images a dark drawing on light ground is inverted, and that is said.
#[derive(Debug, Args)]
pub struct Predict {
    /// The model file (model.safetensors).
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The images.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<PathBuf>,
    /// Print one JSON object per image.
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
    /// The model file (model.safetensors).
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// What to write.
    #[arg(long, value_name = "safetensors|npz|torch", default_value = "torch")]
    pub format: ExportFormat,
    /// The file to write [default: beside the model, such as model-weights.pth].
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
}

/// The kinds of files that weights are written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExportFormat {
    Safetensors,
    Npz,
    Torch,
}

/// Show a network layer by layer: output shape, parameters, multiply-adds, activation memory.
///
/// For a network that is written as its layers: striate inspect "conv 8 3, relu, flatten, linear" --input 1x28x28
#[derive(Debug, Args)]
pub struct Inspect {
    /// A model file, or a network: mnist-net, lenet, resnet18 or another ready one, its layers, or @FILE that holds them (see train --help).
    #[arg(value_name = "MODEL|NAME|LAYERS|@FILE")]
    pub model: String,
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
    pub model: String,
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
