//! What is measured of objects and of classes of pixels.

use super::{by_name, described};
use crate::output::{Failure, say, shown};
use crate::table::Table;
use serde_json::{Value, json};
use std::cmp::Reverse;
use striate::train::{DetectionMetrics, ImageErrors, Metric, Metrics, SegmentationMetrics};

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

/// Intervals of these metrics, in their order, of those that have one.
fn intervals_json(metrics: &[Metric], intervals: &[Option<[f64; 2]>]) -> Value {
    let of = |(metric, interval): (&Metric, &Option<[f64; 2]>)| Some((metric.name.clone(), json!((*interval)?)));
    Value::Object(metrics.iter().zip(intervals).filter_map(of).collect())
}

/// From which score a box counts where images are ordered by what is wrong in them.
const SCORE: f32 = 0.5;
/// How many of the worst images are named.
const WORST: usize = 3;

/// The images with the most missed and false boxes, the worst first.
fn worst(results: &DetectionMetrics, names: &[String]) -> Vec<(String, ImageErrors)> {
    let mut all: Vec<_> = names.iter().cloned().zip(results.image_errors(SCORE)).collect();
    all.retain(|(_, errors)| errors.missed + errors.false_boxes > 0);
    all.sort_by_key(|(_, errors)| Reverse(errors.missed + errors.false_boxes));
    all
}

/// The images of the lowest mean IoU, the worst first.
fn lowest(results: &SegmentationMetrics, names: &[String]) -> Vec<(String, f64)> {
    let ious = results.image_ious().unwrap_or_default();
    let mut all: Vec<_> = names.iter().cloned().zip(ious).filter(|(_, iou)| !iou.is_nan()).collect();
    all.sort_by(|a, b| a.1.total_cmp(&b.1));
    all
}

pub fn detection_json(value: &mut Value, classes: &[String], results: &DetectionMetrics, names: &[String]) {
    let image = |(name, errors): (String, ImageErrors)| json!({ "image": name, "missed": errors.missed, "false_boxes": errors.false_boxes });
    value["errors_at_score"] = SCORE.into();
    value["image_errors"] = worst(results, names).into_iter().map(image).collect();
    classes_json(value, classes, |class| results.class_metrics(class));
    let [overall, _] = results.intervals(ROUNDS, SEED);
    value["intervals_95"] = intervals_json(&results.finish(), &overall);
}

pub fn print_detection(
    classes: &[String],
    results: &DetectionMetrics,
    loss: f64,
    names: &[String],
) -> Result<(), Failure> {
    headline(&results.finish(), &["map", "map50", "map75", "ar100"], loss)?;
    interval(results.map_interval(ROUNDS, SEED), "mAP")?;
    let columns = [("ap", "AP"), ("ap50", "AP at .5"), ("ap75", "AP at .75"), ("ar100", "AR at 100")];
    table(classes, &columns, |class| results.class_metrics(class))?;
    let named = |(name, errors): &(String, ImageErrors)| {
        format!("{} ({} missed, {} false)", shown(name), errors.missed, errors.false_boxes)
    };
    let worst: Vec<String> = worst(results, names).iter().take(WORST).map(named).collect();
    match worst.is_empty() {
        true => say(format_args!("\nNo box is missed or false from a score of {SCORE} on.")),
        false => say(format_args!("\nMost missed and false boxes from a score of {SCORE} on: {}", worst.join(", "))),
    }
}

pub fn segmentation_json(value: &mut Value, classes: &[String], results: &SegmentationMetrics, names: &[String]) {
    let image = |(name, iou): (String, f64)| json!({ "image": name, "mean_iou": iou });
    value["image_ious"] = lowest(results, names).into_iter().map(image).collect();
    classes_json(value, classes, |class| results.class_metrics(class));
    let [overall, _] = results.intervals(ROUNDS, SEED).expect("an evaluation keeps each image");
    value["intervals_95"] = intervals_json(&results.finish(), &overall);
}

pub fn print_segmentation(
    classes: &[String],
    results: &SegmentationMetrics,
    loss: f64,
    names: &[String],
) -> Result<(), Failure> {
    headline(&results.finish(), &["mean_iou", "pixel_accuracy", "mean_dice", "boundary_f1"], loss)?;
    interval(results.mean_iou_interval(ROUNDS, SEED), "mean IoU")?;
    let columns = [
        ("iou", "IoU"),
        ("dice", "Dice"),
        ("precision", "precision"),
        ("recall", "recall"),
        ("boundary_f1", "boundary F1"),
    ];
    table(classes, &columns, |class| results.class_metrics(class))?;
    let named = |(name, iou): &(String, f64)| format!("{} ({:.1}%)", shown(name), 100.0 * iou);
    let lowest: Vec<String> = lowest(results, names).iter().take(WORST).map(named).collect();
    say(format_args!("\nLowest mean IoU: {}", lowest.join(", ")))
}
