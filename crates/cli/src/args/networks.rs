//! What can be typed to look at a network and to measure it.

use super::compute::Inference;
use clap::{Args, value_parser};
use std::ffi::OsString;

fn input_shape(text: &str) -> Result<[usize; 3], String> {
    let sizes: Option<Vec<usize>> = text.split(['x', '×']).map(|n| n.parse().ok().filter(|&n| n > 0)).collect();
    let sizes = sizes.and_then(|sizes| <[usize; 3]>::try_from(sizes).ok());
    let fits = |s: &[usize; 3]| s.iter().all(|&n| n <= 16_384) && s.iter().product::<usize>() <= 100_000_000;
    sizes.filter(fits).ok_or_else(|| "it must be channels, height and width, such as 3x32x32".into())
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
/// algorithm, and that as a fraction of the most (a faster algorithm may give more than 100%). Last a training step of the whole.
///
/// With --infer the nodes of a network in use, as its optimized graph runs them one after the other: milliseconds, and the least that this machine
/// allows for their arithmetic and their bytes.
#[derive(Debug, Args)]
pub struct Bench {
    /// The network: a ready one, its layers, or @FILE that holds them (see train --help).
    #[arg(long, value_name = "NAME|LAYERS|@FILE", default_value = "mnist-net")]
    pub model: OsString,
    /// Measure inference alone, node by node: of a model file, the directory of a run, or a network as --model takes it.
    #[arg(long, value_name = "MODEL|RUN|NAME|LAYERS|@FILE", conflicts_with = "model")]
    pub infer: Option<OsString>,
    /// Images in a batch [default: 100; with --infer 1].
    #[arg(long, value_name = "N", value_parser = value_parser!(u32).range(1..))]
    pub batch_size: Option<u32>,
    /// Channels, height and width of the images, for a network that takes several [default: 1x28x28 for one written as its layers].
    #[arg(long, value_name = "CxHxW", value_parser = input_shape)]
    pub input: Option<[usize; 3]>,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub inference: Inference,
}
