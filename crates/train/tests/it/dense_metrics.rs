//! Metrics of boxes against pycocotools, and of maps of classes against scikit-learn and SciPy: fixtures by `scripts/fixture_dense_metrics.py`.

use super::metrics::{assert_close, assert_metrics, assert_part, in_batches, number, numbers, read, size};
use serde_json::Value;
use striate_data::Object;
use striate_model::Detection;
use striate_train::{Detail, DetectionMetrics, Metrics, OperatingPoint, SegmentationMetrics};

/// What was found in an image, and its objects.
fn image(image: &Value) -> (Vec<Detection>, Vec<Object>) {
    let rows = |value: &Value| value.as_array().unwrap().iter().map(numbers).collect::<Vec<_>>();
    let bbox = |edges: &[f64]| std::array::from_fn(|i| edges[i] as f32);
    let object = |row: Vec<f64>| Object {
        crowd: row[5] == 1.0,
        difficult: row[5] == 2.0,
        ..Object::new(row[0] as usize, bbox(&row[1..]))
    };
    let found = |row: Vec<f64>| Detection { class: row[0] as usize, score: row[1] as f32, bbox: bbox(&row[2..]) };
    (rows(&image[1]).into_iter().map(found).collect(), rows(&image[0]).into_iter().map(object).collect())
}

/// The highest precision from a recall on.
fn precision_from(points: &[OperatingPoint], recall: f64) -> f64 {
    points.iter().filter(|p| p.recall >= recall).map(|p| p.precision).fold(0.0, f64::max)
}

#[test]
fn boxes_are_measured_as_pycocotools_does() {
    for case in read("detection.json").as_array().unwrap() {
        let name = case["name"].as_str().unwrap();
        let images: Vec<_> = case["images"].as_array().unwrap().iter().map(image).collect();
        let classes = size(&case["classes"]);
        let metrics = in_batches(images.len(), &DetectionMetrics::new(classes), |metrics, first, end| {
            images[first..end].iter().for_each(|(found, objects)| metrics.add(found, objects));
        });
        assert_metrics(name, &metrics.finish(), &case["metrics"]);
        for class in 0..classes {
            assert_part(name, &metrics.class_metrics(class), &case["by_class"], class);
            let points = metrics.precision_recall(class);
            let Some(expected) = case["precision50"][class].as_array() else {
                assert!(points.iter().all(|point| point.true_positives == 0), "{name}, {class}");
                continue;
            };
            // COCO goes on from box to box, also among those of one score.
            if name == "distinct" {
                // The recalls that it asks for differ from hundredths by rounding.
                for (i, expected) in expected.iter().map(number).enumerate() {
                    let near = [-1e-12, 1e-12].map(|e| precision_from(&points, i as f64 * 0.01 + e));
                    let right = |precision: &f64| (precision - expected).abs() < 1e-9;
                    assert!(near.iter().any(right), "{name}, {class}: {near:?}, pycocotools {expected} at {i}");
                }
            }
        }
        let errors = metrics.image_errors(0.0);
        let wrong: usize = errors.iter().map(|e| e.false_boxes).sum();
        let last = |class| metrics.precision_recall(class).last().map_or(0, |point| point.false_positives);
        assert_eq!((errors.len(), wrong), (images.len(), (0..classes).map(last).sum()), "{name}");
    }
}

#[test]
fn merging_gives_the_same_bits() {
    let case = &read("detection.json")[0];
    let images: Vec<_> = case["images"].as_array().unwrap().iter().map(image).collect();
    let empty = DetectionMetrics::new(size(&case["classes"]));
    let mut whole = empty.clone();
    images.iter().for_each(|(found, objects)| whole.add(found, objects));
    for batch in [1, 2, 7] {
        let mut merged = empty.clone();
        for images in images.chunks(batch) {
            let mut part = empty.clone();
            images.iter().for_each(|(found, objects)| part.add(found, objects));
            merged.merge(&part);
        }
        assert_eq!(merged, whole);
    }
}

#[test]
fn pixels_are_measured_as_scikit_learn_does() {
    for (i, case) in read("segmentation.json").as_array().unwrap().iter().enumerate() {
        let name = format!("case {i}");
        let maps = |value: &Value| -> Vec<Vec<i64>> {
            let class = |c: char| c.to_digit(10).map_or(-100, i64::from);
            value.as_array().unwrap().iter().map(|map| map.as_str().unwrap().chars().map(class).collect()).collect()
        };
        let (targets, predictions) = (maps(&case["targets"]), maps(&case["predictions"]));
        let [height, width] = [0, 1].map(|axis| size(&case["shape"][axis]));
        let classes = size(&case["classes"]);
        let empty = SegmentationMetrics::new(classes, Detail::Full).tolerance(number(&case["tolerance"]));
        let metrics = in_batches(targets.len(), &empty, |metrics, first, end| {
            metrics.add(&predictions[first..end].concat(), &targets[first..end].concat(), [height, width]);
        });
        assert_metrics(&name, &metrics.finish(), &case["metrics"]);
        for class in 0..classes {
            for metric in metrics.class_metrics(class).iter().filter(|m| case["by_class"].get(&m.name).is_some()) {
                let expected = numbers(&case["by_class"][&metric.name])[class];
                assert_close(&format!("{name}, {class}: {}", metric.name), metric.value, expected);
            }
        }
        let mut running = SegmentationMetrics::new(classes, Detail::Running);
        running.add(&predictions.concat(), &targets.concat(), [height, width]);
        assert_eq!(running.finish(), metrics.finish()[..3]);
        assert!(running.image_ious().is_none());
        assert_eq!(metrics.image_ious().unwrap().len(), targets.len());
    }
}
