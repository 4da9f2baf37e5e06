//! What can be typed to find a learning rate.

use super::training::{Train, positive};
use clap::{Args, Command, value_parser};
use std::path::PathBuf;
use striate::train::LrFindOptions;

/// Find a learning rate: train with rates that rise from step to step, and see where the loss falls.
///
/// It takes what train takes, and prints the command that trains with the rate it suggests. The search itself uses the data, the network and what makes a
/// step; settings of a whole run, such as --epochs and --schedule, are kept for that command. The suggestion is the middle of the longest valley of the
/// smoothed loss; the rate of steepest descent is printed too. Nothing of the search remains but the curve.
#[derive(Debug, Args)]
pub struct LrFind {
    #[command(flatten)]
    pub train: Train,
    /// How many steps to take; data that has fewer in an epoch is gone through again.
    #[arg(long, value_name = "N", default_value_t = LrFindOptions::default().steps as u32, value_parser = value_parser!(u32).range(LrFindOptions::LEAST_STEPS as i64..))]
    pub steps: u32,
    /// The learning rate to begin with.
    #[arg(long, value_name = "RATE", default_value_t = LrFindOptions::default().start_lr, value_parser = positive, allow_negative_numbers = true)]
    pub start_lr: f64,
    /// The learning rate to end with, if the loss does not diverge before: the smoothed loss is then 4 times its best, or not finite.
    #[arg(long, value_name = "RATE", default_value_t = LrFindOptions::default().end_lr, value_parser = positive, allow_negative_numbers = true)]
    pub end_lr: f64,
    /// Where to write the curve.
    #[arg(long, value_name = "FILE.svg", default_value = "lr-find.svg")]
    pub svg: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// The flags of train that have no meaning in a search.
pub const NOT_IN_A_SEARCH: [&str; 6] = ["resume", "show_config", "profile", "log", "smoke", "overfit_one_batch"];

/// `command` with help of lr-find that leaves those out.
pub fn without_run_flags(command: Command) -> Command {
    command.mut_subcommand("lr-find", |search| {
        NOT_IN_A_SEARCH.into_iter().fold(search, |search, name| search.mut_arg(name, |arg| arg.hide(true)))
    })
}
