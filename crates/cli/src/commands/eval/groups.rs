//! What is measured by group.

use crate::output::{Failure, note, say, shown, thousands};
use crate::table::Table;
use striate::report::Number;
use striate::report::groups::{Gap, GapKind, Group, Groups};

/// What a group is called.
fn title(group: &Group) -> String {
    group.value.clone().unwrap_or_else(|| "(no value)".into())
}

fn is_fraction(groups: &Groups) -> bool {
    groups.main_metric != "mae"
}

/// A number of a metric, or of a gap between two.
fn formatted(x: Option<f64>, fraction: bool) -> String {
    match x {
        None => "–".into(),
        Some(x) if fraction => format!("{:.2}%", 100.0 * x),
        Some(x) => format!("{x:.4}"),
    }
}

fn interval(number: &Number, fraction: bool) -> String {
    let shown =
        |[low, high]: [f64; 2]| format!("{} to {}", formatted(Some(low), fraction), formatted(Some(high), fraction));
    number.interval_95.map_or("–".into(), shown)
}

/// Which metrics of a group are printed, with their headings.
fn columns(groups: &Groups) -> &'static [(&'static str, &'static str)] {
    match groups.main_metric.as_str() {
        "accuracy" => &[("balanced_accuracy", "balanced"), ("f1_macro", "F1 (macro)")],
        "mae" => &[("rmse", "RMSE"), ("r2", "R²")],
        "map" => &[("map50", "mAP@.5"), ("ar100", "AR@100")],
        "mean_iou" => &[("mean_dice", "mean Dice"), ("pixel_accuracy", "pixel accuracy")],
        _ => &[("subset_accuracy", "all labels right"), ("f1_macro", "F1 (macro)")],
    }
}

/// Notes on what the numbers do not say.
pub fn notes(groups: &Groups) {
    let small: Vec<String> =
        groups.groups.iter().filter(|group| group.is_small).map(|group| shown(title(group))).collect();
    if !small.is_empty() {
        let few = if small.len() == 1 { "says" } else { "say" };
        note(&format!("{} {few} little by group: few images, wide intervals", small.join(", ")));
    }
}

/// The main metric of each group, and the gaps.
pub fn print(groups: &Groups) -> Result<(), Failure> {
    let fraction = is_fraction(groups);
    let find = |group: &Group, name: &str| group.metrics.iter().find(|metric| metric.name == name).cloned();
    let calibrated = groups.groups.iter().any(|group| group.calibration_error.is_some());
    let main = &groups.main_title();
    let mut header = vec![groups.column.as_str(), "images", main.as_str(), "95% interval"];
    header.extend(columns(groups).iter().map(|(_, heading)| *heading));
    header.extend(calibrated.then_some("calibration error"));
    let mut table = Table::new(&header);
    for group in &groups.groups {
        let metric = find(group, &groups.main_metric);
        let mut row = vec![
            title(group),
            thousands(group.images),
            formatted(metric.as_ref().and_then(|m| m.value), fraction),
            metric.map_or("–".into(), |m| interval(&m, fraction)),
        ];
        row.extend(
            columns(groups).iter().map(|(name, _)| formatted(find(group, name).and_then(|m| m.value), fraction)),
        );
        row.extend(calibrated.then(|| formatted(group.calibration_error, true)));
        table.row(row);
    }
    say(format_args!("\n{table}\n"))?;
    gap(groups, groups.main_gap(), main, fraction)?;
    for (kind, what) in [
        (GapKind::Calibration, "calibration error"),
        (GapKind::EqualOpportunity, "recall (equal opportunity)"),
        (GapKind::PredictiveParity, "precision (predictive parity)"),
        (GapKind::DemographicParity, "selection rate (demographic parity)"),
    ] {
        if let Some(largest) = groups.largest(kind) {
            gap(groups, largest, what, true)?;
        }
    }
    let tests = groups.gaps.iter().filter(|gap| gap.p_value.is_some()).count();
    say(format_args!(
        "Groups of fewer than {} images take no part. p by {} permutations, adjusted for {} (Benjamini-Hochberg).",
        groups.least_images,
        thousands(groups.permutations),
        crate::output::count_of(tests, "test")
    ))
}

fn gap(groups: &Groups, gap: &Gap, what: &str, fraction: bool) -> Result<(), Failure> {
    let (Some(difference), Some(lowest), Some(highest)) = (gap.difference, gap.lowest, gap.highest) else {
        return say(format_args!("Largest gap in {what}: – (fewer than two groups have enough images)"));
    };
    if difference == 0.0 {
        return say(format_args!("Largest gap in {what}: none, over {} groups", gap.compared));
    }
    let size = if fraction { format!("{:.2} points", 100.0 * difference) } else { format!("{difference:.4}") };
    let of = gap.output.as_ref().map_or(String::new(), |output| format!(" of {}", shown(output)));
    let [low, high] = [lowest, highest].map(|group| shown(title(&groups.groups[group])));
    let p = match (gap.p_value, gap.p_adjusted) {
        (Some(p), Some(adjusted)) => format!(" (p = {p:.4}, adjusted {adjusted:.4})"),
        _ => String::new(),
    };
    say(format_args!("Largest gap in {what}{of}: {size}, from {low} to {high}{p}"))
}
