//! Metrics against scikit-learn: fixtures by `scripts/fixture_metrics.py`.

use serde_json::Value;
use std::path::Path;
use striate_train::{ClassificationMetrics, Detail, Metric, Metrics, MultiLabelMetrics, RegressionMetrics};

/// Scores are exact in `f32`, and everything is computed in `f64`.
const TOLERANCE: f64 = 1e-9;

fn cases(family: &str) -> Vec<Value> {
    read("metrics.json")[family].as_array().unwrap().clone()
}

/// The fixtures of a file.
pub fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(number).collect()
}

/// Null is NaN.
pub fn number(value: &Value) -> f64 {
    if value.is_null() { f64::NAN } else { value.as_f64().unwrap() }
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|x| x as f32).collect()
}

pub fn size(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

pub fn assert_close(what: &str, found: f64, expected: f64) {
    let close = (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0);
    assert!(close || found.is_nan() && expected.is_nan(), "{what}: {found}, the fixture {expected}");
}

/// Whether the metrics are those of `expected`, all of them.
pub fn assert_metrics(case: &str, found: &[Metric], expected: &Value) {
    let expected = expected.as_object().unwrap();
    assert_eq!(found.len(), expected.len(), "{case}");
    for metric in found {
        assert_close(&format!("{case}: {}", metric.name), metric.value, number(&expected[&metric.name]));
        let interval = metric.interval_95.unwrap_or([metric.value; 2]);
        assert!(metric.value.is_nan() || interval[0] <= metric.value && metric.value <= interval[1], "{metric:?}");
    }
}

/// Whether each of the numbers of part `index` is that of `expected`, by name a list of all parts.
pub fn assert_part(case: &str, found: &[Metric], expected: &Value, index: usize) {
    let expected = expected.as_object().unwrap();
    assert_eq!(found.len(), expected.len(), "{case}");
    for metric in found {
        let expected = numbers(&expected[&metric.name])[index];
        assert_close(&format!("{case}, {index}: {}", metric.name), metric.value, expected);
    }
}

/// The metrics of all samples, added batch by batch to one and to several accumulators that are merged.
pub fn in_batches<M: Metrics>(samples: usize, empty: &M, add: impl Fn(&mut M, usize, usize)) -> M {
    let mut whole = empty.clone();
    add(&mut whole, 0, samples);
    let merged = |sizes: &[usize]| {
        let mut merged = empty.clone();
        let (mut first, mut sizes) = (0, sizes.iter().cycle());
        while first < samples {
            let end = samples.min(first + sizes.next().unwrap());
            let mut part = empty.clone();
            add(&mut part, first, end);
            merged.merge(&part);
            first = end;
        }
        merged
    };
    for sizes in [&[1][..], &[2, 5, 1, 11], &[1000]] {
        let merged_once = merged(sizes);
        assert_eq!(merged_once, merged(sizes), "the same merges give the same bits");
        for (a, b) in merged_once.finish().iter().zip(whole.finish()) {
            assert_eq!((&a.name, a.direction, a.scale), (&b.name, b.direction, b.scale));
            assert_close(&a.name, a.value, b.value);
        }
        let text = serde_json::to_string(&merged_once).unwrap();
        assert_eq!(serde_json::from_str::<M>(&text).unwrap(), merged_once);
    }
    whole
}

#[test]
fn classification_is_scikit_learns() {
    for case in cases("classification") {
        let (name, classes) = (case["name"].as_str().unwrap(), size(&case["classes"]));
        let scores = floats(&case["scores"]);
        let labels: Vec<i64> = numbers(&case["labels"]).into_iter().map(|x| x as i64).collect();
        let empty = ClassificationMetrics::new(classes, Detail::Scores);
        let metrics = in_batches(labels.len(), &empty, |m, from, to| {
            m.add_probabilities(&scores[from * classes..to * classes], classes, &labels[from..to]);
        });
        assert_metrics(name, &metrics.finish(), &case["expected"]);

        let confusion = metrics.confusion().unwrap();
        for (class, row) in case["confusion"].as_array().unwrap().iter().enumerate() {
            let expected: Vec<usize> = numbers(row).into_iter().map(|x| x as usize).collect();
            assert_eq!(confusion.counts()[class], expected, "{name}: {class}");
            assert_part(name, &metrics.class_metrics(class), &case["by_class"], class);
        }
        let micro = confusion.micro_average();
        for (found, expected) in [micro.precision, micro.recall, micro.f1].into_iter().zip(numbers(&case["micro"])) {
            assert_close(&format!("{name}: micro"), found, expected);
        }
        let ranking = metrics.ranking(0).unwrap();
        let column = |of: &dyn Fn(usize) -> f64| (0..ranking.points().len()).map(of).collect::<Vec<f64>>();
        let (points, expected) = (ranking.points(), &case["first_class"]);
        assert_eq!(column(&|i| points[i].threshold as f64), numbers(&expected["threshold"]), "{name}");
        assert_eq!(column(&|i| points[i].true_positives as f64), numbers(&expected["true_positives"]), "{name}");
        assert_eq!(column(&|i| points[i].false_positives as f64), numbers(&expected["false_positives"]), "{name}");
    }
}

#[test]
fn regression_is_scikit_learns() {
    for case in cases("regression") {
        let (name, columns) = (case["name"].as_str().unwrap(), size(&case["columns"]));
        let (predicted, targets) = (floats(&case["predicted"]), floats(&case["targets"]));
        let empty = RegressionMetrics::new((0..columns).map(|c| format!("column{c}")).collect());
        let metrics = in_batches(targets.len() / columns, &empty, |m, from, to| {
            m.add(&predicted[from * columns..to * columns], &targets[from * columns..to * columns]);
        });
        let finished = metrics.finish();
        assert_metrics(name, &finished[..3], &case["expected"]);
        for (i, metric) in finished[3..].iter().enumerate() {
            let (measure, column) = (metric.name.split('/').next().unwrap(), i / 3);
            assert_eq!(metric.name, format!("{measure}/column{column}"));
            let expected = numbers(&case["by_column"][measure])[column];
            assert_close(&format!("{name}: {}", metric.name), metric.value, expected);
        }
        assert_eq!(finished.len(), if columns > 1 { 3 + 3 * columns } else { 3 });
    }
}

#[test]
fn multi_label_is_scikit_learns() {
    for case in cases("multi_label") {
        let (name, labels) = (case["name"].as_str().unwrap(), size(&case["labels"]));
        let (scores, targets) = (floats(&case["scores"]), floats(&case["targets"]));
        let empty = MultiLabelMetrics::new(labels, Detail::Full).thresholds(&floats(&case["thresholds"]));
        let metrics = in_batches(targets.len() / labels, &empty, |m, from, to| {
            m.add_probabilities(&scores[from * labels..to * labels], &targets[from * labels..to * labels]);
        });
        assert_metrics(name, &metrics.finish(), &case["expected"]);
        for label in 0..labels {
            assert_part(name, &metrics.label_metrics(label), &case["by_label"], label);
        }
        assert_eq!(metrics.best_thresholds(), floats(&case["best_thresholds"]), "{name}");
    }
}
