//! What is measured of any number of labels for each image.

use super::{MANY, by_name, described};
use crate::output::{Failure, say, thousands};
use crate::table::Table;
use serde_json::{Value, json};
use striate::model::TaskCard;
use striate::train::{Metric, Metrics, MultiLabelMetrics};

fn thresholds(task: &TaskCard) -> &[f32] {
    match task {
        TaskCard::MultiLabel { thresholds } => thresholds,
        _ => &[],
    }
}

/// Adds the numbers of each label.
pub fn json(value: &mut Value, names: &[String], task: &TaskCard, results: &MultiLabelMetrics) {
    let label = |(l, name): (usize, &String)| {
        json!({
            "label": name, "threshold": thresholds(task)[l], "images": results.positives(l),
            "metrics": by_name(&results.label_metrics(l)),
        })
    };
    value["labels"] = names.iter().enumerate().map(label).collect();
}

/// The numbers of all labels, and of each.
pub fn print(
    names: &[String],
    task: &TaskCard,
    results: &MultiLabelMetrics,
    loss: f64,
    all: bool,
) -> Result<(), Failure> {
    let metrics = results.finish();
    let find = |name: &str| metrics.iter().find(|metric| metric.name == name).map_or(String::new(), described);
    say(format_args!("{}, loss: {loss:.4}", find("mean_average_precision")))?;
    say(["hamming_accuracy", "subset_accuracy", "f1_macro", "f1_micro"].map(find).join(", "))?;
    let mut order: Vec<usize> = (0..names.len()).collect();
    let few = all || names.len() <= MANY;
    if !few {
        let precision = |l: usize| average_precision(results, l).unwrap_or(f64::INFINITY);
        order.sort_by(|&a, &b| precision(a).total_cmp(&precision(b)));
        order.truncate(MANY);
    }
    let mut table = Table::new(&["label", "threshold", "precision", "recall", "F1", "average precision", "images"]);
    for &l in &order {
        let of_label = results.label_metrics(l);
        let value = |name: &str| of_label.iter().find(|metric| metric.name == name).map_or("–".into(), Metric::shown);
        table.row(vec![
            names[l].clone(),
            format!("{:.3}", thresholds(task)[l]),
            value("precision"),
            value("recall"),
            value("f1"),
            value("average_precision"),
            thousands(results.positives(l)),
        ]);
    }
    say(format_args!("\n{table}"))?;
    match names.len() - order.len() {
        0 => Ok(()),
        more => say(format_args!(
            "These are the {} labels of the lowest average precision; --all prints {} more, --json has all.",
            order.len(),
            thousands(more)
        )),
    }
}

fn average_precision(results: &MultiLabelMetrics, label: usize) -> Option<f64> {
    results.ranking(label)?.average_precision()
}
