//! What is measured of one class for each image.

use super::{MANY, add, described};
use crate::output::{Failure, percent, say, thousands};
use crate::table::Table;
use serde_json::{Value, json};
use striate::report::Confusion;
use striate::train::{ClassificationMetrics, ConfusionMatrix, Metric, Metrics};

/// How often each class was taken for each.
pub fn matrix(results: &ClassificationMetrics) -> &ConfusionMatrix {
    results.confusion().expect("an evaluation counts by class")
}

fn images(confusion: &ConfusionMatrix, class: usize) -> usize {
    confusion.counts()[class].iter().sum()
}

/// The averages over all decisions, whatever their class. Where every image has an answer, all are the accuracy.
fn micro(confusion: &ConfusionMatrix) -> [Metric; 3] {
    let (correct, total) = (confusion.correct(), confusion.total());
    let answered = (0..confusion.counts().len()).map(|class| confusion.predicted(class)).sum();
    let f1 = match answered == total {
        true => Metric::proportion("f1_micro", correct, total),
        false => Metric::fraction("f1_micro", confusion.micro_average().f1),
    };
    [Metric::proportion("precision_micro", correct, answered), Metric::proportion("recall_micro", correct, total), f1]
}

/// Adds the numbers of each class.
pub fn json(value: &mut Value, names: &[String], results: &ClassificationMetrics) {
    let confusion = matrix(results);
    let accuracy = &results.finish()[0];
    micro(confusion).iter().for_each(|metric| add(value, metric));
    let class = |(c, name): (usize, &String)| {
        json!({
            "class": name, "precision": confusion.precision(c), "recall": confusion.recall(c),
            "images": images(confusion, c), "metrics": super::by_name(&results.class_metrics(c)),
        })
    };
    value["accuracy"] = accuracy.value.into();
    value["accuracy_interval_95"] = json!(accuracy.interval_95);
    value["classes"] = names.iter().enumerate().map(class).collect();
    value["confusion"] = json!(confusion.counts());
}

/// The confusion matrix as a table.
pub fn csv(classes: &[String], confusion: &ConfusionMatrix) -> Result<Vec<u8>, Failure> {
    let mut table = csv::Writer::from_writer(Vec::new());
    table.write_record([CORNER].into_iter().chain(classes.iter().map(String::as_str)))?;
    for (name, counts) in classes.iter().zip(confusion.counts()) {
        table.write_record([name.clone()].into_iter().chain(counts.iter().map(usize::to_string)))?;
    }
    Ok(table.into_inner()?)
}

/// The metrics that the second line names, after the accuracy and the loss.
const MORE: [&str; 4] = ["balanced_accuracy", "f1_macro", "cohen_kappa", "roc_auc_macro"];

/// The numbers of all images, of each class, and which classes are taken for which.
pub fn print(
    names: &[String],
    results: &ClassificationMetrics,
    loss: f64,
    top_k: Option<&Metric>,
    all: bool,
) -> Result<(), Failure> {
    let (confusion, metrics) = (matrix(results), results.finish());
    say(format_args!("{}, loss: {loss:.4}", described(&metrics[0])))?;
    let more: Vec<&Metric> = metrics.iter().filter(|metric| MORE.contains(&metric.name.as_str())).collect();
    say(more.iter().map(|metric| described(metric)).collect::<Vec<_>>().join(", "))?;
    // Without intervals: they are those of the accuracy.
    say(micro(confusion).map(|metric| format!("{}: {}", metric.heading(), metric.shown())).join(", "))?;
    if let Some(top_k) = top_k {
        say(described(top_k))?;
    }
    let few = all || names.len() <= MANY;
    print_classes(names, confusion, few)?;
    if few { print_matrix(names, confusion) } else { print_confused(names, confusion) }
}

fn print_classes(classes: &[String], confusion: &ConfusionMatrix, all: bool) -> Result<(), Failure> {
    let mut order: Vec<usize> = (0..classes.len()).collect();
    if !all {
        // Those without images come last.
        let recall = |c: usize| confusion.recall(c).unwrap_or(f64::INFINITY);
        order.sort_by(|&a, &b| recall(a).total_cmp(&recall(b)));
        order.truncate(MANY);
    }
    let mut table = Table::new(&["class", "precision", "recall", "images"]);
    for &c in &order {
        let (precision, recall) = (confusion.precision(c), confusion.recall(c));
        table.row(vec![classes[c].clone(), percent(precision), percent(recall), thousands(images(confusion, c))]);
    }
    say(format_args!("\n{table}"))?;
    match classes.len() - order.len() {
        0 => Ok(()),
        more => say(format_args!(
            "These are the {} classes of the lowest recall; --all prints {} more, --json has all.",
            order.len(),
            thousands(more)
        )),
    }
}

fn print_matrix(classes: &[String], confusion: &ConfusionMatrix) -> Result<(), Failure> {
    let header: Vec<&str> = [CORNER].into_iter().chain(classes.iter().map(String::as_str)).collect();
    let mut table = Table::new(&header);
    for (name, counts) in classes.iter().zip(confusion.counts()) {
        table.row([name.clone()].into_iter().chain(counts.iter().map(usize::to_string)).collect());
    }
    say(format_args!("\n{table}"))
}

fn print_confused(classes: &[String], confusion: &ConfusionMatrix) -> Result<(), Failure> {
    let Confusion { most_confused: pairs, confused_pairs, .. } = Confusion::of(confusion);
    if pairs.is_empty() {
        return say("\nNo class was taken for another.");
    }
    let mut table = Table::new(&["actual", "predicted", "images", "of actual"]).left(2);
    for pair in pairs.iter().take(MANY) {
        let name = |c: usize| classes[c].clone();
        let fraction = percent(pair.fraction_of_actual);
        table.row(vec![name(pair.actual), name(pair.predicted), thousands(pair.images), fraction]);
    }
    say(format_args!("\n{table}"))?;
    let n = pairs.len().min(MANY);
    say(format_args!(
        "These are the {n} of {} pairs that are confused most often; --csv FILE.csv writes the whole matrix, --json has it.",
        thousands(confused_pairs)
    ))
}

/// What stands above the classes of the rows.
const CORNER: &str = "actual \\ predicted";
