//! Prediction sets: how often they hold the actual class, and how large they are.

use crate::answers::Answers;
use crate::calibration::TemperatureFit;
use crate::folds::{finite, folds, others};
use schemars::JsonSchema;
use serde::Serialize;
use striate_model::{ConformalMethod, ConformalScores, wilson_interval};

/// The sets of one method and coverage, made from one half of the images and measured on the other, and the other way round.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PredictionSets {
    /// `lac` or `aps`.
    pub method: String,
    /// The coverage that is asked for: how often a set is to hold the actual class.
    pub wanted: f64,
    /// Images that were measured on, each with the scores of the other half.
    pub images: usize,
    /// Images whose logits are not finite, which are left out.
    pub left_out: usize,
    /// Sets that hold the actual class.
    pub covered: usize,
    /// The fraction of the sets that hold the actual class.
    pub coverage: Option<f64>,
    /// Wilson's 95 % interval of that fraction.
    pub coverage_interval_95: Option<[f64; 2]>,
    /// The mean number of classes in a set.
    pub mean_size: Option<f64>,
    /// How many sets have one class, two classes and so on.
    pub sizes: Vec<usize>,
    /// Sets that would be empty, and got the likeliest class: these images are unlike the others.
    pub would_be_empty: usize,
    /// Whether a half is too small for this coverage, so that its sets have all classes.
    pub too_few: bool,
    /// For each class, in their order, the fraction of its images whose sets hold it. What is promised is the coverage over all images, not of each class.
    pub classes: Vec<ClassCoverage>,
}

/// How often the sets of the images of a class hold it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ClassCoverage {
    /// Images of the class.
    pub images: usize,
    /// Sets that hold it.
    pub covered: usize,
    /// The fraction; missing without images.
    pub coverage: Option<f64>,
    /// Wilson's 95 % interval of that.
    pub coverage_interval_95: Option<[f64; 2]>,
}

/// The scores of the actual classes of these images, whose logits are finite.
pub fn conformal_scores(
    answers: &Answers,
    images: &[usize],
    method: ConformalMethod,
    temperature: f64,
) -> ConformalScores {
    let score = |&i: &usize| method.scores(answers.row(i), temperature)[answers.labels[i]];
    ConformalScores::of(method, images.iter().map(score).collect())
}

/// Prediction sets over seeded halves of the images, with temperature and scores of each from the other.
///
/// # Panics
/// If the coverage is not between 0 and 1.
pub fn prediction_sets(answers: &Answers, method: ConformalMethod, wanted: f64, seed: u64) -> PredictionSets {
    let usable = finite(answers);
    let parts = folds(usable.len(), 2, seed);
    let (mut sizes, mut of_class) = (vec![0; answers.classes], vec![[0; 2]; answers.classes]);
    let (mut would_be_empty, mut too_few) = (0, false);
    for (half, part) in parts.iter().enumerate() {
        let other: Vec<usize> = others(&parts, half).into_iter().map(|i| usable[i]).collect();
        let temperature = TemperatureFit::of(answers, &other).map_or(1.0, |fit| fit.usable());
        let scores = conformal_scores(answers, &other, method, temperature);
        too_few |= scores.quantile(wanted).is_none();
        for &i in part {
            let (image, label) = (usable[i], answers.labels[usable[i]]);
            let set = scores.set(answers.row(image), temperature, wanted);
            sizes[set.classes.len() - 1] += 1;
            would_be_empty += usize::from(set.would_be_empty);
            of_class[label][0] += 1;
            of_class[label][1] += usize::from(set.classes.contains(&label));
        }
    }
    let covered = of_class.iter().map(|[_, covered]| covered).sum();
    let total = usable.len();
    let coverage = ClassCoverage::of([total, covered]);
    PredictionSets {
        method: method.name().into(),
        wanted,
        images: total,
        left_out: answers.len() - total,
        covered,
        coverage: coverage.coverage,
        coverage_interval_95: coverage.coverage_interval_95,
        mean_size: (total > 0)
            .then(|| sizes.iter().enumerate().map(|(i, n)| (i + 1) * n).sum::<usize>() as f64 / total as f64),
        sizes,
        would_be_empty,
        too_few,
        classes: of_class.into_iter().map(ClassCoverage::of).collect(),
    }
}

impl ClassCoverage {
    fn of([images, covered]: [usize; 2]) -> ClassCoverage {
        ClassCoverage {
            images,
            covered,
            coverage: (images > 0).then(|| covered as f64 / images as f64),
            coverage_interval_95: (images > 0).then(|| wilson_interval(covered, images).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Generator;

    fn answers(n: usize, classes: usize) -> Answers {
        let rng = &mut Generator::new(3);
        let mut answers = Answers::new(classes);
        for i in 0..n {
            let label = i % classes;
            answers.labels.push(label);
            answers.logits.extend((0..classes).map(|c| (rng.normal() + f64::from(u8::from(c == label)) * 1.5) as f32));
        }
        answers
    }

    #[test]
    fn sets_hold_the_actual_class_as_often_as_is_asked_for() {
        let answers = answers(4000, 6);
        for method in ConformalMethod::ALL {
            let mut last = 0.0;
            for wanted in [0.5, 0.8, 0.9, 0.95, 0.99] {
                let found = prediction_sets(&answers, method, wanted, 0);
                let coverage = found.coverage.unwrap();
                assert!(
                    coverage > wanted - 0.02 && (coverage < wanted + 0.02 || found.mean_size.unwrap() < 1.1),
                    "{found:?}"
                );
                assert!(found.mean_size.unwrap() >= last && !found.too_few);
                last = found.mean_size.unwrap();
                assert_eq!(found.sizes.iter().sum::<usize>(), 4000);
                assert_eq!(found.classes.iter().map(|c| c.covered).sum::<usize>(), found.covered);
            }
        }
    }

    #[test]
    fn few_images_make_sets_of_all_classes() {
        let found = prediction_sets(&answers(20, 3), ConformalMethod::Lac, 0.95, 0);
        assert!(found.too_few && found.coverage == Some(1.0) && found.sizes == [0, 0, 20], "{found:?}");
        let none = prediction_sets(&Answers::new(3), ConformalMethod::Aps, 0.9, 0);
        assert_eq!((none.coverage, none.mean_size, none.too_few), (None, None, true));
        let one_class = prediction_sets(&answers(60, 1), ConformalMethod::Aps, 0.9, 0);
        assert_eq!((one_class.coverage, one_class.mean_size), (Some(1.0), Some(1.0)));
    }

    #[test]
    fn images_of_equal_scores_are_all_in() {
        let answers = Answers {
            classes: 2,
            logits: vec![0.0; 100],
            labels: (0..50).map(|i| i % 2).collect(),
            ..Answers::default()
        };
        let found = prediction_sets(&answers, ConformalMethod::Lac, 0.8, 1);
        assert_eq!((found.coverage, found.mean_size), (Some(1.0), Some(2.0)));
    }
}
