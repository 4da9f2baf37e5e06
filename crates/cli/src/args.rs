//! What can be typed: each flag's name, help and type stand here alone.

use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;
use std::path::PathBuf;
use striate::prelude::{Device, OptimizerKind};

/// Train, explain, shrink and ship convolutional neural networks.
#[derive(Debug, Parser)]
#[command(name = "striate", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    Train(Train),
    Eval(Eval),
    Predict(Predict),
    Inspect(Inspect),
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
}

fn device(name: &str) -> Result<Device, String> {
    name.parse().map_err(|e: striate::DeviceError| e.to_string())
}

fn learning_rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(lr) if lr > 0.0 && lr.is_finite() => Ok(lr),
        _ => Err("it must be a positive number".into()),
    }
}

fn input_shape(text: &str) -> Result<[usize; 3], String> {
    let sizes: Option<Vec<usize>> = text.split(['x', '×']).map(|n| n.parse().ok().filter(|&n| n > 0)).collect();
    let sizes = sizes.and_then(|sizes| <[usize; 3]>::try_from(sizes).ok());
    let fits = |s: &[usize; 3]| s.iter().all(|&n| n <= 16_384) && s.iter().product::<usize>() <= 100_000_000;
    sizes.filter(fits).ok_or_else(|| "it must be channels, height and width, such as 3x32x32".into())
}

fn optimizer(name: &str) -> Result<OptimizerKind, String> {
    match name {
        "adam" => Ok(OptimizerKind::Adam),
        "sgd" => Ok(OptimizerKind::Sgd),
        _ => Err("it is adam or sgd (with Nesterov momentum 0.9)".into()),
    }
}

/// Train a network. Without arguments: the MNIST tutorial's, on MNIST, which is built in.
///
/// Progress is printed every 100 steps and after each epoch. The run's directory gets the model (model.safetensors), the
/// last checkpoint, the settings (config.toml) and the losses (metrics.csv). Ctrl-C stops after the current step and loses
/// nothing: go on with --resume.
#[derive(Debug, Args)]
pub struct Train {
    /// A directory of idx files (MNIST's format, plain or .gz) [default: the built-in MNIST].
    #[arg(value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// The network: mnist-net, lenet, or its layers, such as "conv 32 3, relu, maxpool 2, flatten, linear", or @FILE that holds them.
    ///
    /// Sizes of inputs are worked out; the last linear or conv without a number takes the number of classes. A part is repeated by
    /// (conv 32 3, relu) x3 and its input added by residual(…). In a file each line is a layer or more, and # starts a comment; a path
    /// that ends in .txt needs no @. The words are in the book under "Networks as text".
    #[arg(long, value_name = "NAME|LAYERS|@FILE", default_value = "mnist-net")]
    pub model: String,
    /// How many times to go through the training images.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(1..))]
    pub epochs: u32,
    /// How many images make a step.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    pub batch_size: u32,
    /// The learning rate.
    #[arg(long, value_name = "RATE", default_value_t = 0.001, value_parser = learning_rate, allow_negative_numbers = true)]
    pub lr: f64,
    /// The optimizer: adam or sgd.
    #[arg(long, value_name = "NAME", default_value = "adam", value_parser = optimizer)]
    pub optimizer: OptimizerKind,
    /// What all random numbers come from. The same seed gives the same model, bit for bit.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// The run's directory [default: runs/DATA-MODEL-N].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write a checkpoint every N steps, besides the one after each epoch.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub checkpoint_every: Option<u64>,
    /// Print a line of progress every N steps.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = value_parser!(u32).range(1..))]
    pub log_every: u32,
    /// Go on with an earlier run, from its last checkpoint, with its settings.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = [
            "data", "model", "epochs", "batch_size", "lr", "optimizer", "seed", "out", "checkpoint_every", "log_every",
        ],
    )]
    pub resume: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
    /// How to print: text for people, json for programs (one object to a line).
    #[arg(long, value_name = "text|json", default_value = "text")]
    pub log: Log,
    #[command(flatten)]
    pub compute: Compute,
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
    /// A directory of idx files, or mnist [default: the data that it was trained on].
    #[arg(value_name = "DATA")]
    pub data: Option<String>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// Say what is on pictures.
///
/// PNG and JPEG files of any size are taken. For a model of grey images a dark drawing on light ground is inverted, and that is said.
#[derive(Debug, Args)]
pub struct Predict {
    /// The model file (model.safetensors).
    #[arg(value_name = "MODEL")]
    pub model: PathBuf,
    /// The pictures.
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<PathBuf>,
    /// Print one JSON object per picture.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}

/// Show a network layer by layer: output shape, parameters, multiply-adds, activation memory.
///
/// For a network that is written as its layers: striate inspect "conv 8 3, relu, flatten, linear" --input 1x28x28
#[derive(Debug, Args)]
pub struct Inspect {
    /// A model file, or a network: mnist-net, lenet, its layers, or @FILE that holds them (see train --help).
    #[arg(value_name = "MODEL|NAME|LAYERS|@FILE")]
    pub model: String,
    /// Channels, height and width of the images, for a network that is written as its layers [default: 1x28x28].
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
