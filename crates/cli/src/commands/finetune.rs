use super::folds;
use super::run::{Listener, printer, run_to_end, show_config, start, watched};
use super::smoke::smoke;
use crate::advice;
use crate::args::{Finetune, FinetuneMode, Log};
use crate::download;
use crate::model_arg;
use crate::output::{Failure, percent, program, quoted, say};
use crate::settings;
use crate::signals;
use crate::usage::conflict;
use std::process::ExitCode;
use striate::train::{
    Config, FewShot, FineTuneConfig, FineTuneMode, IMAGENET, Layers, PrototypeReport, Recipe, ResolvedConfig, TaskKind,
    prototypes, wilson_interval,
};
use striate::zoo::find;

pub fn run(args: Finetune) -> Result<ExitCode, Failure> {
    if args.mode == FinetuneMode::Prototype && args.run.smoke {
        return Ok(conflict("--smoke", "--mode prototype"));
    }
    super::set_up(&args.run.compute);
    let stop = signals::stop_flag()?;
    let model = args.model.as_deref().map(model_arg::read).transpose()?;
    let asked = asked(&args, model.as_ref().map(|m| m.text.as_str()))?;
    let first = asked.over(ResolvedConfig::default()).config;
    if let Some(ready) = first.finetune.as_ref().and_then(|f| find(&f.from)) {
        download::fetch(Some(IMAGENET), ready.name, args.run.quiet, &stop)?;
    }
    let failure = |e| match &model {
        Some(model) => model.failure(e),
        None => advice::failure(e),
    };
    if args.mode != FinetuneMode::Prototype {
        if args.run.show_config {
            show_config(&asked, &args.run).map_err(failure)?;
            return Ok(ExitCode::SUCCESS);
        }
        if args.run.smoke {
            return smoke(&asked, &args.run, &stop, failure);
        }
        if let Some(folds) = folds::asked_for(args.learning.folds, &first) {
            return folds::run(&asked, folds, &args.run, &stop).map_err(failure)?;
        }
        let session = start(&asked, &args.run).map_err(failure)?;
        return run_to_end(session, &args.run, &stop);
    }
    for (flag, given) in [("--tensorboard", args.run.tensorboard), ("--ui", args.run.ui)] {
        if given {
            return Err(format!("{flag} is for a training, and --mode prototype trains nothing: leave it out").into());
        }
    }
    let few = FewShot {
        ways: args.ways as usize,
        shots: args.shots.iter().map(|&n| n as usize).collect(),
        episodes: args.episodes as usize,
        ..FewShot::default()
    };
    let mut sink = Listener { inner: printer(&args.run), end: None };
    let report =
        watched(args.run.quiet, |watch| prototypes(&asked, &few, args.run.out.as_deref(), watch, &mut sink, &stop));
    let Some(report) = report.map_err(failure)? else { return Ok(ExitCode::from(signals::exit_code())) };
    match args.run.log {
        _ if args.run.quiet => {}
        Log::Json => say(serde_json::to_string(&report)?)?,
        Log::Text => print(&report)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn asked(args: &Finetune, model: Option<&str>) -> Result<Layers, Failure> {
    let task = args.images.list.task.unwrap_or_default();
    let mode = match args.mode {
        // The layers on the backbone are new, so that all learn.
        FinetuneMode::Gradual if task.is_dense() => FineTuneMode::Full,
        FinetuneMode::Head | FinetuneMode::Prototype => FineTuneMode::Head,
        FinetuneMode::Full => FineTuneMode::Full,
        FinetuneMode::Gradual => FineTuneMode::Gradual,
    };
    let typed = args.from.to_string_lossy();
    let from = match find(&typed) {
        // A folder may have a network's name.
        _ if args.from.is_file() => super::data::absolute(&args.from)?,
        Some(ready) => ready.name.to_string(),
        None => {
            return Err(format!(
                "--from {typed}: neither a file nor a ready network ({} models lists them)",
                program()
            )
            .into());
        }
    };
    let n = |n: u32| n as usize;
    let mut config = Config {
        data: Some(super::data_name(&args.data)?),
        model: model.map(String::from),
        weights_entry: args.weights_entry.clone(),
        epochs: args.epochs.map(n),
        batch_size: args.batch_size,
        optimizer: args.optimizer,
        lr: args.lr,
        finetune: Some(FineTuneConfig {
            from: Some(from),
            mode: Some(mode),
            head_epochs: args.head_epochs.map(n),
            head_lr: args.head_lr,
            backbone_lr: args.backbone_lr,
        }),
        ..settings::typed(&args.learning, &args.images, &args.run)
    };
    let usual = match task {
        TaskKind::Detection => Recipe::DETECTION,
        TaskKind::Segmentation => Recipe::SEGMENTATION,
        _ => mode.recipe(),
    };
    let recipe = Some(args.recipe.unwrap_or(usual));
    if mode == FineTuneMode::Gradual && (args.epochs.is_some() || args.head_epochs.is_some()) {
        // What is typed are the epochs of all layers, which come after those of the head.
        let below = settings::layers(recipe, &args.run, Config::default())?.over(ResolvedConfig::default()).config;
        let usual = below.finetune.clone().unwrap_or_default().head_epochs;
        let all_layers = args.epochs.map_or(below.epochs.saturating_sub(usual), n);
        config.epochs = Some(args.head_epochs.map_or(usual, n) + all_layers);
    }
    settings::layers(recipe, &args.run, config)
}

fn print(report: &PrototypeReport) -> Result<(), Failure> {
    let PrototypeReport { model, train_samples, measured, measured_samples, correct, few_shot } = report;
    let accuracy = *correct as f64 / (*measured_samples).max(1) as f64;
    let (low, high) = wilson_interval(*correct, *measured_samples);
    match measured_samples {
        0 => say(format_args!(
            "Each class is the mean of its training images, {train_samples} in all; nothing is held out, so nothing is measured"
        ))?,
        _ => say(format_args!(
            "The nearest mean of all {train_samples} training images: {} {} accuracy on {measured_samples} images (95% interval {} to {})",
            percent(accuracy),
            measured.adjective(),
            percent(low),
            percent(high)
        ))?,
    }
    for f in few_shot {
        say(format_args!(
            "{}-way {}-shot: {} ± {} (95% interval over {} tasks)",
            f.ways,
            f.shots,
            percent(f.accuracy),
            percent(f.half_width),
            f.episodes
        ))?;
    }
    let (program, model) = (program(), quoted(model));
    say(format_args!("Measure it:  {program} eval {model}"))?;
    say(format_args!("Use it:      {program} predict {model} IMAGE.png"))
}
