//! Images on which a model fails.

use crate::outcomes::{Outcomes, TaskAnswers};
use schemars::JsonSchema;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Images on which the model fails in one way, the worst first.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Failures {
    /// In which way, such as `highest_loss`.
    pub kind: &'static str,
    /// The same for people.
    pub title: &'static str,
    /// The images.
    pub images: Vec<Failure>,
}

/// An image on which the model fails.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Failure {
    /// Its name.
    pub image: String,
    /// Its place among the images that were to be measured on.
    pub index: usize,
    /// The actual class, labels or numbers.
    pub actual: Option<String>,
    /// What the model says.
    pub predicted: Option<String>,
    /// The probability of the predicted class.
    pub confidence: Option<f64>,
    /// The number that the images are in the order of.
    pub score: Option<f64>,
    /// That number in words.
    pub note: String,
}

/// The images of all lists, each once: the first of every list, then the second of every list, and so on.
pub fn in_turn(lists: &[Failures]) -> Vec<&Failure> {
    let longest = lists.iter().map(|list| list.images.len()).max().unwrap_or(0);
    let mut seen = BTreeSet::new();
    let all = (0..longest).flat_map(|place| lists.iter().filter_map(move |list| list.images.get(place)));
    all.filter(|failure| seen.insert(failure.index)).collect()
}

/// The list of images on which the model is right, or nearest to it.
pub const CERTAINLY_RIGHT: &str = "certainly_right";

/// From which score a box counts where images are in the order of what is wrong in them.
pub const BOX_SCORE: f32 = 0.5;

/// The images on which the model fails in each way that its task has, at most `most` each, with the logits of classes divided by `temperature`.
pub fn failures(outcomes: &Outcomes, outputs: &[String], most: usize, temperature: f64) -> Vec<Failures> {
    let at = |i: usize, score: f64, note: String| Failure {
        image: outcomes.names[i].clone(),
        index: outcomes.indices[i],
        actual: None,
        predicted: None,
        confidence: None,
        score: (!score.is_nan()).then_some(score),
        note,
    };
    let ranked = |kind, title, mut scored: Vec<(usize, f64)>, of: &dyn Fn(usize, f64) -> Failure| {
        // What is no number is worst of all.
        let height = |score: f64| if score.is_nan() { f64::INFINITY } else { score };
        scored.sort_by(|a, b| height(b.1).total_cmp(&height(a.1)).then(a.0.cmp(&b.0)));
        let images = scored.into_iter().take(most).map(|(i, score)| of(i, score)).collect();
        Failures { kind, title, images }
    };
    let lists = match &outcomes.answers {
        TaskAnswers::Classification(answers) => {
            let all = || 0..answers.len();
            let logs: Vec<Vec<f64>> = all().map(|i| answers.log_probabilities(i, temperature)).collect();
            let probabilities: Vec<Vec<f64>> = logs.iter().map(|p| p.iter().map(|x| x.exp()).collect()).collect();
            let predicted: Vec<Option<usize>> = all().map(|i| answers.predicted(i)).collect();
            let confidence = |i: usize| predicted[i].map_or(f64::NAN, |class| probabilities[i][class]);
            let of = |i: usize, score: f64, note: String| Failure {
                actual: Some(outputs[answers.labels[i]].clone()),
                predicted: predicted[i].map(|class| outputs[class].clone()),
                confidence: predicted[i].map(|_| confidence(i)),
                ..at(i, score, note)
            };
            let is_wrong = |&i: &usize| predicted[i] != Some(answers.labels[i]);
            let wrong = || all().filter(is_wrong);
            let margin = |i: usize| {
                let mut p = probabilities[i].clone();
                p.sort_unstable_by(|a, b| b.total_cmp(a));
                if p.len() > 1 { p[0] - p[1] } else { p[0] }
            };
            vec![
                ranked(
                    "highest_loss",
                    "Highest loss",
                    wrong().map(|i| (i, -logs[i][answers.labels[i]])).collect(),
                    &|i, loss| of(i, loss, format!("loss {loss:.2}")),
                ),
                ranked(
                    "confidently_wrong",
                    "Most confidently wrong",
                    wrong().map(|i| (i, confidence(i))).filter(|(_, c)| !c.is_nan()).collect(),
                    &|i, p| of(i, p, format!("probability {:.1}%", 100.0 * p)),
                ),
                ranked(
                    "least_certain",
                    "Least certain",
                    all().map(|i| (i, -margin(i))).filter(|(_, m)| !m.is_nan()).collect(),
                    &|i, margin| of(i, -margin, format!("margin {:.1} points", -100.0 * margin)),
                ),
                ranked(
                    CERTAINLY_RIGHT,
                    "Most certain and right",
                    all().filter(|i| !is_wrong(i)).map(|i| (i, confidence(i))).collect(),
                    &|i, p| of(i, p, format!("probability {:.1}%", 100.0 * p)),
                ),
            ]
        }
        TaskAnswers::MultiLabel(answers) => {
            let labels = answers.thresholds.len();
            let loss = |i: usize| {
                let of = |label: usize| {
                    let p = f64::from(answers.probabilities[i * labels + label]);
                    -(if answers.target(i, label) { p } else { 1.0 - p }).max(1e-12).ln()
                };
                (0..labels).map(of).sum::<f64>() / labels as f64
            };
            let named = |has: &dyn Fn(usize) -> bool| {
                let has: Vec<&str> = (0..labels).filter(|&label| has(label)).map(|i| outputs[i].as_str()).collect();
                Some(if has.is_empty() { "no label".into() } else { has.join("; ") })
            };
            let of = |i: usize, loss: f64| Failure {
                actual: named(&|label| answers.target(i, label)),
                predicted: named(&|label| answers.decided(i, label) == Some(true)),
                ..at(i, loss, format!("loss {loss:.2}"))
            };
            let all = || (0..outcomes.len()).map(|i| (i, loss(i)));
            let distance = |i: usize| {
                let of = |label: usize| {
                    f64::from(answers.probabilities[i * labels + label] - answers.thresholds[label]).abs()
                };
                (0..labels).map(of).fold(f64::INFINITY, f64::min)
            };
            let uncertain = |i: usize, negative: f64| {
                let note = format!("{:.1} points from a threshold", -100.0 * negative);
                Failure { note, score: Some(-negative), ..of(i, loss(i)) }
            };
            let is_right =
                |&i: &usize| (0..labels).all(|label| answers.decided(i, label) == Some(answers.target(i, label)));
            let right = (0..outcomes.len()).filter(is_right).map(|i| (i, -loss(i))).collect();
            vec![
                ranked("highest_loss", "Highest loss", all().collect(), &of),
                ranked(
                    "least_certain",
                    "Least certain",
                    all().filter(|(_, loss)| !loss.is_nan()).map(|(i, _)| (i, -distance(i))).collect(),
                    &uncertain,
                ),
                ranked(CERTAINLY_RIGHT, "All labels right, most certainly", right, &|i, negative| of(i, -negative)),
            ]
        }
        TaskAnswers::Regression(answers) => {
            let n = answers.columns.len();
            let named = |row: &[f32]| {
                let one = |(x, name): (&f32, &String)| match row.len() {
                    1 => format!("{x:.4}"),
                    _ => format!("{name} {x:.4}"),
                };
                Some(row.iter().zip(outputs).map(one).collect::<Vec<_>>().join("; "))
            };
            let of = |i: usize, error: f64| Failure {
                actual: named(&answers.targets[i * n..][..n]),
                predicted: named(&answers.predicted[i * n..][..n]),
                ..at(i, error, format!("off by {error:.4}"))
            };
            let all = || (0..outcomes.len()).map(|i| (i, answers.error(i)));
            let least = all().filter(|(_, error)| !error.is_nan()).map(|(i, error)| (i, -error)).collect();
            vec![
                ranked("largest_error", "Largest error", all().collect(), &of),
                ranked(CERTAINLY_RIGHT, "Smallest error", least, &|i, negative| of(i, -negative)),
            ]
        }
        TaskAnswers::Detection(results) => {
            let mut all: Vec<_> = results.image_errors(BOX_SCORE).into_iter().enumerate().collect();
            let is_right = |errors: &striate_train::ImageErrors| errors.missed + errors.false_boxes == 0;
            let right = all.iter().filter(|(_, errors)| is_right(errors)).map(|(i, _)| (*i, 0.0)).collect();
            let right =
                ranked(CERTAINLY_RIGHT, "No box missed or false", right, &|i, n| at(i, n, "0 missed, 0 false".into()));
            all.retain(|(_, errors)| !is_right(errors));
            all.sort_by_key(|(_, errors)| Reverse(errors.missed + errors.false_boxes));
            let of = |(i, errors): (usize, striate_train::ImageErrors)| {
                let n = errors.missed + errors.false_boxes;
                at(i, n as f64, format!("{} missed, {} false", errors.missed, errors.false_boxes))
            };
            let images = all.into_iter().take(most).map(of).collect();
            vec![Failures { kind: "missed_and_false", title: "Most missed and false boxes", images }, right]
        }
        TaskAnswers::Segmentation(results) => {
            let ious = results.image_ious().unwrap_or_default();
            let all = || ious.iter().copied().enumerate().filter(|(_, iou)| !iou.is_nan());
            let of = |i: usize, iou: f64| at(i, iou, format!("mean IoU {:.1}%", 100.0 * iou));
            let lowest = all().map(|(i, iou)| (i, -iou)).collect();
            vec![
                ranked("lowest_iou", "Lowest mean IoU", lowest, &|i, negative| of(i, -negative)),
                ranked(CERTAINLY_RIGHT, "Highest mean IoU", all().collect(), &of),
            ]
        }
    };
    lists.into_iter().filter(|list| !list.images.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::answers::Answers;

    fn lists(logits: &[f32], labels: &[usize]) -> Vec<Failures> {
        let n = labels.len();
        let mut answers = Answers::new(2);
        (answers.logits, answers.labels) = (logits.to_vec(), labels.to_vec());
        let names = (0..n).map(|i| format!("{i}")).collect();
        let indices = (10..10 + n).collect();
        let outcomes = Outcomes { names, indices, answers: TaskAnswers::Classification(answers) };
        failures(&outcomes, &["cat".into(), "dog".into()], 2, 1.0)
    }

    #[test]
    fn the_worst_images_come_first() {
        // Right and sure; wrong and sure; wrong by a little; right by less; a NaN.
        let lists = lists(&[5.0, 0.0, 4.0, 0.0, 0.5, 0.0, 0.1, 0.0, f32::NAN, 0.0], &[0, 1, 1, 0, 0]);
        let shown: Vec<_> =
            lists.iter().map(|l| (l.kind, l.images.iter().map(|f| f.image.as_str()).collect::<Vec<_>>())).collect();
        assert_eq!(
            shown,
            [
                ("highest_loss", vec!["4", "1"]),
                ("confidently_wrong", vec!["1", "2"]),
                ("least_certain", vec!["3", "2"]),
                ("certainly_right", vec!["0", "3"])
            ]
        );
        let worst = &lists[1].images[0];
        assert_eq!((worst.index, worst.actual.as_deref(), worst.predicted.as_deref()), (11, Some("dog"), Some("cat")));
        assert!((worst.confidence.unwrap() - 0.982).abs() < 1e-3 && worst.note == "probability 98.2%");
        assert_eq!((lists[0].images[0].score, lists[0].images[0].predicted.clone()), (None, None));
    }

    #[test]
    fn without_mistakes_no_list_of_these_is_left() {
        let lists = lists(&[5.0, 0.0, 0.0, 3.0], &[0, 1]);
        assert_eq!(lists.iter().map(|l| l.kind).collect::<Vec<_>>(), ["least_certain", "certainly_right"]);
    }
}
