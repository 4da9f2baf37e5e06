//! A calibration as text.

use super::Measured;
use crate::output::{Failure, count_of, note, percent, say, thousands};
use crate::table::Table;
use striate::report::{
    Calibrated, CalibratedMeasures, CalibrationMeasures, CalibrationReport, LabelCalibration, PredictionSets,
    TemperatureFit, ThresholdForAccuracy,
};

fn number(x: Option<f64>) -> String {
    x.map_or("–".into(), |x| format!("{x:.4}"))
}

fn interval(x: Option<[f64; 2]>) -> String {
    x.map_or(String::new(), |[low, high]| format!("{:.2}% to {:.2}%", 100.0 * low, 100.0 * high))
}

/// `90%`, `99.9%`
fn short(x: f64) -> String {
    format!("{}%", (1e6 * x).round() / 1e4)
}

pub fn all(done: &Calibrated, more: Option<&Measured>, names: &[String]) -> Result<(), Failure> {
    match &done.measured {
        CalibratedMeasures::Classes(report) => classes(report)?,
        CalibratedMeasures::Labels(found) => labels(found, names)?,
    }
    let Some(more) = more else { return Ok(()) };
    thresholds(&more.thresholds)?;
    sets(&more.sets)
}

fn temperature(fit: &TemperatureFit) -> String {
    let meaning = match fit.temperature {
        t if t > 1.0 => "the network is too sure of itself",
        t if t < 1.0 => "the network is not sure enough of itself",
        _ => "the probabilities are as good as a temperature makes them",
    };
    match fit.at_bound {
        true => "Temperature: 1, for these images do not say which is best: all are right, or all wrong".into(),
        false => format!("Temperature: {:.4} ({meaning})", fit.temperature),
    }
}

fn classes(report: &CalibrationReport) -> Result<(), Failure> {
    if let Some(fit) = &report.temperature {
        say(temperature(fit))?;
    }
    let after = report.after.as_ref();
    let mut table = Table::new(&["", "before", "after"]);
    let mut row =
        |name: &str, show: &dyn Fn(Option<f64>) -> String, of: &dyn Fn(&CalibrationMeasures) -> Option<f64>| {
            table.row(vec![name.into(), show(of(&report.before)), show(after.and_then(of))]);
        };
    row("mean confidence", &percent, &|m| m.confidence);
    row("accuracy", &percent, &|m| m.accuracy);
    row("negative log-likelihood", &number, &|m| m.nll);
    row("Brier score", &number, &|m| m.brier);
    row("ECE, bins of equal width", &percent, &|m| m.ece);
    row("ECE, bins of equal mass", &percent, &|m| m.ece_equal_mass);
    row("largest gap of a bin", &percent, &|m| m.mce);
    say(format_args!("\n{table}"))?;
    if after.is_some() {
        say(format_args!(
            "After: each image with a temperature that was fitted on the other {} of {} folds (seed {}).",
            report.fold_temperatures.len() - 1,
            report.fold_temperatures.len(),
            report.seed
        ))?;
    }
    if let Some(chance) = report.before.ece_if_calibrated {
        say(format_args!(
            "Right probabilities would have an ECE of {:.2}% on as many images, and of {:.2}% at most 19 times in 20.",
            100.0 * chance.mean,
            100.0 * chance.quantile_95
        ))?;
    }
    Ok(())
}

fn labels(labels: &[LabelCalibration], names: &[String]) -> Result<(), Failure> {
    let mut table =
        Table::new(&["label", "temperature", "ECE before", "after", "NLL before", "after", "Brier before", "after"]);
    for label in labels {
        let LabelCalibration { before, after, .. } = label;
        let of = |of: &dyn Fn(&CalibrationMeasures) -> Option<f64>| after.as_ref().and_then(of);
        let temperature = label.temperature.as_ref().map_or("–".into(), |fit| match fit.at_bound {
            true => "1 (not determined)".into(),
            false => format!("{:.4}", fit.temperature),
        });
        table.row(vec![
            names[label.label].clone(),
            temperature,
            percent(before.ece),
            percent(of(&|m| m.ece)),
            number(before.nll),
            number(of(&|m| m.nll)),
            number(before.brier),
            number(of(&|m| m.brier)),
        ]);
    }
    say(format_args!("\n{table}"))?;
    say(
        "After: each image with temperatures that were fitted on other folds. Which labels are predicted stays the same.",
    )
}

fn thresholds(thresholds: &[ThresholdForAccuracy]) -> Result<(), Failure> {
    if thresholds.is_empty() {
        return Ok(());
    }
    let mut table =
        Table::new(&["accuracy wanted", "probability from", "coverage", "accuracy", "on other folds", "95% interval"]);
    for found in thresholds {
        let chosen = found.chosen.as_ref();
        table.row(vec![
            short(found.wanted),
            chosen.map_or("none".into(), |point| percent(Some(point.threshold))),
            percent(chosen.map(|point| point.coverage)),
            percent(chosen.map(|point| point.accuracy)),
            percent(found.accuracy_cross_fitted),
            interval(found.accuracy_cross_fitted_interval_95),
        ]);
    }
    say(format_args!("\n{table}"))
}

fn sets(sets: &[PredictionSets]) -> Result<(), Failure> {
    if sets.is_empty() {
        return Ok(());
    }
    let mut table =
        Table::new(&["coverage wanted", "method", "coverage", "95% interval", "classes in a set", "lowest of a class"]);
    for found in sets {
        let least = found.classes.iter().filter_map(|class| class.coverage).reduce(f64::min);
        table.row(vec![
            short(found.wanted),
            found.method.clone(),
            percent(found.coverage),
            interval(found.coverage_interval_95),
            found.mean_size.map_or("–".into(), |size| format!("{size:.2}")),
            percent(least),
        ]);
    }
    say(format_args!("\n{table}"))?;
    say("Sets of classes: each half of the images with the scores of the other.")?;
    for found in sets.iter().filter(|found| found.too_few && found.method == "lac") {
        note(&format!(
            "{} are too few for sets of {} coverage from one half: these have all classes",
            count_of(found.images, "image"),
            short(found.wanted)
        ));
    }
    if let Some(found) = sets.iter().filter(|found| found.would_be_empty > 0).max_by_key(|found| found.would_be_empty) {
        say(format_args!(
            "Up to {} sets would be empty, and have the likeliest class ({} at {}).",
            thousands(found.would_be_empty),
            found.method,
            short(found.wanted)
        ))?;
    }
    Ok(())
}
