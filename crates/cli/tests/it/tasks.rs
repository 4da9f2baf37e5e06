//! Multi-label and regression: through train, eval, predict, finetune, export and resume.

use crate::common::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use striate::train::{Config, Event, ImageConfig, Session, Sink, TaskKind};

/// Images with up to two bright squares and up to two bright crosses, and a table of them.
fn shapes(d: &Path, n: usize) {
    const SIDE: usize = 24;
    let mut state = 7u32;
    let mut random = move |below: u32| {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 16) % below
    };
    fs::create_dir_all(d.join("shapes")).unwrap();
    let mut table = "path,labels,squares,crosses,split\n".to_string();
    for i in 0..n {
        let mut pixels: Vec<u8> = (0..SIDE * SIDE).map(|_| random(40) as u8).collect();
        let counts = [random(3), random(3)];
        // Four corners, so that shapes do not cover each other.
        let mut corners = vec![(2, 2), (14, 2), (2, 14), (14, 14)];
        for (kind, &count) in counts.iter().enumerate() {
            for _ in 0..count {
                let (x, y) = corners.swap_remove(random(corners.len() as u32) as usize);
                for (dy, dx) in (0..8).flat_map(|dy| (0..8).map(move |dx| (dy, dx))) {
                    if kind == 0 || (3..5).contains(&dx) || (3..5).contains(&dy) {
                        pixels[(y + dy) * SIDE + x + dx] = 230;
                    }
                }
            }
        }
        let file = [format!("P5 {SIDE} {SIDE} 255\n").into_bytes(), pixels].concat();
        fs::write(d.join(format!("shapes/{i:03}.pgm")), file).unwrap();
        let labels: Vec<&str> =
            ["square", "cross"].into_iter().zip(counts).filter(|(_, n)| *n > 0).map(|(name, _)| name).collect();
        let split = ["train", "train", "train", "val"][i % 4];
        let labels = labels.join(";");
        table += &format!("shapes/{i:03}.pgm,{labels},{},{},{split}\n", counts[0], counts[1]);
    }
    fs::write(d.join("shapes.csv"), table).unwrap();
}

const NET: &str = "conv 12 3 padding same, batchnorm, relu, conv 16 5 stride 2, batchnorm, relu, conv 16 3, relu, globalavgpool, linear";

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

#[test]
fn several_labels_are_learnt_measured_and_predicted() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    shapes(d, 240);
    let settings = ["--epochs", "25", "--batch-size", "16", "--lr", "0.01", "--augment", "flip", "--patience", "0"];
    let train = ["train", "shapes.csv", "--task", "multi-label", "--model", NET, "--out", "run"];
    let said = succeed(d, &[&train[..], &settings].concat());
    assert!(said.contains("2 labels: cross, square)") && said.contains("validation mAP"), "{said}");
    let csv = fs::read_to_string(d.join("run/metrics.csv")).unwrap();
    assert!(csv.starts_with("steps,epoch,split,lr,grad_norm,loss,hamming_accuracy,"), "{csv}");
    assert!(fs::read_to_string(d.join("run/precision-recall.svg")).unwrap().contains("square (AP "));
    let measured = json(&succeed(d, &["eval", "run", "shapes.csv", "--json"]));
    assert_eq!((measured["task"].as_str(), measured["images"].as_u64()), (Some("multi-label"), Some(60)));
    assert!(measured["metrics"]["mean_average_precision"].as_f64().unwrap() > 0.95, "{measured}");
    assert_eq!(measured["labels"][1]["label"], "square");
    let text = succeed(d, &["eval", "run", "shapes.csv"]);
    assert!(text.contains("mAP: ") && text.contains("threshold"), "{text}");
    // What is predicted is what is there.
    let table = fs::read_to_string(d.join("shapes.csv")).unwrap();
    let rows: Vec<Vec<&str>> = table.lines().skip(1).map(|l| l.split(',').collect()).collect();
    let right = rows.iter().take(40).filter(|row| {
        let predicted = json(&succeed(d, &["predict", "run", row[0], "--json"]));
        let labels: Vec<&str> = predicted["labels"].as_array().unwrap().iter().map(|l| l.as_str().unwrap()).collect();
        let mut wanted: Vec<&str> = row[1].split(';').filter(|l| !l.is_empty()).collect();
        let mut labels = labels.clone();
        labels.sort_unstable();
        wanted.sort_unstable();
        labels == wanted
    });
    assert!(right.count() >= 36);
    let without = rows.iter().find(|row| row[1].is_empty()).unwrap()[0];
    assert!(succeed(d, &["predict", "run", without]).contains(": no label"));
    // Out as ONNX and in again it is the same task.
    succeed(d, &["export", "run", "--format", "onnx", "--out", "m.onnx"]);
    fail(d, &["export", "run", "--format", "onnx", "--softmax", "--out", "s.onnx"], 1, &["multi-label"]);
    succeed(d, &["import", "m.onnx", "--out", "again.safetensors"]);
    let again = json(&succeed(d, &["eval", "again.safetensors", "shapes.csv", "--json"]));
    assert_eq!(again["metrics"], measured["metrics"]);
    // A column of 0 and 1 for each label says the same.
    let flags: String = table.replace("labels,squares,crosses", "text,square,cross").replace(",2", ",1");
    fs::write(d.join("flags.csv"), flags).unwrap();
    let columns = ["--label-column", "square,cross"];
    let by_flags = json(&succeed(d, &[&["eval", "run", "flags.csv", "--json"][..], &columns].concat()));
    assert_eq!(by_flags["metrics"], measured["metrics"]);
    // Fine-tuned in every mode it is good at these labels, too.
    let finetune = |out: &str, more: &[&str]| {
        let args = [
            "finetune",
            "shapes.csv",
            "--from",
            "run/model.safetensors",
            "--task",
            "multi-label",
            "--batch-size",
            "16",
            "--lr",
            "0.01",
        ];
        succeed(d, &[&args[..], &["--quiet", "--augment", "none", "--out", out], more].concat());
        json(&succeed(d, &["eval", out, "--json"]))
    };
    for (mode, more) in [
        ("head", &["--epochs", "20"][..]),
        ("full", &["--epochs", "6"]),
        ("gradual", &["--head-epochs", "10", "--epochs", "3", "--patience", "0"]),
    ] {
        let fine = finetune(mode, &[&["--mode", mode][..], more].concat());
        assert_eq!((fine["task"].as_str(), &fine["labels"][1]["label"]), (Some("multi-label"), &"square".into()));
        assert!(fine["metrics"]["mean_average_precision"].as_f64().unwrap() > 0.9, "{mode}: {fine}");
        let predicted = json(&succeed(d, &["predict", mode, without, "--json"]));
        assert!(predicted["labels"].is_array(), "{predicted}");
    }
}

#[test]
fn numbers_are_learnt_measured_and_predicted() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    shapes(d, 240);
    let settings = ["--epochs", "30", "--batch-size", "16", "--lr", "0.01", "--patience", "0"];
    let columns = ["--task", "regression", "--label-column", "squares,crosses"];
    let train = ["train", "shapes.csv", "--model", NET, "--out", "run"];
    let said = succeed(d, &[&train[..], &columns, &settings].concat());
    assert!(said.contains("2 numbers: squares, crosses)") && said.contains("validation MAE"), "{said}");
    let scatter = fs::read_to_string(d.join("run/scatter.svg")).unwrap();
    assert!(scatter.contains("predicted squares") && scatter.contains("actual crosses"), "{scatter}");
    let measured = json(&succeed(d, &["eval", "run", "shapes.csv", "--json"]));
    let of = |what: &str, metric: &str| measured[what][metric].as_f64().unwrap();
    assert!(of("metrics", "mae") < 0.5 * of("constant", "mae"), "{measured}");
    let text = succeed(d, &["eval", "run", "shapes.csv"]);
    assert!(
        text.contains("MAE: ") && text.contains("Always answering with the mean") && text.contains("crosses"),
        "{text}"
    );
    let predicted = json(&succeed(d, &["predict", "run", "shapes/000.pgm", "--json"]));
    let squares = predicted["numbers"]["squares"].as_f64().unwrap();
    let table = fs::read_to_string(d.join("shapes.csv")).unwrap();
    let wanted: f64 = table.lines().nth(1).unwrap().split(',').nth(2).unwrap().parse().unwrap();
    assert!((squares - wanted).abs() < 1.0, "{predicted} for {wanted}");
    assert!(succeed(d, &["predict", "run", "shapes/000.pgm"]).contains("squares "));
    assert!(succeed(d, &["inspect", "run"]).contains("for 2 numbers"));
    // A head for another number, on the same backbone.
    let one = ["--task", "regression", "--label-column", "squares", "--mode", "head", "--out", "fine"];
    let longer = ["--epochs", "60", "--batch-size", "16", "--lr", "0.01"];
    succeed(d, &[&["finetune", "shapes.csv", "--from", "run/model.safetensors"][..], &one, &longer].concat());
    let fine = json(&succeed(d, &["eval", "fine", "shapes.csv", "--json"]));
    assert!(fine["metrics"]["mae"].as_f64().unwrap() < fine["constant"]["mae"].as_f64().unwrap(), "{fine}");
}

struct StopAfter<'a>(u32, &'a AtomicBool);

impl Sink for StopAfter<'_> {
    fn event(&mut self, event: &Event) {
        if let Event::Step { .. } = event {
            self.0 -= 1;
            self.1.store(self.0 == 0, Ordering::Relaxed);
        }
    }
}

#[test]
fn runs_of_every_task_go_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    shapes(d, 60);
    let data = d.join("shapes.csv");
    for task in [TaskKind::MultiLabel, TaskKind::Regression] {
        let column = if task == TaskKind::Regression { "squares,crosses" } else { "labels" };
        let images = ImageConfig::default().label_column(column).augment("flip, mixup 0.4");
        let net = "conv 4 3, batchnorm, relu, globalavgpool, dropout 0.2, linear";
        let config = Config::default().task(task).data(data.to_str().unwrap()).model(net).epochs(3).batch_size(8);
        let config = config.ema(0.9).schedule("cosine").images(images);
        let model = |run: &Path| fs::read(run.join("model.safetensors")).unwrap();
        let whole = d.join(format!("{}-whole", task.name()));
        Session::start(config.clone(), Some(&whole)).unwrap().run(&mut Vec::new()).unwrap();
        for steps in [1, 6, 8] {
            let run = d.join(format!("{}-{steps}", task.name()));
            let stop = AtomicBool::new(false);
            let mut session = Session::start(config.clone(), Some(&run)).unwrap();
            session.run_until(&stop, &mut StopAfter(steps, &stop)).unwrap();
            drop(session);
            Session::resume(&run).unwrap().run(&mut Vec::new()).unwrap();
            assert!(model(&run) == model(&whole), "{} after {steps}", task.name());
        }
    }
}

#[test]
fn mistakes_of_tasks_are_answered_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    shapes(d, 24);
    idx_dir(d, 20, 10, 28);
    let train = |more: &[&str], code, said: &[&str]| {
        fail(d, &[&["train"][..], more, &["--epochs", "1", "--model", "flatten, linear"]].concat(), code, said)
    };
    let labels = ["shapes.csv", "--task", "multi-label"];
    let numbers = ["shapes.csv", "--task", "regression", "--label-column", "squares"];
    train(&["shapes.csv", "--task", "multilabel"], 2, &["multi-label", "regression"]);
    train(&["squares", "--task", "regression"], 1, &["--task is regression", "manifest"]);
    train(&["shapes", "--task", "multi-label"], 1, &["labels", ".csv"]);
    train(&["shapes.csv", "--task", "regression", "--label-column", "circles"], 1, &["circles", "squares"]);
    train(&["shapes.csv", "--task", "regression", "--label-column", "labels"], 1, &["line 2", "must be a number"]);
    train(&["shapes.csv", "--task", "multi-label", "--label-column", "labels,split"], 1, &["must be 0 or 1"]);
    train(&[&labels[..], &["--balance"]].concat(), 1, &["--balance"]);
    train(&[&numbers[..], &["--label-smoothing", "0.1"]].concat(), 1, &["--label-smoothing"]);
    train(&[&numbers[..], &["--focal", "2"]].concat(), 1, &["--focal"]);
    train(&[&numbers[..], &["--class-weights"]].concat(), 1, &["--class-weights"]);
    train(&[&numbers[..], &["--monitor", "accuracy"]].concat(), 1, &["--monitor", "mae, rmse, r2"]);
    succeed(d, &[&["train"][..], &numbers, &["--epochs", "1", "--model", "flatten, linear", "--out", "run"]].concat());
    fail(d, &["eval", "run", "--csv", "matrix.csv"], 1, &["--csv", "regression"]);
    let prototype = ["finetune", "shapes.csv", "--from", "run/model.safetensors", "--mode", "prototype"];
    fail(d, &[&prototype[..], &numbers[1..]].concat(), 1, &["--mode prototype", "regression"]);
}
