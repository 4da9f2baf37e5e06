//! What can be typed about the machine.

use clap::{Args, value_parser};
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

fn device(name: &str) -> Result<Device, String> {
    name.to_lowercase().parse().map_err(|e: striate::DeviceError| e.to_string())
}
