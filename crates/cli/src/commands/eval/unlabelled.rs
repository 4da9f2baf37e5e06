//! Images without labels: what the model says of them, and how certain it is.

use super::report::{self, Shown};
use crate::advice;
use crate::args::Eval;
use crate::commands::held_out::{data_name, unreadable};
use crate::commands::run::watched;
use crate::output::{Failure, note, say, say_json, shown, shown_path, thousands};
use crate::table::Table;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::process::ExitCode;
use striate::model::{Predictor, TaskCard};
use striate::report::{About, ClassRow, Part, Report, ReportOptions, UnlabelledAnswers};
use striate::train::{infer_each, load_unlabelled};

pub fn run(args: &Eval, file: &Path, model: &Predictor) -> Result<ExitCode, Failure> {
    let card = &model.card;
    let data = data_name(args.data.as_deref().expect("the arguments require it"));
    let images = watched(args.json, |watch| load_unlabelled(card, &data, watch)).map_err(advice::failure)?;
    let mut said = UnlabelledAnswers::new(card);
    let bad = infer_each(model, &images, |batch| said.add(card, batch)).map_err(advice::failure)?;
    unreadable(&bad).iter().for_each(|line| note(line));
    let network = striate::zoo::title_of(&card.architecture);
    let path = file.to_string_lossy().into_owned();
    let about = About::unlabelled(card, path, network, (images.name.clone(), said.images()), &bad);
    let report = Report::unlabelled(about, &said, &ReportOptions::default());
    if args.json {
        let outputs: Vec<Value> = report.classes.iter().map(|row| json_of(row, card.task.output())).collect();
        let list = if matches!(card.task, TaskCard::Regression { .. }) { "numbers" } else { "classes" };
        say_json(&json!({ "data": images.name, "images": said.images(), "measured_on": "unlabelled", list: outputs }))?;
    } else {
        let name = shown(&images.name);
        say(format_args!("{}: {} images of {name} without labels", shown_path(file), thousands(said.images())))?;
        say(format_args!("\n{}", table(&card.task, &report.classes)))?;
    }
    if let Some(dir) = &args.report {
        let page = report::finish(dir, &[Shown { file, part: Part { images: &images.images, first: 0 } }], report)?;
        if !args.json {
            say(format_args!("\nReport:  {}", shown_path(&page)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn json_of(row: &ClassRow, output: &str) -> Value {
    let mut of = Map::from_iter([(output.to_string(), json!(row.class))]);
    match row.metrics.is_empty() {
        true => of.extend([("predicted".to_string(), json!(row.count))]),
        false => of.extend(row.metrics.iter().map(|number| (number.name.clone(), json!(number.value)))),
    }
    of.into()
}

fn table(task: &TaskCard, rows: &[ClassRow]) -> Table {
    let numbers = rows.first().map_or(&[][..], |row| &row.metrics);
    let columns: Vec<&str> = match task {
        TaskCard::Regression { .. } => numbers.iter().map(|number| number.name.as_str()).collect(),
        TaskCard::Detection { .. } => vec!["objects predicted"],
        TaskCard::Segmentation { .. } => vec!["pixels predicted"],
        _ => vec!["predicted"],
    };
    let mut table = Table::new(&[&[task.output()], &columns[..]].concat());
    for row in rows {
        let values: Vec<String> = match row.metrics.is_empty() {
            true => vec![thousands(row.count)],
            false => row.metrics.iter().map(|number| number.shown()).collect(),
        };
        table.row([vec![shown(&row.class)], values].concat());
    }
    table
}
