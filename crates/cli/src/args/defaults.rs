//! The defaults that help shows: those that are used.

use clap::{Arg, Command};
use striate::train::{Defaults, FineTuneMode, ResolvedConfig};

/// What help says of a setting's default in `train`: for the built-in data and idx files, and for images in files.
type OfTrain = fn(&ResolvedConfig) -> Option<String>;

/// The settings whose defaults are worked out, by the names of their arguments.
const SETTINGS: [(&str, OfTrain); 13] = [
    ("epochs", |c| Some(c.epochs.to_string())),
    ("epoch_fraction", |c| Some(c.epoch_fraction.to_string())),
    ("batch_size", |c| Some(c.batch_size.to_string())),
    ("lr", |c| Some(c.lr.to_string())),
    ("optimizer", |c| Some(c.optimizer.name().to_string())),
    ("weight_decay", |c| Some(c.decay().to_string())),
    ("schedule", |c| Some(c.schedule.clone().unwrap_or_else(|| "constant".into()))),
    ("label_smoothing", |c| Some(c.label_smoothing.to_string())),
    ("dropout_scale", |c| Some(c.dropout_scale.to_string())),
    ("ema", |c| c.ema.map(|e| e.to_string())),
    ("patience", |c| Some(c.patience.unwrap_or(0).to_string())),
    ("augment", |c| Some(c.images.augment.clone().unwrap_or_else(|| "none".into()))),
    ("val", |c| Some(format!("{}%", (c.images.val * 100.0).round()))),
];

/// `command` with the defaults of each verb in its help.
pub fn with_defaults(command: Command) -> Command {
    let of_train = |command: Command, verb| {
        command.mut_subcommand(verb, |train| {
            SETTINGS.into_iter().fold(train, |train, (name, of)| {
                let plain = of(&ResolvedConfig::default());
                let few = |n| of(&Defaults::for_images(n).config());
                let (small, large) = (few(Defaults::FEW), few(Defaults::MANY));
                let text = match (plain, small, large) {
                    (None, None, None) => return train,
                    (a, b, c) if a == b && b == c => a.unwrap_or_default(),
                    (a, b, c) if b == c => format!("{}; for images in files {}", or_none(a), or_none(b)),
                    (a, b, c) => format!(
                        "{}; for images in files from {} for {} training images or fewer to {} for {} or more",
                        or_none(a),
                        or_none(b),
                        Defaults::FEW,
                        or_none(c),
                        Defaults::MANY
                    ),
                };
                train.mut_arg(name, |arg| with_default(arg, &text))
            })
        })
    };
    let command = ["train", "lr-find"].into_iter().fold(command, of_train);
    command.mut_subcommand("finetune", |finetune| {
        SETTINGS.into_iter().fold(finetune, |finetune, (name, of)| {
            let modes = [FineTuneMode::Head, FineTuneMode::Full, FineTuneMode::Gradual];
            let [head, full, gradual] = modes.map(|mode| match name {
                // What is typed in mode gradual are the epochs in which all layers learn.
                "epochs" => Some(last_stage(mode).to_string()),
                _ => of(&mode.recipe().resolved()),
            });
            let text = match (head, full, gradual) {
                (None, None, None) => return finetune,
                (a, b, c) if a == b && b == c => a.unwrap_or_default(),
                (a, b, c) if b == c => format!("{} for head, else {}", or_none(a), or_none(b)),
                (a, b, c) => {
                    format!("{} for head, {} for full, {} for gradual", or_none(a), or_none(b), or_none(c))
                }
            };
            finetune.mut_arg(name, |arg| with_default(arg, &text))
        })
    })
}

/// The epochs of the last stage of a mode.
fn last_stage(mode: FineTuneMode) -> usize {
    let config = mode.recipe().resolved();
    match (mode, &config.finetune) {
        (FineTuneMode::Gradual, Some(finetune)) => config.epochs - finetune.head_epochs,
        _ => config.epochs,
    }
}

fn or_none(value: Option<String>) -> String {
    value.unwrap_or_else(|| "none".into())
}

fn with_default(arg: Arg, default: &str) -> Arg {
    let text =
        |help: &clap::builder::StyledStr| format!("{} [default: {default}]", help.to_string().trim_end_matches('.'));
    let short = arg.get_help().map(text);
    let long = arg.get_long_help().map(text);
    let arg = match short {
        Some(short) => arg.help(short),
        None => arg,
    };
    match long {
        Some(long) => arg.long_help(long),
        None => arg,
    }
}
