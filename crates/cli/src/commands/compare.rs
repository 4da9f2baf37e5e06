//! Two models on the same images.

use super::held_out::data_name;
use super::run::watched;
use crate::advice;
use crate::args::CompareModels;
use crate::model_arg::model_path;
use crate::output::{Failure, count_of, json_path, note, say, say_json, shown, shown_path, thousands};
use crate::table::Table;
use serde_json::json;
use std::path::PathBuf;
use std::process::ExitCode;
use striate::model::{EvalSplit, Predictor};
use striate::report::Number;
use striate::report::Outcomes;
use striate::report::compare::{
    CompareOptions, Comparison, Disagreement, McNemar, Said, Speed, check_comparable, compare, time_in_turn,
};
use striate::train::{HeldOut, load_to_compare};

/// How many classes and images are printed if not all are to be.
const CLASSES: usize = 20;
const IMAGES: usize = 10;
/// How many times each model runs for the time of an image.
const TIMES: usize = 21;

pub fn run(args: CompareModels) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    let files = [model_path(&args.a)?, model_path(&args.b)?];
    let models = [Predictor::load(&files[0])?, Predictor::load(&files[1])?];
    let cards = [&models[0].card, &models[1].card];
    check_comparable(cards[0], cards[1])?;
    let (data, options) = (data_name(&args.data), args.columns.options());
    let held_out =
        watched(args.json, |watch| load_to_compare(cards, &data, &options, watch)).map_err(advice::failure)?;
    held_out[0].data.notes.iter().for_each(|text| note(text));
    let measure = |i: usize| Outcomes::measure(&models[i], &held_out[i]).map_err(advice::failure);
    let (a, b) = (measure(0)?, measure(1)?);
    let options = CompareOptions { seed: args.seed, ..CompareOptions::default() };
    let comparison = compare([&a.0, &b.0], [&cards[0].classes, &cards[1].classes], &options)?;
    let speed = time_in_turn([&models[0], &models[1]], TIMES)?;
    let bytes = files.each_ref().map(|file| file.metadata().map(|m| m.len()).ok());
    notes(&held_out, a.1.bad.len().max(b.1.bad.len()));
    if args.json {
        let mut value = serde_json::to_value(&comparison)?;
        for (i, key) in ["model_a", "model_b"].into_iter().enumerate() {
            let (path, path_bytes) = json_path(&files[i]);
            value[key] = json!({ "path": path, "file_bytes": bytes[i], "measured_on": held_out[i].split });
            path_bytes.into_iter().for_each(|bytes| value[key]["path_bytes"] = bytes.into());
        }
        value["data"] = held_out[0].data.name.clone().into();
        value["task"] = cards[0].task.name().into();
        value["learnt_from_left_out"] = held_out[0].left_out.into();
        value["speed"] = serde_json::to_value(&speed)?;
        say_json(&value)?;
    } else {
        print(&comparison, &held_out, &files, bytes, &speed, args.all)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn notes(held_out: &[HeldOut; 2], unreadable: usize) {
    if unreadable > 0 {
        note(&format!("{} left out, for they cannot be read", count_of(unreadable, "image")));
    }
    if held_out[0].left_out > 0 {
        note(&format!(
            "{} left out, for one of the models has learnt from them",
            count_of(held_out[0].left_out, "image")
        ));
    }
    for (model, held_out) in ["A", "B"].into_iter().zip(held_out) {
        match held_out.split {
            EvalSplit::Unknown => note(&format!(
                "model {model} does not say what it learnt from: these images may be among that, and then its numbers are too good"
            )),
            EvalSplit::Validation => note(&format!(
                "the best epoch of model {model} was chosen on these images, or some of them: its numbers are a little too good"
            )),
            _ => {}
        }
    }
}

fn is_fraction(comparison: &Comparison) -> bool {
    comparison.main_metric != "mae"
}

fn value(x: Option<f64>, fraction: bool) -> String {
    match x {
        None => "–".into(),
        Some(x) if fraction => format!("{:.2}%", 100.0 * x),
        Some(x) => format!("{x:.4}"),
    }
}

fn p_value(p: f64) -> String {
    if p < 1e-4 { "<0.0001".into() } else { format!("{p:.4}") }
}

/// A difference with its sign: points of a fraction.
fn signed(x: f64, fraction: bool) -> String {
    if fraction { format!("{:+.2}", 100.0 * x) } else { format!("{x:+.4}") }
}

fn interval(number: &Number, fraction: bool) -> String {
    let shown = |[low, high]: [f64; 2]| format!("{} to {}", value(Some(low), fraction), value(Some(high), fraction));
    number.interval_95.map_or("–".into(), shown)
}

fn print(
    comparison: &Comparison,
    held_out: &[HeldOut; 2],
    files: &[PathBuf; 2],
    bytes: [Option<u64>; 2],
    speed: &Speed,
    all: bool,
) -> Result<(), Failure> {
    let fraction = is_fraction(comparison);
    say(format_args!("Two models on {} ({})", shown(&held_out[0].data.name), count_of(comparison.images, "image")))?;
    let metric = comparison.a.name.replace('_', " ");
    let mut table = Table::new(&["", "model", &metric, "95% interval", "file", "time of an image"]).left(2);
    for (i, (name, number)) in [("A", &comparison.a), ("B", &comparison.b)].into_iter().enumerate() {
        let seconds = [speed.seconds_a, speed.seconds_b][i];
        table.row(vec![
            name.into(),
            shown_path(&files[i]),
            value(number.value, fraction),
            interval(number, fraction),
            bytes[i].map_or("–".into(), |bytes| format!("{:.2} MB", bytes as f64 / 1e6)),
            format!("{:.2} ms", 1e3 * seconds),
        ]);
    }
    say(format_args!("\n{table}\n"))?;
    difference(comparison)?;
    if let Some(test) = &comparison.mcnemar {
        mcnemar(test)?;
        classes(comparison, all)?;
        disagreements(&comparison.disagreements, all)?;
    }
    Ok(())
}

fn difference(comparison: &Comparison) -> Result<(), Failure> {
    let fraction = is_fraction(comparison);
    let unit = if fraction { " points" } else { "" };
    let Some(difference) = comparison.difference.value else {
        return say("B less A: – (the metric is not defined on these images)");
    };
    let better = |x: f64| if (x > 0.0) == comparison.higher_is_better { "B is better" } else { "A is better" };
    let (interval, verdict) = match comparison.difference.interval_95 {
        Some([low, high]) => {
            let shown = format!(" (95% interval: {} to {})", signed(low, fraction), signed(high, fraction));
            let verdict =
                if low > 0.0 || high < 0.0 { better(difference) } else { "these images do not tell which is better" };
            (shown, verdict)
        }
        None if difference == 0.0 => (String::new(), "these images do not tell which is better"),
        None => (String::new(), "there is no interval"),
    };
    say(format_args!("B less A: {}{unit}{interval}: {verdict}", signed(difference, fraction)))
}

fn mcnemar(test: &McNemar) -> Result<(), Failure> {
    let [exact, mid] =
        [test.p_exact, test.p_mid].map(|p| if p < 1e-4 { "< 0.0001".into() } else { format!("= {p:.4}") });
    say(format_args!("McNemar's test: p {exact} (exact), p {mid} (mid-p)"))?;
    let mut table = Table::new(&["", "B right", "B wrong"]);
    table.row(vec!["A right".into(), thousands(test.both_right), thousands(test.only_a_right)]);
    table.row(vec!["A wrong".into(), thousands(test.only_b_right), thousands(test.both_wrong)]);
    say(format_args!("\n{table}"))
}

fn classes(comparison: &Comparison, all: bool) -> Result<(), Failure> {
    let mut order: Vec<usize> = (0..comparison.classes.len()).collect();
    if !all && order.len() > CLASSES {
        let size = |i: &usize| comparison.classes[*i].difference.value.map_or(-1.0, f64::abs);
        order.sort_by(|a, b| size(b).total_cmp(&size(a)));
        order.truncate(CLASSES);
    }
    let mut table = Table::new(&["class", "recall of A", "recall of B", "B less A", "95% interval", "p", "images"]);
    for &i in &order {
        let class = &comparison.classes[i];
        let both = |[low, high]: [f64; 2]| format!("{} to {}", signed(low, true), signed(high, true));
        table.row(vec![
            class.class.clone(),
            value(class.recall_a.value, true),
            value(class.recall_b.value, true),
            class.difference.value.map_or("–".into(), |x| signed(x, true)),
            class.difference.interval_95.map_or("–".into(), both),
            p_value(class.p_exact),
            thousands(class.images),
        ]);
    }
    say(format_args!("\n{table}"))?;
    match comparison.classes.len() - order.len() {
        0 => Ok(()),
        more => {
            say(format_args!("These are the {CLASSES} classes of the largest difference; --all prints {more} more."))
        }
    }
}

fn disagreements(images: &[Disagreement], all: bool) -> Result<(), Failure> {
    if images.is_empty() {
        return say("\nThey predict the same class for every image.");
    }
    let said = |said: &Said| {
        let class = said.class.clone().unwrap_or_else(|| "NaN".into());
        let right = if said.is_right { ", right" } else { "" };
        said.confidence.map_or(class.clone(), |p| format!("{class} ({:.0}%{right})", 100.0 * p))
    };
    let mut table = Table::new(&["image", "class", "A", "B"]).left(4);
    for image in images.iter().take(if all { images.len() } else { IMAGES }) {
        table.row(vec![image.image.clone(), image.class.clone(), said(&image.a), said(&image.b)]);
    }
    say(format_args!("\nThey predict different classes for {}:\n{table}", count_of(images.len(), "image")))?;
    match images.len().saturating_sub(IMAGES) {
        more if more > 0 && !all => say(format_args!("--all prints {} more, --json has all.", thousands(more))),
        _ => Ok(()),
    }
}
