//! What is measured of one class for each image.

use super::{MANY, described};
use crate::output::{Failure, say, thousands};
use crate::table::Table;
use serde_json::{Value, json};
use striate::train::{ClassificationMetrics, ConfusionMatrix, Metric, Metrics};

fn percent(x: Option<f64>) -> String {
    x.map_or("–".into(), |x| format!("{:.2}%", 100.0 * x))
}

/// Classes that are taken for each other: how often, and in which fraction of the images of the actual one.
struct Confused {
    actual: usize,
    predicted: usize,
    count: usize,
    fraction: f64,
}

/// Pairs of classes of which the one is taken for the other, the most frequent ones first.
fn confused(confusion: &ConfusionMatrix) -> Vec<Confused> {
    let mut pairs = Vec::new();
    for (actual, row) in confusion.counts().iter().enumerate() {
        let images: usize = row.iter().sum();
        for (predicted, &count) in row.iter().enumerate().filter(|&(predicted, &n)| n > 0 && predicted != actual) {
            pairs.push(Confused { actual, predicted, count, fraction: count as f64 / images as f64 });
        }
    }
    // A stable sort: pairs of one count are in the order of their fractions, then of the classes.
    pairs.sort_by(|a, b| b.count.cmp(&a.count).then(b.fraction.total_cmp(&a.fraction)));
    pairs
}

/// How often each class was taken for each.
pub fn matrix(results: &ClassificationMetrics) -> &ConfusionMatrix {
    results.confusion().expect("an evaluation counts by class")
}

fn images(confusion: &ConfusionMatrix, class: usize) -> usize {
    confusion.counts()[class].iter().sum()
}

/// Adds the numbers of each class.
pub fn json(value: &mut Value, names: &[String], results: &ClassificationMetrics) {
    let confusion = matrix(results);
    let accuracy = &results.finish()[0];
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
pub fn print(names: &[String], results: &ClassificationMetrics, loss: f64, all: bool) -> Result<(), Failure> {
    let (confusion, metrics) = (matrix(results), results.finish());
    say(format_args!("{}, loss: {loss:.4}", described(&metrics[0])))?;
    let more: Vec<&Metric> = metrics.iter().filter(|metric| MORE.contains(&metric.name.as_str())).collect();
    say(more.iter().map(|metric| described(metric)).collect::<Vec<_>>().join(", "))?;
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
    let pairs = confused(confusion);
    if pairs.is_empty() {
        return say("\nNo class was taken for another.");
    }
    let mut table = Table::new(&["actual", "predicted", "images", "of actual"]).left(2);
    for pair in pairs.iter().take(MANY) {
        let name = |c: usize| classes[c].clone();
        let fraction = percent(Some(pair.fraction));
        table.row(vec![name(pair.actual), name(pair.predicted), thousands(pair.count), fraction]);
    }
    say(format_args!("\n{table}"))?;
    let n = pairs.len().min(MANY);
    say(format_args!(
        "These are the {n} of {} pairs that are confused most often; --csv FILE.csv writes the whole matrix, --json has it.",
        thousands(pairs.len())
    ))
}

/// What stands above the classes of the rows.
const CORNER: &str = "actual \\ predicted";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_confused_pairs_come_first() {
        let mut m = ConfusionMatrix::new(4);
        for (actual, predicted, n) in [(0, 0, 9), (0, 1, 1), (1, 0, 3), (2, 1, 3), (2, 2, 3), (3, 3, 5)] {
            (0..n).for_each(|_| m.add(actual, predicted));
        }
        let pairs: Vec<_> = confused(&m).iter().map(|p| (p.actual, p.predicted, p.count, p.fraction)).collect();
        assert_eq!(pairs, [(1, 0, 3, 1.0), (2, 1, 3, 0.5), (0, 1, 1, 0.1)]);
    }
}
