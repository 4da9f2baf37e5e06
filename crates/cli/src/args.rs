//! What can be typed: each flag's name, help and type stand here alone.

use crate::args_pictures::{Data, Pictures};
use clap::{Args, Parser, Subcommand, ValueEnum, value_parser};
use clap_complete::Shell;
use std::path::PathBuf;
use striate::prelude::{Device, OptimizerKind};
use striate::train::{Recipe, SchedulePlan};

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

fn optimizer(name: &str) -> Result<OptimizerKind, String> {
    OptimizerKind::ALL.into_iter().find(|kind| kind.name() == name).ok_or_else(|| {
        let names = OptimizerKind::ALL.map(OptimizerKind::name);
        format!("it is one of {}", names.join(", "))
    })
}

fn recipe(name: &str) -> Result<Recipe, String> {
    Recipe::ALL.into_iter().find(|recipe| recipe.name() == name).ok_or_else(|| {
        let names = Recipe::ALL.map(Recipe::name);
        format!("it is one of {}", names.join(", "))
    })
}

fn schedule(text: &str) -> Result<String, String> {
    SchedulePlan::parse(text).map(|_| text.trim().to_string())
}

/// A number that is neither infinite nor NaN and of which `right` holds.
fn number(text: &str, right: impl Fn(f64) -> bool, need: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && right(x) => Ok(x),
        _ => Err(format!("it must be {need}")),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |x| x >= 0.0, "0 or a positive number")
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0, "a positive number")
}

fn decay(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0 && x < 1.0, "between 0 and 1")
}

fn share(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..1.0).contains(&x), "at least 0 and below 1")
}

/// Train a network. Without arguments: the MNIST tutorial's, on MNIST, which is built in.
///
/// Progress is printed every 100 steps and after each epoch. The run's directory gets the model (model.safetensors), the
/// last checkpoint, the settings (config.toml) and the losses (metrics.csv). Ctrl-C stops after the current step and loses
/// nothing: go on with --resume.
#[derive(Debug, Args)]
pub struct Train {
    /// Folders of pictures (DATA/cat/1.jpg, or DATA/train/cat/1.jpg with val or test beside it), a .csv or .tsv manifest of pictures, a .tar
    /// of either, or a directory of idx files (MNIST's format, plain or .gz) [default: the built-in MNIST].
    #[arg(value_name = "DATA")]
    pub data: Option<PathBuf>,
    /// The network: mnist-net, lenet, resnet18 or another ready one, or its layers, such as "conv 32 3, relu, maxpool 2, flatten, linear",
    /// or @FILE that holds them.
    ///
    /// Ready are mnist-net and lenet; resnet18, 34, 50, 101 and 152, wide-resnet50-2 and resnext50-32x4d; mobilenet-v2, mobilenet-v3-small and
    /// -large; efficientnet-b0 to b4 and -lite0 to lite4; mnasnet0-5, 0-75, 1-0 and 1-3; shufflenet-v2-x0-5 and x1-0; regnet-y-400mf and
    /// regnet-x-400mf; densenet121 and 169; convnext-tiny; googlenet and inception-v3; squeezenet1-0 and 1-1; alexnet; vgg11, 13, 16 and 19,
    /// each also with -bn.
    /// Sizes of inputs are worked out; the last linear or conv without a number takes the number of classes. A part is repeated by
    /// (conv 32 3, relu) x3 and its input added by residual(…). In a file each line is a layer or more, and # starts a comment; a path
    /// that ends in .txt needs no @. The words are in the book under "Networks as text".
    ///
    /// By default mnist-net, and for folders of pictures a small residual network of convolutions and batch normalization.
    #[arg(long, value_name = "NAME|LAYERS|@FILE", default_value = "auto")]
    pub model: String,
    /// Start from the weights in this file: safetensors (a model file too), PyTorch's .pt and .pth, or .npz. What has the same name and shape is
    /// taken, the rest starts fresh; both are said. imagenet: the published weights of the network, fetched once (striate models lists them).
    ///
    /// They are kept in the folder weights of the directory that STRIATE_CACHE_DIR names, else of striate in the user's directory for caches, and
    /// fetched from where their makers have them, or from the folder whose address STRIATE_WEIGHTS_URL holds.
    #[arg(long, value_name = "FILE|imagenet")]
    pub weights: Option<PathBuf>,
    /// Settings that go together, where nothing else is said. fast: one epoch, with a rate that rises and falls. small-data: for some
    /// thousand pictures in folders.
    #[arg(long, value_name = "NAME", value_parser = recipe)]
    pub recipe: Option<Recipe>,
    /// How many times to go through the training images [default: 5].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// How many images make a batch [default: 100].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// The learning rate [default: 0.001].
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// The optimizer: adam, adamw, sgd (with Nesterov momentum 0.9), rmsprop, adagrad, nadam, lion or lamb, with PyTorch's
    /// settings (lion's and lamb's are their papers'). lion takes a --lr several times smaller [default: adam].
    #[arg(long, value_name = "NAME", value_parser = optimizer)]
    pub optimizer: Option<OptimizerKind>,
    /// The weight decay [default: 0.01 for adamw, 0 for the others]. Biases and the scales of normalization layers do not decay.
    #[arg(long, value_name = "X", value_parser = not_negative, allow_negative_numbers = true)]
    pub weight_decay: Option<f64>,
    /// Let biases and the scales of normalization layers decay too, as in PyTorch.
    #[arg(long)]
    pub decay_bias_and_norm: bool,
    /// How the learning rate changes, --lr being the largest: constant, cosine [MIN_LR], onecycle [SHARE_UP], polynomial [POWER],
    /// step EPOCHS [FACTOR], multistep EPOCH... [FACTOR], exponential FACTOR (each epoch), restarts EPOCHS [TIMES], plateau [EPOCHS]
    /// [FACTOR] (of the test loss). All but onecycle may come after "warmup STEPS,", as in "warmup 100, cosine".
    #[arg(long, value_name = "SCHEDULE", value_parser = schedule)]
    pub schedule: Option<String>,
    /// Scale a gradient whose norm is larger down to this norm.
    #[arg(long, value_name = "X", value_parser = positive, allow_negative_numbers = true)]
    pub clip_norm: Option<f64>,
    /// Make one step of N batches: the effect of a batch N times as large in the memory of one.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = value_parser!(u32).range(1..=65536))]
    pub accumulate: u32,
    /// Test and save an average of the weights over the last steps; DECAY is how much of it remains at each step, such as 0.999 (less
    /// in the first steps).
    #[arg(long, value_name = "DECAY", value_parser = decay, allow_negative_numbers = true)]
    pub ema: Option<f64>,
    /// Spread this share of each training target over all classes [default: 0]. Test losses are without.
    #[arg(long, value_name = "X", value_parser = share, allow_negative_numbers = true)]
    pub label_smoothing: Option<f64>,
    /// Train on the focal loss with this gamma, such as 2: what is right already counts less.
    #[arg(long, value_name = "GAMMA", value_parser = not_negative, allow_negative_numbers = true)]
    pub focal: Option<f64>,
    #[command(flatten)]
    pub pictures: Pictures,
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
            "data", "model", "epochs", "batch_size", "lr", "optimizer", "weight_decay", "decay_bias_and_norm", "schedule",
            "clip_norm", "accumulate", "ema", "label_smoothing", "focal", "seed", "out", "checkpoint_every", "log_every",
            "recipe", "size", "channels", "filter", "background", "augment", "cache", "max_bad", "balance", "class_weights",
            "exact", "weights",
        ],
    )]
    pub resume: Option<PathBuf>,
    /// Print at the end where the time went: data, forward, backward, optimizer, and by op.
    #[arg(long)]
    pub profile: bool,
    /// Print nothing but errors.
    #[arg(long, short, conflicts_with = "profile")]
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
    /// Pictures or idx files (see train --help), or mnist [default: the data that it was trained on, but for what it learnt from].
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
/// JPEG, PNG, WebP, GIF, TIFF, BMP and PNM files of any size are taken. For a model of grey images a dark drawing on light ground is inverted, and that is said.
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

/// List the ready networks: parameters, multiply-adds, size of images, and the accuracy of published weights.
///
/// The accuracy is that on ImageNet's validation pictures, as published with the weights that striate train --weights imagenet starts from.
#[derive(Debug, Args)]
pub struct Models {
    /// Show this one alone, with the address of its published weights and how pictures come to them.
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
