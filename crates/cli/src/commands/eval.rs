use crate::args::Eval;
use crate::output::{Failure, complain, note, say, thousands};
use crate::table::Table;
use std::process::ExitCode;
use striate::train::{Model, evaluate, load_to_measure, wilson_interval};

fn percent(x: Option<f64>) -> String {
    x.map_or("–".into(), |x| format!("{:.2}%", 100.0 * x))
}

pub fn run(args: Eval) -> Result<ExitCode, Failure> {
    super::set_up(&args.compute);
    let model = Model::load(&args.model)?;
    let data = load_to_measure(&model, &args.model, args.data.as_deref())?;
    data.notes.iter().for_each(|text| note(text));
    let e = evaluate(&model, &data)?;
    e.bad.iter().for_each(|bad| complain(&bad.reason));
    let confusion = &e.confusion;
    let (low, high) = wilson_interval(confusion.correct(), confusion.total());
    let classes = &model.card.classes;
    if args.json {
        let per_class: Vec<_> = classes
            .iter()
            .enumerate()
            .map(|(c, name)| {
                serde_json::json!({
                    "class": name,
                    "precision": confusion.precision(c),
                    "recall": confusion.recall(c),
                    "images": confusion.counts()[c].iter().sum::<usize>(),
                })
            })
            .collect();
        say(serde_json::json!({
            "model": args.model,
            "data": data.name,
            "images": confusion.total(),
            "unreadable": e.bad.len(),
            "accuracy": confusion.accuracy(),
            "accuracy_interval_95": [low, high],
            "loss": e.loss,
            "classes": per_class,
            "confusion": confusion.counts(),
        }))?;
        return Ok(ExitCode::SUCCESS);
    }
    say(format_args!(
        "{}: {} on {} ({} test images)",
        args.model.display(),
        striate::zoo::title_of(&model.card.architecture),
        data.name,
        thousands(confusion.total())
    ))?;
    say(format_args!(
        "Accuracy: {:.2}% (95% interval: {:.2}% to {:.2}%), loss: {:.4}",
        100.0 * confusion.accuracy(),
        100.0 * low,
        100.0 * high,
        e.loss
    ))?;
    let mut table = Table::new(&["class", "precision", "recall", "images"]);
    for (c, name) in classes.iter().enumerate() {
        let images = confusion.counts()[c].iter().sum::<usize>();
        table.row(vec![name.clone(), percent(confusion.precision(c)), percent(confusion.recall(c)), thousands(images)]);
    }
    say(format_args!("\n{table}"))?;
    let header: Vec<&str> = ["actual \\ predicted"].into_iter().chain(classes.iter().map(String::as_str)).collect();
    let mut table = Table::new(&header);
    for (name, counts) in classes.iter().zip(confusion.counts()) {
        table.row([name.clone()].into_iter().chain(counts.iter().map(usize::to_string)).collect());
    }
    say(format_args!("\n{table}"))?;
    Ok(ExitCode::SUCCESS)
}
