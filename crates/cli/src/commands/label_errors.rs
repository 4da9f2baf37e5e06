//! Labels that are likely wrong.

use super::calibrate::failure;
use super::run::watched;
use super::{held_out, is_same_file};
use crate::advice;
use crate::args::LabelErrors as Arguments;
use crate::model_arg::model_path;
use crate::output::{Failure, count_of, json_path, note, percent, say, say_json, shown, shown_path, thousands};
use crate::table::Table;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use striate::model::{Predictor, TaskCard};
use striate::report::{
    HeldOutAnswers, LabelErrors, LabelledProbabilities, SuspectedBy, held_out_answers, label_errors, read_predictions,
};
use striate::train::load_to_measure;

/// The answers of a cross-validation.
const PREDICTIONS: &str = "predictions.csv";

/// What is looked at, and what it is called.
struct Given {
    probabilities: LabelledProbabilities,
    title: String,
}

pub fn run(args: Arguments) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    // The directory of a fold holds both, and other images are for its model.
    let is_model = args.data.is_some() && model_path(&args.source).is_ok_and(|model| model.is_file());
    let table = table_of(&args.source).filter(|table| !is_model || *table == args.source);
    let reads = [Some(&args.source), args.data.as_ref(), table.as_ref()];
    if let Some(csv) = args.csv.as_ref().filter(|csv| reads.into_iter().flatten().any(|read| is_same_file(csv, read))) {
        return Err(format!("--csv {} would write over what is read: name another file", shown_path(csv)).into());
    }
    let given = match &table {
        Some(table) => of_folds(&args, table)?,
        None => of_model(&args)?,
    };
    let by = if args.strict { SuspectedBy::Both } else { SuspectedBy::NoiseRate };
    let found = label_errors(&given.probabilities, by);
    if let Some(csv) = &args.csv {
        striate::formats::write_atomic(csv, &as_csv(&found)?)?;
    }
    if args.json {
        let (source, bytes) = json_path(&args.source);
        let mut value = json!(found);
        value["source"] = source.into();
        bytes.into_iter().for_each(|bytes| value["source_bytes"] = bytes.into());
        say_json(&value)?;
    } else {
        print(&args, &given, &found)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The table of answers that was typed, or that of the cross-validation that was.
fn table_of(source: &Path) -> Option<PathBuf> {
    let table = source.join(PREDICTIONS);
    let is_table = || source.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("csv"));
    if table.is_file() { Some(table) } else { is_table().then(|| source.to_path_buf()) }
}

fn of_folds(args: &Arguments, table: &Path) -> Result<Given, Failure> {
    if let Some(data) = &args.data {
        return Err(format!(
            "{} holds the answers on its own images: leave {} out",
            shown_path(table),
            shown_path(data)
        )
        .into());
    }
    let probabilities = read_predictions(table)?;
    let images = count_of(probabilities.labels.len(), "image");
    let title = format!("{}: {images}, each answered by a model that has not learnt from it", shown_path(table));
    Ok(Given { probabilities, title })
}

fn of_model(args: &Arguments) -> Result<Given, Failure> {
    let file = model_path(&args.source)?;
    let model = Predictor::load(&file)?;
    if model.card.task != TaskCard::Classification {
        let task = model.card.task.name();
        return Err(format!("labels are checked of one class for each image, and the model's task is {task}").into());
    }
    let typed = args.data.as_deref().map(held_out::data_name);
    let options = args.columns.options();
    let data = watched(args.json, |watch| load_to_measure(&model.card, typed.as_deref(), &options, watch))
        .map_err(advice::failure)?;
    data.data.notes.iter().for_each(|text| note(text));
    let (answers, evaluation) = held_out_answers(&model, &data).map_err(failure)?;
    held_out::notes(&data, &model.card, &evaluation.bad).iter().for_each(|line| note(line));
    let HeldOutAnswers::Classes(answers) = answers else { unreachable!("the task is classification") };
    let described = held_out::described(&data, answers.len());
    Ok(Given {
        probabilities: LabelledProbabilities::of(&answers, &model.card.classes),
        title: format!("{}: {described}", shown_path(&file)),
    })
}

fn as_csv(found: &LabelErrors) -> Result<Vec<u8>, Failure> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record(["image", "given", "suggested", "given_probability", "suggested_probability"])?;
    for suspect in &found.suspects {
        let probabilities = [suspect.score, suspect.suggested_probability].map(|p| p.to_string());
        let [given, suggested] = &probabilities;
        table.write_record([&suspect.image, &suspect.given, &suspect.suggested, given, suggested])?;
    }
    Ok(table.into_inner()?)
}

fn print(args: &Arguments, given: &Given, found: &LabelErrors) -> Result<(), Failure> {
    say(&given.title)?;
    let (n, suspects) = (found.images, found.suspects.len());
    if suspects == 0 {
        return say("No label is suspected.");
    }
    let fraction = 100.0 * suspects as f64 / n as f64;
    say(format_args!("{} suspected ({fraction:.2}%)", count_of(suspects, "label")))?;
    let mut table = Table::new(&["image", "label", "suggested", "of the label", "of the suggested"]).left(3);
    for suspect in found.suspects.iter().take(args.top) {
        table.row(vec![
            shown(&suspect.image),
            suspect.given.clone(),
            suspect.suggested.clone(),
            percent(suspect.score),
            percent(suspect.suggested_probability),
        ]);
    }
    if args.top > 0 {
        say(format_args!("\n{table}"))?;
    }
    if args.top > 0 && suspects > args.top {
        say(format_args!(
            "These are the {} least likely labels of {}; --csv FILE.csv writes all, --json has them.",
            args.top.min(suspects),
            thousands(suspects)
        ))?;
    }
    let mut classes: Vec<_> = found.classes.iter().filter(|class| class.suspects > 0).collect();
    classes.sort_by_key(|class| std::cmp::Reverse(class.suspects));
    let mut table = Table::new(&["label", "images", "suspected", "estimated wrong"]);
    for class in classes.iter().take(super::eval::MANY) {
        let wrong = percent(class.estimated_wrong);
        table.row(vec![class.class.clone(), thousands(class.images), thousands(class.suspects), wrong]);
    }
    say(format_args!("\n{table}"))
}
