//! The `striate` program: arguments in, text out. What it does lives in the other crates.

mod advice;
mod args;
mod commands;
mod dashboard;
mod download;
mod image_args;
mod model_arg;
mod output;
mod progress;
mod settings;
mod signals;
mod table;
mod text_plot;
mod usage;

use args::{Cli, Command};
use output::Failure;
use std::process::ExitCode;

fn main() -> ExitCode {
    std::panic::set_hook(Box::new(|info| {
        dashboard::give_back();
        let place = info.location().map(|l| format!(" (at {}:{})", l.file(), l.line())).unwrap_or_default();
        let what = info.payload_as_str().unwrap_or("unknown").replace('\n', " ");
        output::print_error(&match what.as_str() {
            // The standard library's words for a size that no memory has.
            "capacity overflow" => out_of_memory("out of memory"),
            _ if what.starts_with("out of memory") => out_of_memory(&what),
            _ => format!("internal error, please report it: {what}{place}"),
        });
    }));
    striate::nn::notice::listen(output::note);
    let parse_and_run = || match usage::parse() {
        Ok(cli) => run(cli),
        Err(e) => Ok(usage::report(&e)),
    };
    match std::panic::catch_unwind(parse_and_run) {
        Ok(Ok(code)) => code,
        // A reader that has seen enough, such as `head`, is no failure.
        Ok(Err(Failure::BrokenPipe)) => ExitCode::SUCCESS,
        Ok(Err(Failure::TerminalClosed)) => ExitCode::from(signals::hangup_code()),
        Ok(Err(Failure::Message(message))) => {
            output::print_error(&message);
            ExitCode::FAILURE
        }
        Ok(Err(Failure::Screen(screen))) => {
            output::show(&screen);
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn out_of_memory(what: &str) -> String {
    format!("{what}; smaller batches (--batch-size), images and networks take less")
}

fn run(cli: Cli) -> Result<ExitCode, Failure> {
    striate::isa::check_environment()?;
    match cli.command {
        Command::Train(args) => commands::train::run(*args),
        Command::LrFind(args) => commands::lr_find::run(*args),
        Command::Finetune(args) => commands::finetune::run(*args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Compare(args) => commands::compare::run(args),
        Command::Calibrate(args) => commands::calibrate::run(args),
        Command::LabelErrors(args) => commands::label_errors::run(args),
        Command::Predict(args) => commands::predict::run(args),
        Command::Explain(args) => commands::explain::run(*args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Models(args) => commands::models::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Import(args) => commands::import::run(args),
        Command::Run(args) => commands::run_file::run(args),
        Command::Runs(args) => commands::runs::run(args),
        Command::Bench(args) => commands::bench::run(args),
        Command::Data(args) => {
            commands::needs_files(&args.command)?;
            commands::data::run(args)
        }
        Command::Recipe(args) => commands::recipe::run(args.command),
        Command::Sweep(args) => commands::sweep::run(args),
        Command::Completions(args) => commands::completions::run(args),
    }
}
