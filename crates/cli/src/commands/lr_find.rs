use super::run::watched;
use super::train::asked;
use crate::advice;
use crate::args::{LrFind, NOT_IN_A_SEARCH};
use crate::download;
use crate::model_arg;
use crate::output::{Failure, by, note, program, quoted, say, say_json, shown, shown_path};
use crate::progress::Progress;
use crate::signals;
use crate::text_plot;
use crate::usage::{conflict, given};
use serde_json::json;
use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::ExitCode;
use striate::formats::write_atomic;
use striate::train::sinks::json_path;
use striate::train::{DryRun, LrFindEnd, LrFindOptions, ResolvedConfig, Sink};
use striate::zoo::title_of;

pub fn run(args: LrFind) -> Result<ExitCode, Failure> {
    if let Some(flag) = given("lr-find", &NOT_IN_A_SEARCH) {
        return Ok(conflict(&flag, "lr-find"));
    }
    let run = &args.train.run;
    super::set_up(&run.compute);
    let stop = signals::stop_flag()?;
    let model = args.train.model.as_ref().map(model_arg::read).transpose()?;
    let failure = |e| match &model {
        Some(model) => model.failure(e),
        None => advice::failure(e),
    };
    let asked = asked(&args.train, model.as_ref())?;
    let first = asked.over(ResolvedConfig::default()).config;
    download::fetch(first.weights.as_deref(), &first.model, run.quiet, &stop)?;
    let mut dry_run = watched(run.quiet, |watch| DryRun::new(&asked, watch)).map_err(failure)?;
    let talks = !run.quiet && !args.json;
    let options = LrFindOptions {
        start_lr: args.start_lr,
        end_lr: args.end_lr,
        steps: args.steps as usize,
        ..LrFindOptions::default()
    };
    if talks {
        announce(&dry_run, &options)?;
    }
    let mut sink: Box<dyn Sink> = if talks { Box::new(Progress::new()) } else { Box::new(()) };
    let found = dry_run.lr_find(&options, &mut *sink, &stop).map_err(failure)?;
    if found.ending == LrFindEnd::Stopped {
        return Ok(ExitCode::from(signals::exit_code()));
    }
    write_atomic(&args.svg, found.svg().as_bytes())?;
    let suggestion = found.suggestion();
    let command = suggestion.map(|lr| train_command(std::env::args_os().skip(1), lr));
    if args.json {
        let mut object = serde_json::to_value(&found)?;
        object["suggestion"] = json!(suggestion);
        object["rule"] = json!(suggestion.map(|_| "valley"));
        let (svg, bytes) = json_path(&args.svg);
        object["svg"] = json!(svg);
        if let Some(bytes) = bytes {
            object["svg_bytes"] = json!(bytes);
        }
        object["command"] = json!(command);
        say_json(&object)?;
    }
    if talks {
        let points: Vec<[f64; 2]> = found.points.iter().map(|p| [p.lr, p.smoothed_loss]).collect();
        say("Smoothed loss over the learning rate:")?;
        text_plot::over_log(&points, suggestion.as_slice()).into_iter().try_for_each(say)?;
        let last = found.points.last().map_or(options.start_lr, |p| p.lr);
        match found.ending {
            LrFindEnd::Diverged => {
                say(format_args!("The loss diverges at {last:.1e}: it is {} times its best.", options.stop_factor))?
            }
            LrFindEnd::NotFinite => say(format_args!("The loss is not finite any more above {last:.1e}."))?,
            LrFindEnd::AllSteps | LrFindEnd::Stopped => {}
        }
        say(format_args!("The curve is in {}.", shown_path(&args.svg)))?;
    }
    let (Some(lr), Some(command)) = (suggestion, command) else {
        return Err(format!(
            "the loss falls at no learning rate from {} to {}, so there is none to suggest: look at the labels, the images and the network",
            options.start_lr, options.end_lr
        )
        .into());
    };
    if talks {
        let steepest = found.steepest.map_or(String::new(), |lr| format!("; the loss falls most steeply at {lr:.1e}"));
        say(format_args!("Suggestion: {lr}, the middle of the longest valley{steepest}."))?;
        say(format_args!("Train with it:  {command}"))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn announce(dry_run: &DryRun, options: &LrFindOptions) -> Result<(), Failure> {
    let (config, data) = (dry_run.config(), dry_run.data());
    data.notes.iter().for_each(|text| note(text));
    say(shown(format!(
        "Trying {} learning rates from {:e} to {} with {} ({} parameters) on {} ({} training images of {}): {}, batch {}, seed {}",
        options.steps,
        options.start_lr,
        options.end_lr,
        title_of(&config.model),
        dry_run.num_parameters(),
        data.name,
        data.train.len(),
        by(&data.image_shape()),
        config.optimizer.name(),
        config.batch_size,
        config.seed
    )))
}

/// The options of the search itself, and whether they take a value.
const OWN: [(&str, bool); 6] =
    [("--steps", true), ("--start-lr", true), ("--end-lr", true), ("--svg", true), ("--json", false), ("--lr", true)];

/// The command that trains at this rate with all else that was typed after the program's name.
fn train_command(typed: impl Iterator<Item = OsString>, lr: f64) -> String {
    let (mut words, mut rest) = (vec![OsString::from("train")], Vec::new());
    let mut typed = typed.skip(1);
    while let Some(word) = typed.next() {
        if word == "--" {
            rest = [word].into_iter().chain(typed.by_ref()).collect();
            break;
        }
        match own(&word) {
            Some(true) => _ = typed.next(),
            Some(false) => {}
            None => words.push(word),
        }
    }
    words.extend(["--lr".into(), lr.to_string().into()]);
    words.extend(rest);
    let words = words.iter().map(|word| as_typed(word));
    [program()].into_iter().chain(words).collect::<Vec<_>>().join(" ")
}

/// Whether a word is an option of the search, and then whether its value is the next word.
fn own(word: &OsStr) -> Option<bool> {
    let word = word.to_str()?;
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    let (_, takes) = OWN.into_iter().find(|(own, _)| *own == name)?;
    Some(takes && name == word)
}

/// A word as a shell takes it; an option keeps its dashes.
fn as_typed(word: &OsStr) -> String {
    let text = quoted(Path::new(word));
    text.strip_prefix("./-").map_or(text.clone(), |rest| format!("-{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_keeps_what_was_typed() {
        let command = |typed: &[&str]| {
            let command = train_command(typed.iter().map(OsString::from), 0.003);
            command.strip_prefix(&program()).unwrap().trim_start().to_string()
        };
        assert_eq!(command(&["lr-find"]), "train --lr 0.003");
        let typed = ["lr-find", "my photos", "--steps", "50", "--lr=1", "--epochs", "3", "--json", "--svg", "--lr"];
        assert_eq!(command(&typed), "train 'my photos' --epochs 3 --lr 0.003");
        assert_eq!(
            command(&["lr-find", "--model", "lenet", "-q", "--", "-x"]),
            "train --model lenet -q --lr 0.003 -- -x"
        );
        assert_eq!(command(&["lr-find", "--model", "conv 8 3, relu"]), "train --model 'conv 8 3, relu' --lr 0.003");
    }
}
