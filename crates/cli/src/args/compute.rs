//! What can be typed about the machine.

use clap::{Args, value_parser};
use striate::Precision;
use striate::isa::check_environment;
use striate::prelude::Device;

/// Where and how fast to compute.
#[derive(Clone, Copy, Debug, Args)]
pub struct Compute {
    /// Where to compute: auto takes a GPU if this build supports one and the machine has it.
    #[arg(long, value_name = "auto|cpu|gpu", default_value = "auto", value_parser = device)]
    pub device: Device,
    /// Threads to compute with [default: what this process may use]. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(1..=1024))]
    pub threads: Option<u64>,
    /// Compute 3×3 convolutions without Winograd's algorithm, which is faster and rounds a little more.
    #[arg(long)]
    pub no_winograd: bool,
}

/// As [`Compute`], for networks in use.
#[derive(Clone, Copy, Debug, Args)]
pub struct Inference {
    #[command(flatten)]
    pub compute: Compute,
    /// What convolutions and linear layers round images and weights to: bf16 is faster on a processor with AVX512_BF16, and has 8 bits of precision.
    #[arg(long, value_name = "f32|bf16", default_value = "f32", value_parser = precision)]
    pub precision: Precision,
}

fn precision(name: &str) -> Result<Precision, String> {
    let precision: Precision = name.parse()?;
    precision.check(check_environment()?).map(|()| precision)
}

fn device(name: &str) -> Result<Device, String> {
    name.to_lowercase().parse().map_err(|e: striate::DeviceError| e.to_string())
}
