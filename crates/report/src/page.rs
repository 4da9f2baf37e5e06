//! A report as one HTML page that needs no other file.

use crate::about::About;
use crate::calibration::{CalibrationMeasures, CalibrationReport};
use crate::certainty::{Certainty, SUSPECT_LABELS};
use crate::classes::{ClassRow, Confusion};
use crate::explain::Grid;
use crate::failures::{CERTAINLY_RIGHT, Failures};
use crate::features::Features;
use crate::gallery::{Gallery, Shot};
use crate::groups::{GapKind, Groups};
use crate::number::Number;
use crate::report::{Curve, Report, TrainingCurve, TrainingUnit};
use crate::robustness::{AttackExample, Attacks, CorruptionExample, Robustness, STRENGTHS};
use crate::roc;
use askama::Template;
use std::fmt::Write;
use striate_data::images::thousands;
use striate_imaging::decode_bytes;
use striate_train::Scale;
use striate_train::plots::{self, Series};

/// More classes than these are not all shown, nor is a larger matrix.
const CLASSES: usize = 40;
const MATRIX: usize = 20;
/// Colours of a cell from none to all.
const SHADES: usize = 10;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    report: &'a Report,
    about: &'a About,
    gallery: &'a Gallery,
    style: &'static str,
    matrix_style: String,
    loss: String,
    failing_title: &'static str,
    /// A heading, and a word, for what outputs are.
    each: &'static str,
    one: &'static str,
    /// What there are so many of.
    counted: &'static str,
    counted_capital: &'static str,
    classes_shown: Vec<&'a ClassRow>,
    matrix: Option<Matrix<'a>>,
    roc: Option<String>,
    precision_recall: Option<String>,
    strengths: Option<String>,
    grids: Vec<Shot>,
    curves: Option<String>,
    /// Whether images are shown large, several of each.
    wide: bool,
    failing: Vec<&'a Failures>,
    right: Option<&'a Failures>,
    gaps: Vec<GapRow>,
    corrupted: Vec<Shot>,
    attacked: Vec<Shot>,
    reliability: String,
    /// What the temperature is that the model file holds.
    stored: String,
    coverage_plot: Option<String>,
    calibration_rows: Vec<CalibrationRow>,
    suspect_list: Option<&'a Failures>,
}

struct Matrix<'a> {
    classes: Vec<&'a str>,
    rows: Vec<Vec<Cell>>,
}

struct Cell {
    count: usize,
    percentage: String,
    shade: usize,
}

impl Report {
    /// The report as one HTML page that needs no other file and no network: light and dark, for wide and narrow screens, and paper.
    pub fn page(&self, gallery: &Gallery) -> String {
        let task = self.about.task.as_str();
        let (each, one) = match task {
            "multi-label" => ("Each label", "label"),
            "regression" => ("Each number", "number"),
            _ => ("Each class", "class"),
        };
        let (counted, counted_capital) = match task {
            "detection" if self.about.loss.is_none() => ("objects predicted", "Objects"),
            "segmentation" if self.about.loss.is_none() => ("pixels predicted", "Pixels"),
            _ if self.about.loss.is_none() => ("predicted", "Predicted"),
            "detection" => ("objects", "Objects"),
            "segmentation" => ("pixels", "Pixels"),
            _ => ("images", "Images"),
        };
        let page = Page {
            report: self,
            about: &self.about,
            gallery,
            style: include_str!("../templates/style.css"),
            matrix_style: plots::cell_colours("m"),
            loss: self.about.loss.map_or(String::new(), |loss| format!("{loss:.4}")),
            failing_title: match (self.about.loss.is_some(), task) {
                (true, _) => "Where it fails",
                (false, "regression") => "What it says",
                (false, _) => "How certain it is",
            },
            each,
            one,
            counted,
            counted_capital,
            classes_shown: self.classes_shown(),
            matrix: self.confusion.as_ref().and_then(|c| matrix(c, &self.about.outputs)),
            precision_recall: (!self.precision_recall.is_empty()).then(|| self.precision_recall_plot()),
            roc: (!self.roc.is_empty()).then(|| roc::plot(&self.roc)),
            strengths: self.robustness.as_ref().map(strengths),
            grids: self.features.as_ref().map_or_else(Vec::new, grids),
            curves: (!self.training_curves.is_empty()).then(|| self.training_plot()),
            wide: self.explanations.is_some() || matches!(task, "detection" | "segmentation"),
            failing: self
                .failures
                .iter()
                .filter(|list| ![CERTAINLY_RIGHT, SUSPECT_LABELS].contains(&list.kind))
                .collect(),
            right: self.failures.iter().find(|list| list.kind == CERTAINLY_RIGHT),
            suspect_list: self.failures.iter().find(|list| list.kind == SUSPECT_LABELS),
            stored: match self.certainty.as_ref().map_or(&[][..], |certainty| &certainty.stored_temperatures) {
                [one] => format!(" of {one:.2}"),
                _ => " for each label".into(),
            },
            reliability: self.certainty.as_ref().map_or(String::new(), Certainty::reliability_plot),
            coverage_plot: self.certainty.as_ref().and_then(Certainty::coverage_plot),
            calibration_rows: self
                .certainty
                .as_ref()
                .and_then(|certainty| {
                    Some(calibration_rows(certainty.calibration.as_ref()?, certainty.stored.as_ref()))
                })
                .unwrap_or_default(),
            gaps: self.groups.as_ref().map_or_else(Vec::new, gap_rows),
            corrupted: self.robustness.as_ref().map_or_else(Vec::new, corrupted),
            attacked: self.attacks.as_ref().map_or_else(Vec::new, attacked),
        };
        page.render().expect("a template of text and numbers is written into memory")
    }

    /// All classes, or those that do worst by their first metric that all have.
    fn classes_shown(&self) -> Vec<&ClassRow> {
        let mut rows: Vec<&ClassRow> = self.classes.iter().collect();
        if rows.len() > CLASSES {
            let score = |row: &&ClassRow| {
                let of = ["f1", "ap", "iou"];
                let metric = row.metrics.iter().find(|metric| of.contains(&metric.name.as_str()));
                metric.and_then(|metric| metric.value).unwrap_or(f64::INFINITY)
            };
            rows.sort_by(|a, b| score(a).total_cmp(&score(b)));
            rows.truncate(CLASSES);
        }
        rows
    }

    fn precision_recall_plot(&self) -> String {
        let average = |name: &str| {
            let row = self.classes.iter().find(|row| row.class == name)?;
            row.metrics.iter().find(|metric| ["average_precision", "ap50"].contains(&metric.name.as_str()))?.value
        };
        let curve = |c: &'_ Curve| (c.points.clone(), average(&c.name).unwrap_or(f64::NAN));
        let curves: Vec<_> = self.precision_recall.iter().map(|c| (c.name.as_str(), curve(c))).collect();
        plots::precision_recall_curves(curves.into_iter().map(|(name, (points, ap))| (name, points, ap)).collect())
    }

    fn training_plot(&self) -> String {
        let series = |curve: &TrainingCurve| Series {
            name: match curve.fold {
                Some(fold) => format!("{}, fold {fold}", curve.name),
                None => curve.name.clone(),
            },
            points: curve.points.clone(),
            scale: match curve.unit {
                TrainingUnit::Loss => None,
                TrainingUnit::Fraction => Some(Scale::Fraction),
                TrainingUnit::Number => Some(Scale::Number),
            },
        };
        plots::curves(&self.training_curves.iter().map(series).collect::<Vec<_>>(), "step")
    }
}

impl Page<'_> {
    /// Where the sections are, and their titles.
    fn sections(&self) -> Vec<(&'static str, &'static str)> {
        let report = self.report;
        let all = [
            ("metrics", "How good it is", !report.metrics.is_empty()),
            ("classes", self.each, !report.classes.is_empty()),
            ("confusion", "What is taken for what", report.confusion.is_some()),
            ("failures", self.failing_title, !self.failing.is_empty()),
            ("right", "Where it is right", self.right.is_some()),
            ("certainty", "How sure it may be", report.certainty.is_some()),
            ("labels", "Labels that may be wrong", report.label_errors.is_some()),
            ("outside", "Images of another kind", report.out_of_distribution.is_some()),
            ("explanations", "What it looks at", report.explanations.is_some()),
            ("features", "What it has learnt", report.features.is_some()),
            ("groups", "Groups", report.groups.is_some()),
            ("robustness", "Robustness", report.robustness.is_some()),
            ("attacks", "Attacks", report.attacks.is_some()),
            ("training", "How it was trained", self.curves.is_some()),
            ("about", "About this report", true),
        ];
        all.into_iter().filter(|(.., has)| *has).map(|(id, title, _)| (id, title)).collect()
    }

    fn guess(&self, metric: &usize) -> Option<&Number> {
        self.report.constant_guess.get(*metric)
    }

    fn shots(&self, index: &usize) -> &[Shot] {
        self.gallery.shots(*index)
    }

    fn two(&self, x: impl std::borrow::Borrow<f64>) -> String {
        format!("{:.2}", x.borrow())
    }

    fn range(&self, [low, high]: &[f64; 2]) -> String {
        format!("{} to {}", percent(*low), percent(*high))
    }

    fn maybe(&self, x: impl std::borrow::Borrow<Option<f64>>) -> String {
        x.borrow().map_or("–".into(), |x| format!("{x:.2}"))
    }

    fn maybe_percent(&self, x: impl std::borrow::Borrow<Option<f64>>) -> String {
        x.borrow().map_or("–".into(), percent)
    }

    fn thousands(&self, n: impl std::borrow::Borrow<usize>) -> String {
        thousands(*n.borrow())
    }

    fn percent(&self, x: impl std::borrow::Borrow<f64>) -> String {
        percent(*x.borrow())
    }

    fn between(&self, interval: impl std::borrow::Borrow<[f64; 2]>) -> String {
        let [low, high] = interval.borrow().map(percent);
        format!("{low} to {high}")
    }
}

/// A number of the calibration, before and after, for people.
struct CalibrationRow {
    name: &'static str,
    stored: String,
    before: String,
    after: String,
}

fn calibration_rows(report: &CalibrationReport, stored: Option<&CalibrationMeasures>) -> Vec<CalibrationRow> {
    type Of = fn(&CalibrationMeasures) -> Option<f64>;
    let rows: [(&str, Of, bool); 7] = [
        ("Accuracy", |m| m.accuracy, true),
        ("Mean confidence", |m| m.confidence, true),
        ("ECE, bins of equal width", |m| m.ece, true),
        ("ECE, bins of equal mass", |m| m.ece_equal_mass, true),
        ("Largest gap of a bin (MCE)", |m| m.mce, true),
        ("Brier score", |m| m.brier, false),
        ("Negative log-likelihood", |m| m.nll, false),
    ];
    let shown = |x: Option<f64>, fraction: bool| match x {
        None => "–".into(),
        Some(x) if fraction => percent(x),
        Some(x) => format!("{x:.4}"),
    };
    let row = |(name, of, fraction): (&'static str, Of, bool)| CalibrationRow {
        name,
        stored: shown(stored.and_then(of), fraction),
        before: shown(of(&report.before), fraction),
        after: shown(report.after.as_ref().and_then(of), fraction),
    };
    rows.into_iter().map(row).collect()
}

/// A gap between groups, for people.
struct GapRow {
    what: String,
    size: String,
    lowest: String,
    highest: String,
    p: String,
    adjusted: String,
    verdict: &'static str,
}

/// The chance below which a gap counts as more than that.
const SIGNIFICANT: f64 = 0.05;

fn gap_rows(groups: &Groups) -> Vec<GapRow> {
    let kinds = [
        (GapKind::Main, groups.main_title()),
        (GapKind::Calibration, "calibration error".into()),
        (GapKind::EqualOpportunity, "recall (equal opportunity)".into()),
        (GapKind::PredictiveParity, "precision (predictive parity)".into()),
        (GapKind::DemographicParity, "selection rate (demographic parity)".into()),
    ];
    let row = |(kind, what): (GapKind, String)| {
        let gap = groups.largest(kind)?;
        let group = |place: Option<usize>| {
            place.map_or("–".into(), |i| groups.groups[i].value.clone().unwrap_or_else(|| "(no value)".into()))
        };
        let p = |p: Option<f64>| p.map_or("–".into(), |p| format!("{p:.3}"));
        let points = kind != GapKind::Main || groups.main_metric != "mae";
        let size = gap.difference.map_or("–".into(), |x| match points {
            true => format!("{:.1} points", 100.0 * x),
            false => format!("{x:.4}"),
        });
        Some(GapRow {
            what: gap.output.as_ref().map_or(what.clone(), |output| format!("{what} of {output}")),
            size,
            lowest: group(gap.lowest),
            highest: group(gap.highest),
            p: p(gap.p_value),
            adjusted: p(gap.p_adjusted),
            verdict: match gap.p_adjusted {
                Some(p) if p < SIGNIFICANT => "yes",
                Some(_) => "not shown",
                None => "not tested",
            },
        })
    };
    kinds.into_iter().filter_map(row).collect()
}

/// Pixels of the shorter side of a grid.
const GRID: usize = 400;

/// The grid of filters, then those of feature maps.
fn grids(features: &Features) -> Vec<Shot> {
    let caption = |what: &str, grid: &Grid, of: &str| {
        let some = if grid.drawn < grid.count { format!("{} of ", grid.drawn) } else { String::new() };
        let [h, w] = grid.size;
        format!("{some}{} {what} ({h}×{w}) of layer {}{of}", thousands(grid.count), grid.layer)
    };
    let filters = features.filters.iter().map(|grid| (caption("filters", grid, ""), grid));
    let maps = features.maps.iter().map(|of| (caption("maps", &of.grid, &format!(": {}", of.image)), &of.grid));
    filters.chain(maps).filter_map(|(caption, grid)| Shot::new(&caption, &grid.image, GRID)).collect()
}

/// The metric against the strength of each kind of corruption.
fn strengths(robustness: &Robustness) -> String {
    let series: Vec<_> = robustness.families.iter().map(|of| (of.family.to_string(), of.values.clone())).collect();
    let scale = if robustness.clean.fraction { Scale::Fraction } else { Scale::Number };
    plots::strength(&series, &robustness.clean.title, scale)
}

/// Pixels of the shorter side of an example.
const EXAMPLE: usize = 112;

fn shot(caption: String, png: &[u8]) -> Option<Shot> {
    let image = decode_bytes(png, "example.png".as_ref(), &Default::default()).ok()?.into_bytes();
    Shot::new(&caption, &image, EXAMPLE)
}

/// The image of each corruption at its middle strength, after the clean one.
fn corrupted(robustness: &Robustness) -> Vec<Shot> {
    let shown = robustness.examples.iter().filter(|e| e.corruption.is_none() || e.strength == STRENGTHS.div_ceil(2));
    let one = |e: &CorruptionExample| {
        let caption = e.corruption.map_or("as it is".into(), |c| format!("{}, strength {}", c.name(), e.strength));
        shot(caption, &e.png)
    };
    shown.filter_map(one).collect()
}

fn attacked(attacks: &Attacks) -> Vec<Shot> {
    let three = |e: &AttackExample| {
        let attack = format!("{}, ε = {}/255", e.attack.name(), e.epsilon);
        [shot(e.image.clone(), &e.original), shot(attack, &e.attacked), shot("difference".into(), &e.difference)]
    };
    attacks.examples.iter().flat_map(three).flatten().collect()
}

fn percent(x: f64) -> String {
    let mut text = String::new();
    let digits = if x != 0.0 && x.abs() < 0.0005 { 3 } else { 1 };
    let _ = write!(text, "{:.digits$}%", 100.0 * x);
    text
}

/// The whole matrix, or that of the classes that are confused most.
fn matrix<'a>(confusion: &Confusion, names: &'a [String]) -> Option<Matrix<'a>> {
    let counts = confusion.counts.as_ref()?;
    let mut kept: Vec<usize> = (0..names.len()).collect();
    if kept.len() > MATRIX {
        kept.clear();
        for class in confusion.most_confused.iter().flat_map(|pair| [pair.actual, pair.predicted]) {
            if kept.len() < MATRIX && !kept.contains(&class) {
                kept.push(class);
            }
        }
        kept.sort_unstable();
    }
    if kept.is_empty() {
        return None;
    }
    let row = |&actual: &usize| {
        let total: usize = counts[actual].iter().sum();
        let cell = |&predicted: &usize| {
            let count = counts[actual][predicted];
            let fraction = if total == 0 { 0.0 } else { count as f64 / total as f64 };
            // Anything at all is seen.
            let shade = ((fraction * SHADES as f64).round() as usize).max(usize::from(count > 0)).min(SHADES);
            Cell { count, percentage: percent(fraction), shade }
        };
        kept.iter().map(cell).collect()
    };
    Some(Matrix { rows: kept.iter().map(row).collect(), classes: kept.iter().map(|&c| names[c].as_str()).collect() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::report;

    #[test]
    fn names_are_text_and_nothing_is_loaded() {
        let page = report().page(&Gallery::default());
        assert!(!page.contains("<script") && !page.contains("<b>") && page.contains("b&#38;b.png"), "{page}");
        for address in ["http:", "https:", "src=\"/", "url(", "@import"] {
            // SVG's namespace is a name, not an address that is asked for.
            assert!(!page.replace("http://www.w3.org/2000/svg", "").contains(address), "{address}");
        }
    }

    #[test]
    fn each_section_can_be_reached() {
        let page = report().page(&Gallery::default());
        let targets: Vec<&str> = page.split("href=\"#").skip(1).map(|rest| &rest[..rest.find('"').unwrap()]).collect();
        assert_eq!(targets, ["main", "metrics", "classes", "confusion", "failures", "right", "labels", "about"]);
        assert!(targets.iter().all(|id| page.contains(&format!("id=\"{id}\""))));
    }

    #[test]
    fn a_large_matrix_shows_the_classes_that_are_confused() {
        let names: Vec<String> = (0..30).map(|i| i.to_string()).collect();
        let mut confusion = striate_train::ConfusionMatrix::new(30);
        (0..30).for_each(|class| confusion.add_many(class, class, 10));
        confusion.add_many(7, 21, 3);
        let matrix = matrix(&Confusion::of(&confusion), &names).unwrap();
        assert_eq!(matrix.classes, ["7", "21"]);
        assert_eq!(
            (matrix.rows[0][1].count, matrix.rows[0][1].percentage.as_str(), matrix.rows[1][0].shade),
            (3, "23.1%", 0)
        );
    }
}
