//! Two models on the same images.

mod mcnemar;
mod speed;

pub use mcnemar::McNemar;
pub use speed::{Speed, time_in_turn};

use crate::number::{Number, defined};
use crate::outcomes::{Outcomes, TaskAnswers};
use schemars::JsonSchema;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use striate_imaging::shown;
use striate_model::{ModelCard, TaskCard};
use striate_train::{Metric, bootstrap_interval, bootstrap_intervals};
use thiserror::Error;

/// Why two models cannot be compared.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum CompareError {
    /// They do other things.
    #[error("the tasks of the two models differ: {} and {}", tasks[0], tasks[1])]
    Tasks {
        /// Their tasks.
        tasks: [&'static str; 2],
    },
    /// They know other classes.
    #[error(
        "the two models do not have the same {what}: {}",
        [("the first", only_a), ("the second", only_b)].iter().filter(|(_, only)| !only.is_empty())
            .map(|(who, only)| format!("{who} alone has {only}")).collect::<Vec<_>>().join(", ")
    )]
    Outputs {
        /// What the outputs are called.
        what: &'static str,
        /// What the first alone has.
        only_a: String,
        /// What the second alone has.
        only_b: String,
    },
    /// There is no image that both were measured on.
    #[error("there is no image that both models can be measured on")]
    NoImages,
}

/// Two models on the same images.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Comparison {
    /// How many images both were measured on.
    pub images: usize,
    /// The metric that stands for the task, such as `accuracy`.
    pub main_metric: String,
    /// Whether more of it is better.
    pub higher_is_better: bool,
    /// The metric of the first model.
    pub a: Number,
    /// The metric of the second model.
    pub b: Number,
    /// The metric of the second less that of the first, with an interval by resampling the images, each with what both models gave for it.
    pub difference: Number,
    /// Classification: McNemar's test.
    pub mcnemar: Option<McNemar>,
    /// Classification: the difference for each class, in the order of the first model's classes.
    pub classes: Vec<ClassComparison>,
    /// Classification: images for which they predict different classes.
    pub disagreements: Vec<Disagreement>,
    /// Resamplings of the images for each interval.
    pub bootstrap_rounds: usize,
    /// What the random numbers came from.
    pub seed: u64,
}

/// Two models on the images of one class.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClassComparison {
    /// The class.
    pub class: String,
    /// How many images it has.
    pub images: usize,
    /// The recall of the first model, with Wilson's interval.
    pub recall_a: Number,
    /// The recall of the second model, with Wilson's interval.
    pub recall_b: Number,
    /// The recall of the second less that of the first, with a bootstrapped interval.
    pub difference: Number,
    /// McNemar's exact test over the images of the class, not adjusted for the number of classes.
    pub p_exact: f64,
}

/// An image for which two models predict different classes.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Disagreement {
    /// The image.
    pub image: String,
    /// Its class.
    pub class: String,
    /// What the first model says.
    pub a: Said,
    /// What the second model says.
    pub b: Said,
}

/// What a model says of an image.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Said {
    /// The class; none where a score is NaN.
    pub class: Option<String>,
    /// Its probability.
    pub confidence: Option<f64>,
    /// Whether it is right.
    pub is_right: bool,
}

/// How models are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CompareOptions {
    /// Resamplings of the images for an interval; at most 200 for objects and masks.
    pub rounds: usize,
    /// What the random numbers come from.
    pub seed: u64,
}

impl Default for CompareOptions {
    fn default() -> Self {
        CompareOptions { rounds: 2000, seed: 0 }
    }
}

/// Checks that two models can be compared: that they have the same task, and outputs of the same names in any order.
///
/// # Errors
/// If they differ.
pub fn check_comparable(a: &ModelCard, b: &ModelCard) -> Result<(), CompareError> {
    if a.task.name() != b.task.name() {
        return Err(CompareError::Tasks { tasks: [a.task.name(), b.task.name()] });
    }
    let names = |card: &ModelCard| card.classes.iter().cloned().collect::<BTreeSet<_>>();
    let (of_a, of_b) = (names(a), names(b));
    let what = match a.task {
        TaskCard::MultiLabel { .. } => "labels",
        TaskCard::Regression { .. } => "numbers",
        _ => "classes",
    };
    let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| some(one.difference(other));
    if of_a != of_b || a.classes.len() != b.classes.len() {
        return Err(CompareError::Outputs { what, only_a: only(&of_a, &of_b), only_b: only(&of_b, &of_a) });
    }
    Ok(())
}

/// A few names, and how many more there are.
fn some<'a>(names: impl Iterator<Item = &'a String>) -> String {
    const FEW: usize = 5;
    let names: Vec<String> = names.map(shown).collect();
    let more = names.len().saturating_sub(FEW);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    names[..names.len().min(FEW)].join(", ") + &more
}

/// Two models on the images that both were measured on, which are found by name. `classes_a` and `classes_b` are the names of their outputs.
///
/// # Errors
/// If the tasks or outputs differ, or no image has been measured on by both.
pub fn compare(
    [a, b]: [&Outcomes; 2],
    [classes_a, classes_b]: [&[String]; 2],
    options: &CompareOptions,
) -> Result<Comparison, CompareError> {
    let place: BTreeMap<&String, usize> = b.names.iter().enumerate().map(|(i, name)| (name, i)).collect();
    let pairs: Vec<[usize; 2]> =
        a.names.iter().enumerate().filter_map(|(i, name)| Some([i, *place.get(name)?])).collect();
    if pairs.is_empty() {
        return Err(CompareError::NoImages);
    }
    if a.main_metric() != b.main_metric() {
        return Err(CompareError::Tasks { tasks: [a.main_metric(), b.main_metric()] });
    }
    let rounds = match a.answers {
        TaskAnswers::Detection(_) | TaskAnswers::Segmentation(_) => options.rounds.min(200),
        _ => options.rounds,
    };
    let (of_a, of_b) = (a.main_metric_of(), b.main_metric_of());
    let values = |drawn: &[usize]| {
        let side = |side: usize| drawn.iter().map(|&i| pairs[i][side]).collect::<Vec<_>>();
        let (a, b) = (of_a(&side(0)), of_b(&side(1)));
        vec![a, b, b - a]
    };
    let n = pairs.len();
    let measured = values(&(0..n).collect::<Vec<_>>());
    let intervals = bootstrap_intervals(n, rounds, options.seed, 3, values);
    let number = |name: &str, i: usize| {
        Number::of(&Metric { name: name.into(), ..a.as_metric(measured[i]) }).bootstrapped(intervals[i])
    };
    let metric = a.main_metric();
    let mut comparison = Comparison {
        images: n,
        main_metric: metric.into(),
        higher_is_better: !matches!(a.answers, TaskAnswers::Regression(_)),
        a: number(metric, 0),
        b: number(metric, 1),
        difference: number("difference", 2),
        mcnemar: None,
        classes: Vec::new(),
        disagreements: Vec::new(),
        bootstrap_rounds: rounds,
        seed: options.seed,
    };
    if let (TaskAnswers::Classification(_), TaskAnswers::Classification(_)) = (&a.answers, &b.answers) {
        let answers = Paired { a, b, classes_a, classes_b, pairs: &pairs };
        answers.complete(&mut comparison, options)?;
    }
    Ok(comparison)
}

/// What two classifiers say of the same images.
struct Paired<'a> {
    a: &'a Outcomes,
    b: &'a Outcomes,
    classes_a: &'a [String],
    classes_b: &'a [String],
    pairs: &'a [[usize; 2]],
}

/// A prediction: the name of the class, its probability, and whether it is right.
fn said(outcomes: &Outcomes, i: usize, classes: &[String]) -> Said {
    let TaskAnswers::Classification(answers) = &outcomes.answers else { unreachable!("both classify") };
    let predicted = answers.predicted(i);
    Said {
        class: predicted.map(|class| classes[class].clone()),
        confidence: predicted.and_then(|class| defined(answers.probabilities(i)[class])),
        is_right: predicted == Some(answers.labels[i]),
    }
}

fn label<'a>(outcomes: &Outcomes, i: usize, classes: &'a [String]) -> &'a str {
    let TaskAnswers::Classification(answers) = &outcomes.answers else { unreachable!("both classify") };
    &classes[answers.labels[i]]
}

impl Paired<'_> {
    fn complete(&self, comparison: &mut Comparison, options: &CompareOptions) -> Result<(), CompareError> {
        let all: Vec<(&str, [Said; 2], &String)> = self
            .pairs
            .iter()
            .map(|&[i, j]| {
                let said = [said(self.a, i, self.classes_a), said(self.b, j, self.classes_b)];
                (label(self.a, i, self.classes_a), said, &self.a.names[i])
            })
            .collect();
        let differ =
            self.pairs.iter().any(|&[i, j]| label(self.a, i, self.classes_a) != label(self.b, j, self.classes_b));
        if differ {
            let (only_a, only_b) = (some(self.classes_a.iter()), some(self.classes_b.iter()));
            return Err(CompareError::Outputs { what: "classes", only_a, only_b });
        }
        let right = |images: &[[bool; 2]]| McNemar::of(images.iter().map(|[a, b]| (*a, *b)));
        let of_both: Vec<[bool; 2]> = all.iter().map(|(_, [a, b], _)| [a.is_right, b.is_right]).collect();
        comparison.mcnemar = Some(right(&of_both));
        let mut by_class: BTreeMap<&str, Vec<[bool; 2]>> = BTreeMap::new();
        all.iter().zip(&of_both).for_each(|((class, ..), right)| by_class.entry(class).or_default().push(*right));
        let class = |name: &String| {
            let images = by_class.get(name.as_str()).map_or(&[][..], |images| images);
            let recall = |side: usize| images.iter().filter(|right| right[side]).count();
            let rate = |side| Number::from(&Metric::proportion("recall", recall(side), images.len()));
            let difference = |drawn: &[usize]| {
                let of = |right: [bool; 2]| f64::from(i8::from(right[1]) - i8::from(right[0]));
                drawn.iter().map(|&i| of(images[i])).sum::<f64>() / drawn.len() as f64
            };
            let every: Vec<usize> = (0..images.len()).collect();
            ClassComparison {
                class: name.clone(),
                images: images.len(),
                recall_a: rate(0),
                recall_b: rate(1),
                difference: Number::of(&Metric::fraction("difference", difference(&every)))
                    .bootstrapped(bootstrap_interval(images.len(), options.rounds, options.seed, difference)),
                p_exact: right(images).p_exact,
            }
        };
        comparison.classes = self.classes_a.iter().map(class).collect();
        let differ = all.into_iter().filter(|(_, [a, b], _)| a.class != b.class);
        let disagreement = |(class, [a, b], image): (&str, [Said; 2], &String)| Disagreement {
            image: image.clone(),
            class: class.into(),
            a,
            b,
        };
        comparison.disagreements = differ.map(disagreement).collect();
        Ok(())
    }
}
