use crate::args::{Cli, Completions};
use crate::output::{Failure, say};
use clap::CommandFactory;
use std::process::ExitCode;

pub fn run(args: Completions) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "striate", &mut script);
    say(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
