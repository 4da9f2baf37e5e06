//! Calibration, sets of classes, images out of distribution and label errors, through the program.

use crate::common::*;
use serde_json::Value;
use std::fs;
use std::path::Path;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

/// A quick run on the built-in data.
fn digits(d: &Path) {
    succeed(d, &["train", "--model", "lenet", "--epochs", "1", "--fraction", "0.03", "--out", "run", "--quiet"]);
}

/// A digit-like image.
fn bar(d: &Path) {
    let pixels = (0..28 * 28).map(|i| if (12..16).contains(&(i % 28)) && (84..700).contains(&i) { 255 } else { 0 });
    fs::write(d.join("bar.pgm"), [b"P5 28 28 255\n".to_vec(), pixels.collect::<Vec<u8>>()].concat()).unwrap();
}

#[test]
fn a_temperature_is_fitted_stored_and_used() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    digits(d);
    bar(d);
    let model = d.join("run/model.safetensors");
    let (before, bytes) = (weights(&model), fs::read(&model).unwrap());
    let plain = json(&succeed(d, &["predict", "run", "bar.pgm", "--json"]));
    fail(d, &["predict", "run", "bar.pgm", "--coverage", "0.9"], 1, &["holds no scores for sets", "calibrate run"]);

    let text = succeed(d, &["calibrate", "run", "--dry-run", "--plots", "plots"]);
    assert!(text.contains("Temperature: ") && text.contains("Nothing is written"), "{text}");
    assert!(fs::read_to_string(d.join("plots/reliability.svg")).unwrap().contains("after"));
    assert!(fs::read_to_string(d.join("plots/coverage.svg")).unwrap().starts_with("<svg"));
    succeed(d, &["calibrate", "run", "--out", "other.safetensors"]);
    assert_eq!(fs::read(&model).unwrap(), bytes);
    let said = json(&succeed(d, &["calibrate", "run", "--json", "--coverage", "0.9"]));
    assert_eq!(weights(&model), before);
    assert_eq!(fs::read(&model).unwrap(), fs::read(d.join("other.safetensors")).unwrap());

    let temperature = said["temperatures"][0].as_f64().unwrap();
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} in {said}"));
    let calibration = &said["calibration"];
    assert!((0.05..20.0).contains(&temperature) && temperature != 1.0, "{said}");
    assert!(number(&calibration["after"]["nll"]) <= number(&calibration["before"]["nll"]) + 1e-3, "{said}");
    assert_eq!((&said["measured_on"], &said["images"]), (&"validation".into(), &10_000.into()));
    let folds: Vec<f64> = calibration["fold_temperatures"].as_array().unwrap().iter().map(number).collect();
    assert!(folds.len() == 5 && folds.iter().all(|t| (t / temperature - 1.0).abs() < 0.1), "{said}");
    for set in said["prediction_sets"].as_array().unwrap() {
        let interval = &set["coverage_interval_95"];
        assert!(number(&interval[1]) > 0.9 && number(&set["mean_size"]) < 10.0, "{set}");
    }

    let output = run(d, &["predict", "run", "bar.pgm", "--json", "--coverage", "0.95", "--sets", "aps"]);
    assert!(stderr(&output).contains("fitted on 10,000 validation images of mnist"), "{}", stderr(&output));
    let scaled = json(&stdout(&output));
    assert_eq!(scaled["class"], plain["class"]);
    assert_ne!(scaled["probability"], plain["probability"]);
    assert_eq!((&scaled["set"]["coverage"], &scaled["set"]["method"]), (&0.95.into(), &"aps".into()));
    assert!(scaled["set"]["classes"].as_array().unwrap().contains(&scaled["class"]), "{scaled}");
    let text = succeed(d, &["predict", "run", "bar.pgm", "--coverage", "0.99995"]);
    assert!(text.contains("; 99.995% set: 0, ") || text.contains(", 0"), "{text}");

    let output = run(d, &["eval", "run"]);
    assert!(stderr(&output).contains("fitted on 10,000 of these images"), "{}", stderr(&output));
    assert!(stdout(&output).contains("at a temperature of"), "{}", stdout(&output));
    let measured = json(&succeed(d, &["eval", "run", "--json"]));
    assert_eq!(measured["calibration"]["before"], calibration["before"]);
    assert_eq!(measured["calibration"]["fitted_on_these"], 10_000);

    // The file that is exported says the calibrated probabilities.
    succeed(d, &["export", "run", "--format", "onnx", "--softmax", "--out", "model.onnx"]);
    succeed(d, &["import", "model.onnx", "--out", "back.safetensors"]);
    let back = json(&succeed(d, &["predict", "back.safetensors", "bar.pgm", "--json", "--coverage", "0.9"]));
    let (a, b) = (back["probability"].as_f64().unwrap(), scaled["probability"].as_f64().unwrap());
    assert!((a - b).abs() < 1e-4, "{a} {b}");
}

#[test]
fn what_cannot_be_calibrated_is_said_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 6, 28);
    succeed(d, &["train", "squares", "--model", "lenet", "--epochs", "1", "--out", "run", "--quiet"]);
    let model = fs::read(d.join("run/model.safetensors")).unwrap();
    fail(d, &["calibrate", "run"], 1, &["needs 10 images or more", "there are 6"]);
    fail(d, &["calibrate", "run", "none"], 1, &["none"]);
    fail(d, &["calibrate", "run", "mnist", "--out", "no/such/dir.safetensors"], 1, &["no/such"]);
    for wrong in ["0", "1", "95", "x"] {
        let output = run(d, &["calibrate", "run", "--coverage", wrong]);
        assert!(output.status.code() == Some(2) && stderr(&output).contains("between 0 and 1"), "{wrong}");
    }
    assert_eq!(fs::read(d.join("run/model.safetensors")).unwrap(), model);
    // Ten images are enough for a temperature, and too few for sets.
    fs::remove_dir_all(d.join("squares")).unwrap();
    idx_dir(d, 60, 12, 28);
    let output = run(d, &["calibrate", "run", "squares"]);
    assert!(output.status.success() && stderr(&output).contains("too few for sets of 95%"), "{}", stderr(&output));
    bar(d);
    let output = run(d, &["predict", "run", "bar.pgm", "--coverage", "0.95"]);
    assert!(stderr(&output).contains("19 or more are needed"), "{}", stderr(&output));
    assert!((0..10).all(|c| stdout(&output).contains(&c.to_string())), "{}", stdout(&output));
}

#[test]
fn other_images_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    digits(d);
    idx_dir(d, 10, 200, 28);
    let found = json(&succeed(d, &["eval", "run", "--out-of-distribution", "squares", "--json"]));
    let found = &found["out_of_distribution"];
    assert_eq!((&found["inside"], &found["outside"], &found["data"]), (&10_000.into(), &200.into(), &"squares".into()));
    let scores = found["scores"].as_array().unwrap();
    let names: Vec<&str> = scores.iter().map(|s| s["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["maximum_softmax", "energy", "mahalanobis"]);
    assert!(scores.iter().all(|s| s["auroc"].as_f64().unwrap() > 0.5), "{found}");
    assert!(scores[2]["auroc"].as_f64().unwrap() > 0.9, "{found}");
    let text = succeed(d, &["eval", "run", "--out-of-distribution", "squares"]);
    assert!(text.contains("200 of squares against these 10,000") && text.contains("FPR at 95% TPR"), "{text}");
    fail(d, &["eval", "run", "--out-of-distribution", "mnist"], 1, &["all 10000 images are among those"]);
    fs::create_dir(d.join("empty")).unwrap();
    fail(d, &["eval", "run", "--out-of-distribution", "empty"], 1, &["empty", "no images"]);
    // A folder without classes will do, and of images that are inside, too, the rest is taken.
    fs::create_dir(d.join("flat")).unwrap();
    bar(&d.join("flat"));
    let found = json(&succeed(d, &["eval", "run", "--out-of-distribution", "flat", "--json"]));
    assert_eq!(found["out_of_distribution"]["outside"], 1);
}

/// Images of three classes by the place of a bright bar, on noise; every 12th has another label. Gives their names.
fn mislabelled(d: &Path, n: usize) -> Vec<String> {
    fs::create_dir_all(d.join("bars")).unwrap();
    let mut state = 5u32;
    let mut noise = move || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 25) as u8
    };
    let (mut table, mut wrong) = ("path,label\n".to_string(), Vec::new());
    for i in 0..n {
        let actual = i % 3;
        let label = if i % 12 == 0 { (actual + 1 + i / 12 % 2) % 3 } else { actual };
        let pixel = |at: usize, noise: u8| if (at / 24) / 8 == actual { 255 - noise } else { noise };
        let pixels: Vec<u8> = (0..24 * 24).map(|at| pixel(at, noise())).collect();
        let name = format!("bars/{i:03}.pgm");
        fs::write(d.join(&name), [b"P5 24 24 255\n".to_vec(), pixels].concat()).unwrap();
        table += &format!("{name},class {label}\n");
        if label != actual {
            wrong.push(name);
        }
    }
    fs::write(d.join("bars.csv"), table).unwrap();
    wrong
}

#[test]
fn planted_label_errors_are_listed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let wrong = mislabelled(d, 360);
    let net = "maxpool 4, flatten, linear 16, relu, linear";
    succeed(
        d,
        &[
            "train",
            "bars.csv",
            "--folds",
            "3",
            "--model",
            net,
            "--epochs",
            "3",
            "--batch-size",
            "16",
            "--out",
            "folds",
            "--quiet",
        ],
    );
    let found = json(&succeed(d, &["label-errors", "folds", "--json", "--csv", "suspects.csv"]));
    let suspects: Vec<&str> =
        found["suspects"].as_array().unwrap().iter().map(|s| s["image"].as_str().unwrap()).collect();
    let right = suspects.iter().filter(|name| wrong.iter().any(|wrong| wrong == *name)).count();
    assert!(right >= 8 && suspects.len() <= right + 2, "{right} of {}: {suspects:?}", wrong.len());
    assert_eq!(fs::read_to_string(d.join("suspects.csv")).unwrap().lines().count(), 1 + suspects.len());
    let text = succeed(d, &["label-errors", "folds/predictions.csv", "--strict", "--top", "3"]);
    assert!(text.contains("360 images, each answered by a model that has not learnt from it"), "{text}");
    assert!(text.contains("These are the 3 least likely labels of"), "{text}");
    // Of a model, the images that it has not learnt from.
    let text = succeed(d, &["label-errors", "folds/fold-1", "bars.csv"]);
    assert!(text.contains("(120 validation images"), "{text}");
    fail(d, &["label-errors", "folds", "bars.csv"], 1, &["leave bars.csv out"]);
    fail(d, &["label-errors", "folds", "--csv", "folds/predictions.csv"], 1, &["write over"]);
    fail(d, &["label-errors", "bars.csv"], 1, &["bars.csv: no table of answers"]);
}
