//! The `striate` program: arguments in, text out. What it does lives in the other crates.

mod args;
mod args_images;
mod args_training;
mod commands;
mod download;
mod model_arg;
mod output;
mod progress;
mod table;

use args::{Cli, Command};
use clap::Parser;
use clap::error::ErrorKind;
use output::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        let place = info.location().map(|l| format!(" (at {}:{})", l.file(), l.line())).unwrap_or_default();
        let what = info.payload_as_str().unwrap_or("unknown").replace('\n', " ");
        output::complain(&format!("internal error, please report it: {what}{place}"));
    }));
    striate::nn::notice::listen(output::note);
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return usage(&e),
    };
    match std::panic::catch_unwind(|| run(cli)) {
        Ok(Ok(code)) => code,
        // A reader that has seen enough, such as `head`, is no failure.
        Ok(Err(Failure::BrokenPipe)) => ExitCode::SUCCESS,
        Ok(Err(Failure::Message(message))) => {
            output::complain(&message);
            ExitCode::FAILURE
        }
        Ok(Err(Failure::Screen(screen))) => {
            output::show(&screen);
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Help and versions as they are; mistakes in one line.
fn usage(e: &clap::Error) -> ExitCode {
    if matches!(e.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let _ = e.print();
        return ExitCode::SUCCESS;
    }
    if e.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        let _ = e.print();
        return ExitCode::from(2);
    }
    let text = e.render().to_string();
    let first: Vec<&str> = text.lines().take_while(|l| !l.is_empty()).map(str::trim).collect();
    let tip =
        text.lines().map(str::trim).find(|l| l.starts_with("tip:")).map(|t| format!(" ({t})")).unwrap_or_default();
    let line = first.join(" ");
    output::complain(&format!("{}{tip}; see --help", line.trim_start_matches("error: ")));
    ExitCode::from(2)
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    striate::isa::check_environment()?;
    match cli.command {
        Command::Train(args) => commands::train::run(*args),
        Command::Finetune(args) => commands::finetune::run(*args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Predict(args) => commands::predict::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Models(args) => commands::models::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Bench(args) => commands::bench::run(args),
        Command::Data(args) => commands::data::run(args),
        Command::Completions(args) => commands::completions::run(args),
    }
}
