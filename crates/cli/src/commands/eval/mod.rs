//! Measuring a model on images that it has not learnt from.

mod classes;
mod groups;
mod labels;
mod numbers;
mod objects;
mod robustness;

use super::is_same_file;
use super::run::watched;
use crate::advice;
use crate::args::Eval;
use crate::model_arg::model_path;
use crate::output::{Failure, count_of, json_path, note, say, say_json, shown, shown_path, thousands};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use striate::data::images::{ListOptions, path_text};
use striate::model::{EvalSplit, Predictor, TaskCard};
use striate::report::Outcomes;
use striate::report::groups::{GroupOptions, Grouping, groups};
use striate::train::{Evaluation, HeldOut, MNIST, Metric, Results, load_to_measure};

/// More classes or labels than these are not printed one by one, nor is the matrix.
const MANY: usize = 20;
/// How many reasons a line gives.
const REASONS: usize = 3;

/// What is printed.
struct Measured<'a> {
    model: &'a Path,
    network: String,
    held_out: &'a HeldOut,
    /// The names of the outputs.
    outputs: &'a [String],
    task: &'a TaskCard,
    imported_from: Option<&'a str>,
    evaluation: &'a Evaluation,
}

pub fn run(args: Eval) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    let file = model_path(&args.model)?;
    check_csv(&args, &file)?;
    robustness::check(&args)?;
    let model = Predictor::load(&file)?;
    if args.csv.is_some() && model.card.task != TaskCard::Classification {
        let task = model.card.task.name();
        return Err(format!("--csv writes a confusion matrix, and the model's task is {task}: --json has all").into());
    }
    let typed = args.data.as_deref().map(data_to_measure).transpose()?;
    let options = ListOptions { attribute_column: args.groups.group_column.clone(), ..args.columns.options() };
    let quiet = args.json;
    let held_out = watched(quiet, |watch| load_to_measure(&model.card, typed.as_deref(), &options, watch))
        .map_err(advice::failure)?;
    let grouping = args.groups.group_column.as_ref().map(|column| Grouping::of(&held_out, column)).transpose()?;
    held_out.data.notes.iter().for_each(|text| note(text));
    let (outcomes, evaluation) = Outcomes::measure(&model, &held_out).map_err(advice::failure)?;
    let by_group = |grouping| groups(&outcomes, &model.card.classes, &grouping, &GroupOptions::default());
    let groups = grouping.map(by_group).transpose()?;
    let measured = Measured {
        model: &file,
        network: striate::zoo::title_of(&model.card.architecture),
        held_out: &held_out,
        outputs: &model.card.classes,
        task: &model.card.task,
        imported_from: model.card.imported_from(),
        evaluation: &evaluation,
    };
    [measured.unreadable(), measured.learnt_from()].into_iter().flatten().for_each(|line| note(&line));
    if let (Some(csv), Results::Classification(results)) = (&args.csv, &evaluation.results) {
        striate::formats::write_atomic(csv, &classes::csv(measured.outputs, classes::matrix(results))?)?;
    }
    groups.iter().for_each(groups::notes);
    let robustness = robustness::measure(&args, &file, &model, &held_out)?;
    if args.json {
        let mut value = measured.json();
        if let Some(groups) = &groups {
            value["groups"] = serde_json::to_value(groups)?;
        }
        robustness.add_to(&mut value)?;
        say_json(&value)?;
    } else {
        measured.print(args.all)?;
        groups.iter().try_for_each(groups::print)?;
        robustness.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The data as it was typed. A file or folder called mnist comes before what is built in.
pub(super) fn data_to_measure(typed: &Path) -> Result<String, Failure> {
    let name = path_text(typed);
    Ok(if name == MNIST && typed.exists() { format!("./{name}") } else { name })
}

/// What is read is not written over.
fn check_csv(args: &Eval, model: &Path) -> Result<(), Failure> {
    let Some(csv) = &args.csv else { return Ok(()) };
    if is_same_file(csv, model) || args.data.as_ref().is_some_and(|data| is_same_file(csv, data)) {
        return Err(format!("--csv {} would write over what is read: name another file", shown_path(csv)).into());
    }
    Ok(())
}

/// `Accuracy: 98.32% (95% interval: 98.05% to 98.55%)`
fn described(metric: &Metric) -> String {
    let interval = metric.interval_95.map_or(String::new(), |[low, high]| {
        format!(" (95% interval: {} to {})", metric.format(low), metric.format(high))
    });
    format!("{}: {}{interval}", metric.heading(), metric.shown())
}

/// Metrics in JSON, by name: null where a value is not defined.
fn by_name(metrics: &[Metric]) -> Value {
    let value = |metric: &Metric| (!metric.value.is_nan()).then_some(metric.value);
    metrics.iter().map(|metric| (metric.name.clone(), json!(value(metric)))).collect::<serde_json::Map<_, _>>().into()
}

/// Their intervals, of those that have one.
fn intervals(metrics: &[Metric]) -> Value {
    let interval = |metric: &Metric| Some((metric.name.clone(), json!(metric.interval_95?)));
    metrics.iter().filter_map(interval).collect::<serde_json::Map<_, _>>().into()
}

impl Measured<'_> {
    /// What was learnt from, or that this is not known, in one line.
    fn learnt_from(&self) -> Option<String> {
        let HeldOut { split, left_out, error_rate, .. } = self.held_out;
        match (split, left_out) {
            (EvalSplit::Unknown, _) => {
                let origin = match self.imported_from {
                    Some(file) => format!("the model comes from {}, which", shown(file)),
                    None => "this model file is of an earlier version and".into(),
                };
                Some(format!(
                    "{origin} does not say what it learnt from: these images may be among that, and then the numbers are too good"
                ))
            }
            (_, 0) => None,
            (_, n) => {
                let by_mistake = match error_rate {
                    0.0 => String::new(),
                    rate => format!(" ({:.2}% of other images are taken for such, by mistake)", 100.0 * rate),
                };
                let images = count_of(*n, "image");
                Some(format!(
                    "{images} left out, for the model has learnt from {}{by_mistake}",
                    if *n == 1 { "it" } else { "them" }
                ))
            }
        }
    }

    /// Images that could not be read, in one line.
    fn unreadable(&self) -> Option<String> {
        let bad = &self.evaluation.bad;
        let reasons: Vec<&str> = bad.iter().take(REASONS).map(|bad| bad.reason.as_str()).collect();
        let more = bad.len().saturating_sub(REASONS);
        let more = if more > 0 { format!("; and {more} more") } else { String::new() };
        let line = || {
            format!("{} left out, for they cannot be read: {}{more}", count_of(bad.len(), "image"), reasons.join("; "))
        };
        (!bad.is_empty()).then(line)
    }

    fn json(&self) -> Value {
        let (model, model_bytes) = json_path(self.model);
        let unreadable: Vec<Value> = (self.evaluation.bad.iter())
            .map(|bad| {
                let (image, bytes) = json_path(&bad.path);
                let mut value = json!({ "image": image, "reason": bad.reason });
                bytes.into_iter().for_each(|bytes| value["image_bytes"] = bytes.into());
                value
            })
            .collect();
        let metrics = self.evaluation.results.metrics();
        let mut value = json!({
            "model": model,
            "task": self.task.name(),
            "data": self.held_out.data.name,
            "images": self.evaluation.results.images(),
            "measured_on": self.held_out.split,
            "learnt_from_left_out": self.held_out.left_out,
            "learnt_from_error_rate": self.held_out.error_rate,
            "unreadable": unreadable.len(),
            "unreadable_images": unreadable,
            "loss": self.evaluation.loss,
            "metrics": by_name(&metrics),
            "intervals_95": intervals(&metrics),
        });
        model_bytes.into_iter().for_each(|bytes| value["model_bytes"] = bytes.into());
        match &self.evaluation.results {
            Results::Classification(results) => classes::json(&mut value, self.outputs, results),
            Results::MultiLabel(results) => labels::json(&mut value, self.outputs, self.task, results),
            Results::Regression { constant, .. } => numbers::json(&mut value, constant),
            Results::Detection(results) => {
                objects::detection_json(&mut value, self.outputs, results, &self.evaluation.names)
            }
            Results::Segmentation(results) => {
                objects::segmentation_json(&mut value, self.outputs, results, &self.evaluation.names)
            }
        }
        value
    }

    fn print(&self, all: bool) -> Result<(), Failure> {
        say(format_args!(
            "{}: {} on {} ({} {}{})",
            shown_path(self.model),
            shown(&self.network),
            shown(&self.held_out.data.name),
            thousands(self.evaluation.results.images()),
            self.held_out.split.images(),
            if self.held_out.split == EvalSplit::Validation { ": its best epoch was chosen on them" } else { "" }
        ))?;
        let loss = self.evaluation.loss;
        match &self.evaluation.results {
            Results::Classification(results) => classes::print(self.outputs, results, loss, all),
            Results::MultiLabel(results) => labels::print(self.outputs, self.task, results, loss, all),
            Results::Regression { model, constant } => numbers::print(self.outputs, model, constant, loss),
            Results::Detection(results) => {
                objects::print_detection(self.outputs, results, loss, &self.evaluation.names)
            }
            Results::Segmentation(results) => {
                objects::print_segmentation(self.outputs, results, loss, &self.evaluation.names)
            }
        }
    }
}
