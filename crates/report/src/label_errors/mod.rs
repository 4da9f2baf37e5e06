//! Labels that are likely wrong, by confident learning (Northcutt et al., Confident Learning: Estimating Uncertainty in Dataset Labels, 2021).

mod confident_joint;
mod read;

pub use read::{PredictionsError, read_predictions};

use crate::answers::Answers;
use crate::folds::finite;
use confident_joint::{calibrated, confident_counts, prune_counts, thresholds};
use schemars::JsonSchema;
use serde::Serialize;

/// What a probability may be off and still count as equal, as in cleanlab.
const CLOSE: f64 = 1e-6;

/// The probabilities that a model gives images which it has not learnt from, with the classes that they are labelled with.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LabelledProbabilities {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The probabilities, row by row.
    pub probabilities: Vec<f64>,
    /// The class that each image is labelled with.
    pub labels: Vec<usize>,
    /// The names of the images.
    pub names: Vec<String>,
}

impl LabelledProbabilities {
    /// Of the images of `answers` whose logits are finite.
    pub fn of(answers: &Answers, classes: &[String]) -> LabelledProbabilities {
        let usable = finite(answers);
        LabelledProbabilities {
            classes: classes.to_vec(),
            probabilities: usable.iter().flat_map(|&i| answers.probabilities(i)).collect(),
            labels: usable.iter().map(|&i| answers.labels[i]).collect(),
            names: usable.iter().map(|&i| answers.names.get(i).cloned().unwrap_or_default()).collect(),
        }
    }

    fn row(&self, i: usize) -> &[f64] {
        &self.probabilities[i * self.classes.len()..][..self.classes.len()]
    }
}

/// Which images are suspected: cleanlab's `filter_by`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SuspectedBy {
    /// Of each pair of classes as many images as the joint distribution says, those with the largest margin (`prune_by_noise_rate`).
    #[default]
    NoiseRate,
    /// Those that are also among the images of their class with the lowest probability (`both`): fewer, and more of them wrong.
    Both,
}

/// Labels that are likely wrong.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LabelErrors {
    /// Images that were looked at.
    pub images: usize,
    /// The images whose label is likely wrong, the least likely label first.
    pub suspects: Vec<LabelSuspect>,
    /// What was found of each class.
    pub classes: Vec<ClassLabels>,
    /// How many images are estimated to have each label (row) and each actual class (column).
    pub joint: Vec<Vec<usize>>,
}

/// An image whose label is likely wrong.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct LabelSuspect {
    /// The place of the image among those that were looked at.
    pub index: usize,
    /// Its name.
    pub image: String,
    /// The class that it is labelled with.
    pub given: String,
    /// The class that the model gives it.
    pub suggested: String,
    /// The probability of its label: the lower, the more suspect.
    pub score: f64,
    /// The probability of the other class.
    pub suggested_probability: f64,
}

/// What was found of the labels of a class.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClassLabels {
    /// The class.
    pub class: String,
    /// Images that are labelled with it.
    pub images: usize,
    /// The mean probability of the class over these, from which on an image counts as one of it; missing without images.
    pub threshold: Option<f64>,
    /// Images labelled with it that are suspected.
    pub suspects: usize,
    /// The fraction of its labels that is estimated to be wrong; missing without images.
    pub estimated_wrong: Option<f64>,
}

/// The images whose labels are likely wrong: `cleanlab.filter.find_label_issues`, ranked by self-confidence.
///
/// The probabilities must come from models that have not learnt from the image. Where labels of one class are confused with those of another on purpose or by a rule, the
/// model has learnt that, too, and finds nothing.
///
/// # Panics
/// If there are not as many probabilities and names as labels need, or a label is not below the number of classes.
pub fn label_errors(given: &LabelledProbabilities, by: SuspectedBy) -> LabelErrors {
    let (n, classes) = (given.labels.len(), given.classes.len());
    assert!(
        given.probabilities.len() == n * classes && given.names.len() == n && given.labels.iter().all(|&l| l < classes),
        "label_errors: {} probabilities and {} names of {n} images of {classes} classes",
        given.probabilities.len(),
        given.names.len()
    );
    let mut members = vec![Vec::new(); classes];
    given.labels.iter().enumerate().for_each(|(i, &label)| members[label].push(i));
    let counts: Vec<usize> = members.iter().map(Vec::len).collect();
    let thresholds = thresholds(given, &members);
    let joint = calibrated(&confident_counts(given, &thresholds), &counts);
    let prune = prune_counts(&joint);
    let mut suspected = vec![false; n];
    for (label, members) in members.iter().enumerate().filter(|(_, members)| members.len() > 1) {
        let by_noise = by_noise_rate(given, label, members, &prune);
        let by_class = match by {
            SuspectedBy::NoiseRate => vec![true; members.len()],
            SuspectedBy::Both => by_class(given, label, members, prune[label][label]),
        };
        for ((&image, noise), class) in members.iter().zip(by_noise).zip(by_class) {
            suspected[image] = noise && class && likeliest(given, image) != label;
        }
    }
    let suspects = suspects(given, &suspected);
    let class = |c: usize| {
        let wrong = counts[c] - joint[c][c].min(counts[c]);
        ClassLabels {
            class: given.classes[c].clone(),
            images: counts[c],
            threshold: thresholds[c],
            suspects: members[c].iter().filter(|&&i| suspected[i]).count(),
            estimated_wrong: (counts[c] > 0).then(|| wrong as f64 / counts[c] as f64),
        }
    };
    LabelErrors { images: n, suspects, classes: (0..classes).map(class).collect(), joint }
}

/// The likeliest class, with a little more for the label.
fn likeliest(given: &LabelledProbabilities, image: usize) -> usize {
    let row = given.row(image);
    let probability = |c: usize| row[c] + if c == given.labels[image] { CLOSE } else { 0.0 };
    (0..row.len()).fold(0, |best, c| if probability(c) > probability(best) { c } else { best })
}

/// Of the images with a label, those with the largest margins of other classes, as many of each as are to be pruned.
fn by_noise_rate(given: &LabelledProbabilities, label: usize, members: &[usize], prune: &[Vec<usize>]) -> Vec<bool> {
    let mut chosen = vec![false; members.len()];
    for (other, counts) in prune.iter().enumerate().filter(|(other, _)| *other != label) {
        if counts[label] == 0 {
            continue;
        }
        let margin = |place: usize| given.row(members[place])[other] - given.row(members[place])[label];
        let mut order: Vec<usize> = (0..members.len()).collect();
        order.sort_by(|&a, &b| margin(b).total_cmp(&margin(a)));
        order.iter().take(counts[label]).for_each(|&place| chosen[place] = true);
    }
    chosen
}

/// Of the images with a label, those with its lowest probabilities: all but as many as are right.
fn by_class(given: &LabelledProbabilities, label: usize, members: &[usize], right: usize) -> Vec<bool> {
    let mut chosen = vec![false; members.len()];
    let mut order: Vec<usize> = (0..members.len()).collect();
    let probability = |place: usize| given.row(members[place])[label];
    order.sort_by(|&a, &b| probability(a).total_cmp(&probability(b)));
    order.iter().take(members.len().saturating_sub(right)).for_each(|&place| chosen[place] = true);
    chosen
}

fn suspects(given: &LabelledProbabilities, suspected: &[bool]) -> Vec<LabelSuspect> {
    let mut found: Vec<LabelSuspect> = (0..suspected.len())
        .filter(|&i| suspected[i])
        .map(|i| {
            let (row, label, other) = (given.row(i), given.labels[i], likeliest(given, i));
            LabelSuspect {
                index: i,
                image: given.names[i].clone(),
                given: given.classes[label].clone(),
                suggested: given.classes[other].clone(),
                score: row[label],
                suggested_probability: row[other],
            }
        })
        .collect();
    found.sort_by(|a, b| a.score.total_cmp(&b.score));
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Generator;

    /// Probabilities of a good model, and labels of which every `wrong`-th is another one.
    fn given(n: usize, classes: usize, wrong: usize) -> LabelledProbabilities {
        let rng = &mut Generator::new(7);
        let mut given = LabelledProbabilities {
            classes: (0..classes).map(|c| format!("class {c}")).collect(),
            ..LabelledProbabilities::default()
        };
        for i in 0..n {
            let actual = i % classes;
            let row: Vec<f64> =
                (0..classes).map(|c| (rng.normal() + if c == actual { 5.0 } else { 0.0 }).exp()).collect();
            let sum: f64 = row.iter().sum();
            given.probabilities.extend(row.iter().map(|x| x / sum));
            given.labels.push(if i % wrong == 0 { (actual + 1) % classes } else { actual });
            given.names.push(format!("{i}.png"));
        }
        given
    }

    #[test]
    fn planted_errors_are_found() {
        let given = given(1000, 4, 25);
        for by in [SuspectedBy::NoiseRate, SuspectedBy::Both] {
            let found = label_errors(&given, by);
            let right = found.suspects.iter().filter(|s| s.index % 25 == 0).count();
            assert!(right >= 32 && right as f64 > 0.9 * found.suspects.len() as f64, "{by:?}: {right}");
            assert!(found.suspects.is_sorted_by(|a, b| a.score <= b.score));
            assert_eq!(found.classes.iter().map(|c| c.suspects).sum::<usize>(), found.suspects.len());
            assert!(found.classes.iter().all(|c| (0.01..0.08).contains(&c.estimated_wrong.unwrap())), "{found:?}");
            assert_eq!(found.joint.iter().flatten().sum::<usize>(), 1000);
        }
    }

    #[test]
    fn odd_data_has_no_suspects() {
        let none = label_errors(
            &LabelledProbabilities { classes: vec!["a".into(); 3], ..Default::default() },
            SuspectedBy::Both,
        );
        assert_eq!((none.images, none.suspects.len(), none.classes[1].threshold), (0, 0, None));
        let one_class = label_errors(&given(20, 1, 100), SuspectedBy::NoiseRate);
        assert!(one_class.suspects.is_empty() && one_class.joint == [[20]]);
        let single = label_errors(&given(1, 3, 1), SuspectedBy::NoiseRate);
        assert!(single.suspects.is_empty());
        let mut empty_class = given(300, 3, 1000);
        empty_class.labels.iter_mut().for_each(|label| *label = (*label).min(1));
        let found = label_errors(&empty_class, SuspectedBy::NoiseRate);
        assert_eq!((found.classes[2].images, found.classes[2].threshold), (0, None));
    }
}
