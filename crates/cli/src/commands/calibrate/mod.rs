//! Making a model's probabilities honest.

mod plots;
mod print;

use super::run::watched;
use super::{held_out, is_same_file};
use crate::advice;
use crate::args::Calibrate;
use crate::model_arg::model_path;
use crate::output::{Failure, json_path, note, say, say_json, shown, shown_path};
use serde_json::{Value, json};
use std::path::Path;
use std::process::ExitCode;
use striate::model::{ConformalMethod, ModelCard, Predictor, TaskCard, save_calibration};
use striate::report::{
    CalibrateError, Calibrated, CalibratedMeasures, CalibrationOptions, HeldOutAnswers, PredictionSets, RiskCoverage,
    ThresholdForAccuracy, calibrate, prediction_sets, risk_coverage, threshold_for_accuracy,
};
use striate::train::load_to_measure;

/// What is measured besides the probabilities, of a classification.
pub struct Measured {
    pub coverage: RiskCoverage,
    pub thresholds: Vec<ThresholdForAccuracy>,
    pub sets: Vec<PredictionSets>,
}

/// The error in one line.
pub fn failure(e: CalibrateError) -> Failure {
    match e {
        CalibrateError::Train(e) => advice::failure(e),
        other => other.to_string().into(),
    }
}

pub fn run(args: Calibrate) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    let file = model_path(&args.model)?;
    let out = args.out.as_deref().unwrap_or(&file);
    if args.data.as_ref().is_some_and(|data| is_same_file(out, data)) {
        return Err(format!("--out {} would write over what is read: name another file", shown_path(out)).into());
    }
    let model = Predictor::load(&file)?;
    if !matches!(model.card.task, TaskCard::Classification | TaskCard::MultiLabel { .. }) {
        return Err(failure(CalibrateError::Task { task: model.card.task.name() }));
    }
    let typed = args.data.as_deref().map(held_out::data_name);
    let options = args.columns.options();
    let data = watched(args.json, |watch| load_to_measure(&model.card, typed.as_deref(), &options, watch))
        .map_err(advice::failure)?;
    data.data.notes.iter().for_each(|text| note(text));
    let options = CalibrationOptions { seed: args.seed, ..CalibrationOptions::default() };
    let done = calibrate(&model, &data, &options).map_err(failure)?;
    held_out::notes(&data, &model.card, &done.evaluation.bad).iter().for_each(|line| note(line));
    let more = more(&args, &done);
    if let Some(folder) = &args.plots {
        let card = ModelCard { calibration: Some(done.calibration.clone()), ..model.card.clone() };
        plots::write(folder, &card, &done, args.seed)?;
    }
    if !args.dry_run {
        save_calibration(&file, out, Some(&done.calibration))?;
    }
    let written = (!args.dry_run).then_some(out);
    if args.json {
        let mut value = self::json(&done, more.as_ref(), &model.card.classes);
        let (path, bytes) = json_path(&file);
        value["model"] = path.into();
        bytes.into_iter().for_each(|bytes| value["model_bytes"] = bytes.into());
        value["data"] = data.data.name.as_str().into();
        value["measured_on"] = json!(data.split);
        value["learnt_from_left_out"] = data.left_out.into();
        value["written"] = written.map(|path| json_path(path).0).into();
        say_json(&value)?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "{}: {} on {}",
        shown_path(&file),
        shown(striate::zoo::title_of(&model.card.architecture)),
        held_out::described(&data, done.evaluation.results.images())
    ))?;
    print::all(&done, more.as_ref(), &model.card.classes)?;
    end(written)?;
    Ok(ExitCode::SUCCESS)
}

fn more(args: &Calibrate, done: &Calibrated) -> Option<Measured> {
    let HeldOutAnswers::Classes(answers) = &done.answers else { return None };
    let temperature = done.calibration.temperature(0);
    let threshold = |&wanted: &f64| threshold_for_accuracy(answers, temperature, wanted, args.seed);
    let sets = |&wanted: &f64| ConformalMethod::ALL.map(|method| prediction_sets(answers, method, wanted, args.seed));
    Some(Measured {
        coverage: risk_coverage(answers, temperature),
        thresholds: args.accuracy.iter().map(threshold).collect(),
        sets: args.coverage.iter().flat_map(sets).collect(),
    })
}

fn json(done: &Calibrated, more: Option<&Measured>, names: &[String]) -> Value {
    let mut value = json!({
        "images": done.evaluation.results.images(),
        "temperatures": done.calibration.temperatures,
        "unreadable": done.evaluation.bad.len(),
        "unreadable_images": held_out::unreadable_json(&done.evaluation),
    });
    match &done.measured {
        CalibratedMeasures::Classes(report) => value["calibration"] = json!(report),
        CalibratedMeasures::Labels(labels) => {
            let named = |label: &striate::report::LabelCalibration| {
                let mut value = json!(label);
                value["name"] = names[label.label].as_str().into();
                value
            };
            value["labels"] = labels.iter().map(named).collect();
        }
    }
    if let Some(Measured { coverage, thresholds, sets }) = more {
        value["coverage"] = json!(coverage);
        value["thresholds"] = json!(thresholds);
        value["prediction_sets"] = json!(sets);
    }
    value
}

fn end(written: Option<&Path>) -> Result<(), Failure> {
    match written {
        Some(path) => say(format_args!(
            "\nWritten to {}: predict, eval and export --softmax use the temperature.",
            shown_path(path)
        )),
        None => say("\nNothing is written (--dry-run)."),
    }
}
