//! Intervals of metrics of labels and numbers, over resampled images.

use crate::bootstrap::{self, Ranked};
use crate::classes::ClassRow;
use crate::number::Number;
use crate::outcomes::{LabelAnswers, NumberAnswers};
use striate_train::{Metrics, MultiLabelMetrics, RegressionMetrics};

/// Metrics of labels, over all and of each. How often images were resampled comes third.
pub fn labels(
    metrics: &MultiLabelMetrics,
    answers: &LabelAnswers,
    names: &[String],
    seed: u64,
) -> (Vec<Number>, Vec<ClassRow>, usize) {
    let outputs = answers.thresholds.len();
    let n = answers.targets.len() / outputs;
    let of_label = |label: usize| {
        Ranked::of((0..n).map(|i| (answers.probabilities[i * outputs + label], answers.target(i, label))))
    };
    let ranked: Vec<Option<Ranked>> = (0..outputs).map(of_label).collect();
    let rounds = bootstrap::rounds(n * outputs * 2);
    let intervals = bootstrap::intervals(n, rounds, seed, OVERALL.len() + OF_LABEL.len() * outputs, |times| {
        let mut counts = vec![[0u64; 3]; outputs];
        for (i, &n) in times.iter().enumerate().filter(|(_, n)| **n > 0) {
            for label in 0..outputs {
                let (has, said) = (answers.target(i, label), answers.decided(i, label) == Some(true));
                let kinds = [has && said, has, said];
                counts[label].iter_mut().zip(kinds).for_each(|(c, kind)| *c += u64::from(kind) * u64::from(n));
            }
        }
        let f1 = |[both, has, said]: [u64; 3]| 2.0 * both as f64 / (has + said) as f64;
        let f1s: Vec<f64> = counts.iter().map(|&c| f1(c)).collect();
        let areas = |r: &Option<Ranked>| r.as_ref().map_or([f64::NAN; 2], |r| r.areas(times));
        let (aucs, aps): (Vec<f64>, Vec<f64>) = ranked.iter().map(areas).map(|[auc, ap]| (auc, ap)).unzip();
        let sums = counts.iter().fold([0; 3], |sum, c| [sum[0] + c[0], sum[1] + c[1], sum[2] + c[2]]);
        let mut all = vec![f1(sums), mean(&f1s), mean(&aucs), mean(&aps)];
        f1s.into_iter().zip(aucs).zip(aps).for_each(|((f1, auc), ap)| all.extend([f1, auc, ap]));
        all
    });
    let (overall, by_label) = intervals.split_at(OVERALL.len());
    let number = |metric: &striate_train::Metric| {
        let place = OVERALL.iter().position(|name| *name == metric.name);
        Number::of(metric).bootstrapped(place.and_then(|i| overall[i]))
    };
    let row = |(label, name): (usize, &String)| {
        let number = |metric: &striate_train::Metric| {
            let place = OF_LABEL.iter().position(|name| *name == metric.name);
            Number::of(metric).bootstrapped(place.and_then(|i| by_label[OF_LABEL.len() * label + i]))
        };
        let metrics = metrics.label_metrics(label).iter().map(number).collect();
        let count = (0..n).filter(|&i| answers.target(i, label)).count();
        ClassRow { class: name.clone(), count, metrics }
    };
    (metrics.finish().iter().map(number).collect(), names.iter().enumerate().map(row).collect(), rounds)
}

/// What a resample is measured by: of all labels, and of each.
const OVERALL: [&str; 4] = ["f1_micro", "f1_macro", "roc_auc_macro", "mean_average_precision"];
const OF_LABEL: [&str; 3] = ["f1", "roc_auc", "average_precision"];

/// Metrics of numbers. How often images were resampled comes second.
pub fn numbers(metrics: &RegressionMetrics, answers: &NumberAnswers, seed: u64) -> (Vec<Number>, usize) {
    let outputs = answers.columns.len();
    let n = answers.targets.len() / outputs;
    let rounds = bootstrap::rounds(n * outputs * 4);
    let count = metrics.finish().len();
    let intervals = bootstrap::intervals(n, rounds, seed, count, |times| {
        let columns: Vec<[f64; 3]> = (0..outputs).map(|column| errors(answers, column, times)).collect();
        let over = |i: usize| columns.iter().map(|c| c[i]).sum::<f64>() / outputs as f64;
        let mut all = vec![over(0), over(1), over(2)];
        if outputs > 1 {
            all.extend(columns.iter().flatten());
        }
        all
    });
    let numbers = metrics.finish();
    assert_eq!(numbers.len(), intervals.len(), "metrics of numbers and their intervals are in one order");
    let numbers = numbers.iter().zip(intervals).map(|(metric, interval)| Number::of(metric).bootstrapped(interval));
    (numbers.collect(), rounds)
}

/// MAE, RMSE and R² of a column.
fn errors(answers: &NumberAnswers, column: usize, times: &[u32]) -> [f64; 3] {
    let each = || {
        let of = |(i, &n): (usize, &u32)| {
            let at = i * answers.columns.len() + column;
            (f64::from(n), f64::from(answers.predicted[at]), f64::from(answers.targets[at]))
        };
        times.iter().enumerate().filter(|(_, n)| **n > 0).map(of)
    };
    let total: f64 = each().map(|(n, ..)| n).sum();
    let mean = each().map(|(n, _, target)| n * target).sum::<f64>() / total;
    let absolute: f64 = each().map(|(n, predicted, target)| n * (predicted - target).abs()).sum();
    let squares: f64 = each().map(|(n, predicted, target)| n * (predicted - target).powi(2)).sum();
    let spread: f64 = each().map(|(n, _, target)| n * (target - mean).powi(2)).sum();
    let r2 = match (spread > 0.0, squares == 0.0) {
        (true, _) => 1.0 - squares / spread,
        (false, true) => 1.0,
        (false, false) => 0.0,
    };
    [absolute / total, (squares / total).sqrt(), r2]
}

/// The mean of those that are defined.
fn mean(values: &[f64]) -> f64 {
    let defined: Vec<f64> = values.iter().copied().filter(|x| !x.is_nan()).collect();
    defined.iter().sum::<f64>() / defined.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use striate_train::Detail;

    #[test]
    fn numbers_have_intervals_that_hold_them() {
        let n = 60;
        let targets: Vec<f32> = (0..2 * n).map(|i| (i % 17) as f32).collect();
        let predicted: Vec<f32> = targets.iter().enumerate().map(|(i, t)| t + (i % 5) as f32 - 2.0).collect();
        let mut metrics = RegressionMetrics::new(vec!["x".into(), "y".into()]);
        metrics.add(&predicted, &targets);
        let answers = NumberAnswers { columns: vec!["x".into(), "y".into()], predicted, targets };
        let (numbers, rounds) = numbers(&metrics, &answers, 0);
        assert_eq!((numbers.len(), rounds), (9, 1000));
        for number in &numbers {
            let (value, [low, high]) = (number.value.unwrap(), number.interval_95.unwrap());
            assert!(low < value && value < high, "{number:?}");
        }
    }

    #[test]
    fn labels_have_intervals_that_hold_them() {
        let n = 80;
        let targets: Vec<f32> = (0..2 * n).map(|i| (i % 3 == 0) as u8 as f32).collect();
        let predicted: Vec<f32> =
            targets.iter().enumerate().map(|(i, t)| 0.3 + 0.3 * t + ((i * 7) % 10) as f32 / 20.0).collect();
        let thresholds = [0.6, 0.7];
        let mut metrics = MultiLabelMetrics::new(2, Detail::Scores).thresholds(&thresholds);
        metrics.add_probabilities(&predicted, &targets);
        let targets = targets.iter().map(|t| *t > 0.5).collect();
        let answers = LabelAnswers { thresholds: thresholds.to_vec(), probabilities: predicted, targets };
        let (overall, rows, _) = labels(&metrics, &answers, &["a".into(), "b".into()], 0);
        for number in overall.iter().chain(rows.iter().flat_map(|row| &row.metrics)) {
            let (value, [low, high]) =
                (number.value.unwrap(), number.interval_95.unwrap_or_else(|| panic!("{number:?}")));
            assert!(low <= value && value <= high, "{number:?}");
        }
    }
}
