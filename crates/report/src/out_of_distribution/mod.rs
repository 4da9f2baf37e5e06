//! Scores that tell images like those that a model was made for from others.

mod mahalanobis;

pub use mahalanobis::Mahalanobis;

use crate::answers::Answers;
use crate::folds::{finite, folds, others};
use schemars::JsonSchema;
use serde::Serialize;
use striate_train::{MeasuredBatch, Ranking, bootstrap_interval, fraction_interval};

/// Resamplings of the images for an interval.
const ROUNDS: usize = 200;

/// What a model gives for some images: logits, and features where it was loaded with them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Representations {
    /// The logits. Of images without classes the labels mean nothing.
    pub answers: Answers,
    /// The features, row by row; nothing of a model without.
    pub features: Vec<f32>,
}

impl Representations {
    /// Of no images yet.
    pub fn new(classes: usize) -> Representations {
        Representations { answers: Answers::new(classes), features: Vec::new() }
    }

    /// Adds a batch of a classification.
    ///
    /// # Panics
    /// As [`Answers::add`].
    pub fn add(&mut self, measured: &MeasuredBatch) {
        self.answers.add(measured);
        self.features.extend(measured.features.map(|features| features.to_vec::<f32>()).unwrap_or_default());
    }

    /// How many features an image has.
    pub fn width(&self) -> usize {
        self.features.len().checked_div(self.answers.len()).unwrap_or(0)
    }

    /// The features of image `i`.
    pub fn row(&self, i: usize) -> &[f32] {
        let width = self.width();
        &self.features[i * width..][..width]
    }

    /// The images whose logits and features are all finite.
    fn usable(&self) -> Vec<usize> {
        finite(&self.answers).into_iter().filter(|&i| self.row(i).iter().all(|x| x.is_finite())).collect()
    }
}

/// How well scores tell images inside of a model's distribution from images outside.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct OutOfDistribution {
    /// Images inside: those that the model is measured on.
    pub inside: usize,
    /// Images outside: those of the second folder.
    pub outside: usize,
    /// Images whose logits or features are not finite, which are left out.
    pub left_out: usize,
    /// The scores.
    pub scores: Vec<OutOfDistributionScore>,
    /// Why there is no Mahalanobis distance, where there is none.
    pub no_mahalanobis: Option<String>,
}

/// How well a score tells them apart. Images inside are the positive ones.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct OutOfDistributionScore {
    /// `maximum_softmax` (Hendrycks and Gimpel, 2017), `energy` (Liu et al., 2020, at temperature 1) or `mahalanobis` (Lee et al., 2018): all higher inside. Each image has the
    /// Mahalanobis distance from the classes of one half of the images inside, in which it is not.
    pub name: String,
    /// The probability that an image inside has a higher score than one outside (`sklearn.metrics.roc_auc_score`): 0.5 tells nothing.
    pub auroc: Option<f64>,
    /// Its 95 % interval over resampled images.
    pub auroc_interval_95: Option<[f64; 2]>,
    /// The average precision with the images inside as the positive ones. It depends on how many images there are of each.
    pub aupr_inside: Option<f64>,
    /// The average precision with the images outside as the positive ones.
    pub aupr_outside: Option<f64>,
    /// The fraction of the images outside that pass a threshold which 95 % of the images inside pass.
    pub fpr_at_95_tpr: Option<f64>,
    /// That threshold.
    pub threshold_at_95_tpr: Option<f64>,
    /// The mean score of the images inside.
    pub mean_inside: Option<f64>,
    /// The mean score of the images outside.
    pub mean_outside: Option<f64>,
}

/// Scores images inside and outside, and measures how well each score tells them apart. Class means and the covariance of the Mahalanobis distance come from seeded
/// halves of the images inside, by their labels; no image is scored by the half that it is in.
pub fn out_of_distribution(inside: &Representations, outside: &Representations, seed: u64) -> OutOfDistribution {
    let (ins, outs) = (inside.usable(), outside.usable());
    let both = |score: &dyn Fn(&Representations, usize) -> f64| {
        [(inside, &ins), (outside, &outs)]
            .map(|(of, images)| images.iter().map(|&i| score(of, i)).collect::<Vec<f64>>())
    };
    let maximum = both(&|of, i| of.answers.log_probabilities(i, 1.0).into_iter().fold(f64::NEG_INFINITY, f64::max));
    let energy = both(&|of, i| log_sum_exp(of.answers.row(i)));
    let mut scores = vec![
        // The logarithm has the same order, and tells probabilities near 1 apart.
        measured("maximum_softmax", &maximum, seed)
            .with_means(maximum.each_ref().map(|s| s.iter().map(|x| x.exp()).collect())),
        measured("energy", &energy, seed),
    ];
    let mut no_mahalanobis = None;
    match distances(inside, outside, [&ins, &outs], seed) {
        Ok(distances) => scores.push(measured("mahalanobis", &distances, seed)),
        Err(reason) => no_mahalanobis = Some(reason),
    }
    OutOfDistribution {
        inside: ins.len(),
        outside: outs.len(),
        left_out: inside.answers.len() + outside.answers.len() - ins.len() - outs.len(),
        scores,
        no_mahalanobis,
    }
}

fn log_sum_exp(row: &[f32]) -> f64 {
    let highest = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    highest + row.iter().map(|&x| (f64::from(x) - highest).exp()).sum::<f64>().ln()
}

/// The distances, negated, of the images inside and outside.
fn distances(
    inside: &Representations,
    outside: &Representations,
    [ins, outs]: [&[usize]; 2],
    seed: u64,
) -> Result<[Vec<f64>; 2], String> {
    if inside.features.is_empty() || inside.width() != outside.width() {
        return Err("the model gives no features".into());
    }
    let (in_halves, out_halves) = (folds(ins.len(), 2, seed), folds(outs.len(), 2, seed));
    let mut scores = [vec![f64::NAN; ins.len()], vec![f64::NAN; outs.len()]];
    for half in 0..2 {
        let other: Vec<usize> = others(&in_halves, half).into_iter().map(|i| ins[i]).collect();
        let rows: Vec<&[f32]> = other.iter().map(|&i| inside.row(i)).collect();
        let labels: Vec<usize> = other.iter().map(|&i| inside.answers.labels[i]).collect();
        let fitted = Mahalanobis::fit(&rows, &labels, inside.answers.classes)?;
        for (of, (images, part)) in [(ins, &in_halves[half]), (outs, &out_halves[half])].into_iter().enumerate() {
            let source = [inside, outside][of];
            let rows: Vec<&[f32]> = part.iter().map(|&i| source.row(images[i])).collect();
            for (&i, distance) in part.iter().zip(fitted.distances(&rows)) {
                scores[of][i] = -distance;
            }
        }
    }
    Ok(scores)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

fn measured(name: &str, [inside, outside]: &[Vec<f64>; 2], seed: u64) -> OutOfDistributionScore {
    let scored = |sign: f64| {
        let all = inside.iter().map(|&s| (s, true)).chain(outside.iter().map(|&s| (s, false)));
        all.map(move |(s, is_inside)| ((sign * s) as f32, is_inside == (sign > 0.0)))
    };
    let ranking = Ranking::of(scored(1.0));
    let all: Vec<(f32, bool)> = scored(1.0).collect();
    let auroc_of = |indices: &[usize]| {
        Ranking::of(indices.iter().map(|&i| all[i])).and_then(|ranking| ranking.roc_auc()).unwrap_or(f64::NAN)
    };
    let auroc = ranking.as_ref().and_then(Ranking::roc_auc);
    let passing = ranking.as_ref().filter(|_| auroc.is_some()).and_then(|ranking| {
        ranking.points().iter().find(|point| point.true_positives as f64 >= 0.95 * inside.len() as f64).copied()
    });
    OutOfDistributionScore {
        name: name.into(),
        auroc,
        auroc_interval_95: auroc
            .and_then(|_| bootstrap_interval(all.len(), ROUNDS, seed, auroc_of))
            .map(fraction_interval),
        aupr_inside: auroc.and(ranking.as_ref().and_then(Ranking::average_precision)),
        aupr_outside: auroc.and_then(|_| Ranking::of(scored(-1.0))?.average_precision()),
        fpr_at_95_tpr: passing.map(|point| point.false_positives as f64 / outside.len() as f64),
        threshold_at_95_tpr: passing.map(|point| f64::from(point.threshold)),
        mean_inside: mean(inside),
        mean_outside: mean(outside),
    }
}

impl OutOfDistributionScore {
    /// With the means, and the threshold, of the probabilities of which the logarithms were ranked.
    fn with_means(self, [inside, outside]: [Vec<f64>; 2]) -> OutOfDistributionScore {
        let threshold_at_95_tpr = self.threshold_at_95_tpr.map(f64::exp);
        OutOfDistributionScore { mean_inside: mean(&inside), mean_outside: mean(&outside), threshold_at_95_tpr, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Generator;

    fn representations(n: usize, shift: f64, seed: u64) -> Representations {
        let rng = &mut Generator::new(seed);
        let mut all = Representations::new(3);
        for i in 0..n {
            all.answers.labels.push(i % 3);
            all.answers
                .logits
                .extend((0..3).map(|c| (rng.normal() + if c == i % 3 { 4.0 - shift } else { 0.0 }) as f32));
            all.features.extend((0..5).map(|j| (rng.normal() + if j == i % 3 { 3.0 } else { shift }) as f32));
        }
        all
    }

    #[test]
    fn images_far_off_are_told_apart_and_equal_ones_are_not() {
        let inside = representations(300, 0.0, 1);
        let far = out_of_distribution(&inside, &representations(200, 6.0, 2), 0);
        assert_eq!((far.inside, far.outside, far.scores.len(), &far.no_mahalanobis), (300, 200, 3, &None));
        for score in &far.scores[..] {
            assert!(score.auroc.unwrap() > 0.75, "{score:?}");
            assert!(score.mean_inside > score.mean_outside, "{score:?}");
        }
        assert!(far.scores[2].auroc.unwrap() > 0.999 && far.scores[2].fpr_at_95_tpr == Some(0.0));
        let same = out_of_distribution(&inside, &representations(300, 0.0, 3), 0);
        for score in &same.scores {
            let [low, high] = score.auroc_interval_95.unwrap();
            assert!(low < 0.55 && high > 0.45 && (0.4..0.6).contains(&score.auroc.unwrap()), "{score:?}");
            assert!((0.8..1.0).contains(&score.fpr_at_95_tpr.unwrap()), "{score:?}");
        }
    }

    #[test]
    fn nothing_and_what_is_not_a_number_have_no_scores() {
        let inside = representations(30, 0.0, 1);
        let none = out_of_distribution(&inside, &Representations::new(3), 0);
        assert!(none.scores.iter().all(|s| s.auroc.is_none() && s.mean_outside.is_none()), "{none:?}");
        assert!(none.no_mahalanobis.is_some());
        let mut broken = representations(10, 0.0, 2);
        broken.answers.logits[0] = f32::NAN;
        broken.features[9] = f32::INFINITY;
        let found = out_of_distribution(&inside, &broken, 0);
        assert_eq!((found.outside, found.left_out), (8, 2));
        let flat = Representations { features: vec![1.0; 150], ..inside.clone() };
        assert!(out_of_distribution(&flat, &broken, 0).no_mahalanobis.unwrap().contains("do not differ"));
        let plain = Representations { features: Vec::new(), ..inside };
        assert_eq!(out_of_distribution(&plain, &plain, 0).scores.len(), 2);
    }
}
