//! What can be typed about runs.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// List the runs in a directory, or compare some.
///
/// Each has its task, data, network, epochs done, best epoch, time and state: running (a process trains there), finished, stopped (it can go on),
/// failed, or unknown (nothing tells). The newest come first. Directories that are no runs are left out; the reasons of failed and damaged ones
/// stand below.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Runs {
    #[command(subcommand)]
    pub command: Option<RunsCommand>,
    /// The directory, or one run's (one that is called compare is ./compare).
    #[arg(value_name = "DIR", default_value = "runs")]
    pub dir: PathBuf,
    /// Show this metric of each best epoch, such as f1_macro or loss, the best first.
    #[arg(long, value_name = "METRIC")]
    pub sort: Option<String>,
    /// Print JSON: one list of all runs, with all metrics and their intervals.
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Subcommand)]
pub enum RunsCommand {
    /// Print side by side the settings in which runs differ, and their results.
    Compare(Compare),
}

#[derive(Debug, Args)]
pub struct Compare {
    /// The directories of two runs or more.
    #[arg(value_name = "RUN", num_args = 2.., required = true)]
    pub runs: Vec<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}
