//! What can be typed to train.

use super::choice::one_of;
use super::compute::Compute;
use super::images::Images;
use clap::{Args, ValueEnum, value_parser};
use std::ffi::OsString;
use std::path::PathBuf;
use striate::prelude::OptimizerKind;
use striate::train::{BatchSize, Recipe, SCHEDULE_FORMS, SchedulePlan, SegmentationLoss};
use striate::zoo::text::closest;

fn optimizer(name: &str) -> Result<OptimizerKind, String> {
    one_of(name, &OptimizerKind::ALL.map(|kind| (kind.name(), kind)))
}

pub fn recipe(name: &str) -> Result<Recipe, String> {
    one_of(name, &Recipe::ALL.map(|recipe| (recipe.name(), recipe)))
}

/// Seconds of a time such as `90s`, `10m` or `1h30m`.
fn time(text: &str) -> Result<f64, String> {
    let bad = || "it must be a time such as 90s, 10m or 1h30m".to_string();
    let (mut seconds, mut number) = (0.0, String::new());
    for c in text.trim().chars() {
        let unit = match c {
            's' => 1.0,
            'm' => 60.0,
            'h' => 3600.0,
            _ => {
                number.push(c);
                continue;
            }
        };
        seconds += number.parse::<f64>().map_err(|_| bad())? * unit;
        number.clear();
    }
    if !number.is_empty() {
        return Err(bad());
    }
    if seconds > 0.0 { Ok(seconds) } else { Err(bad()) }
}

fn betas(text: &str) -> Result<[f64; 2], String> {
    let need = "it must be two numbers, at least 0 and below 1, such as 0.9,0.99";
    let numbers: Option<Vec<f64>> = text.split(',').map(|word| fraction(word.trim()).ok()).collect();
    numbers.and_then(|n| n.try_into().ok()).ok_or_else(|| need.to_string())
}

fn schedule(text: &str) -> Result<String, String> {
    let text = text.trim().to_lowercase();
    match SchedulePlan::parse(&text) {
        Ok(_) => Ok(text),
        Err(reason) => Err(misspelt(&text).map_or(String::new(), |near| format!("did you mean {near}? ")) + &reason),
    }
}

/// The schedule's name that a wrong one in `text` resembles.
fn misspelt(text: &str) -> Option<&'static str> {
    let forms = SCHEDULE_FORMS.split(';').next().unwrap_or_default();
    let lower = |word: &&str| !word.is_empty() && word.chars().all(char::is_lowercase);
    let names = || forms.split([',', ' ']).filter(lower).chain(["warmup"]);
    let first_words = text.split(',').filter_map(|part| part.split_whitespace().next());
    let wrong =
        first_words.into_iter().find(|word| word.parse::<f64>().is_err() && !names().any(|name| name == *word))?;
    closest(wrong, names())
}

/// A number that is neither infinite nor NaN and of which `right` holds.
fn number(text: &str, right: impl Fn(f64) -> bool, need: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(x) if x.is_finite() && right(x) => Ok(x),
        _ => Err(format!("it must be {need}")),
    }
}

fn segmentation_loss(name: &str) -> Result<SegmentationLoss, String> {
    one_of(name, &SegmentationLoss::ALL.map(|loss| (loss.name(), loss)))
}

fn batch_size(text: &str) -> Result<BatchSize, String> {
    match text.parse::<u32>() {
        Ok(n) if n > 0 => Ok(BatchSize::Of(n as usize)),
        _ if text.eq_ignore_ascii_case("auto") => Ok(BatchSize::Auto),
        _ => Err("it must be a whole number, 1 or more, or auto".into()),
    }
}

fn not_negative(text: &str) -> Result<f64, String> {
    number(text, |x| x >= 0.0, "0 or a positive number")
}

pub fn positive(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0, "a positive number")
}

fn decay(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0 && x < 1.0, "between 0 and 1")
}

fn up_to_one(text: &str) -> Result<f64, String> {
    number(text, |x| x > 0.0 && x <= 1.0, "above 0 and at most 1")
}

fn whole_fraction(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..=1.0).contains(&x), "from 0 to 1")
}

fn fraction(text: &str) -> Result<f64, String> {
    number(text, |x| (0.0..1.0).contains(&x), "at least 0 and below 1")
}

/// Train a network. Without arguments: the MNIST tutorial's, on MNIST, which is built in.
///
/// Progress is printed every 100 steps and after each epoch. The run's directory gets the model (model.safetensors), the
/// last checkpoint, the settings (config.toml) and the losses (metrics.csv, curves.svg). Ctrl-C stops after the current step and loses
/// nothing: go on with --resume.
#[derive(Debug, Args)]
pub struct Train {
    /// Folders of images (DATA/cat/1.jpg, or DATA/train/cat/1.jpg with val or test beside it), a .csv or .tsv manifest of images, a .tar
    /// of either, or a directory of idx files (MNIST's format, plain or .gz) [default: mnist, which is built in].
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
    /// By default mnist-net, and for folders of images a small residual network of convolutions and batch normalization.
    #[arg(long, value_name = "NAME|LAYERS|@FILE")]
    pub model: Option<OsString>,
    /// Start from the weights in this file: safetensors (a model file too), PyTorch's .pt and .pth, or .npz. What has the same name and shape is
    /// taken, the rest starts fresh; both are said. imagenet: the published weights of the network, fetched once (striate models lists them).
    ///
    /// They are kept in the folder weights of the directory that STRIATE_CACHE_DIR names, else of striate in the user's directory for caches, and
    /// fetched from where their makers have them, or from the folder whose address STRIATE_WEIGHTS_URL holds.
    #[arg(long, value_name = "FILE|imagenet")]
    pub weights: Option<PathBuf>,
    /// Which weights of a file that holds several, such as model_ema, state_dict.teacher or encoder_q: the name of an entry of the checkpoint, or
    /// what the names of its tensors begin with.
    #[arg(long, value_name = "NAME", requires = "weights")]
    pub weights_entry: Option<String>,
    /// Settings that go together, where nothing else is said, such as fast or small-data: striate recipe list.
    #[arg(long, value_name = "NAME", value_parser = recipe)]
    pub recipe: Option<Recipe>,
    /// How many times to go through the training images.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// How many images make a batch; or auto: the largest power of two, at most 512 and an eighth of the images of an epoch, of which a step fits into the memory
    /// that this process may use, as measured on two small batches. What auto comes to depends on the machine: config.toml has the number, and a run that
    /// goes on keeps it.
    #[arg(long, value_name = "N|auto", value_parser = batch_size)]
    pub batch_size: Option<BatchSize>,
    /// The learning rate.
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// The optimizer: adam, adamw, sgd (with Nesterov momentum 0.9), rmsprop, adagrad, nadam, lion or lamb, with PyTorch's
    /// settings (lion's and lamb's are their papers'). lion takes a --lr several times smaller.
    #[arg(long, value_name = "NAME", value_parser = optimizer)]
    pub optimizer: Option<OptimizerKind>,
    #[command(flatten)]
    pub learning: Learning,
    #[command(flatten)]
    pub images: Images,
    /// Go on with an earlier run, from its last checkpoint, with its settings. --epochs N may be more than it had, where the schedule is not laid out
    /// over the run; DATA is where its data lies now, if that has moved.
    #[arg(
        long,
        value_name = "RUN",
        conflicts_with_all = [
            "model", "epoch_fraction", "batch_size", "lr", "optimizer", "weight_decay", "decay_bias_and_norm", "schedule",
            "betas", "clip_norm", "accumulate", "ema", "label_smoothing", "dropout_scale", "segmentation_loss", "focal", "folds", "lr_scales", "mix_off_epochs", "monitor", "min_delta", "time_budget", "fraction", "seed", "out", "checkpoint_every", "log_every", "recipe", "config", "show_config", "size", "channels", "filter", "background", "augment", "cache", "max_bad", "balance", "class_weights", "smoke",
            "no_winograd", "task", "weights", "weights_entry", "patience", "val", "split_near_duplicates", "path_column", "label_column",
        ],
    )]
    pub resume: Option<PathBuf>,
    /// Train on the first batch alone, without augmentation, label smoothing, dropout and weight decay, until the network has memorized it: its loss is below
    /// 1% of the first one, or below 0.01 with every answer right. A network that cannot do that within STEPS [default: 500] learns nothing from more
    /// images; the line says what may be wrong, and the exit code is 1. Nothing is written.
    #[arg(
        long,
        value_name = "STEPS",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "500",
        value_parser = value_parser!(u32).range(1..),
        conflicts_with_all = ["out", "smoke", "show_config", "profile", "resume", "folds", "ui", "tensorboard"],
    )]
    pub overfit_one_batch: Option<u32>,
    #[command(flatten)]
    pub run: Run,
}

/// How to learn.
#[derive(Clone, Debug, Args)]
pub struct Learning {
    /// Use this fraction of the training images at all, of each class alike: for a quick try.
    #[arg(long, value_name = "FRACTION", value_parser = up_to_one, allow_negative_numbers = true)]
    pub fraction: Option<f64>,
    /// Go through this fraction of the training images in each epoch, others each time.
    #[arg(long, value_name = "FRACTION", value_parser = up_to_one, allow_negative_numbers = true)]
    pub epoch_fraction: Option<f64>,
    /// The weight decay. Biases and the scales of normalization layers do not decay. Another --optimizer than the default has its own: 0.01 for
    /// adamw, 0 for the others.
    #[arg(long, value_name = "X", value_parser = not_negative, allow_negative_numbers = true)]
    pub weight_decay: Option<f64>,
    /// Let biases and the scales of normalization layers decay too, as in PyTorch.
    #[arg(long)]
    pub decay_bias_and_norm: bool,
    /// How long the optimizer's means of the gradient and of its square remember, for adam, adamw, nadam, lion and lamb
    /// [default: 0.9,0.999, lion's 0.9,0.99].
    #[arg(long, value_name = "B1,B2", value_parser = betas, allow_hyphen_values = true)]
    pub betas: Option<[f64; 2]>,
    /// How the learning rate changes, --lr being the largest: constant, cosine [MIN_LR], onecycle [PCT_START], polynomial [POWER],
    /// step EPOCHS [FACTOR], multistep EPOCH... [FACTOR], exponential FACTOR (each epoch), restarts EPOCHS [TIMES], plateau [EPOCHS]
    /// [FACTOR] (of the loss on the images held out). All but onecycle may come after "warmup STEPS,", as in "warmup 100, cosine".
    #[arg(long, value_name = "SCHEDULE", value_parser = schedule)]
    pub schedule: Option<String>,
    /// Multiply the learning rate of some layers, by patterns of their parameters' names: "features.* 0.1, classifier.* 2"; 0 freezes them (striate inspect
    /// lists names).
    #[arg(long, value_name = "PATTERN X,…")]
    pub lr_scales: Option<String>,
    /// Scale a gradient whose norm is larger down to this norm.
    #[arg(long, value_name = "X", value_parser = positive, allow_negative_numbers = true)]
    pub clip_norm: Option<f64>,
    /// Make one step of N batches: the effect of a batch N times as large in the memory of one [default: 1].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..=65536))]
    pub accumulate: Option<u32>,
    /// Measure and save an average of the weights over the last steps; DECAY is how much of it remains at each step, such as 0.999 (less
    /// in the first steps).
    #[arg(long, value_name = "DECAY", value_parser = decay, allow_negative_numbers = true)]
    pub ema: Option<f64>,
    /// Spread this fraction of each training target over all classes. Validation losses are without.
    #[arg(long, value_name = "X", value_parser = fraction, allow_negative_numbers = true)]
    pub label_smoothing: Option<f64>,
    /// Multiply the network's own dropout rates by this: 0 switches dropout off, which suits short trainings.
    #[arg(long, value_name = "X", value_parser = whole_fraction, allow_negative_numbers = true)]
    pub dropout_scale: Option<f64>,
    /// Train N times, each time with another N-th of the training images held out (k-fold cross-validation): mean and deviation of every metric, and the answers on
    /// all images, each by the run that held it out (predictions.csv).
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(2..=1000))]
    pub folds: Option<u32>,
    /// Choose the best epoch by this metric of the images held out: accuracy, loss, f1_macro, roc_auc_macro or another that the run measures (an unknown one lists
    /// them) [default: accuracy].
    #[arg(long, value_name = "METRIC")]
    pub monitor: Option<String>,
    /// For --patience, an epoch counts as better if its metric is better by more than this [default: 0].
    #[arg(long, value_name = "X", value_parser = not_negative, allow_negative_numbers = true)]
    pub min_delta: Option<f64>,
    /// End the run after this time of training, such as 90s, 10m or 1h30m; the best epoch so far is the model. The schedule is not stretched to it.
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub time_budget: Option<f64>,
    /// End a stage of the run after N epochs without a better one (early stopping); 0 never does. The best epoch's weights are the model either way.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32))]
    pub patience: Option<u32>,
    /// What a segmentation trains on: cross-entropy (of each pixel), dice, cross-entropy-dice (the sum of both) or lovasz.
    #[arg(long, value_name = "LOSS", value_parser = segmentation_loss)]
    pub segmentation_loss: Option<SegmentationLoss>,
    /// Train on the focal loss with this gamma, such as 2, which down-weights easy examples.
    #[arg(long, value_name = "GAMMA", value_parser = not_negative, allow_negative_numbers = true)]
    pub focal: Option<f64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Log {
    Text,
    Json,
}

/// Where a run keeps its files, and what it prints.
#[derive(Clone, Debug, Args)]
pub struct Run {
    /// What all random numbers come from. The same seed gives the same model, bit for bit, on any number of threads of
    /// processors with the same instruction set (the first line of a run names it) [default: 0].
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// The run's directory [default: runs/DATA-MODEL-N].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Write a checkpoint every N steps, besides the one after each epoch.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..))]
    pub checkpoint_every: Option<u64>,
    /// Print a line of progress every N steps [default: 100].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub log_every: Option<u32>,
    /// Take settings from this TOML file, of those that a run's config.toml has. What is typed wins over it, and it wins over a recipe.
    #[arg(long, value_name = "FILE.toml")]
    pub config: Option<PathBuf>,
    /// Print the settings that the run would have, and where each comes from, and do nothing else.
    #[arg(long)]
    pub show_config: bool,
    /// Try everything on two batches: each stage of the training, validation, checkpoints and the model file, which is read again. The line at the end says
    /// that everything works, or what does not. The run's directory is a temporary one, and removed, unless --out names another.
    #[arg(long, conflicts_with_all = ["show_config", "profile", "folds", "ui", "tensorboard"])]
    pub smoke: bool,
    /// Also write the losses, metrics, learning rate and gradient norm for TensorBoard, into RUN/tensorboard: tensorboard --logdir runs shows
    /// them. A run that has begun so goes on so.
    #[arg(long)]
    pub tensorboard: bool,
    /// Write a report of the best epoch's model into RUN/report at the end, on the test images where there are some: see eval --help. With --folds, one on all
    /// images, each by the model of the fold that held it out.
    #[arg(long, conflicts_with_all = ["smoke", "show_config"])]
    pub report: bool,
    /// Show the training over the whole terminal, with live curves. q or Ctrl-C stop it safely, Tab and arrows show other curves. Where there is no
    /// terminal, plain lines are printed.
    #[arg(long, conflicts_with_all = ["quiet", "log", "folds"])]
    pub ui: bool,
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

/// What learns, and in which order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum FinetuneMode {
    Head,
    Full,
    Gradual,
    Prototype,
}

/// Fine-tune a pretrained network on your own images.
///
/// Its last layer, the head, is replaced by one for your classes; the rest, the backbone, is kept, and with it how images are scaled and
/// normalized. As in train, the run's directory gets the model, checkpoints and losses, and Ctrl-C loses nothing: go on with
/// train --resume.
#[derive(Debug, Args)]
pub struct Finetune {
    /// What has learnt already: a ready network's name, whose ImageNet weights are then downloaded, a model file, or a file of weights
    /// (safetensors, PyTorch's .pt and .pth, .npz) of a network that is recognized by its tensors or named by --model.
    #[arg(long, value_name = "NAME|FILE")]
    pub from: PathBuf,
    /// Which weights of a file that holds several: see train --help.
    #[arg(long, value_name = "NAME")]
    pub weights_entry: Option<String>,
    /// Folders of images, a manifest of them, a .tar, or a directory of idx files: see train --help.
    #[arg(value_name = "DATA")]
    pub data: PathBuf,
    /// head: the last layer alone, on features that are computed once unless there are random changes (--augment). full: all layers, the early ones
    /// at a smaller rate. gradual: the one, then the other. prototype: nothing is trained, each class is the mean of its images' features.
    /// Where all layers train and --augment says nothing else, images are changed by "crop-resize 0.5, flip".
    #[arg(long, value_name = "MODE", default_value = "gradual")]
    pub mode: FinetuneMode,
    /// The network, where a file of weights does not tell: a ready one's name, its layers, or @FILE that holds them.
    #[arg(long, value_name = "NAME|LAYERS|@FILE")]
    pub model: Option<OsString>,
    /// How many times to go through the training images.
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub epochs: Option<u32>,
    /// How many times before that with the head alone, in mode gradual [default: 30].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub head_epochs: Option<u32>,
    /// How many images make a batch; or auto: the largest power of two, at most 512 and an eighth of the images of an epoch, of which a step fits into the memory
    /// that this process may use, as measured on two small batches. What auto comes to depends on the machine: config.toml has the number, and a run that
    /// goes on keeps it.
    #[arg(long, value_name = "N|auto", value_parser = batch_size)]
    pub batch_size: Option<BatchSize>,
    /// The learning rate of the head, the largest one where a schedule changes it.
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub lr: Option<f64>,
    /// The learning rate while the head alone is trained, in mode gradual [default: 0.003].
    #[arg(long, value_name = "RATE", value_parser = positive, allow_negative_numbers = true)]
    pub head_lr: Option<f64>,
    /// What the rate is multiplied with in the first layer, when all learn; from there it grows evenly up to the head [default: 0.3].
    #[arg(long, value_name = "FACTOR", value_parser = up_to_one, allow_negative_numbers = true)]
    pub backbone_lr: Option<f64>,
    /// The optimizer.
    #[arg(long, value_name = "NAME", value_parser = optimizer)]
    pub optimizer: Option<OptimizerKind>,
    /// Settings that go together in the place of the mode's own: striate recipe list.
    #[arg(long, value_name = "NAME", value_parser = recipe)]
    pub recipe: Option<Recipe>,
    /// In mode prototype, how many classes a task of few images has.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = value_parser!(u32).range(2..))]
    pub ways: u32,
    /// In mode prototype, how many images of each class such a task has; several numbers make several measurements [default: 1,5].
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 5], hide_default_value = true, value_parser = value_parser!(u32).range(1..))]
    pub shots: Vec<u32>,
    /// In mode prototype, how many such tasks are drawn.
    #[arg(long, value_name = "N", default_value_t = 600, value_parser = value_parser!(u32).range(2..))]
    pub episodes: u32,
    #[command(flatten)]
    pub learning: Learning,
    #[command(flatten)]
    pub images: Images,
    #[command(flatten)]
    pub run: Run,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_sums_of_hours_minutes_and_seconds() {
        assert_eq!(["90s", "10m", "1h30m", " 1.5m "].map(|text| time(text).unwrap()), [90.0, 600.0, 5400.0, 90.0]);
        for text in ["", "5", "s", "1h30", "10µ", "1µs", "-1s", "0s", "1.2.3s", "1hm", "nans"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}
