//! Accuracy against coverage: how right a model is where it may decline to answer (Geifman and El-Yaniv, Selective Classification for Deep Neural Networks, 2017).

use crate::answers::Answers;
use crate::folds::{finite, folds, others};
use schemars::JsonSchema;
use serde::Serialize;
use striate_model::wilson_interval;

/// Points of the curve that are kept.
const POINTS: usize = 200;
/// Parts of the images: the threshold for one comes from the others.
const FOLDS: usize = 5;

/// What accepting the images from a confidence on gives.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct CoveragePoint {
    /// The least probability of the likeliest class that is accepted.
    pub threshold: f64,
    /// Images that are accepted.
    pub accepted: usize,
    /// The fraction of all images that this is.
    pub coverage: f64,
    /// Those of them that are right.
    pub correct: usize,
    /// The fraction of the accepted images that is right.
    pub accuracy: f64,
}

/// Accuracy against coverage.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct RiskCoverage {
    /// Images that were measured on.
    pub images: usize,
    /// Images whose logits are not finite: they are never accepted, and count as wrong.
    pub left_out: usize,
    /// The area under the risk-coverage curve: the mean, over every number of accepted images, of the fraction of them that is wrong. Images of the same confidence are
    /// accepted in random order.
    pub aurc: Option<f64>,
    /// That area of a model that is as often right and whose wrong answers are its least certain: what `aurc` cannot go below.
    pub aurc_optimal: Option<f64>,
    /// The area of a model whose confidence says nothing: its error rate.
    pub aurc_random: Option<f64>,
    /// The curve, from the surest image on. At most 200 points of it.
    pub points: Vec<CoveragePoint>,
}

/// The threshold for a wanted accuracy.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct ThresholdForAccuracy {
    /// The accuracy that is wanted of the accepted images.
    pub wanted: f64,
    /// The lowest threshold that reaches it on these images, and what it gives; missing if none does. It was chosen on these images: what it gives elsewhere is in
    /// `accuracy_cross_fitted`.
    pub chosen: Option<CoveragePoint>,
    /// Wilson's 95 % interval of the accuracy of the accepted images.
    pub accuracy_interval_95: Option<[f64; 2]>,
    /// Wilson's 95 % interval of the coverage.
    pub coverage_interval_95: Option<[f64; 2]>,
    /// Images that the thresholds of the other folds accept; missing with fewer than 10 images.
    pub accepted_cross_fitted: Option<usize>,
    /// The fraction of these that is right; missing if there are none.
    pub accuracy_cross_fitted: Option<f64>,
    /// Its 95 % interval by Wilson.
    pub accuracy_cross_fitted_interval_95: Option<[f64; 2]>,
}

/// Accuracy against coverage, with the logits divided by a temperature that was fitted elsewhere, or by 1.
pub fn risk_coverage(answers: &Answers, temperature: f64) -> RiskCoverage {
    let all = answers.len();
    let usable = finite(answers);
    let groups = grouped(&sorted(answers, &usable, temperature));
    let correct: usize = groups.last().map_or(0, |group| group.correct);
    let ratio = |x: f64| (all > 0).then(|| x / all as f64);
    let wrong = all - correct;
    RiskCoverage {
        images: all,
        left_out: all - usable.len(),
        aurc: ratio(area(&groups, all)),
        aurc_optimal: ratio((1..=wrong).map(|k| k as f64 / (correct + k) as f64).sum()),
        aurc_random: ratio(wrong as f64),
        points: thinned(&groups, all),
    }
}

/// The lowest threshold of the probability of the likeliest class from which on a wanted fraction is right.
///
/// # Panics
/// If the accuracy is not above 0 and at most 1.
pub fn threshold_for_accuracy(answers: &Answers, temperature: f64, wanted: f64, seed: u64) -> ThresholdForAccuracy {
    assert!(wanted > 0.0 && wanted <= 1.0, "threshold_for_accuracy: the accuracy must be above 0 and at most 1");
    let (all, usable) = (answers.len(), finite(answers));
    let ranked = sorted(answers, &usable, temperature);
    let chosen = lowest(&grouped(&ranked), wanted).map(|group| point(&group, all));
    let mut cross = None;
    if usable.len() >= crate::calibration::LEAST {
        let parts = folds(usable.len(), FOLDS, seed);
        let (mut accepted, mut correct) = (0, 0);
        for (fold, part) in parts.iter().enumerate() {
            let of = |places: &[usize]| {
                let images: Vec<usize> = places.iter().map(|&i| usable[i]).collect();
                sorted(answers, &images, temperature)
            };
            let Some(threshold) = lowest(&grouped(&of(&others(&parts, fold))), wanted).map(|group| group.threshold)
            else {
                continue;
            };
            let taken = of(part).into_iter().filter(|(confidence, _)| *confidence >= threshold).map(|(_, right)| right);
            for right in taken {
                accepted += 1;
                correct += usize::from(right);
            }
        }
        cross = Some((accepted, correct));
    }
    let with_some = cross.filter(|(accepted, _)| *accepted > 0);
    ThresholdForAccuracy {
        wanted,
        accuracy_interval_95: chosen.as_ref().map(|p| wilson_interval(p.correct, p.accepted).into()),
        coverage_interval_95: chosen.as_ref().map(|p| wilson_interval(p.accepted, all).into()),
        chosen,
        accepted_cross_fitted: cross.map(|(accepted, _)| accepted),
        accuracy_cross_fitted: with_some.map(|(accepted, correct)| correct as f64 / accepted as f64),
        accuracy_cross_fitted_interval_95: with_some
            .map(|(accepted, correct)| wilson_interval(correct, accepted).into()),
    }
}

/// Confidences, the highest first, and whether they are right.
fn sorted(answers: &Answers, images: &[usize], temperature: f64) -> Vec<(f64, bool)> {
    let of = |&i: &usize| {
        let predicted = answers.predicted(i).expect("the logits are finite");
        (answers.log_probabilities(i, temperature)[predicted].exp(), predicted == answers.labels[i])
    };
    let mut ranked: Vec<(f64, bool)> = images.iter().map(of).collect();
    ranked.sort_by(|a, b| b.0.total_cmp(&a.0));
    ranked
}

/// All images down to those of one confidence.
#[derive(Clone, Copy)]
struct Group {
    threshold: f64,
    accepted: usize,
    correct: usize,
}

fn grouped(ranked: &[(f64, bool)]) -> Vec<Group> {
    let (mut accepted, mut correct) = (0, 0);
    let same = ranked.chunk_by(|a, b| a.0 == b.0);
    same.map(|group| {
        accepted += group.len();
        correct += group.iter().filter(|(_, right)| *right).count();
        Group { threshold: group[0].0, accepted, correct }
    })
    .collect()
}

fn point(group: &Group, all: usize) -> CoveragePoint {
    let &Group { threshold, accepted, correct } = group;
    let coverage = accepted as f64 / all as f64;
    CoveragePoint { threshold, accepted, coverage, correct, accuracy: correct as f64 / accepted as f64 }
}

fn lowest(groups: &[Group], wanted: f64) -> Option<Group> {
    groups.iter().rev().find(|group| group.correct as f64 >= wanted * group.accepted as f64).copied()
}

/// The sum over every number of accepted images of the risk; within a group the errors are spread evenly, and what is in none is wrong.
fn area(groups: &[Group], all: usize) -> f64 {
    let (mut sum, mut before, mut errors) = (0.0, 0, 0.0);
    let rest = Group { threshold: f64::NAN, accepted: all, correct: groups.last().map_or(0, |group| group.correct) };
    for group in groups.iter().chain(std::iter::once(&rest)) {
        let (n, wrong) = (group.accepted - before, (group.accepted - group.correct) as f64 - errors);
        for k in 1..=n {
            sum += (errors + wrong * k as f64 / n as f64) / (before + k) as f64;
        }
        (before, errors) = (group.accepted, errors + wrong);
    }
    sum
}

/// Points that are evenly spread over the coverage, with the last.
fn thinned(groups: &[Group], all: usize) -> Vec<CoveragePoint> {
    let mut points: Vec<CoveragePoint> = Vec::new();
    let mut next = 0;
    for (i, group) in groups.iter().enumerate() {
        if group.accepted >= next || i + 1 == groups.len() {
            points.push(point(group, all));
            next = group.accepted + all.div_ceil(POINTS - 1);
        }
    }
    points
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of two classes, by the logit of the first and whether it is right.
    fn answers(rows: &[(f32, bool)]) -> Answers {
        Answers {
            classes: 2,
            logits: rows.iter().flat_map(|(x, _)| [*x, 0.0]).collect(),
            labels: rows.iter().map(|(_, right)| usize::from(!right)).collect(),
            ..Answers::default()
        }
    }

    #[test]
    fn the_area_is_the_mean_risk() {
        let found = risk_coverage(&answers(&[(4.0, true), (3.0, false), (2.0, true), (1.0, true)]), 1.0);
        assert!((found.aurc.unwrap() - (0.0 + 0.5 + 1.0 / 3.0 + 0.25) / 4.0).abs() < 1e-12, "{found:?}");
        assert_eq!((found.aurc_optimal, found.aurc_random), (Some(0.25 / 4.0), Some(0.25)));
        assert_eq!(found.points.iter().map(|p| p.correct).collect::<Vec<_>>(), [1, 1, 2, 3]);
        // Equal confidences: whatever the order.
        let tied = [(4.0, true), (4.0, false), (1.0, true)];
        let [a, b] = [tied, [tied[1], tied[0], tied[2]]].map(|rows| risk_coverage(&answers(&rows), 1.0));
        assert_eq!(a, b);
        assert!((a.aurc.unwrap() - (0.5 + 0.5 + 1.0 / 3.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn what_is_not_a_number_is_wrong_and_never_accepted() {
        let found = risk_coverage(&answers(&[(4.0, true), (f32::NAN, true)]), 1.0);
        assert_eq!((found.left_out, found.points.len(), found.aurc), (1, 1, Some(0.25)));
        assert_eq!(found.points[0].coverage, 0.5);
        let none = risk_coverage(&answers(&[]), 1.0);
        assert_eq!((none.aurc, none.points.len()), (None, 0));
        let all_wrong = answers(&[(1.0, false), (2.0, false)]);
        assert_eq!(risk_coverage(&all_wrong, 1.0).aurc, Some(1.0));
        assert_eq!(threshold_for_accuracy(&all_wrong, 1.0, 0.5, 0).chosen, None);
    }

    #[test]
    fn the_lowest_threshold_that_reaches_the_accuracy_is_taken() {
        let rows: Vec<(f32, bool)> = (0..1000).map(|i| (4.0 - i as f32 / 250.0, i % 10 != 0 || i < 500)).collect();
        let found = threshold_for_accuracy(&answers(&rows), 1.0, 0.98, 0);
        let chosen = found.chosen.unwrap();
        assert!((0.98..0.982).contains(&chosen.accuracy) && chosen.accepted > 600, "{chosen:?}");
        let [low, high] = found.accuracy_interval_95.unwrap();
        assert!(low < chosen.accuracy && chosen.accuracy < high);
        let cross = found.accuracy_cross_fitted.unwrap();
        assert!((0.96..1.0).contains(&cross) && found.accepted_cross_fitted.unwrap() > 500, "{cross}");
        assert_eq!(threshold_for_accuracy(&answers(&rows), 1.0, 0.9, 0).chosen.unwrap().accepted, 1000);
        assert_eq!(threshold_for_accuracy(&answers(&rows[..5]), 1.0, 0.9, 0).accepted_cross_fitted, None);
    }

    #[test]
    fn many_points_are_thinned_to_few() {
        let rows: Vec<(f32, bool)> = (0..5000).map(|i| (i as f32 / 1000.0, i % 3 != 0)).collect();
        let points = risk_coverage(&answers(&rows), 1.0).points;
        assert!(points.len() <= POINTS + 1 && points.len() > POINTS / 2, "{}", points.len());
        assert_eq!((points[0].accepted, points[points.len() - 1].accepted), (1, 5000));
    }
}
