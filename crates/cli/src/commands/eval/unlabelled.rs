//! Images without labels: what the model says of them, and how certain it is.

use super::report::{self, Shown};
use crate::advice;
use crate::args::Eval;
use crate::commands::held_out::{data_name, unreadable};
use crate::commands::run::watched;
use crate::output::{Failure, note, say, say_json, shown, shown_path, thousands};
use crate::table::Table;
use serde_json::json;
use std::path::Path;
use std::process::ExitCode;
use striate::model::{Predictor, TaskCard};
use striate::report::{About, Part, Report, ReportOptions, Representations};
use striate::train::{infer_each, load_unlabelled};

pub fn run(args: &Eval, file: &Path, model: &Predictor) -> Result<ExitCode, Failure> {
    let card = &model.card;
    if card.task != TaskCard::Classification {
        return Err(
            format!("--unlabelled is for models of classes, and the model's task is {}", card.task.name()).into()
        );
    }
    let data = data_name(args.data.as_deref().expect("the arguments require it"));
    let images = watched(args.json, |watch| load_unlabelled(card, &data, watch)).map_err(advice::failure)?;
    let mut given = Representations::new(card.classes.len());
    let bad = infer_each(model, &images, |batch| given.add(batch)).map_err(advice::failure)?;
    unreadable(&bad).iter().for_each(|line| note(line));
    let answers = given.answers;
    let temperature = card.calibration.as_ref().map_or(1.0, |calibration| calibration.temperature(0));
    let network = striate::zoo::title_of(&card.architecture);
    let path = file.to_string_lossy().into_owned();
    let about = About::unlabelled(card, path, network, (images.name.clone(), answers.len()), &bad);
    let options = ReportOptions { temperature, ..ReportOptions::default() };
    let report = Report::unlabelled(about, &answers, &options);
    if args.json {
        let classes: Vec<_> =
            report.classes.iter().map(|row| json!({ "class": row.class, "predicted": row.count })).collect();
        say_json(
            &json!({ "data": images.name, "images": answers.len(), "measured_on": "unlabelled", "classes": classes }),
        )?;
    } else {
        let name = shown(&images.name);
        say(format_args!("{}: {} images of {name} without labels", shown_path(file), thousands(answers.len())))?;
        let mut table = Table::new(&["class", "predicted"]);
        for row in &report.classes {
            table.row(vec![row.class.clone(), thousands(row.count)]);
        }
        say(format_args!("\n{table}"))?;
    }
    if let Some(dir) = &args.report {
        let page = report::finish(dir, &[Shown { file, part: Part { images: &images.images, first: 0 } }], report)?;
        if !args.json {
            say(format_args!("\nReport:  {}", shown_path(&page)))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
