//! [`Report`]: all that was measured of a model.

use crate::about::About;
use crate::certainty::{Certainty, suspects};
use crate::classes::{self, ClassRow, Confusion};
use crate::explanations::Explanations;
use crate::failures::{Failures, failures};
use crate::features::Features;
use crate::groups::Groups;
use crate::label_errors::LabelErrors;
use crate::number::Number;
use crate::out_of_distribution::OutOfDistribution;
use crate::outcomes::{Outcomes, TaskAnswers};
use crate::robustness::{Attacks, Robustness};
use crate::roc::{self, RocCurve};
use crate::values;
use schemars::JsonSchema;
use serde::Serialize;
use std::path::Path;
use striate_imaging::Split;
use striate_train::sinks::History;
use striate_train::{DetectionMetrics, Evaluation, Measured, Metric, Metrics, Results, Scale, SegmentationMetrics};

/// The version of the layout of `report.json`.
pub const FORMAT: u32 = 1;

/// All that was measured of a model. What its task does not have is null or empty.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[schemars(title = "Striate report")]
pub struct Report {
    /// The version of this layout.
    pub format: u32,
    /// The version of Striate that wrote it.
    pub striate_version: String,
    /// What was measured, and on what.
    pub about: About,
    /// The metrics over all images.
    pub metrics: Vec<Number>,
    /// How often images were resampled for intervals by bootstrap.
    pub bootstrap_rounds: usize,
    /// What random numbers came from.
    pub seed: u64,
    /// The metrics of each fold, of a cross-validation.
    pub folds: Vec<FoldRow>,
    /// What always guessing the mean of the training images gives, of a regression.
    pub constant_guess: Vec<Number>,
    /// The metrics of each class or label.
    pub classes: Vec<ClassRow>,
    /// Which classes are taken for which: images of a classification, pixels of a segmentation.
    pub confusion: Option<Confusion>,
    /// Precision and recall at each threshold, of each class or label of a detection or multi-label model, thinned to 200 points.
    pub precision_recall: Vec<Curve>,
    /// The ROC curve of each class against the rest, or of each label of a multi-label model; first their macro average, if there are several.
    pub roc: Vec<RocCurve>,
    /// Losses and metrics during training, if the run's files are there; of a cross-validation those on what each fold held out.
    pub training_curves: Vec<TrainingCurve>,
    /// Images on which the model fails, and of a classification those on which it is right and most certain.
    pub failures: Vec<Failures>,
    /// Labels that are likely wrong, of a classification.
    pub label_errors: Option<LabelErrors>,
    /// How far the probabilities can be trusted, of a classification and a multi-label model.
    pub certainty: Option<Certainty>,
    /// How well images of a second folder are told from these, if one was named.
    pub out_of_distribution: Option<OutOfDistribution>,
    /// What the network has learnt: filters, maps of a few images, and training images like them.
    pub features: Option<Features>,
    /// Explanations of these images, and whether they can be trusted.
    pub explanations: Option<Explanations>,
    /// The metrics by the values of a column, if one was named.
    pub groups: Option<Groups>,
    /// The metric on corrupted images, if that was asked for.
    pub robustness: Option<Robustness>,
    /// The metric under attack, if that was asked for.
    pub attacks: Option<Attacks>,
}

/// How well the model of one fold does on the images that the fold held out.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct FoldRow {
    /// The number of the fold, from 1.
    pub fold: usize,
    /// How many images it held out and measured on.
    pub images: usize,
    /// The metrics of its best epoch.
    pub metrics: Vec<Number>,
}

/// A line of a plot.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Curve {
    /// What it is.
    pub name: String,
    /// Its points, `[x, y]`.
    pub points: Vec<[f64; 2]>,
    /// Whether `y` is a fraction from 0 to 1.
    pub fraction: bool,
}

/// How a loss or a metric changes during training.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct TrainingCurve {
    /// The split that it is measured on, and the metric; of a loss the split alone.
    pub name: String,
    /// The number of the fold, from 1, of a cross-validation.
    pub fold: Option<usize>,
    /// What its values are.
    pub unit: TrainingUnit,
    /// Its points, `[step, value]`.
    pub points: Vec<[f64; 2]>,
}

/// What the values of a curve of the training are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrainingUnit {
    /// Losses.
    Loss,
    /// Fractions from 0 to 1.
    Fraction,
    /// Other numbers.
    Number,
}

/// The files of a run: its directory, the metrics of its card, and the name of the one by which the best epoch was chosen.
pub type RunFiles<'a> = (&'a Path, &'a [Metric], Option<&'a str>);

/// What a report is made with.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportOptions {
    /// What random numbers come from.
    pub seed: u64,
    /// How many images each list of failures has.
    pub failures: usize,
    /// What the logits of classes are divided by.
    pub temperature: f64,
}

impl Default for ReportOptions {
    fn default() -> Self {
        ReportOptions { seed: 0, failures: 12, temperature: 1.0 }
    }
}

const POINTS: usize = 200;
/// Rounds of the bootstrap of objects and masks, each of which takes long.
const SLOW_ROUNDS: usize = 200;

impl Report {
    /// Of an evaluation. `run` is the directory of the run that made the model, for its curves.
    pub fn new(
        about: About,
        evaluation: &Evaluation,
        outcomes: &Outcomes,
        run: Option<RunFiles>,
        options: &ReportOptions,
    ) -> Report {
        let names = &about.outputs;
        let mut failures = failures(outcomes, names, options.failures, options.temperature);
        let (label_errors, list) = suspects(outcomes, names, options.failures).unzip();
        failures.extend(list.filter(|list| !list.images.is_empty()));
        let mut report = Report {
            training_curves: run.map_or_else(Vec::new, training_curves),
            failures,
            label_errors,
            ..Report::empty(about.clone(), options)
        };
        match (&evaluation.results, &outcomes.answers) {
            (Results::Classification(metrics), TaskAnswers::Classification(answers)) => {
                (report.metrics, report.classes, report.bootstrap_rounds) =
                    classes::measured(metrics, answers, names, options.seed);
                report.confusion = metrics.confusion().map(Confusion::of);
                report.roc = roc::curves(names, &report.metrics, &report.classes, |class| metrics.ranking(class));
            }
            (Results::MultiLabel(metrics), TaskAnswers::MultiLabel(answers)) => {
                (report.metrics, report.classes, report.bootstrap_rounds) =
                    values::labels(metrics, answers, names, options.seed);
                let curve = |(label, name): (usize, &String)| {
                    let ranking = metrics.ranking(label).filter(|_| metrics.positives(label) > 0)?;
                    Some(Curve::precision_recall(name, ranking.points()))
                };
                report.precision_recall = names.iter().enumerate().filter_map(curve).collect();
                report.roc = roc::curves(names, &report.metrics, &report.classes, |label| metrics.ranking(label));
            }
            (Results::Regression { model, constant }, TaskAnswers::Regression(answers)) => {
                (report.metrics, report.bootstrap_rounds) = values::numbers(model, answers, options.seed);
                report.constant_guess = constant.finish().iter().map(Number::of).collect();
            }
            (Results::Detection(metrics), _) => report.detection(metrics, names),
            (Results::Segmentation(metrics), _) => report.segmentation(metrics, names),
            _ => unreachable!("answers are of the results' task"),
        }
        report
    }

    /// Of which nothing is measured yet.
    pub(crate) fn empty(about: About, options: &ReportOptions) -> Report {
        Report {
            format: FORMAT,
            striate_version: env!("CARGO_PKG_VERSION").to_string(),
            about,
            metrics: Vec::new(),
            bootstrap_rounds: 0,
            seed: options.seed,
            folds: Vec::new(),
            constant_guess: Vec::new(),
            classes: Vec::new(),
            confusion: None,
            precision_recall: Vec::new(),
            roc: Vec::new(),
            training_curves: Vec::new(),
            failures: Vec::new(),
            label_errors: None,
            certainty: None,
            out_of_distribution: None,
            features: None,
            explanations: None,
            groups: None,
            robustness: None,
            attacks: None,
        }
    }

    fn detection(&mut self, metrics: &DetectionMetrics, names: &[String]) {
        self.bootstrap_rounds = SLOW_ROUNDS;
        let [overall, of_classes] = metrics.intervals(SLOW_ROUNDS, self.seed);
        self.metrics = bootstrapped(metrics.finish(), &overall);
        for (class, name) in names.iter().enumerate() {
            let of_class = metrics.class_metrics(class);
            let count = metrics.objects(class);
            let intervals = &of_classes[class * of_class.len()..];
            self.classes.push(ClassRow { class: name.clone(), count, metrics: bootstrapped(of_class, intervals) });
            let points = metrics.precision_recall(class);
            if count > 0 {
                self.precision_recall.push(Curve::precision_recall(name, &points));
            }
        }
    }

    fn segmentation(&mut self, metrics: &SegmentationMetrics, names: &[String]) {
        self.bootstrap_rounds = SLOW_ROUNDS;
        let [overall, of_classes] = metrics.intervals(SLOW_ROUNDS, self.seed).expect("an evaluation keeps each image");
        self.metrics = bootstrapped(metrics.finish(), &overall);
        let row = |(class, name): (usize, &String)| {
            let of_class = metrics.class_metrics(class);
            let intervals = &of_classes[class * of_class.len()..];
            let count = metrics.confusion().actual(class);
            ClassRow { class: name.clone(), count, metrics: bootstrapped(of_class, intervals) }
        };
        self.classes = names.iter().enumerate().map(row).collect();
        self.confusion = Some(Confusion::of(metrics.confusion()));
    }

    /// With the numbers of the folds of a cross-validation, and the curves on what they held out from the files of their runs.
    pub fn add_folds<'a>(&mut self, folds: &[Measured], runs: impl IntoIterator<Item = RunFiles<'a>>) {
        let row = |(i, measured): (usize, &Measured)| FoldRow {
            fold: i + 1,
            images: measured.samples,
            metrics: measured.metrics.iter().map(Number::of).collect(),
        };
        self.folds = folds.iter().enumerate().map(row).collect();
        for (i, run) in runs.into_iter().enumerate() {
            let curves =
                training_curves(run).into_iter().filter(|curve| !curve.name.starts_with(Split::Train.adjective()));
            self.training_curves.extend(curves.map(|curve| TrainingCurve { fold: Some(i + 1), ..curve }));
        }
    }

    /// The title of each metric, and its value in each fold with its interval, if it has one.
    pub(crate) fn metrics_of_folds(&self) -> Vec<(&str, Vec<[String; 2]>)> {
        let first = self.folds.first().map_or(&[][..], |fold| &fold.metrics);
        let shown = |number: &Number| [number.shown(), number.shown_interval()];
        let values = |place: usize| self.folds.iter().map(|fold| shown(&fold.metrics[place])).collect();
        first.iter().enumerate().map(|(place, number)| (number.title.as_str(), values(place))).collect()
    }

    /// The JSON schema of a report, which is committed as `schema.json`.
    pub fn schema() -> serde_json::Value {
        schemars::schema_for!(Report).to_value()
    }

    /// The images that its page shows, by their places among those that were measured on.
    pub fn shown_images(&self) -> impl Iterator<Item = usize> + '_ {
        self.failures.iter().flat_map(|list| list.images.iter().map(|failure| failure.index))
    }
}

/// Metrics with these intervals over resampled images, in their order.
fn bootstrapped(metrics: Vec<Metric>, intervals: &[Option<[f64; 2]>]) -> Vec<Number> {
    metrics.iter().zip(intervals).map(|(metric, interval)| Number::of(metric).bootstrapped(*interval)).collect()
}

impl Curve {
    fn precision_recall(name: &str, points: &[striate_train::OperatingPoint]) -> Curve {
        let step = points.len().div_ceil(POINTS).max(1);
        let last = points.len().saturating_sub(1);
        let kept = points.iter().enumerate().filter(|(i, _)| i % step == 0 || *i == last);
        let points = kept.map(|(_, p)| [p.recall, p.precision]).filter(|[r, p]| r.is_finite() && p.is_finite());
        Curve { name: name.to_string(), points: points.collect(), fraction: true }
    }
}

/// Losses and metrics of a run, thinned to what a plot shows.
fn training_curves((run, metrics, monitor): RunFiles) -> Vec<TrainingCurve> {
    let series = History::of_run(run, metrics, monitor).series();
    let curve = |series: striate_train::plots::Series| {
        let step = series.points.len().div_ceil(5 * POINTS).max(1);
        let points = series.points.iter().step_by(step).copied().filter(|p| p.iter().all(|x| x.is_finite()));
        let unit = match series.scale {
            None => TrainingUnit::Loss,
            Some(Scale::Fraction) => TrainingUnit::Fraction,
            Some(Scale::Number) => TrainingUnit::Number,
        };
        TrainingCurve { name: series.name.clone(), fold: None, unit, points: points.collect() }
    };
    series.into_iter().map(curve).collect()
}
