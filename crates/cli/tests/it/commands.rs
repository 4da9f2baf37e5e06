//! What the commands print and write.

use crate::common::*;
use std::fs;
use std::path::Path;

#[test]
fn train_prints_the_promised_lines_and_leaves_a_run_directory() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 200, 50, 28);
    let out = succeed(dir.path(), &["train", "squares", "--epochs", "2", "--batch-size", "20", "--log-every", "5"]);
    let lines: Vec<&str> = out.lines().collect();
    let form = |line: &str, start: &str| line.starts_with(start) && line.ends_with('%');
    assert!(
        lines[0].starts_with(
            "Training mnist-net (1199882 parameters) on squares (200 training and 50 test images of 1×28×28; 10 classes: "
        ),
        "{out}"
    );
    assert!(form(lines[1], "Epoch: [1/2], Step: [5/10], Loss: "), "{out}");
    assert!(form(lines[2], "Epoch: [1/2], Step: [10/10], Loss: "), "{out}");
    assert!(form(lines[3], "Epoch: [1/2], Test Loss: ") && lines[3].contains(", Test Accuracy: "), "{out}");
    assert!(form(lines[6], "Epoch: [2/2], Test Loss: "), "{out}");
    assert!(lines[9].contains(" eval runs/squares-mnist-net-1/model.safetensors"), "{out}");
    assert!(lines[10].contains(" predict runs/squares-mnist-net-1/model.safetensors IMAGE.png"), "{out}");
    let run = dir.path().join("runs/squares-mnist-net-1");
    for file in ["model.safetensors", "checkpoint.safetensors", "config.toml", "metrics.csv"] {
        assert!(run.join(file).is_file(), "{file}");
    }
    let metrics = fs::read_to_string(run.join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 1 + 4 + 2, "{metrics}");
    succeed(dir.path(), &["train", "squares", "--epochs", "1", "--batch-size", "100", "--quiet"]);
    assert!(dir.path().join("runs/squares-mnist-net-2").is_dir());
}

/// Each setting changes the weights, and a run's directory says what it was.
#[test]
fn the_optimizer_and_its_settings_are_taken() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 60, 20, 28);
    let train = |out: &str, more: &[&str]| {
        let base =
            ["train", "squares", "--model", "lenet", "--epochs", "2", "--batch-size", "20", "--quiet", "--out", out];
        succeed(dir.path(), &[&base[..], more].concat());
        weights(&dir.path().join(out).join("model.safetensors"))
    };
    let mut seen = vec![train("plain", &[])];
    let settings: [&[&str]; 12] = [
        &["--optimizer", "adamw"],
        &["--optimizer", "rmsprop"],
        &["--optimizer", "adagrad"],
        &["--optimizer", "nadam"],
        &["--optimizer", "lion"],
        &["--optimizer", "lamb"],
        &["--weight-decay", "0.1"],
        &["--weight-decay", "0.1", "--decay-bias-and-norm"],
        &["--schedule", "onecycle"],
        &["--clip-norm", "0.01"],
        &["--accumulate", "3", "--ema", "0.9"],
        &["--label-smoothing", "0.2"],
    ];
    for (i, more) in settings.into_iter().enumerate() {
        let weights = train(&format!("run-{i}"), more);
        assert!(!seen.contains(&weights), "{more:?} changes nothing");
        seen.push(weights);
    }
    let config = fs::read_to_string(dir.path().join("run-10/config.toml")).unwrap();
    assert!(config.contains("accumulate = 3") && config.contains("ema = 0.9"), "{config}");
    // Three batches of an epoch make one step, and the learning rate of the last one is written down.
    let metrics = fs::read_to_string(dir.path().join("run-10/metrics.csv")).unwrap();
    assert!(metrics.lines().nth(1).unwrap().starts_with("1,1,train,"), "{metrics}");
    let metrics = fs::read_to_string(dir.path().join("run-8/metrics.csv")).unwrap();
    let lr: f64 = metrics.lines().nth(3).unwrap().split(',').nth(3).unwrap().parse().unwrap();
    assert!(lr < 1e-6, "{metrics}");
}

#[test]
fn quiet_says_nothing_and_json_is_json() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 100, 20, 28);
    let base = ["train", "squares", "--epochs", "1", "--model", "lenet"];
    assert_eq!(succeed(dir.path(), &[&base[..], &["--quiet"]].concat()), "");
    let out = succeed(dir.path(), &[&base[..], &["--log", "json"]].concat());
    let events: Vec<serde_json::Value> = out.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|e| e["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["started", "checkpoint", "progress", "measured", "checkpoint", "finished"]);
    assert_eq!(events[0]["train_samples"], 100);
}

#[test]
fn eval_measures_what_train_measured() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 300, 60, 28);
    let out = succeed(dir.path(), &["train", "squares", "--epochs", "2", "--batch-size", "20", "--out", "run"]);
    let accuracy = out.lines().filter_map(|l| l.split("Test Accuracy: ").nth(1)).next_back().unwrap();
    let text = succeed(dir.path(), &["eval", "run/model.safetensors"]);
    assert!(text.contains(&format!("Accuracy: {accuracy} (95% interval: ")), "{text}");
    let json: serde_json::Value =
        serde_json::from_str(&succeed(dir.path(), &["eval", "run/model.safetensors", "squares", "--json"])).unwrap();
    let total: u64 = json["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|r| r.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!((total, json["images"].as_u64()), (60, Some(60)));
    let interval = json["accuracy_interval_95"].as_array().unwrap();
    let accuracy = json["accuracy"].as_f64().unwrap();
    assert!(accuracy > 0.9, "bright squares are easy: {accuracy}");
    assert!(interval[0].as_f64().unwrap() < accuracy && accuracy <= interval[1].as_f64().unwrap());
    // Every metric has an interval that holds it, unless all resamples are right.
    for (name, value) in json["metrics"].as_object().unwrap() {
        let value = value.as_f64().unwrap_or_else(|| panic!("{name}: {json}"));
        if value == 1.0 && json["intervals_95"][name].is_null() {
            continue;
        }
        let [low, high] =
            [0, 1].map(|i| json["intervals_95"][name][i].as_f64().unwrap_or_else(|| panic!("{name}: {json}")));
        assert!(low <= value && value <= high && high - low < 0.3, "{name}: {value} from {low} to {high}");
    }
    for name in ["precision_micro", "recall_micro", "f1_micro"] {
        assert!((json["metrics"][name].as_f64().unwrap() - accuracy).abs() < 1e-12, "{name}");
    }
    assert!(
        text.contains("Precision (micro): ") && text.contains(", F1 (micro): ") && !text.contains("Top-2"),
        "{text}"
    );
    let top = succeed(dir.path(), &["eval", "run", "--top-k", "2"]);
    assert!(top.contains("\nTop-2 accuracy: ") && top.contains("(95% interval: "), "{top}");
    let top: serde_json::Value =
        serde_json::from_str(&succeed(dir.path(), &["eval", "run", "--top-k", "10", "--json"])).unwrap();
    assert_eq!(top["metrics"]["top_10_accuracy"], 1.0);
    fail(dir.path(), &["eval", "run", "--top-k", "0"], 2, &["--top-k"]);
}

#[test]
fn metrics_of_scores_are_measured_where_they_are_monitored() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 100, 40, 28);
    let train = |out: &str, more: &[&str]| {
        let args =
            ["train", "squares", "--model", "lenet", "--epochs", "2", "--batch-size", "20", "--quiet", "--out", out];
        succeed(d, &[&args[..], more].concat());
        fs::read_to_string(d.join(out).join("metrics.csv")).unwrap()
    };
    let (usual, ranked) = (train("usual", &[]), train("ranked", &["--monitor", "roc_auc_macro"]));
    assert!(!usual.contains("roc_auc_macro") && !usual.contains("average_precision_macro"), "{usual}");
    let mut rows = ranked.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = rows.next().unwrap();
    let place = names.iter().position(|name| *name == "roc_auc_macro").unwrap();
    assert!(names.contains(&"average_precision_macro"));
    let aucs: Vec<f64> = rows.filter(|row| row[2] != "train").map(|row| row[place].parse().unwrap()).collect();
    assert!(aucs.len() == 2 && aucs.iter().all(|auc| (0.5..=1.0).contains(auc)), "{ranked}");
    // What chose the best epoch is what eval measures of its weights.
    let measured: serde_json::Value = serde_json::from_str(&succeed(d, &["eval", "ranked", "--json"])).unwrap();
    let auc = measured["metrics"]["roc_auc_macro"].as_f64().unwrap();
    let best = aucs.iter().copied().fold(0.0, f64::max);
    assert!((auc - best).abs() < 1e-5, "{auc} {aucs:?}");
    fail(
        d,
        &["train", "squares", "--monitor", "roc_auc"],
        1,
        &["--monitor: there is no metric 'roc_auc'", "roc_auc_macro"],
    );
}

#[test]
fn predict_goes_on_after_an_image_that_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 100, 20, 28);
    succeed(dir.path(), &["train", "squares", "--epochs", "1", "--out", "run", "--quiet"]);
    let image =
        image::GrayImage::from_fn(60, 40, |x, y| image::Luma([if x > 20 && x < 30 && y > 5 { 0 } else { 255 }]));
    image.save(dir.path().join("dark on light.png")).unwrap();
    let mut inverted = image;
    image::imageops::colorops::invert(&mut inverted);
    inverted.save(dir.path().join("light.png")).unwrap();
    fs::write(dir.path().join("broken.png"), b"not an image").unwrap();
    let output = run(
        dir.path(),
        &["predict", "run/model.safetensors", "dark on light.png", "broken.png", "missing.jpg", "light.png"],
    );
    assert_eq!(output.status.code(), Some(1));
    let (out, err) = (stdout(&output), stderr(&output));
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines.len(), 2, "{out}");
    assert!(lines[0].starts_with("dark on light.png: ") && lines[0].contains("dark on light, so inverted"), "{out}");
    assert!(lines[1].starts_with("light.png: ") && lines[1].contains("light on dark"), "{out}");
    assert_eq!(
        lines[0].split(": ").nth(1).unwrap().split(';').next(),
        lines[1].split(": ").nth(1).unwrap().split(';').next()
    );
    assert_eq!(err.lines().count(), 2, "{err}");
    assert!(err.contains("broken.png") && err.contains("missing.jpg"), "{err}");
    let json = succeed(dir.path(), &["predict", "run/model.safetensors", "light.png", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!((json["image"].as_str(), json["inverted"].as_bool()), (Some("light.png"), Some(false)));
    assert_eq!(json["top"].as_array().unwrap().len(), 3);
}

#[test]
fn inspect_shows_the_network_layer_by_layer() {
    let dir = tempfile::tempdir().unwrap();
    let out = succeed(dir.path(), &["inspect", "mnist-net"]);
    let row =
        |name: &str| out.lines().find(|l| l.starts_with(name)).unwrap_or_else(|| panic!("{name}: {out}")).to_string();
    let cells = |name: &str| row(name).split_whitespace().map(String::from).collect::<Vec<_>>();
    assert_eq!(cells("conv2"), ["conv2", "conv2d", "1×64×24×24", "18,496", "10,616,832", "147", "kB"]);
    assert_eq!(cells("fc1"), ["fc1", "linear", "1×128", "1,179,776", "1,179,648", "1", "kB"]);
    assert!(row("total").contains("1,199,882"), "{out}");
    // What the first convolution gives, 32×26×26 numbers, and the second, already pooled to 64×12×12, are needed at one time.
    let line = |out: &str, batch: usize, kilobytes: &str| {
        let start = format!("Predicting a batch of {batch} needs {kilobytes} kB for results at a time, and ");
        out.lines().any(|line| {
            line.starts_with(&start) && line.ends_with(" kB for packed weights. Training keeps all results.")
        })
    };
    assert!(line(&out, 1, "123"), "{out}");
    let out = succeed(dir.path(), &["inspect", "mnist-net", "--batch-size", "30"]);
    assert!(line(&out, 30, "3,702"), "{out}");
    let json: serde_json::Value =
        serde_json::from_str(&succeed(dir.path(), &["inspect", "mnist-net", "--json"])).unwrap();
    assert_eq!(json["inference_bytes"].as_u64(), Some(4 * (32 * 26 * 26 + 64 * 12 * 12)));
    let json: serde_json::Value =
        serde_json::from_str(&succeed(dir.path(), &["inspect", "lenet", "--json", "--batch-size", "3"])).unwrap();
    assert_eq!((json["parameters"].as_u64(), json["input"][0].as_u64()), (Some(61706), Some(3)));
}

#[test]
fn completions_exist_for_each_shell_and_a_closed_pipe_is_no_failure() {
    let dir = tempfile::tempdir().unwrap();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(succeed(dir.path(), &["completions", shell]).contains("striate"));
    }
    let mut child = striate(dir.path())
        .args(["completions", "bash"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(0), ""));
}

#[test]
fn help_is_there_for_every_command() {
    let dir = tempfile::tempdir().unwrap();
    for command in ["train", "eval", "predict", "inspect", "models", "export", "bench", "completions"] {
        assert!(succeed(dir.path(), &[command, "--help"]).contains("Usage: striate"), "{command}");
    }
}

/// A model of `classes` classes that has hardly learnt, and the run's directory.
fn many_classes(d: &Path, classes: u8) {
    let n = 3 * classes as u32;
    fs::create_dir_all(d.join("many")).unwrap();
    for (name, seed) in [("train", 7), ("t10k", 11)] {
        let pixels: Vec<u8> = (0..n * 64).map(|i| (i.wrapping_mul(2654435761) >> seed) as u8).collect();
        let labels: Vec<u8> = (0..n).map(|i| (i % classes as u32) as u8).collect();
        fs::write(d.join(format!("many/{name}-images-idx3-ubyte")), idx(&[n, 8, 8], &pixels)).unwrap();
        fs::write(d.join(format!("many/{name}-labels-idx1-ubyte")), idx(&[n], &labels)).unwrap();
    }
    let net = "conv 4 3, relu, flatten, linear";
    succeed(d, &["train", "many", "--model", net, "--epochs", "1", "--lr", "0.1", "--out", "run", "--quiet"]);
}

#[test]
fn many_classes_are_measured_in_few_lines() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    many_classes(d, 100);
    let json: serde_json::Value =
        serde_json::from_str(&succeed(d, &["eval", "run", "--json", "--csv", "matrix.csv"])).unwrap();
    let rows = json["confusion"].as_array().unwrap();
    let counts: Vec<Vec<u64>> =
        rows.iter().map(|r| r.as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()).collect();
    assert_eq!((counts.len(), json["classes"].as_array().unwrap().len()), (100, 100));

    let text = succeed(d, &["eval", "run"]);
    assert!(text.lines().count() < 60 && text.lines().all(|l| l.chars().count() < 200), "{text}");
    let parts: Vec<&str> = text.split("\n\n").collect();
    let worst: Vec<f64> = parts[1]
        .lines()
        .skip(1)
        .take(20)
        .map(|l| l.split_whitespace().nth(2).unwrap().trim_end_matches('%').parse().unwrap())
        .collect();
    assert!(worst.is_sorted() && worst.len() == 20, "{text}");
    assert!(parts[1].contains("20 classes of the lowest recall; --all prints 80 more"), "{text}");
    let header: Vec<&str> = parts[2].lines().next().unwrap().split_whitespace().collect();
    assert_eq!(header[..3], ["actual", "predicted", "images"]);
    let mut pairs = Vec::new();
    for line in parts[2].lines().skip(1).filter(|l| l.ends_with('%')) {
        let cells: Vec<&str> = line.split_whitespace().collect();
        let (actual, predicted): (usize, usize) = (cells[0].parse().unwrap(), cells[1].parse().unwrap());
        let n: u64 = cells[2].parse().unwrap();
        assert_eq!(counts[actual][predicted], n, "{line}");
        let percentage = 100.0 * n as f64 / counts[actual].iter().sum::<u64>() as f64;
        assert_eq!(cells[3], format!("{percentage:.2}%"));
        pairs.push(n);
    }
    assert!(!pairs.is_empty() && pairs.len() <= 20 && pairs.is_sorted_by(|a, b| a >= b), "{text}");

    let csv = fs::read_to_string(d.join("matrix.csv")).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!((lines.len(), lines[0].len(), lines[0][0]), (101, 101, "actual \\ predicted"));
    for (row, line) in counts.iter().zip(&lines[1..]) {
        assert!(row.iter().zip(&line[1..]).all(|(n, cell)| n.to_string() == *cell), "{line:?}");
    }
    let all = succeed(d, &["eval", "run", "--all"]);
    assert_eq!(all.lines().count(), 4 + 1 + 101 + 1 + 101, "{all}");
}

#[test]
fn few_classes_are_shown_as_a_matrix() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    many_classes(d, 20);
    let text = succeed(d, &["eval", "run"]);
    assert!(text.contains("actual \\ predicted") && text.lines().count() == 4 + 1 + 21 + 1 + 21, "{text}");
}
