//! What can be typed: each flag's name, help and type stand here alone.

mod calibrate;
mod choice;
mod compute;
mod defaults;
mod explain;
mod images;
mod lr_find;
mod models;
mod networks;
mod recipe;
mod report;
mod runs;
mod sweep;
mod training;

pub use calibrate::*;
pub use compute::{Compute, Inference};
pub use defaults::with_defaults;
pub use explain::*;
pub use images::*;
pub use lr_find::*;
pub use models::*;
pub use networks::*;
pub use recipe::*;
pub use report::*;
pub use runs::*;
pub use sweep::*;
pub use training::*;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

/// Train, fine-tune, measure and use convolutional neural networks.
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
    LrFind(Box<LrFind>),
    Eval(Eval),
    Compare(CompareModels),
    Calibrate(Calibrate),
    LabelErrors(LabelErrors),
    Predict(Predict),
    Explain(Box<Explain>),
    Inspect(Inspect),
    Models(Models),
    Export(Export),
    Import(Import),
    Run(RunFile),
    Runs(Runs),
    Bench(Bench),
    Data(Data),
    Recipe(RecipeArgs),
    Sweep(SweepArgs),
    Completions(Completions),
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
