//! Suppression against torchvision and the paper of soft-NMS, regions against SciPy: fixtures by `scripts/fixture_boxes.py` and
//! `scripts/fixture_dense_metrics.py`.

use serde_json::Value;
use std::path::Path;
use striate_model::{Connectivity, Detection, Regions, Suppression, SuppressionMethod};

fn cases(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn the_boxes_that_stay_are_those_of_torchvision_and_the_paper() {
    for (i, case) in cases("boxes.json").iter().enumerate() {
        let boxes: Vec<[f32; 4]> = read(&case["boxes"]);
        let (scores, classes): (Vec<f32>, Vec<usize>) = (read(&case["scores"]), read(&case["classes"]));
        let (iou, sigma) = (read(&case["iou"]), read(&case["sigma"]));
        let of = |i: usize| Detection { class: classes[i], score: scores[i], bbox: boxes[i] };
        let found: Vec<Detection> = (0..boxes.len()).map(of).collect();
        let kept = |method| {
            let (max_candidates, max_detections) = (usize::MAX, usize::MAX);
            let score_threshold = read(&case["threshold"]);
            Suppression { method, score_threshold, max_candidates, max_detections }.apply(&found)
        };
        let hard: Vec<usize> = read(&case["nms"]);
        let expected: Vec<Detection> = hard.into_iter().map(of).collect();
        assert_eq!(kept(SuppressionMethod::Nms { iou }), expected, "case {i}");
        for (name, method) in [
            ("soft_nms", SuppressionMethod::SoftNms { sigma }),
            ("soft_nms_linear", SuppressionMethod::SoftNmsLinear { iou }),
        ] {
            let expected: Vec<(usize, f32)> = read(&case[name]);
            let kept = kept(method);
            assert_eq!(kept.len(), expected.len(), "case {i}: {name}");
            // Scores that differ by rounding alone may change places: each box is looked up.
            for (index, score) in expected {
                let same = |d: &&Detection| d.bbox == boxes[index] && (d.score - score).abs() < 1e-5;
                assert!(kept.iter().any(|d| same(&d)), "case {i}: {name}: no box {index} with score {score}");
            }
            assert!(kept.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}

#[test]
fn regions_are_those_of_scipy() {
    for (i, case) in cases("regions.json").iter().enumerate() {
        let rows: Vec<String> = read(&case["rows"]);
        let classes: Vec<u8> = rows.iter().flat_map(|row| row.bytes().map(|digit| digit - b'0')).collect();
        for (name, connectivity) in [("edges", Connectivity::Edges), ("corners", Connectivity::Corners)] {
            let found = Regions::of(&classes, rows[0].len(), connectivity, |class| class != 0);
            let expected = case[name].as_array().unwrap();
            assert_eq!(found.regions.len(), expected.len(), "case {i}: {name}");
            for region in &found.regions {
                let same = |e: &&Value| {
                    let centroid: [f64; 2] = read(&e["centroid"]);
                    read::<u8>(&e["class"]) == region.class
                        && read::<usize>(&e["area"]) == region.area
                        && read::<[usize; 4]>(&e["bbox"]) == region.bbox
                        && centroid.iter().zip(region.centroid).all(|(a, b)| (a - b).abs() < 1e-9)
                };
                assert!(expected.iter().any(|e| same(&e)), "case {i}: {name}: {region:?}");
            }
            let areas = |label: u32| found.labels.iter().filter(|&&l| l == label).count();
            for (k, region) in found.regions.iter().enumerate() {
                assert_eq!(areas(k as u32 + 1), region.area, "case {i}: {name}");
            }
        }
    }
}
