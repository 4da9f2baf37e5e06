//! Every metric by group, and whether the groups differ by more than chance.

mod adjust;
mod grouping;
mod permutation;
mod table;

pub use adjust::benjamini_hochberg;
pub use grouping::{GroupError, Grouping, MOST_GROUPS};

use crate::calibration::{equal_width, errors};
use crate::number::{Number, defined};
use crate::outcomes::{MetricsOf, Outcomes, TaskAnswers};
use permutation::{Rates, Shuffles, Widest, widest};
use schemars::JsonSchema;
use serde::Serialize;
use striate_data::parallel;
use striate_tensor::num_threads;
use striate_train::{Metric, bootstrap_interval, bootstrap_intervals, fraction_interval};

/// How groups are compared.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupOptions {
    /// How many times the groups are shuffled for a test, down to 200 of many objects or masks. The least p-value is one over that and one more.
    pub rounds: usize,
    /// What the random numbers come from.
    pub seed: u64,
    /// Groups of fewer images take no part in the gap of a metric: of a class's recall, of fewer images of the class.
    pub least: usize,
    /// What the logits of classes are divided by.
    pub temperature: f64,
}

impl Default for GroupOptions {
    fn default() -> Self {
        GroupOptions { rounds: 1000, seed: 0, least: 10, temperature: 1.0 }
    }
}

/// The metrics of a model by group, and how far the groups are apart.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Groups {
    /// The column that the groups are the values of.
    pub column: String,
    /// The metric that stands for the task.
    pub main_metric: String,
    /// How many images there are.
    pub images: usize,
    /// The groups, sorted by value; images without one are the last.
    pub groups: Vec<Group>,
    /// The largest difference between groups of each metric that is tested.
    pub gaps: Vec<Gap>,
    /// How many times the groups were shuffled for each p-value.
    pub permutations: usize,
    /// Groups of fewer images took no part in a gap.
    pub least_images: usize,
    /// What the random numbers came from.
    pub seed: u64,
}

/// The metrics of one group.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Group {
    /// The value of the column; none of the images without one.
    pub value: Option<String>,
    /// How many images it has.
    pub images: usize,
    /// Whether its numbers say little: it has fewer than 30 images, or the 95 % interval of its main metric is wider than 20 points.
    pub is_small: bool,
    /// All metrics of the task. Intervals are Wilson's or bootstrapped; where a group's images all tell the same there is none.
    pub metrics: Vec<Number>,
    /// Classification: the expected calibration error with 15 bins of equal width.
    pub calibration_error: Option<f64>,
    /// Its 95 % confidence interval over resampled images.
    pub calibration_interval_95: Option<[f64; 2]>,
    /// Classification and multi-label: the numbers of each class or label.
    pub outputs: Vec<GroupOutput>,
}

/// The numbers of one class or label in one group.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct GroupOutput {
    /// The class or label.
    pub name: String,
    /// Images that have it.
    pub images: usize,
    /// Images that are taken to have it.
    pub predicted: usize,
    /// Of the images that have it, the fraction that is found, with Wilson's interval.
    pub recall: Number,
    /// Of the images that are taken to have it, the fraction that does, with Wilson's interval.
    pub precision: Number,
    /// The fraction of the group's images that is taken to have it, with Wilson's interval.
    pub selection_rate: Number,
}

/// What a gap is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GapKind {
    /// The main metric.
    Main,
    /// The expected calibration error.
    Calibration,
    /// The recall of a class: equal opportunity (Hardt, Price and Srebro, "Equality of Opportunity in Supervised Learning", 2016).
    EqualOpportunity,
    /// The precision of a class: predictive parity (Chouldechova, "Fair prediction with disparate impact", 2017).
    PredictiveParity,
    /// How often a class is predicted, whatever it is: demographic parity.
    DemographicParity,
}

/// The largest difference of a number between two groups.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Gap {
    /// What it is of.
    pub kind: GapKind,
    /// The class or label, where it is of one.
    pub output: Option<String>,
    /// The number that differs: `accuracy`, `recall`, `precision`, `selection_rate`, `calibration_error`.
    pub metric: String,
    /// The largest difference; none where fewer than two groups have enough images.
    pub difference: Option<f64>,
    /// The place of the group of the lowest number among the groups.
    pub lowest: Option<usize>,
    /// The place of the group of the highest number.
    pub highest: Option<usize>,
    /// How many groups have enough images.
    pub compared: usize,
    /// How likely a difference this large is by chance: a permutation test.
    pub p_value: Option<f64>,
    /// The p-value adjusted for the number of tests of this column (Benjamini and Hochberg).
    pub p_adjusted: Option<f64>,
}

/// Bins of the calibration error.
const BINS: usize = 15;
/// Groups of fewer images, or of a wider interval, say little.
const FEW: usize = 30;
const WIDE: f64 = 0.2;
/// Resamplings of a group's images, and fewer where there are many images and outputs, down to none.
const BOOTSTRAP_ROUNDS: usize = 200;
const BOOTSTRAP_LEAST: usize = 100;
const BOOTSTRAP_WORK: usize = 100_000_000;
/// How many boxes of an image that work is taken to be.
const BOXES: usize = 100;
/// Shuffles of objects and masks, fewer where there are many.
const PERMUTATION_WORK: usize = 500_000_000;
const PERMUTATION_LEAST: usize = 200;

/// The metrics of `outcomes` by group. `outputs` are the names of the model's classes, labels or numbers.
///
/// The numbers depend on the options' seed and not on the number of threads. Multi-label precision and recall are at the model's thresholds. Of objects and
/// masks there are no numbers by class.
///
/// # Panics
/// If `grouping` is of fewer images, or `outputs` are not those of the answers.
pub fn groups(outcomes: &Outcomes, outputs: &[String], grouping: &Grouping, options: &GroupOptions) -> Groups {
    let mut members = vec![Vec::new(); grouping.values.len()];
    outcomes.indices.iter().enumerate().for_each(|(i, &index)| members[grouping.groups[index]].push(i));
    let of_image = if matches!(outcomes.answers, TaskAnswers::Detection(_)) { BOXES } else { outputs.len().max(1) };
    let work = (outcomes.len() * of_image).max(1);
    let rounds = |images: usize| {
        let rounds = (BOOTSTRAP_WORK / (images * of_image).max(1)).min(BOOTSTRAP_ROUNDS);
        if rounds >= BOOTSTRAP_LEAST { rounds } else { 0 }
    };
    let decisions = Decisions { task: &outcomes.answers, outputs, temperature: options.temperature };
    let permutations = match decisions.is_dense() {
        true => options.rounds.min((PERMUTATION_WORK / (work * members.len())).max(PERMUTATION_LEAST)),
        false => options.rounds,
    };
    let metrics_of = outcomes.metrics_of();
    let group = |g: usize| Group {
        value: grouping.values[g].clone(),
        ..group(outcomes, &metrics_of, &members[g], &decisions, rounds(members[g].len()), options.seed)
    };
    let groups = parallel::map(members.len(), num_threads(), group);
    Groups {
        column: grouping.column.clone(),
        main_metric: outcomes.main_metric().into(),
        images: outcomes.len(),
        groups,
        gaps: gaps(outcomes, &members, &decisions, &GroupOptions { rounds: permutations, ..*options }),
        permutations,
        least_images: options.least,
        seed: options.seed,
    }
}

/// What is decided of each image: whether it has a class or label, and whether it is taken to.
struct Decisions<'a> {
    task: &'a TaskAnswers,
    outputs: &'a [String],
    temperature: f64,
}

impl Decisions<'_> {
    /// How many classes or labels are decided on.
    fn count(&self) -> usize {
        match self.task {
            TaskAnswers::Classification(_) | TaskAnswers::MultiLabel(_) => self.outputs.len(),
            TaskAnswers::Regression(_) | TaskAnswers::Detection(_) | TaskAnswers::Segmentation(_) => 0,
        }
    }

    fn is_dense(&self) -> bool {
        matches!(self.task, TaskAnswers::Detection(_) | TaskAnswers::Segmentation(_))
    }

    /// Whether image `i` has `output`.
    fn has(&self, i: usize, output: usize) -> bool {
        match self.task {
            TaskAnswers::Classification(of) => of.labels[i] == output,
            TaskAnswers::MultiLabel(of) => of.target(i, output),
            _ => false,
        }
    }

    /// Whether it is taken to have it. NaN decides for nothing.
    fn taken(&self, i: usize, output: usize) -> bool {
        match self.task {
            TaskAnswers::Classification(of) => of.predicted(i) == Some(output),
            TaskAnswers::MultiLabel(of) => of.decided(i, output) == Some(true),
            _ => false,
        }
    }

    /// The expected calibration error of some images.
    fn calibration_error(&self) -> Option<impl Fn(&[usize]) -> Option<f64> + Sync> {
        let TaskAnswers::Classification(of) = self.task else { return None };
        let image = |i: usize| {
            let predicted = of.predicted(i);
            let probability = |class: usize| of.log_probabilities(i, self.temperature)[class].exp();
            (predicted.map_or(f64::NAN, probability), predicted == Some(of.labels[i]))
        };
        let images: Vec<(f64, bool)> = (0..of.len()).map(image).collect();
        Some(move |of: &[usize]| {
            let events: Vec<(f64, bool)> = of.iter().map(|&i| images[i]).collect();
            let is_known = events.iter().all(|(confidence, _)| !confidence.is_nan());
            errors(&equal_width(&events, BINS)).map(|[mean, _]| mean).filter(|_| is_known)
        })
    }
}

fn group(
    outcomes: &Outcomes,
    metrics_of: &MetricsOf,
    members: &[usize],
    decisions: &Decisions,
    rounds: usize,
    seed: u64,
) -> Group {
    let mut metrics: Vec<Number> = metrics_of(members).iter().map(Number::of).collect();
    if metrics.iter().any(|metric| metric.interval_95.is_none()) {
        let values = |drawn: &[usize]| {
            let drawn: Vec<usize> = drawn.iter().map(|&place| members[place]).collect();
            metrics_of(&drawn).iter().map(|metric| metric.value).collect()
        };
        let intervals = bootstrap_intervals(members.len(), rounds, seed, metrics.len(), values);
        metrics = metrics.into_iter().zip(intervals).map(|(metric, i)| metric.bootstrapped(i)).collect();
    }
    let calibration_error = decisions.calibration_error();
    let calibration_interval_95 = calibration_error.as_ref().and_then(|error| {
        let of = |drawn: &[usize]| {
            let drawn: Vec<usize> = drawn.iter().map(|&place| members[place]).collect();
            error(&drawn).unwrap_or(f64::NAN)
        };
        bootstrap_interval(members.len(), rounds, seed, of).map(fraction_interval)
    });
    let main = metrics.iter().find(|metric| metric.name == outcomes.main_metric());
    let is_fraction = !matches!(outcomes.answers, TaskAnswers::Regression(_));
    let width = main.and_then(|metric| metric.interval_95).map_or(0.0, |[low, high]| high - low);
    let output = |(output, name): (usize, &String)| {
        let count = |is: &dyn Fn(usize) -> bool| members.iter().filter(|&&i| is(i)).count();
        let images = count(&|i| decisions.has(i, output));
        let predicted = count(&|i| decisions.taken(i, output));
        let found = count(&|i| decisions.has(i, output) && decisions.taken(i, output));
        let rate = |name: &str, part, whole| Number::from(&Metric::proportion(name, part, whole));
        GroupOutput {
            name: name.clone(),
            images,
            predicted,
            recall: rate("recall", found, images),
            precision: rate("precision", found, predicted),
            selection_rate: rate("selection_rate", predicted, members.len()),
        }
    };
    Group {
        value: None,
        images: members.len(),
        is_small: members.len() < FEW || (is_fraction && width > WIDE),
        calibration_error: calibration_error.and_then(|error| error(members)),
        calibration_interval_95,
        outputs: decisions.outputs.iter().take(decisions.count()).enumerate().map(output).collect(),
        metrics,
    }
}

fn gaps(outcomes: &Outcomes, members: &[Vec<usize>], decisions: &Decisions, options: &GroupOptions) -> Vec<Gap> {
    let shuffles = |test: usize| Shuffles { rounds: options.rounds, seed: options.seed, test: test as u64 };
    let gap = |kind, output: Option<usize>, metric: &str, found: Option<Widest>, p: Option<f64>| Gap {
        kind,
        output: output.map(|output| decisions.outputs[output].clone()),
        metric: metric.into(),
        difference: found.map(|gap| gap.difference),
        lowest: found.map(|gap| gap.lowest),
        highest: found.map(|gap| gap.highest),
        compared: found.map_or(0, |gap| gap.compared),
        p_value: p,
        p_adjusted: None,
    };
    let enough: Vec<bool> = members.iter().map(|group| group.len() >= options.least.max(1)).collect();
    let counted: Vec<Vec<usize>> = members.iter().zip(&enough).filter(|(_, e)| **e).map(|(m, _)| m.clone()).collect();
    let of_any = |kind, metric: &str, test: usize, statistic: &(dyn Fn(&[usize]) -> Option<f64> + Sync)| {
        let values = members.iter().zip(&enough).map(|(group, enough)| enough.then(|| statistic(group)).flatten());
        let found = widest(&values.collect::<Vec<_>>());
        let p = found.map(|found| permutation::p_value(&counted, found.difference, shuffles(test), statistic));
        gap(kind, None, metric, found, p)
    };
    let of_rates = |kind, output, metric: &str, rates: &Rates, test: usize| {
        let found = rates.widest();
        let p = found.map(|found| rates.p_value(found.difference, shuffles(test)));
        gap(kind, output, metric, found, p)
    };
    let main = outcomes.main_metric_of();
    let (main, main_name) = (|of: &[usize]| defined(main(of)), outcomes.main_metric());
    let calibration_error = decisions.calibration_error();
    let over_all = parallel::map(2, num_threads(), |test| match (test, &calibration_error) {
        (0, _) => Some(of_any(GapKind::Main, main_name, test, &main)),
        (_, Some(error)) => Some(of_any(GapKind::Calibration, "calibration_error", test, error)),
        (_, None) => None,
    });
    let by_output = parallel::map(decisions.count(), num_threads(), |output| {
        let mut rates = [(); 3].map(|()| Rates::new(members.len(), options.least));
        for (group, members) in members.iter().enumerate() {
            for &i in members {
                let (has, taken) = (decisions.has(i, output), decisions.taken(i, output));
                if has {
                    rates[0].add(group, taken);
                }
                if taken {
                    rates[1].add(group, has);
                }
                rates[2].add(group, taken);
            }
        }
        let kinds = [
            (GapKind::EqualOpportunity, "recall"),
            (GapKind::PredictiveParity, "precision"),
            (GapKind::DemographicParity, "selection_rate"),
        ];
        let test = |k: usize| 2 + 3 * output + k;
        let gaps: Vec<Gap> =
            (0..kinds.len()).map(|k| of_rates(kinds[k].0, Some(output), kinds[k].1, &rates[k], test(k))).collect();
        gaps
    });
    let mut gaps: Vec<Gap> = over_all.into_iter().flatten().chain(by_output.into_iter().flatten()).collect();
    let p_values: Vec<f64> = gaps.iter().filter_map(|gap| gap.p_value).collect();
    let tested = gaps.iter_mut().filter(|gap| gap.p_value.is_some());
    tested.zip(benjamini_hochberg(&p_values)).for_each(|(gap, p)| gap.p_adjusted = Some(p));
    gaps
}

impl Groups {
    /// The gap of the main metric.
    pub fn main_gap(&self) -> &Gap {
        &self.gaps[0]
    }

    /// The main metric for people: `mean IoU`.
    pub fn main_title(&self) -> String {
        Metric::fraction(&self.main_metric, 0.0).title()
    }

    /// The largest gap of a kind over the classes or labels.
    pub fn largest(&self, kind: GapKind) -> Option<&Gap> {
        let known = self.gaps.iter().filter(|gap| gap.kind == kind && gap.difference.is_some());
        known.reduce(|best, gap| if gap.difference > best.difference { gap } else { best })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answers;

    #[test]
    fn a_group_with_a_nan_has_no_calibration_error() {
        let logits = vec![2.0, 0.0, 0.0, 2.0, f32::NAN, 0.0];
        let answers = Answers { classes: 2, logits, labels: vec![0, 0, 1], ..Answers::default() };
        let outputs = ["cat".to_string(), "dog".to_string()];
        let task = &TaskAnswers::Classification(answers);
        let decisions = Decisions { task, outputs: &outputs, temperature: 1.0 };
        let error = decisions.calibration_error().unwrap();
        // One is right and one wrong at the same probability.
        let p = 1.0 / (1.0 + f64::exp(-2.0));
        assert!((error(&[0, 1]).unwrap() - (p - 0.5)).abs() < 1e-6);
        assert_eq!((error(&[0, 1, 2]), error(&[2]), error(&[])), (None, None, None));
    }
}
