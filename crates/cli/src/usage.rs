//! What was typed, and what to say in one line where it makes no sense.

use crate::args::{Cli, with_defaults, without_run_flags};
use crate::output::{print_error, quoted};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Command, CommandFactory, FromArgMatches};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// What was typed.
pub fn parse() -> Result<Cli, clap::Error> {
    command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches))
}

/// The arguments. What an option needs is said by its own parser, so that it gets negative numbers, too; names are taken in any case.
fn command() -> Command {
    fn lenient(command: Command) -> Command {
        let option = |arg: Arg| match (arg.get_action().takes_values(), arg.is_positional()) {
            (true, positional) => arg.ignore_case(true).allow_negative_numbers(!positional),
            (false, _) => arg,
        };
        command.mut_args(option).mut_subcommands(lenient)
    }
    lenient(without_run_flags(with_defaults(Cli::command())))
}

/// Help and versions as they are; mistakes in one line.
pub fn report(e: &clap::Error) -> ExitCode {
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
    let line = reworded(first.join(" ").trim_start_matches("error: "));
    let tip =
        tip(e, &text, &std::env::args_os().skip(1).collect::<Vec<_>>()).map_or(String::new(), |t| format!(" ({t})"));
    print_error(&format!("{line}{tip}; see --help"));
    ExitCode::from(2)
}

/// The first of these arguments of a command that was typed, as a flag.
pub fn given(verb: &str, arguments: &[&str]) -> Option<String> {
    let matches = command().try_get_matches().ok()?;
    let matches = matches.subcommand_matches(verb)?;
    let typed = |name: &&&str| matches.value_source(name) == Some(ValueSource::CommandLine);
    arguments.iter().find(typed).map(|name| format!("--{}", name.replace('_', "-")))
}

/// That a flag has no meaning with a verb or another flag, as other mistakes.
pub fn conflict(flag: &str, other: &str) -> ExitCode {
    report(
        &Cli::command()
            .error(ErrorKind::ArgumentConflict, format!("the argument '{flag}' cannot be used with '{other}'")),
    )
}

/// What a number may be, in words.
fn reworded(line: &str) -> String {
    if let Some((start, range)) = line.rsplit_once(" is not in ")
        && let Some((before, _)) = start.rsplit_once(": ")
        && let Some((low, high)) = range.split_once("..")
    {
        let high = high.trim_start_matches('=');
        let endless =
            high.is_empty() || [u32::MAX as u64, u64::MAX, i64::MAX as u64].iter().any(|n| n.to_string() == high);
        let need = if endless { format!("{low} or more") } else { format!("from {low} to {high}") };
        return format!("{before}: it must be a whole number, {need}");
    }
    for reason in ["invalid digit found in string", "cannot parse integer from empty string"] {
        if let Some(before) = line.strip_suffix(reason) {
            return format!("{before}it must be a whole number, and not a negative one");
        }
    }
    match line.strip_suffix("number too large to fit in target type") {
        Some(before) => format!("{before}it is too large"),
        None => line.to_string(),
    }
}

/// What may have been meant. Not clap's advice to write `-- --top` for an option that does not exist.
fn tip(e: &clap::Error, text: &str, typed: &[OsString]) -> Option<String> {
    if e.kind() == ErrorKind::UnknownArgument
        && let Some(ContextValue::String(unknown)) = e.get(ContextKind::InvalidArg)
        && let Some(tip) = elsewhere(unknown, typed)
    {
        return Some(tip);
    }
    let tips = text.lines().map(str::trim).filter_map(|line| line.strip_prefix("tip: "));
    tips.filter(|tip| !tip.contains("as a value, use")).map(|tip| format!("tip: {tip}")).next()
}

/// Where an option that this command does not have may be found.
fn elsewhere(unknown: &str, typed: &[OsString]) -> Option<String> {
    let all = Cli::command();
    let (name, command) = called(&all, typed);
    let unknown = unknown.split('=').next().unwrap_or(unknown);
    if name == "finetune" && unknown == "--resume" {
        let given = typed.iter().skip_while(|word| *word != "--resume").nth(1);
        let run = given.map_or_else(|| "RUN".into(), |run| quoted(Path::new(run)));
        return Some(format!("such a run goes on with: striate train --resume {run}"));
    }
    if let Some(letter) = unknown.strip_prefix('-').filter(|rest| rest.len() == 1 && !rest.starts_with('-')) {
        let longs: Vec<String> =
            options(command).filter(|long| long.starts_with(letter)).map(|o| format!("--{o}")).collect();
        return (!longs.is_empty()).then(|| format!("did you mean {}?", longs.join(" or ")));
    }
    let long = unknown.strip_prefix("--")?;
    // A slip of the fingers is likelier than another command.
    if striate::zoo::text::closest(long, options(command)).is_some() {
        return None;
    }
    let others: Vec<String> = leaves(&all)
        .into_iter()
        .filter(|(_, command)| options(command).any(|option| option == long))
        .map(|(name, _)| name)
        .collect();
    (!others.is_empty()).then(|| format!("{unknown} is an option of {}", others.join(", ")))
}

/// The long options of a command.
fn options(command: &Command) -> impl Iterator<Item = &str> {
    command.get_arguments().filter_map(Arg::get_long)
}

/// The commands that do something, by name: `data check`.
fn leaves(command: &Command) -> Vec<(String, &Command)> {
    let mut all = Vec::new();
    for sub in command.get_subcommands() {
        match sub.has_subcommands() {
            true => all.extend(leaves(sub).into_iter().map(|(name, c)| (format!("{} {name}", sub.get_name()), c))),
            false => all.push((sub.get_name().to_string(), sub)),
        }
    }
    all
}

/// The command that was called, by name.
fn called<'a>(all: &'a Command, typed: &[OsString]) -> (String, &'a Command) {
    let mut names = Vec::new();
    let mut command = all;
    for word in typed {
        let Some(sub) = word.to_str().and_then(|word| command.find_subcommand(word)) else { break };
        names.push(sub.get_name());
        command = sub;
    }
    (names.join(" "), command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_told_in_words() {
        for (line, words) in [
            (
                "x '0' for '--epochs <N>': 0 is not in 1..=4294967295",
                "x '0' for '--epochs <N>': it must be a whole number, 1 or more",
            ),
            (
                "x '0' for '--threads <N>': 0 is not in 1..=1024",
                "x '0' for '--threads <N>': it must be a whole number, from 1 to 1024",
            ),
            ("x: 0 is not in 1..18446744073709551615", "x: it must be a whole number, 1 or more"),
            ("x '-1': invalid digit found in string", "x '-1': it must be a whole number, and not a negative one"),
            ("unexpected argument", "unexpected argument"),
        ] {
            assert_eq!(reworded(line), words);
        }
    }

    #[test]
    fn arguments_are_consistent() {
        command().debug_assert();
    }
}
