//! What can be typed about sweeps.

use super::compute::Compute;
use clap::Args;
use std::path::PathBuf;

/// Train many times with other settings, and rank the runs.
///
/// FILE holds settings as in a run's config.toml, and a section [sweep] that says what some of them may be:
///
///   data = "photos"
///   epochs = 20
///   [sweep]
///   method = "random"     # or "grid" (every combination), "halving" (few epochs first, the best go on)
///   runs = 20
///   [sweep.space]
///   lr = { min = 1e-4, max = 1e-2, log = true }
///   "images.augment" = ["none", "flip"]
///
/// The directory gets a run for each trial, sweep.csv (a ranked table) and sweep.svg. Ctrl-C loses nothing: go on with --resume.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct SweepArgs {
    /// The plan.
    #[arg(value_name = "FILE.toml", required_unless_present = "resume")]
    pub file: Option<PathBuf>,
    /// Go on with an earlier sweep.
    #[arg(long, value_name = "SWEEP", conflicts_with_all = ["file", "out"])]
    pub resume: Option<PathBuf>,
    /// The sweep's directory [default: runs/FILE-sweep-N].
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print nothing but errors.
    #[arg(long, short)]
    pub quiet: bool,
    /// Print one JSON object at the end.
    #[arg(long, conflicts_with = "quiet")]
    pub json: bool,
    #[command(flatten)]
    pub compute: Compute,
}
