//! What is measured of objects and of classes of pixels.

use super::{by_name, described, intervals};
use crate::output::{Failure, say, shown};
use crate::table::Table;
use serde_json::{Value, json};
use striate::train::{DetectionMetrics, Metric, Metrics, SegmentationMetrics};

/// Resamplings of the images for an interval, and what their random numbers come from.
const ROUNDS: usize = 200;
const SEED: u64 = 0;

fn shown_of(metrics: &[Metric], name: &str) -> String {
    metrics.iter().find(|metric| metric.name == name).map_or("–".into(), Metric::shown)
}

fn headline(metrics: &[Metric], names: &[&str], loss: f64) -> Result<(), Failure> {
    let find = |name: &&str| metrics.iter().find(|metric| metric.name == **name).map(described);
    let line: Vec<String> = names.iter().filter_map(find).collect();
    say(format_args!("{}, loss: {loss:.4}", line.join(", ")))
}

fn interval(value: Option<[f64; 2]>, what: &str) -> Result<(), Failure> {
    match value {
        Some([low, high]) => say(format_args!(
            "95% interval of {what} over resampled images: {:.2}% to {:.2}%",
            100.0 * low,
            100.0 * high
        )),
        None => Ok(()),
    }
}

fn table(classes: &[String], columns: &[(&str, &str)], of_class: impl Fn(usize) -> Vec<Metric>) -> Result<(), Failure> {
    let headings: Vec<&str> = std::iter::once("class").chain(columns.iter().map(|(_, heading)| *heading)).collect();
    let mut table = Table::new(&headings);
    for (class, name) in classes.iter().enumerate() {
        let metrics = of_class(class);
        let values = columns.iter().map(|(metric, _)| shown_of(&metrics, metric));
        table.row([shown(name)].into_iter().chain(values).collect());
    }
    say(format_args!("\n{table}"))
}

fn classes_json(value: &mut Value, classes: &[String], of_class: impl Fn(usize) -> Vec<Metric>) {
    let named = |(class, name): (usize, &String)| (name.clone(), by_name(&of_class(class)));
    value["classes"] = classes.iter().enumerate().map(named).collect::<serde_json::Map<_, _>>().into();
}

pub fn detection_json(value: &mut Value, classes: &[String], results: &DetectionMetrics) {
    classes_json(value, classes, |class| results.class_metrics(class));
    value["intervals_95"]["map"] = json!(results.map_interval(ROUNDS, SEED));
}

pub fn print_detection(classes: &[String], results: &DetectionMetrics, loss: f64) -> Result<(), Failure> {
    headline(&results.finish(), &["map", "map50", "map75", "ar100"], loss)?;
    interval(results.map_interval(ROUNDS, SEED), "mAP")?;
    let columns = [("ap", "AP"), ("ap50", "AP at .5"), ("ap75", "AP at .75"), ("ar100", "AR at 100")];
    table(classes, &columns, |class| results.class_metrics(class))
}

pub fn segmentation_json(value: &mut Value, classes: &[String], results: &SegmentationMetrics) {
    classes_json(value, classes, |class| results.class_metrics(class));
    value["intervals_95"] = intervals(&results.finish());
    value["intervals_95"]["mean_iou"] = json!(results.mean_iou_interval(ROUNDS, SEED));
}

pub fn print_segmentation(classes: &[String], results: &SegmentationMetrics, loss: f64) -> Result<(), Failure> {
    headline(&results.finish(), &["mean_iou", "pixel_accuracy", "mean_dice", "boundary_f1"], loss)?;
    interval(results.mean_iou_interval(ROUNDS, SEED), "mean IoU")?;
    let columns = [
        ("iou", "IoU"),
        ("dice", "Dice"),
        ("precision", "precision"),
        ("recall", "recall"),
        ("boundary_f1", "boundary F1"),
    ];
    table(classes, &columns, |class| results.class_metrics(class))
}
