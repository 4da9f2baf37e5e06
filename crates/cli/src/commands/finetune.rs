use super::run::{Listener, conduct, printer, start, watched, with_settings};
use crate::advice;
use crate::args::{Finetune, FinetuneMode, Log};
use crate::download;
use crate::model_arg;
use crate::output::{Failure, program, quoted, say};
use crate::signals;
use std::process::ExitCode;
use striate::train::{Config, FewShot, FineTune, FineTuneMode, IMAGENET, PrototypeReport, prototypes, wilson_interval};
use striate::zoo::find;

pub fn run(args: Finetune) -> Result<ExitCode, Failure> {
    super::set_up(&args.run.compute);
    let stop = signals::stop_flag()?;
    let model = args.model.as_deref().map(model_arg::read).transpose()?;
    let config = config(&args, model.as_ref().map(|m| m.text.as_str()))?;
    if let Some(ready) = config.finetune.as_ref().and_then(|f| find(&f.from)) {
        download::fetch(Some(IMAGENET), ready.name, args.run.quiet, &stop)?;
    }
    let failure = |e| match &model {
        Some(model) => model.failure(e),
        None => advice::failure(e),
    };
    if args.mode != FinetuneMode::Prototype {
        let session = start(&|_| config.clone(), &args.run).map_err(failure)?;
        return conduct(session, &args.run, &stop);
    }
    let few = FewShot {
        ways: args.ways as usize,
        shots: args.shots.iter().map(|&n| n as usize).collect(),
        episodes: args.episodes as usize,
        ..FewShot::default()
    };
    let mut sink = Listener { inner: printer(&args.run), end: None };
    let report =
        watched(args.run.quiet, |watch| prototypes(&config, &few, args.run.out.as_deref(), watch, &mut sink, &stop));
    let Some(report) = report.map_err(failure)? else { return Ok(ExitCode::from(signals::exit_code())) };
    match args.run.log {
        _ if args.run.quiet => {}
        Log::Json => say(serde_json::to_string(&report)?)?,
        Log::Text => print(&report)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn config(args: &Finetune, model: Option<&str>) -> Result<Config, Failure> {
    let mode = match args.mode {
        FinetuneMode::Head | FinetuneMode::Prototype => FineTuneMode::Head,
        FinetuneMode::Full => FineTuneMode::Full,
        FinetuneMode::Gradual => FineTuneMode::Gradual,
    };
    let base = mode.config();
    let usual = base.finetune.clone().unwrap_or_default();
    let head_epochs = args.head_epochs.map_or(usual.head_epochs, |n| n as usize);
    let usual_epochs = if mode == FineTuneMode::Gradual { base.epochs - usual.head_epochs } else { base.epochs };
    let epochs = args.epochs.map_or(usual_epochs, |n| n as usize);
    let all = if mode == FineTuneMode::Gradual { head_epochs + epochs } else { epochs };
    let optimizer = args.optimizer.unwrap_or(base.optimizer);
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
    let config = Config {
        data: super::data_name(&args.data)?,
        model: model.unwrap_or(&base.model).to_string(),
        weights_entry: args.weights_entry.clone(),
        epochs: all,
        patience: base.patience_over(all),
        batch_size: args.batch_size.map_or(base.batch_size, |n| n as usize),
        optimizer,
        // What goes with an optimizer does not go with another.
        weight_decay: base.weight_decay.filter(|_| optimizer == base.optimizer),
        lr: args.lr.unwrap_or(base.lr),
        finetune: Some(FineTune {
            from,
            mode,
            head_epochs,
            head_lr: args.head_lr.unwrap_or(usual.head_lr),
            backbone_lr: args.backbone_lr,
        }),
        ..base
    };
    Ok(with_settings(config, &args.learning, &args.images, &args.run))
}

fn percent(share: f64) -> String {
    format!("{:.2}%", 100.0 * share)
}

fn print(report: &PrototypeReport) -> Result<(), Failure> {
    let PrototypeReport { model, train_samples, measured, test_samples, correct, few_shot } = report;
    let accuracy = *correct as f64 / (*test_samples).max(1) as f64;
    let (low, high) = wilson_interval(*correct, *test_samples);
    match test_samples {
        0 => say(format_args!(
            "Each class is the mean of its training images, {train_samples} in all; nothing is held out, so nothing is measured"
        ))?,
        _ => say(format_args!(
            "The nearest mean of all {train_samples} training images: {} {} accuracy on {test_samples} images (95% interval {} to {})",
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
