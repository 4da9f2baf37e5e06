//! Any number of labels per sample.

use super::{Detail, Direction, Metric, Metrics, Ranking, mean, nan_as_null, ratio, rows};
use serde::{Deserialize, Serialize};

/// How well any number of labels per sample is predicted.
///
/// A label is predicted if its probability is its threshold at least. A target above 0.5 is a label that the sample has. A NaN output decides wrongly,
/// whatever the target.
///
/// | [`Detail`] | metrics |
/// |---|---|
/// | `Running` | `hamming_accuracy`, the fraction of right decisions, and `hamming_loss`, that of wrong ones, with Wilson's intervals; `f1_micro` |
/// | `Full`, `Scores` | also `subset_accuracy`, the fraction of samples with all labels right, with its interval; `f1_macro`, `roc_auc_macro`, `mean_average_precision` |
///
/// As in scikit-learn: `hamming_loss`, `accuracy_score` (subsets), `f1_score` with `zero_division=nan`, so that a label that is neither a target nor
/// predicted is not part of the macro average; `roc_auc_score` and `average_precision_score`, averaged over the labels for which they are defined. Intervals of single decisions take
/// them for independent.
///
/// ```
/// use striate_train::{Detail, Metrics, MultiLabelMetrics};
///
/// let mut metrics = MultiLabelMetrics::new(2, Detail::Full);
/// metrics.add_probabilities(&[0.9, 0.2, 0.4, 0.7], &[1.0, 0.0, 1.0, 1.0]);
/// assert_eq!((metrics.finish()[0].value, metrics.best_thresholds()), (0.75, vec![0.4, 0.7]));
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelMetrics {
    samples: usize,
    /// Samples with all labels right.
    all_right: usize,
    labels: Vec<Label>,
    scores: Option<Scores>,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Label {
    threshold: f32,
    decisions: Decisions,
}

/// Decisions by kind. Those that are rightly negative are the rest.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Decisions {
    found: usize,
    missed: usize,
    false_alarms: usize,
}

impl Decisions {
    /// Counts one, and says whether it is right.
    fn count(&mut self, decided: bool, actual: bool) -> bool {
        self.found += (decided && actual) as usize;
        self.missed += (!decided && actual) as usize;
        self.false_alarms += (decided && !actual) as usize;
        decided == actual
    }

    fn merge(&mut self, other: Decisions) {
        self.found += other.found;
        self.missed += other.missed;
        self.false_alarms += other.false_alarms;
    }

    fn wrong(self) -> usize {
        self.missed + self.false_alarms
    }

    /// None if the label is neither a target nor predicted.
    fn f1(self) -> Option<f64> {
        let all = 2 * self.found + self.wrong();
        (all > 0).then(|| ratio(2 * self.found, all))
    }
}

/// Of each sample the probability of each label, and whether it has it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Scores {
    #[serde(with = "nan_as_null::list")]
    probabilities: Vec<f32>,
    targets: Vec<bool>,
}

const THRESHOLD: f32 = 0.5;

impl MultiLabelMetrics {
    /// No samples yet of `labels` labels, each predicted from a probability of 0.5 on.
    ///
    /// # Panics
    /// If there are no labels.
    pub fn new(labels: usize, detail: Detail) -> Self {
        assert!(labels > 0, "MultiLabelMetrics::new: there are no labels");
        MultiLabelMetrics {
            samples: 0,
            all_right: 0,
            labels: vec![Label { threshold: THRESHOLD, decisions: Decisions::default() }; labels],
            scores: (detail != Detail::Running).then(Scores::default),
        }
    }

    /// With other thresholds, one a label.
    ///
    /// # Panics
    /// If there is not one for each label, or samples were added before.
    pub fn thresholds(mut self, thresholds: &[f32]) -> Self {
        let name = "MultiLabelMetrics::thresholds";
        let (n, m) = (thresholds.len(), self.labels.len());
        assert_eq!(n, m, "{name}: {n} thresholds for {m} labels");
        assert_eq!(self.samples, 0, "{name}: decisions were counted already");
        for (label, threshold) in self.labels.iter_mut().zip(thresholds) {
            label.threshold = *threshold;
        }
        self
    }

    /// Adds samples: logits, of which the sigmoid makes probabilities, and targets, both [samples, labels].
    ///
    /// # Panics
    /// If the two have different lengths, or are no rows of the labels.
    pub fn add(&mut self, logits: &[f32], targets: &[f32]) {
        let probabilities: Vec<f32> = logits.iter().map(|&x| (1.0 / (1.0 + (-x as f64).exp())) as f32).collect();
        self.add_probabilities(&probabilities, targets);
    }

    /// Adds samples by their probabilities.
    ///
    /// # Panics
    /// As [`MultiLabelMetrics::add`].
    pub fn add_probabilities(&mut self, probabilities: &[f32], targets: &[f32]) {
        let name = "MultiLabelMetrics::add";
        let (n, m) = (probabilities.len(), targets.len());
        assert_eq!(n, m, "{name}: {n} outputs for {m} targets");
        let labels = self.labels.len();
        self.samples += rows(name, n, labels);
        for (row, targets) in probabilities.chunks(labels).zip(targets.chunks(labels)) {
            let mut all_right = true;
            for (label, (&probability, &target)) in self.labels.iter_mut().zip(row.iter().zip(targets)) {
                let actual = is_label(target);
                let decided = if probability.is_nan() { !actual } else { probability >= label.threshold };
                all_right &= label.decisions.count(decided, actual);
            }
            self.all_right += all_right as usize;
        }
        if let Some(scores) = &mut self.scores {
            scores.probabilities.extend_from_slice(probabilities);
            scores.targets.extend(targets.iter().map(|&t| is_label(t)));
        }
    }

    /// Samples added.
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The samples by the probability of `label`; none with [`Detail::Running`], or if a probability is NaN.
    pub fn ranking(&self, label: usize) -> Option<Ranking> {
        let (scores, labels) = (self.scores.as_ref()?, self.labels.len());
        let probabilities = scores.probabilities.iter().skip(label).step_by(labels).copied();
        Ranking::of(probabilities.zip(scores.targets.iter().skip(label).step_by(labels).copied()))
    }

    /// Samples that have a label.
    pub fn positives(&self, label: usize) -> usize {
        let Decisions { found, missed, .. } = self.labels[label].decisions;
        found + missed
    }

    /// For each label the threshold of the highest F1 on these samples: the least probability that is still predicted, and of thresholds that are equally
    /// good the highest. A label without positive samples, with a NaN probability, or with [`Detail::Running`] keeps its threshold.
    pub fn best_thresholds(&self) -> Vec<f32> {
        let best = |label| self.ranking(label).and_then(|r| r.best_f1());
        self.labels.iter().enumerate().map(|(l, kept)| best(l).map_or(kept.threshold, |p| p.threshold)).collect()
    }

    /// The numbers of one label: precision and recall at its threshold with their intervals, F1 and, unless there is [`Detail::Running`] alone, ROC-AUC
    /// and average precision.
    pub fn label_metrics(&self, label: usize) -> Vec<Metric> {
        let decisions = self.labels[label].decisions;
        let Decisions { found, missed, false_alarms } = decisions;
        let mut metrics = vec![
            Metric::proportion("precision", found, found + false_alarms),
            Metric::proportion("recall", found, found + missed),
            Metric::fraction("f1", decisions.f1().unwrap_or(f64::NAN)),
        ];
        if self.scores.is_some() {
            let ranking = self.ranking(label);
            let area = |of: fn(&Ranking) -> Option<f64>| ranking.as_ref().and_then(of).unwrap_or(f64::NAN);
            metrics.push(Metric::fraction("roc_auc", area(Ranking::roc_auc)));
            metrics.push(Metric::fraction("average_precision", area(Ranking::average_precision)));
        }
        metrics
    }

    /// The means of ROC-AUC and average precision over the labels for which they are defined; NaN if a probability is.
    fn mean_areas(&self) -> [f64; 2] {
        let rankings: Option<Vec<Ranking>> = (0..self.labels.len()).map(|label| self.ranking(label)).collect();
        let over = |of: fn(&Ranking) -> Option<f64>| {
            rankings.as_ref().map_or(f64::NAN, |rankings| mean(rankings.iter().filter_map(of)))
        };
        [over(Ranking::roc_auc), over(Ranking::average_precision)]
    }
}

impl Metrics for MultiLabelMetrics {
    fn merge(&mut self, other: &Self) {
        let name = "MultiLabelMetrics::merge";
        let thresholds = |metrics: &Self| metrics.labels.iter().map(|label| label.threshold).collect::<Vec<_>>();
        assert_eq!(thresholds(self), thresholds(other), "{name}: other labels or thresholds");
        self.samples += other.samples;
        self.all_right += other.all_right;
        for (label, other) in self.labels.iter_mut().zip(&other.labels) {
            label.decisions.merge(other.decisions);
        }
        match (&mut self.scores, &other.scores) {
            (Some(scores), Some(other)) => {
                scores.probabilities.extend_from_slice(&other.probabilities);
                scores.targets.extend_from_slice(&other.targets);
            }
            (None, None) => {}
            _ => panic!("{name}: one has scores, the other none"),
        }
    }

    fn finish(&self) -> Vec<Metric> {
        let mut all = Decisions::default();
        self.labels.iter().for_each(|label| all.merge(label.decisions));
        let (n, wrong) = (self.samples * self.labels.len(), all.wrong());
        let mut metrics = vec![
            Metric::proportion("hamming_accuracy", n.saturating_sub(wrong), n),
            Metric::proportion("hamming_loss", wrong, n).direction(Direction::Minimize),
            Metric::fraction("f1_micro", all.f1().unwrap_or(f64::NAN)),
        ];
        if self.scores.is_some() {
            let [roc_auc, average_precision] = self.mean_areas();
            metrics.extend([
                Metric::proportion("subset_accuracy", self.all_right, self.samples),
                Metric::fraction("f1_macro", mean(self.labels.iter().filter_map(|label| label.decisions.f1()))),
                Metric::fraction("roc_auc_macro", roc_auc),
                Metric::fraction("mean_average_precision", average_precision),
            ]);
        }
        metrics
    }
}

fn is_label(target: f32) -> bool {
    target > 0.5
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nan_decides_wrongly() {
        let mut metrics = MultiLabelMetrics::new(2, Detail::Full);
        metrics.add(&[f32::NAN, 3.0, f32::NAN, 3.0], &[1.0, 1.0, 0.0, 1.0]);
        let values: Vec<f64> = metrics.finish().into_iter().map(|m| m.value).collect();
        assert_eq!(values[..5], [0.5, 0.5, 2.0 * 2.0 / 6.0, 0.0, 0.5]);
        assert!(values[5].is_nan() && values[6].is_nan());
        assert_eq!(metrics.best_thresholds()[0], THRESHOLD);
        let read: MultiLabelMetrics = serde_json::from_str(&serde_json::to_string(&metrics).unwrap()).unwrap();
        assert_eq!(read.finish(), metrics.finish());
    }

    #[test]
    fn a_probability_on_the_threshold_is_predicted() {
        let mut metrics = MultiLabelMetrics::new(2, Detail::Running).thresholds(&[0.5, 0.75]);
        metrics.add(&[0.0, 0.0], &[1.0, 0.0]);
        metrics.add_probabilities(&[0.5, 0.75], &[1.0, 1.0]);
        assert_eq!(metrics.finish()[0].value, 1.0);
        // Of several thresholds that are equally good, the highest.
        let mut metrics = MultiLabelMetrics::new(1, Detail::Full);
        metrics.add_probabilities(&[0.875, 0.625, 0.5, 0.375], &[1.0, 0.0, 0.0, 1.0]);
        assert_eq!(metrics.best_thresholds(), [0.875]);
    }

    #[test]
    fn without_samples_there_are_names_and_no_numbers() {
        for detail in [Detail::Running, Detail::Full] {
            let empty = MultiLabelMetrics::new(3, detail);
            let mut some = empty.clone();
            some.add(&[0.0; 3], &[0.0; 3]);
            let names = |m: &MultiLabelMetrics| m.finish().into_iter().map(|m| m.name).collect::<Vec<_>>();
            assert_eq!(names(&empty), names(&some));
            assert!(empty.finish().iter().all(|m| m.value.is_nan() && m.interval_95.is_none()));
            assert_eq!(empty.best_thresholds(), [THRESHOLD; 3]);
        }
    }
}
