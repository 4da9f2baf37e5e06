//! What is measured of numbers for each image.

use super::{by_name, described};
use crate::output::{Failure, say};
use crate::table::Table;
use serde_json::Value;
use striate::train::{Metric, Metrics, RegressionMetrics};

/// Adds what a constant answer gives.
pub fn json(value: &mut Value, constant: &RegressionMetrics) {
    value["constant"] = by_name(&constant.finish());
}

fn find<'a>(metrics: &'a [Metric], name: &str) -> Option<&'a Metric> {
    metrics.iter().find(|metric| metric.name == name)
}

/// The errors over all numbers and of each, beside those of a constant answer.
pub fn print(
    names: &[String],
    model: &RegressionMetrics,
    constant: &RegressionMetrics,
    loss: f64,
) -> Result<(), Failure> {
    let (metrics, guess) = (model.finish(), constant.finish());
    let line: Vec<String> =
        ["mae", "rmse", "r2"].iter().filter_map(|name| find(&metrics, name)).map(described).collect();
    say(format_args!("{}, loss: {loss:.4}", line.join(", ")))?;
    if let Some(mae) = find(&guess, "mae") {
        say(format_args!("Always answering with the mean of the training images: MAE {}", mae.shown()))?;
    }
    if names.len() < 2 {
        return Ok(());
    }
    let mut table = Table::new(&["number", "MAE", "RMSE", "R²", "MAE of the mean"]);
    for name in names {
        let value = |all: &[Metric], what: &str| find(all, &format!("{what}/{name}")).map_or("–".into(), Metric::shown);
        let row = [value(&metrics, "mae"), value(&metrics, "rmse"), value(&metrics, "r2"), value(&guess, "mae")];
        table.row([name.clone()].into_iter().chain(row).collect());
    }
    say(format_args!("\n{table}"))
}
