//! Measuring a model on images that it has not learnt from.

mod calibrated;
mod classes;
mod groups;
mod labels;
mod numbers;
mod objects;
mod out_of_distribution;
mod out_of_fold;
pub mod report;
mod robustness;
mod unlabelled;

pub use out_of_fold::report_of_folds;

use super::run::watched;
use super::{boxes, held_out, is_same_file};
use crate::advice;
use crate::args::{Eval, GroupArgs};
use crate::model_arg::model_path;
use crate::output::{Failure, json_path, note, say, say_json, shown, shown_path};
use calibrated::Calibrated;
use out_of_distribution::Outside;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use striate::data::DataError;
use striate::data::images::ListOptions;
use striate::model::{ModelCard, Predictor, TaskCard};
use striate::report::groups::{GroupOptions, Grouping, groups};
use striate::report::{Certainty, HeldOutAnswers, LabelLogits, Number, Outcomes, Representations, TaskAnswers};
use striate::train::{Evaluation, HeldOut, MeasuredBatch, Metric, Results, TrainError, evaluate_each, load_to_measure};
use striate::{ComputeSettings, Precision};

/// More classes or labels than these are not printed one by one, nor is the matrix.
pub const MANY: usize = 20;

/// What is printed.
struct Measured<'a> {
    model: &'a Path,
    network: String,
    held_out: &'a HeldOut,
    /// The names of the outputs.
    outputs: &'a [String],
    task: &'a TaskCard,
    evaluation: &'a Evaluation,
    /// How often the right class is among so many of the highest scores, if that was asked for.
    top_k: Option<Metric>,
    calibrated: Option<Calibrated<'a>>,
    outside: Option<Outside>,
}

pub fn run(args: Eval) -> Result<ExitCode, Failure> {
    super::set_up_inference(&args.inference);
    let file = model_path(&args.model)?;
    check_csv(&args, &file)?;
    boxes::check(&args)?;
    args.report.as_deref().map(report::make).transpose()?;
    robustness::check(&args)?;
    let model = boxes::load(&args.boxes, &file, |file| load(file, args.out_of_distribution.is_some()))?;
    if args.csv.is_some() && model.card.task != TaskCard::Classification {
        let task = model.card.task.name();
        return Err(format!("--csv writes a confusion matrix, and the model's task is {task}: --json has all").into());
    }
    if args.out_of_distribution.is_some() && model.card.task != TaskCard::Classification {
        let task = model.card.task.name();
        return Err(format!("--out-of-distribution is for models of classes, and the model's task is {task}").into());
    }
    if args.top_k.is_some() && model.card.task != TaskCard::Classification {
        let task = model.card.task.name();
        return Err(format!("--top-k is for models of classes, and the model's task is {task}").into());
    }
    if args.unlabelled {
        return unlabelled::run(&args, &file, &model);
    }
    let typed = args.data.as_deref().map(held_out::data_name);
    let GroupArgs { group_column, group_table } = &args.groups;
    let of_manifest = group_column.clone().filter(|_| group_table.is_none());
    let options = ListOptions { attribute_column: of_manifest, ..args.columns.options() };
    let quiet = args.json;
    let held_out = watched(quiet, |watch| load_to_measure(&model.card, typed.as_deref(), &options, watch)).map_err(
        |e| match (e, &options.attribute_column) {
            (e @ TrainError::Data(DataError::NoTable { .. }), Some(column)) => {
                format!("{e}: add --group-table FILE.csv, a table with the columns path and {}", shown(column)).into()
            }
            (e, _) => advice::failure(e),
        },
    )?;
    let grouping = group_column.as_ref().map(|column| match group_table {
        Some(table) => Grouping::of_table(&held_out, table, column),
        None => Grouping::of(&held_out, column),
    });
    let grouping = grouping.transpose()?;
    held_out.data.notes.iter().for_each(|text| note(text));
    let other = args.out_of_distribution.as_deref();
    let other = other.map(|other| out_of_distribution::load(&model, &held_out, other, quiet)).transpose()?;
    let is_dense = matches!(model.card.task, TaskCard::Detection { .. } | TaskCard::Segmentation { .. });
    let resamples = args.json && !is_dense;
    let keeps = args.report.is_some() || group_column.is_some() || model.card.calibration.is_some() || resamples;
    let given = Given::of(&model, &held_out, keeps, other.is_some())?;
    let (outcomes, evaluation) = (&given.outcomes, &given.evaluation);
    let outside = match (&other, &given.inside) {
        (Some(other), Some(inside)) => Some(Outside::measure(&model, inside, other)?),
        _ => None,
    };
    let temperature = model.card.calibration.as_ref().map_or(1.0, |calibration| calibration.temperature(0));
    let options = GroupOptions { temperature, ..GroupOptions::default() };
    let by_group = |grouping| groups(outcomes, &model.card.classes, &grouping, &options);
    let groups = grouping.map(by_group);
    let logits = model.card.calibration.as_ref().and_then(|_| given.answers());
    let measured = Measured {
        model: &file,
        network: striate::zoo::title_of(&model.card.architecture),
        held_out: &held_out,
        outputs: &model.card.classes,
        task: &model.card.task,
        evaluation,
        top_k: args.top_k.and_then(|k| top_k(evaluation, k as usize)),
        outside,
        calibrated: logits.and_then(|answers| Calibrated::of(&model.card, &held_out, &answers)),
    };
    held_out::notes(&held_out, &model.card, &evaluation.bad).iter().for_each(|line| note(line));
    measured.calibrated.iter().for_each(Calibrated::warn);
    if let (Some(csv), Results::Classification(results)) = (&args.csv, &evaluation.results) {
        striate::formats::write_atomic(csv, &classes::csv(measured.outputs, classes::matrix(results))?)?;
    }
    groups.iter().for_each(groups::notes);
    let robustness = robustness::measure(&args, &file, &model, &held_out)?;
    let evaluated = report::Evaluated { file: &file, model: &model, held_out: &held_out, given: &given };
    let mut report = None;
    if args.json {
        // The report resamples the images for the same intervals.
        report = args.report.is_some().then(|| report::of(&evaluated));
        let numbers = report.as_ref().map_or_else(
            || striate::report::measured(evaluation, outcomes, &model.card.classes, SEED),
            |report| report.metrics.clone(),
        );
        let mut value = measured.json(&numbers);
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
    if let Some(dir) = &args.report {
        let (robustness, attacks) = robustness.into_parts();
        let out_of_distribution = measured.outside.map(Outside::into_found);
        let known = evaluation.results.metrics();
        let top_k = measured.top_k.filter(|metric| known.iter().all(|known| known.name != metric.name));
        let beside = report::Beside { groups, robustness, attacks, out_of_distribution, top_k };
        let report = report.unwrap_or_else(|| report::of(&evaluated));
        let page = report::write(dir, &evaluated, report, beside)?;
        if !args.json {
            say(format_args!("\nReport:  {}", shown_path(&page)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a model gives for images held out.
pub struct Given {
    /// Of no images where nothing needs what is said of each.
    outcomes: Outcomes,
    evaluation: Evaluation,
    /// Logits and features of a classification, if features were asked for.
    inside: Option<Representations>,
    /// The logits of labels.
    labels: Option<LabelLogits>,
}

/// What is kept of each batch that is measured.
struct Kept {
    outcomes: Outcomes,
    inside: Option<Representations>,
    labels: Option<LabelLogits>,
    /// Whether anything needs what is said of each image.
    keeps: bool,
}

impl Kept {
    fn new(card: &ModelCard, keeps: bool, features: bool) -> Kept {
        let outputs = card.classes.len();
        Kept {
            outcomes: Outcomes::new(card),
            inside: features.then(|| Representations::new(outputs)),
            labels: (keeps && matches!(card.task, TaskCard::MultiLabel { .. })).then(|| LabelLogits::new(outputs)),
            keeps,
        }
    }

    fn add(&mut self, card: &ModelCard, batch: &MeasuredBatch) {
        if self.keeps {
            self.outcomes.add(card, batch);
        }
        self.inside.iter_mut().for_each(|inside| inside.add(batch));
        self.labels.iter_mut().for_each(|labels| labels.add(batch));
    }

    fn given(self, evaluation: Evaluation) -> Given {
        let Kept { mut outcomes, inside, labels, keeps } = self;
        if keeps {
            outcomes.complete(&evaluation.results);
        }
        Given { outcomes, evaluation, inside, labels }
    }
}

impl Given {
    fn of(model: &Predictor, held_out: &HeldOut, keeps: bool, features: bool) -> Result<Given, Failure> {
        let mut kept = Kept::new(&model.card, keeps, features);
        let evaluation = evaluate_each(model, held_out, |batch| kept.add(&model.card, batch));
        Ok(kept.given(evaluation.map_err(advice::failure)?))
    }

    /// How far the probabilities can be trusted, of classes and labels.
    fn certainty(&self, card: &ModelCard, seed: u64) -> Option<Certainty> {
        self.answers().map(|answers| Certainty::of(&answers, card, &card.classes, seed))
    }

    /// The logits that calibration is of.
    fn answers(&self) -> Option<HeldOutAnswers> {
        match (&self.outcomes.answers, &self.labels) {
            (TaskAnswers::Classification(answers), _) => Some(HeldOutAnswers::Classes(answers.clone())),
            (_, Some(labels)) => Some(HeldOutAnswers::Labels(labels.clone())),
            _ => None,
        }
    }
}

/// Writes the report of a finished run into its directory, on the images that its data holds out, and gives the path of its page.
pub fn report_of_run(run: &Path, quiet: bool) -> Result<PathBuf, Failure> {
    let dir = run.join("report");
    report::make(&dir)?;
    let file = model_path(run)?;
    let model = Predictor::load(&file)?;
    let held_out = watched(quiet, |watch| load_to_measure(&model.card, None, &ListOptions::default(), watch));
    let held_out = held_out.map_err(advice::failure)?;
    let given = Given::of(&model, &held_out, true, false)?;
    let evaluated = report::Evaluated { file: &file, model: &model, held_out: &held_out, given: &given };
    report::write(&dir, &evaluated, report::of(&evaluated), report::Beside::default())
}

/// The model, with its features where they are asked for and it has some.
fn load(file: &Path, features: bool) -> Result<Predictor, Failure> {
    let with_features = features.then(|| Predictor::load_with_features(file)).and_then(Result::ok);
    Ok(with_features.map_or_else(|| Predictor::load(file), Ok)?)
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

/// What random numbers of resampled images come from.
const SEED: u64 = 0;

fn top_k(evaluation: &Evaluation, k: usize) -> Option<Metric> {
    match &evaluation.results {
        Results::Classification(results) => results.top_k(k),
        _ => None,
    }
}

/// Adds a metric to those in JSON.
fn add(value: &mut Value, metric: &Metric) {
    value["metrics"][&metric.name] = json!(metric.value);
    if let Some(interval) = metric.interval_95 {
        value["intervals_95"][&metric.name] = json!(interval);
    }
}

impl Measured<'_> {
    /// With these metrics and their intervals.
    fn json(&self, numbers: &[Number]) -> Value {
        let (model, model_bytes) = json_path(self.model);
        let metrics = self.evaluation.results.metrics();
        let mut value = json!({
            "model": model,
            "task": self.task.name(),
            "data": self.held_out.data.name,
            "images": self.evaluation.results.images(),
            "measured_on": self.held_out.split,
            "precision": ComputeSettings::current().precision.name(),
            "learnt_from_left_out": self.held_out.left_out,
            "learnt_from_error_rate": self.held_out.error_rate,
            "unreadable": self.evaluation.bad.len(),
            "unreadable_images": held_out::unreadable_json(self.evaluation),
            "loss": self.evaluation.loss,
            "metrics": by_name(&metrics),
        });
        let interval = |number: &Number| Some((number.name.clone(), json!(number.interval_95?)));
        let intervals = numbers.iter().filter_map(interval).collect::<serde_json::Map<_, _>>();
        value["intervals_95"] = intervals.into();
        self.top_k.iter().for_each(|metric| add(&mut value, metric));
        model_bytes.into_iter().for_each(|bytes| value["model_bytes"] = bytes.into());
        if let Some(calibrated) = &self.calibrated {
            value["calibration"] = calibrated.json();
        }
        if let Some(outside) = &self.outside {
            value["out_of_distribution"] = outside.json();
        }
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
            "{}: {} on {}{}",
            shown_path(self.model),
            shown(&self.network),
            held_out::described(self.held_out, self.evaluation.results.images()),
            match ComputeSettings::current().precision {
                Precision::F32 => "",
                Precision::Bf16 => ", computed in bf16",
            }
        ))?;
        let loss = self.evaluation.loss;
        match &self.evaluation.results {
            Results::Classification(results) => classes::print(self.outputs, results, loss, self.top_k.as_ref(), all),
            Results::MultiLabel(results) => labels::print(self.outputs, self.task, results, loss, all),
            Results::Regression { model, constant } => numbers::print(self.outputs, model, constant, loss),
            Results::Detection(results) => {
                objects::print_detection(self.outputs, results, loss, &self.evaluation.names)
            }
            Results::Segmentation(results) => {
                objects::print_segmentation(self.outputs, results, loss, &self.evaluation.names)
            }
        }?;
        if let Some(calibrated) = &self.calibrated {
            say("")?;
            calibrated.print()?;
        }
        self.outside.as_ref().map_or(Ok(()), Outside::print)
    }
}
