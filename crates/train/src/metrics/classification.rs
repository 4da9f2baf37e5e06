//! One class per sample.

use super::{ConfusionMatrix, Detail, Metric, Metrics, Ranking, mean, nan_as_null, rows};
use serde::{Deserialize, Serialize};

/// How well one class per sample is predicted.
///
/// The prediction is the class of the highest score, and the first of several: what `Tensor::argmax` says. A class is among the top five if fewer than five
/// are before it in that order. A sample with a NaN score has no prediction and is wrong.
///
/// | [`Detail`] | metrics |
/// |---|---|
/// | `Running` | `accuracy` and, from 10 classes on, `top_5_accuracy`, with Wilson's intervals |
/// | `Full` | also `balanced_accuracy`, `precision_macro`, `recall_macro`, `f1_macro`, `cohen_kappa`, `mcc` |
/// | `Scores` | also `roc_auc_macro` (each class against the rest), `average_precision_macro` |
///
/// The last two are means over the classes that have them: those that occur, and for the first are not all samples; they are NaN if a score was. Micro
/// averages, which for one class per sample are the accuracy, are [`ConfusionMatrix::micro_average`].
///
/// ```
/// use striate_train::{ClassificationMetrics, Detail, Metrics};
///
/// let mut metrics = ClassificationMetrics::new(3, Detail::Full);
/// metrics.add(&[2.0, -1.0, 0.5, 0.1, 0.2, 0.1], 3, &[0, 2]);
/// assert_eq!((metrics.finish()[0].name.as_str(), metrics.finish()[0].value), ("accuracy", 0.5));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassificationMetrics {
    classes: usize,
    samples: usize,
    correct: usize,
    in_top_5: usize,
    confusion: Option<ConfusionMatrix>,
    scores: Option<Scores>,
}

/// Of each sample the probability of each class, and its class.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Scores {
    #[serde(with = "nan_as_null::list")]
    probabilities: Vec<f32>,
    labels: Vec<usize>,
}

const TOP: usize = 5;
/// The fewest classes of which being among the top five says something.
const MANY: usize = 10;

impl ClassificationMetrics {
    /// No samples yet of `classes` classes.
    ///
    /// # Panics
    /// If there are no classes.
    pub fn new(classes: usize, detail: Detail) -> Self {
        assert!(classes > 0, "ClassificationMetrics::new: there are no classes");
        ClassificationMetrics {
            classes,
            samples: 0,
            correct: 0,
            in_top_5: 0,
            confusion: (detail != Detail::Running).then(|| ConfusionMatrix::new(classes)),
            scores: (detail == Detail::Scores).then(Scores::default),
        }
    }

    /// Adds samples by their logits [samples, classes] and labels. With [`Detail::Scores`] softmax makes probabilities of the logits.
    ///
    /// # Panics
    /// If `classes` is not the number of classes, there is not one label for each row of logits, or a label is no class.
    pub fn add(&mut self, logits: &[f32], classes: usize, labels: &[i64]) {
        self.count(logits, classes, labels);
        if let Some(scores) = &mut self.scores {
            logits.chunks(classes).for_each(|row| softmax(row, &mut scores.probabilities));
        }
    }

    /// Adds samples by their probabilities, otherwise as [`ClassificationMetrics::add`].
    ///
    /// # Panics
    /// As [`ClassificationMetrics::add`].
    pub fn add_probabilities(&mut self, probabilities: &[f32], classes: usize, labels: &[i64]) {
        self.count(probabilities, classes, labels);
        if let Some(scores) = &mut self.scores {
            scores.probabilities.extend_from_slice(probabilities);
        }
    }

    fn count(&mut self, scores: &[f32], classes: usize, labels: &[i64]) {
        let name = "ClassificationMetrics::add";
        assert_eq!(classes, self.classes, "{name}: scores of {classes} classes for metrics of {}", self.classes);
        let n = rows(name, scores.len(), classes);
        assert_eq!(n, labels.len(), "{name}: {} labels for {n} samples", labels.len());
        for (row, &label) in scores.chunks(classes).zip(labels) {
            let class = usize::try_from(label).ok().filter(|&c| c < classes);
            let label = class.unwrap_or_else(|| panic!("{name}: label {label} is none of {classes} classes"));
            let place = place(row, label);
            self.samples += 1;
            self.correct += (place == Some(0)) as usize;
            self.in_top_5 += place.is_some_and(|p| p < TOP) as usize;
            if let Some(confusion) = &mut self.confusion {
                match argmax(row) {
                    Some(predicted) => confusion.add(label, predicted),
                    None => confusion.add_unpredicted(label),
                }
            }
            if let Some(scores) = &mut self.scores {
                scores.labels.push(label);
            }
        }
    }

    /// Samples added.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// Samples whose class was predicted.
    pub fn correct(&self) -> usize {
        self.correct
    }

    /// How often each class was taken for each; none with [`Detail::Running`].
    pub fn confusion(&self) -> Option<&ConfusionMatrix> {
        self.confusion.as_ref()
    }

    /// `class` against the rest, by its probability; none without [`Detail::Scores`], or if a probability is NaN.
    pub fn ranking(&self, class: usize) -> Option<Ranking> {
        let scores = self.scores.as_ref()?;
        let of_class = scores.probabilities.iter().skip(class).step_by(self.classes).copied();
        Ranking::of(of_class.zip(scores.labels.iter().map(|&label| label == class)))
    }

    /// How often the class is among the `k` of the highest scores, with Wilson's interval; none without [`Detail::Scores`].
    ///
    /// # Panics
    /// If `k` is 0.
    pub fn top_k(&self, k: usize) -> Option<Metric> {
        assert!(k > 0, "ClassificationMetrics::top_k: k is 0");
        let scores = self.scores.as_ref()?;
        let rows = scores.probabilities.chunks(self.classes).zip(&scores.labels);
        let found = rows.filter(|(row, label)| place(row, **label).is_some_and(|place| place < k)).count();
        Some(Metric::proportion(format!("top_{k}_accuracy"), found, self.samples))
    }

    /// The numbers of one class against the rest: precision, recall and F1, and with [`Detail::Scores`] ROC-AUC and average precision. None with
    /// [`Detail::Running`].
    pub fn class_metrics(&self, class: usize) -> Vec<Metric> {
        let mut metrics = self.confusion.as_ref().map_or_else(Vec::new, |confusion| confusion.class_metrics(class));
        if self.scores.is_some() {
            let ranking = self.ranking(class);
            let of = |number: fn(&Ranking) -> Option<f64>| ranking.as_ref().and_then(number).unwrap_or(f64::NAN);
            metrics.push(Metric::fraction("roc_auc", of(Ranking::roc_auc)));
            metrics.push(Metric::fraction("average_precision", of(Ranking::average_precision)));
        }
        metrics
    }

    /// The means of ROC-AUC and average precision over the classes that have them.
    fn ranked(&self) -> [f64; 2] {
        let of_class = |class| self.ranking(class).map(|r| (r.roc_auc(), r.average_precision()));
        let numbers: Option<Vec<(Option<f64>, Option<f64>)>> = (0..self.classes).map(of_class).collect();
        let Some(numbers) = numbers else { return [f64::NAN; 2] };
        [mean(numbers.iter().filter_map(|n| n.0)), mean(numbers.iter().filter_map(|n| n.1))]
    }
}

impl Metrics for ClassificationMetrics {
    fn merge(&mut self, other: &Self) {
        let name = "ClassificationMetrics::merge";
        assert_eq!(self.classes, other.classes, "{name}: {} classes into {}", other.classes, self.classes);
        self.samples += other.samples;
        self.correct += other.correct;
        self.in_top_5 += other.in_top_5;
        match (&mut self.confusion, &other.confusion) {
            (Some(confusion), Some(other)) => confusion.merge(other),
            (None, None) => {}
            _ => panic!("{name}: one has a confusion matrix, the other none"),
        }
        match (&mut self.scores, &other.scores) {
            (Some(scores), Some(other)) => {
                scores.probabilities.extend_from_slice(&other.probabilities);
                scores.labels.extend_from_slice(&other.labels);
            }
            (None, None) => {}
            _ => panic!("{name}: one has scores, the other none"),
        }
    }

    fn finish(&self) -> Vec<Metric> {
        let mut metrics = vec![Metric::proportion("accuracy", self.correct, self.samples)];
        if self.classes >= MANY {
            metrics.push(Metric::proportion("top_5_accuracy", self.in_top_5, self.samples));
        }
        metrics.extend(self.confusion.iter().flat_map(ConfusionMatrix::averages));
        if self.scores.is_some() {
            let [roc_auc, average_precision] = self.ranked();
            metrics.push(Metric::fraction("roc_auc_macro", roc_auc));
            metrics.push(Metric::fraction("average_precision_macro", average_precision));
        }
        metrics
    }
}

/// The class of the highest score, the first of several; none if a score is NaN.
fn argmax(row: &[f32]) -> Option<usize> {
    let mut best = 0;
    for (class, x) in row.iter().enumerate() {
        if x.is_nan() {
            return None;
        }
        if *x > row[best] {
            best = class;
        }
    }
    Some(best)
}

/// How many classes come before `label` by score, and of equal scores by number; none if a score is NaN.
fn place(row: &[f32], label: usize) -> Option<usize> {
    if row.iter().any(|x| x.is_nan()) {
        return None;
    }
    let own = row[label];
    Some(row.iter().enumerate().filter(|&(class, &x)| x > own || x == own && class < label).count())
}

fn softmax(row: &[f32], out: &mut Vec<f32>) {
    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max) as f64;
    let exp = |x: &f32| (*x as f64 - largest).exp();
    let sum: f64 = row.iter().map(exp).sum();
    out.extend(row.iter().map(|x| (exp(x) / sum) as f32));
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_tensor::Tensor;

    #[test]
    fn predictions_are_those_of_argmax() {
        let inf = f32::INFINITY;
        let scores = [[1.0, 3.0, 3.0], [2.0, 2.0, 2.0], [-inf, -inf, -inf], [0.0, inf, inf], [-0.0, 0.0, -1.0]];
        let expected: Vec<i64> = Tensor::from_vec(scores.concat(), [5, 3]).argmax(1, false).to_vec();
        let found: Vec<i64> = scores.iter().map(|row| argmax(row).unwrap() as i64).collect();
        assert_eq!(found, expected);
        assert_eq!(argmax(&[f32::NAN, 1.0]), None);
    }

    #[test]
    fn nan_is_never_right() {
        let mut metrics = ClassificationMetrics::new(2, Detail::Scores);
        metrics.add(&[f32::NAN, 0.0, f32::NAN, f32::NAN, 0.0, 1.0, 0.0, f32::INFINITY], 2, &[0, 1, 1, 1]);
        assert_eq!((metrics.samples(), metrics.correct()), (4, 2));
        let confusion = metrics.confusion().unwrap();
        assert_eq!((confusion.total(), confusion.correct()), (4, 2));
        let ranked: Vec<f64> = metrics.finish().iter().rev().take(2).map(|m| m.value).collect();
        assert!(ranked.iter().all(|x| x.is_nan()), "{ranked:?}");
        let read: ClassificationMetrics = serde_json::from_str(&serde_json::to_string(&metrics).unwrap()).unwrap();
        assert_eq!(read.finish(), metrics.finish());
    }

    #[test]
    fn top_5_counts_equal_scores_in_order() {
        let mut metrics = ClassificationMetrics::new(10, Detail::Running);
        for label in 0..10 {
            metrics.add(&[0.0; 10], 10, &[label]);
        }
        let values: Vec<_> = metrics.finish().into_iter().map(|m| (m.name, m.value)).collect();
        assert_eq!(values, [("accuracy".to_string(), 0.1), ("top_5_accuracy".to_string(), 0.5)]);
        assert_eq!(ClassificationMetrics::new(9, Detail::Running).finish().len(), 1);
        assert_eq!(metrics.top_k(3), None);
        let mut scored = ClassificationMetrics::new(3, Detail::Scores);
        scored.add(&[0.5, 0.3, 0.2, 0.5, 0.3, 0.2, 0.2, 0.2, 0.9, f32::NAN, 0.0, 1.0], 3, &[1, 2, 2, 2]);
        assert_eq!([1, 2, 3].map(|k| scored.top_k(k).unwrap().value), [0.25, 0.5, 0.75]);
        assert_eq!(scored.top_k(2).unwrap().name, "top_2_accuracy");
    }

    #[test]
    fn without_samples_there_are_names_and_no_numbers() {
        for detail in [Detail::Running, Detail::Full, Detail::Scores] {
            let empty = ClassificationMetrics::new(10, detail);
            let mut some = empty.clone();
            some.add(&[0.0; 20], 10, &[3, 0]);
            let names = |m: &ClassificationMetrics| m.finish().into_iter().map(|m| m.name).collect::<Vec<_>>();
            assert_eq!(names(&empty), names(&some));
            assert!(empty.finish().iter().all(|m| m.value.is_nan() && m.interval_95.is_none()));
        }
    }

    #[test]
    fn logits_are_ranked_by_their_softmax() {
        let probabilities = [0.5f32, 0.25, 0.25, 0.1, 0.6, 0.3, 0.2, 0.2, 0.6, 0.45, 0.5, 0.05];
        let labels = [0, 1, 2, 0];
        let mut by_logits = ClassificationMetrics::new(3, Detail::Scores);
        // A constant per row changes logits, not probabilities.
        let logits: Vec<f32> = probabilities.iter().enumerate().map(|(i, p)| p.ln() + (i / 3) as f32).collect();
        by_logits.add(&logits, 3, &labels);
        let mut by_probability = ClassificationMetrics::new(3, Detail::Scores);
        by_probability.add_probabilities(&probabilities, 3, &labels);
        assert_eq!(by_logits.finish(), by_probability.finish());
        let found = by_logits.scores.unwrap().probabilities;
        assert!(found.iter().zip(probabilities).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?}");
    }

    #[test]
    #[should_panic(expected = "label 3 is none of 3 classes")]
    fn a_label_is_a_class() {
        ClassificationMetrics::new(3, Detail::Running).add(&[0.0; 3], 3, &[3]);
    }

    #[test]
    #[should_panic(expected = "one has a confusion matrix, the other none")]
    fn details_do_not_mix() {
        ClassificationMetrics::new(3, Detail::Running).merge(&ClassificationMetrics::new(3, Detail::Full));
    }
}
