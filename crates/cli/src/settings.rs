//! Settings that were typed, over those of a recipe and of a file.

use crate::args::{Images, Learning, Look, Run};
use crate::commands::data_name;
use crate::output::{Failure, say};
use std::path::Path;
use striate::data::images::text_path;
use striate::train::{Config, ImageConfig, Layers, MNIST, Recipe, Resolved, TrainError, absolute_path};

/// What a setting of the command line is called where `--show-config` says where settings come from.
const TYPED: &str = "typed";

/// A recipe if there is one, over it the file of `--config`, and over that what was typed.
pub fn layers(recipe: Option<Recipe>, run: &Run, typed: Config) -> Result<Layers, Failure> {
    let mut layers = Layers::default();
    if let Some(recipe) = recipe {
        layers = layers.preset(format!("recipe {} {}", recipe.name(), recipe.version()), recipe.config());
    }
    if let Some(path) = &run.config {
        layers = layers.add(path.display().to_string(), file(path)?);
    }
    Ok(layers.add(TYPED, typed))
}

/// The settings of a file, its data as if it had been typed. Weights have their whole path, by which a run goes on from any directory.
pub fn file(path: &Path) -> Result<Config, Failure> {
    let mut config = Config::read(path).map_err(crate::advice::failure)?;
    if let Some(data) = config.data.as_ref().filter(|data| *data != MNIST) {
        config.data = Some(data_name(&text_path(data))?);
    }
    let weights = config.weights.iter_mut().map(|weights| ("weights", weights));
    let from = config.finetune.iter_mut().flat_map(|finetune| &mut finetune.from).map(|from| ("finetune.from", from));
    for (setting, place) in weights.chain(from) {
        if let Some(absolute) = absolute_path(setting, place) {
            *place = absolute;
        }
    }
    Ok(config)
}

/// What was typed of those settings that train and finetune have both.
pub fn typed(learning: &Learning, images: &Images, run: &Run) -> Config {
    let n = |n: u32| n as usize;
    Config {
        task: images.list.task,
        seed: run.seed,
        fraction: learning.fraction,
        epoch_fraction: learning.epoch_fraction,
        betas: learning.betas,
        schedule: learning.schedule.clone(),
        weight_decay: learning.weight_decay,
        decay_bias_and_norm: learning.decay_bias_and_norm.then_some(true),
        lr_scales: learning.lr_scales.clone(),
        clip_norm: learning.clip_norm,
        accumulate: learning.accumulate.map(n),
        ema: learning.ema,
        label_smoothing: learning.label_smoothing,
        dropout_scale: learning.dropout_scale,
        focal: learning.focal,
        segmentation_loss: learning.segmentation_loss,
        winograd: run.compute.no_winograd.then_some(false),
        monitor: learning.monitor.clone(),
        min_delta: learning.min_delta,
        time_budget: learning.time_budget,
        patience: learning.patience.map(n),
        log_every: run.log_every.map(n),
        checkpoint_every: run.checkpoint_every,
        images: Some(ImageConfig {
            cache: images.cache,
            max_bad: images.max_bad,
            mix_off_epochs: images.mix_off_epochs.map(n),
            balance: images.balance.then_some(true),
            class_weights: images.class_weights.then_some(true),
            val: images.val,
            split_near_duplicates: images.split_near_duplicates.then_some(true),
            path_column: images.list.columns.path_column.clone(),
            label_column: images.list.columns.label_column.clone(),
            ..look(&images.look)
        }),
        ..Config::default()
    }
}

/// What was typed of how images look to the network.
pub fn look(look: &Look) -> ImageConfig {
    ImageConfig {
        size: look.size.map(|n| n as usize),
        channels: look.channels,
        filter: look.filter,
        background: look.background,
        augment: look.augment.clone(),
        ..ImageConfig::default()
    }
}

/// Prints settings as TOML, each with where it comes from.
pub fn show(resolved: &Resolved) -> Result<(), Failure> {
    let text = resolved.config.to_toml();
    let (mut section, mut lines) = (String::new(), Vec::new());
    for line in text.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = format!("{name}.");
        }
        let name = line.split_once(" = ").map(|(key, _)| format!("{section}{key}"));
        let origin = name.map(|name| resolved.origins.get(&name).map_or("default", String::as_str));
        lines.push((line, origin));
    }
    let width = lines.iter().filter(|(_, origin)| origin.is_some()).map(|(l, _)| l.chars().count()).max().unwrap_or(0);
    const WIDEST: usize = 60;
    let width = width.min(WIDEST);
    for (line, origin) in lines {
        match origin {
            Some(origin) => say(format_args!("{line:width$}  # {origin}"))?,
            None => say(line)?,
        }
    }
    Ok(())
}

/// Names of settings in a message of the library as the flags that they are here: `batch_size` is `--batch-size`. Parts of paths are left alone.
pub fn as_flags(message: &str) -> String {
    let names = Config::names();
    let names: Vec<&str> = names.iter().map(|name| name.rsplit('.').next().unwrap_or(name)).collect();
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ':', ';']);
        match names.iter().find(|name| **name == bare && bare.contains('_')) {
            Some(name) => flag(name) + &word[bare.len()..],
            None => word.to_string(),
        }
    };
    message.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// The flag of a setting.
pub fn flag(name: &str) -> String {
    match name {
        "winograd" => "--no-winograd".into(),
        _ => format!("--{}", name.replace('_', "-")),
    }
}

/// What a failure of the library is, in terms of flags.
pub fn in_flags(e: &TrainError) -> String {
    match e {
        TrainError::Setting { name, got, need } => {
            let name = name.rsplit('.').next().unwrap_or(name);
            format!("{} is {got}, it must be {}", flag(name), as_flags(need))
        }
        TrainError::Unusable { name, got, reason } => {
            let name = flag(name.rsplit('.').next().unwrap_or(name));
            // What is on or off is typed without a value.
            let typed = if got == "true" { name } else { format!("{name} {got}") };
            format!("{typed} cannot be used: {}", as_flags(reason))
        }
        TrainError::Schedule { text, reason } => format!("--schedule '{text}': {reason}"),
        TrainError::Augmentation { text, reason } => format!("--augment '{text}': {reason}"),
        TrainError::ImageSettings { data } => format!(
            "{data} is no folder of images: --size, --channels, --filter, --background, --cache, --max-bad, --val, --split-near-duplicates, \
             --path-column and --label-column are for these"
        ),
        TrainError::Prototypes { reason } => format!("--mode prototype cannot be: {reason}"),
        TrainError::NotPublished { .. } => format!("--weights imagenet: {e} (striate models lists all)"),
        TrainError::NoAddress { .. } | TrainError::Download(_) => format!("{e}, with --weights or finetune's --from"),
        TrainError::RecipeInFile { path, recipe } => format!(
            "{}: recipe = \"{recipe}\" only says where settings came from and brings none in: add --recipe {recipe}",
            path.display()
        ),
        TrainError::UnknownMetric { .. } => format!("--monitor: {e}"),
        // It is of a file, in whose own names it speaks.
        TrainError::Config { .. } => e.to_string(),
        _ => as_flags(&e.to_string().replace("(weights_entry)", "(--weights-entry NAME)"))
            .replace("(model)", "(--model)")
            .replace("(model = ", "(--model ")
            .replace("(see the list of networks)", "(striate models lists them)"),
    }
}
