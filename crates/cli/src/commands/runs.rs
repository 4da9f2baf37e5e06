use crate::advice;
use crate::args::{Compare, Runs, RunsCommand};
use crate::output::{Failure, json_path, note, program, say, say_json, shown_path};
use crate::settings::in_flags;
use crate::table::Table;
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use striate::train::{DamagedRun, Metric, RunState, RunSummary, runs};

/// What stands where there is nothing to tell.
const NONE: &str = "–";

pub fn run(args: Runs) -> Result<ExitCode, Failure> {
    match &args.command {
        Some(RunsCommand::Compare(args)) => compare(args)?,
        None => list(&args)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn list(args: &Runs) -> Result<(), Failure> {
    if !args.dir.exists() {
        let dir = shown_path(&args.dir);
        return Err(
            format!("there is no directory {dir}: {} train puts runs into runs, or name another", program()).into()
        );
    }
    let (mut runs, damaged) = runs(&args.dir).map_err(advice::failure)?;
    if let Some(metric) = &args.sort {
        sort(&mut runs, metric)?;
    }
    if args.json {
        let damaged =
            damaged.iter().map(|run| with_path(json!({"state": "damaged", "error": in_flags(&run.error)}), &run.path));
        return say_json(&runs.iter().map(as_json).chain(damaged).collect::<Vec<_>>());
    }
    if runs.is_empty() && damaged.is_empty() {
        return say(format_args!("No runs in {}", shown_path(&args.dir)));
    }
    let mut table = Table::new(&["run", "task", "data", "model", "epochs", "best", "time", "state"]).left(8);
    for run in &runs {
        let result = &run.result;
        let metric = args.sort.as_ref().unwrap_or(&result.monitor);
        table.row(vec![
            run.path.display().to_string(),
            or_none(&result.task),
            or_none(result.data.as_deref().unwrap_or_default()),
            or_none(&striate::zoo::title_of(&result.model)),
            epochs(run),
            best(run, metric),
            if result.seconds > 0.0 { time(result.seconds) } else { NONE.into() },
            result.state.name().to_string(),
        ]);
    }
    for DamagedRun { path, .. } in &damaged {
        let mut row = vec![NONE.to_string(); 8];
        (row[0], row[7]) = (path.display().to_string(), "damaged".into());
        table.row(row);
    }
    say(table)?;
    reasons(&runs, &damaged)
}

/// Why runs failed, and what is wrong with damaged ones.
fn reasons(runs: &[RunSummary], damaged: &[DamagedRun]) -> Result<(), Failure> {
    let failed = runs.iter().filter_map(|run| Some((&run.path, "failed", run.result.error.as_deref()?)));
    let failed = failed.map(|(path, state, reason)| (path, state, reason.to_string()));
    let damaged = damaged.iter().map(|run| (&run.path, "damaged", in_flags(&run.error)));
    for (number, (path, state, reason)) in failed.chain(damaged).enumerate() {
        if number == 0 {
            say("")?;
        }
        say(crate::output::shown(format!("{}: {state}: {reason}", path.display())))?;
    }
    Ok(())
}

/// Puts the runs with the best value of a metric first, and those without it last.
fn sort(runs: &mut [RunSummary], name: &str) -> Result<(), Failure> {
    let of = |run: &RunSummary| run.result.best.as_ref().and_then(|best| best.get(name)).cloned();
    if runs.iter().all(|run| of(run).is_none()) {
        let all: BTreeSet<&str> = runs
            .iter()
            .flat_map(|run| &run.result.best)
            .flat_map(|best| &best.metrics)
            .map(|m| m.name.as_str())
            .collect();
        let some = match all.is_empty() {
            true => "no run has any".to_string(),
            false => format!("there are {}", all.into_iter().collect::<Vec<_>>().join(", ")),
        };
        return Err(format!("--sort: no run has a metric '{name}': {some}").into());
    }
    runs.sort_by(|a, b| match (of(a), of(b)) {
        (Some(a), Some(b)) if a.is_better(b.value) => Ordering::Less,
        (Some(a), Some(b)) if b.is_better(a.value) => Ordering::Greater,
        (a, b) => b.is_some().cmp(&a.is_some()),
    });
    Ok(())
}

fn or_none(text: &str) -> String {
    if text.is_empty() { NONE.into() } else { text.into() }
}

fn epochs(run: &RunSummary) -> String {
    match (run.result.epochs_done, run.result.epochs) {
        (_, 0) => NONE.into(),
        (done, all) if run.result.stopped_early.is_some() => format!("{done}/{all}, early"),
        (done, all) => format!("{done}/{all}"),
    }
}

/// `98.35% test accuracy (epoch 2)`
fn best(run: &RunSummary, metric: &str) -> String {
    let best = run.result.best.as_ref();
    match best.and_then(|best| Some((best.epoch, best.get(metric)?))) {
        Some((epoch, metric)) => {
            let at = if epoch == 0 { String::new() } else { format!(" (epoch {epoch})") };
            format!("{} {} {}{at}", metric.shown(), run.result.split.adjective(), metric.title())
        }
        None => NONE.into(),
    }
}

/// `6 s`, `2 m 05 s`, `1 h 40 m`
fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match whole {
        0..60 => format!("{whole} s"),
        60..3600 => format!("{} m {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} m", whole / 3600, whole / 60 % 60),
    }
}

fn with_path(mut value: Value, path: &Path) -> Value {
    let (text, bytes) = json_path(path);
    value["run"] = text.into();
    if let Some(bytes) = bytes {
        value["run_bytes"] = bytes.into();
    }
    value
}

fn as_json(run: &RunSummary) -> Value {
    with_path(serde_json::to_value(&run.result).unwrap_or_default(), &run.path)
}

fn compare(args: &Compare) -> Result<(), Failure> {
    let runs: Result<Vec<RunSummary>, _> = args.runs.iter().map(|run| RunSummary::read(run)).collect();
    let runs = runs.map_err(advice::failure)?;
    let settings = differing(&runs);
    if args.json {
        return say_json(&json!({ "settings": settings, "runs": runs.iter().map(as_json).collect::<Vec<_>>() }));
    }
    let names: Vec<String> = runs.iter().map(|run| run.path.display().to_string()).collect();
    let table = |first: &str| {
        let header: Vec<&str> = std::iter::once(first).chain(names.iter().map(String::as_str)).collect();
        Table::new(&header).left(header.len())
    };
    match settings.is_empty() {
        true => say("The settings are the same.")?,
        false => {
            let mut rows = table("setting");
            for (name, values) in &settings {
                let cells = values.iter().map(|value| value.unwrap_or(NONE).to_string());
                rows.row(std::iter::once(name.to_string()).chain(cells).collect());
            }
            say(rows)?;
        }
    }
    say("")?;
    let mut rows = table("result");
    for (name, of) in results(&runs) {
        rows.row(std::iter::once(name).chain(runs.iter().map(of)).collect());
    }
    say(rows)?;
    told_apart(&runs);
    Ok(())
}

/// The settings in which runs differ.
fn differing(runs: &[RunSummary]) -> BTreeMap<&str, Vec<Option<&str>>> {
    let names: BTreeSet<&str> = runs.iter().flat_map(|run| run.settings.keys()).map(String::as_str).collect();
    let values = |name: &&str| runs.iter().map(|run| run.settings.get(*name).map(String::as_str)).collect::<Vec<_>>();
    let rows = names.into_iter().map(|name| (name, values(&name)));
    rows.filter(|(_, values)| values.iter().any(|value| *value != values[0])).collect()
}

type OfRun = Box<dyn Fn(&RunSummary) -> String>;

/// What is told of each run's end, by name.
fn results(runs: &[RunSummary]) -> Vec<(String, OfRun)> {
    let mut rows: Vec<(String, OfRun)> = vec![
        ("state".into(), Box::new(|run| run.result.state.name().to_string())),
        ("epochs".into(), Box::new(epochs)),
        ("time".into(), Box::new(|run| if run.result.seconds > 0.0 { time(run.result.seconds) } else { NONE.into() })),
        ("measured on".into(), Box::new(measured_on)),
        (
            "best epoch".into(),
            Box::new(|run| run.result.best.as_ref().map_or(NONE.into(), |best| best.epoch.to_string())),
        ),
    ];
    let mut names: Vec<&str> = Vec::new();
    for metric in runs.iter().flat_map(|run| &run.result.best).flat_map(|best| &best.metrics) {
        if names.contains(&metric.name.as_str()) {
            continue;
        }
        names.push(&metric.name);
        let name = metric.name.clone();
        let of = move |run: &RunSummary| {
            let metric = run.result.best.as_ref().and_then(|best| best.get(&name));
            metric.map_or(NONE.into(), with_interval)
        };
        rows.push((format!("  {}", metric.title()), Box::new(of)));
    }
    rows.push(("last epoch".into(), Box::new(last)));
    rows
}

fn measured_on(run: &RunSummary) -> String {
    let result = &run.result;
    let samples = result.best.as_ref().map(|best| best.samples);
    samples.map_or(NONE.into(), |n| format!("{} {} samples", crate::output::thousands(n), result.split.adjective()))
}

/// `98.35% (98.08% to 98.58%)`
fn with_interval(metric: &Metric) -> String {
    let interval = |[low, high]: [f64; 2]| format!(" ({} to {})", metric.format(low), metric.format(high));
    metric.shown() + &metric.interval_95.map_or(String::new(), interval)
}

/// `5: 98.31% accuracy, loss 0.0512`
fn last(run: &RunSummary) -> String {
    let Some(last) = &run.result.last else { return NONE.into() };
    let monitored = last.get(&run.result.monitor).filter(|metric| metric.name != "loss");
    let monitored = monitored.map_or(String::new(), |metric| format!(" {} {},", metric.shown(), metric.title()));
    format!("{}:{monitored} loss {:.4}", last.epoch, last.loss())
}

/// Says where results cannot be compared as they stand.
fn told_apart(runs: &[RunSummary]) {
    let different = |of: &dyn Fn(&RunSummary) -> Option<String>| {
        let values: Vec<Option<String>> = runs.iter().map(of).collect();
        let some: BTreeSet<&String> = values.iter().flatten().collect();
        (some.len() > 1).then(|| some.into_iter().cloned().collect::<Vec<_>>().join(", "))
    };
    let task = |run: &RunSummary| Some(run.result.task.clone()).filter(|task| !task.is_empty());
    let data = |run: &RunSummary| run.settings.get("data").cloned().or_else(|| run.result.data.clone());
    let split = |run: &RunSummary| run.result.best.as_ref().map(|_| run.result.split.adjective().to_string());
    if let Some(tasks) = different(&task) {
        note(&format!("the tasks differ ({tasks}), and so does what their metrics mean"));
    }
    if let Some(data) = different(&data) {
        note(&format!("the data differs ({data}): these results are not of the same samples"));
    } else if let Some(splits) = different(&split) {
        note(&format!("the splits differ ({splits}): these results are not of the same samples"));
    }
    if runs.iter().any(|run| run.result.state == RunState::Running) {
        note("a run that is still running has not had all its epochs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        for (seconds, text) in
            [(0.4, "0 s"), (59.6, "1 m 00 s"), (125.0, "2 m 05 s"), (6000.0, "1 h 40 m"), (90_061.0, "25 h 01 m")]
        {
            assert_eq!(time(seconds), text);
        }
    }
}
