//! Networks that have learnt already learn other classes.

use crate::common::*;
use image::{Rgb, RgbImage};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use striate::formats::read_weights;
use striate::train::{Config, Event, FineTuneConfig, FineTuneMode, ImageConfig, Layers, Outcome, Session, Sink};

/// Images with one bright stripe of four: `dir/<stripe>/n.png`.
fn stripes(dir: &Path, classes: &[&str], each: u32, size: u32, grey: bool) {
    for (class, stripe) in classes.iter().map(|c| (c, c.bytes().map(u32::from).sum::<u32>() % 4)) {
        fs::create_dir_all(dir.join(class)).unwrap();
        for n in 0..each {
            let image = RgbImage::from_fn(size, size, |x, y| {
                let noise = ((x * 31 + y * 17 + n * 101 + x * y * (n + 3)) % 64) as u8;
                let bright = 4 * y / size == stripe;
                let [r, b] = if bright { [255 - noise, 180] } else { [noise, 40] };
                if grey { Rgb([r; 3]) } else { Rgb([r, r / 2, b]) }
            });
            let path = dir.join(class).join(format!("{n}.png"));
            if grey {
                image::DynamicImage::from(image).to_luma8().save(path).unwrap();
            } else {
                image.save(path).unwrap();
            }
        }
    }
}

// By the sum of their letters these are the four stripes.
const OLD: [&str; 4] = ["a", "b", "c", "d"];
const NEW: [&str; 3] = ["pear", "plum", "rose"];
const NET: &str = "conv 8 3 padding same nobias, batchnorm, relu, maxpool 4, flatten, dropout 0.1, linear";

/// `old.safetensors`, which knows [`OLD`], and the folder `new`.
fn backbone(d: &Path) {
    stripes(&d.join("old"), &OLD, 20, 16, false);
    stripes(&d.join("new"), &NEW, 20, 16, false);
    let args =
        ["train", "old", "--model", NET, "--epochs", "4", "--batch-size", "16", "--lr", "0.01", "--out", "old-run"];
    succeed(d, &args);
    fs::copy(d.join("old-run/model.safetensors"), d.join("old.safetensors")).unwrap();
}

fn tensors(path: &Path) -> BTreeMap<String, Vec<f32>> {
    let state = read_weights(path).unwrap().into_map();
    state.into_iter().map(|(name, t)| (name, t.to_dtype(striate::DType::F32).to_vec())).collect()
}

fn accuracy(d: &Path, model: &str) -> f64 {
    let out = succeed(d, &["eval", model, "--json"]);
    serde_json::from_str::<serde_json::Value>(&out).unwrap()["accuracy"].as_f64().unwrap()
}

#[test]
fn each_mode_learns_and_frozen_is_frozen() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    backbone(d);
    let before = tensors(&d.join("old.safetensors"));
    let common = ["finetune", "--from", "old.safetensors", "new", "--lr", "0.02", "--batch-size", "8"];
    let with = |more: &[&'static str]| succeed(d, &[&common[..], more].concat());
    let said = with(&["--mode", "head", "--epochs", "20", "--out", "head"]);
    for part in [
        "the backbone is net of 7 layers from",
        "6.weight is new",
        "for 3 classes; it had 4 outputs",
        "epochs 1 to 20: 387 of 619 parameters train, those of 6, on features that are computed once; the backbone is frozen",
    ] {
        assert!(said.contains(&part.replace("6.weight is", "6 is")), "{part}: {said}");
    }
    let after = tensors(&d.join("head/model.safetensors"));
    for (name, values) in &before {
        assert_eq!(after[name] == *values, !name.starts_with("6."), "{name}");
    }
    assert_eq!(accuracy(d, "head/model.safetensors"), 1.0);
    // Images that change at random go through the backbone anew, and it stays as it is.
    let said = with(&["--mode", "head", "--epochs", "12", "--augment", "flip", "--out", "flipped"]);
    assert!(said.contains("387 of 619 parameters train, those of 6; the backbone"), "{said}");
    let flipped = tensors(&d.join("flipped/model.safetensors"));
    assert!(before.iter().all(|(name, values)| name.starts_with("6.") || flipped[name] == *values));
    assert_eq!(accuracy(d, "flipped/model.safetensors"), 1.0);
    for (mode, head_epochs) in [("full", None), ("gradual", Some("10"))] {
        let mut args = [&common[..], &["--mode", mode, "--epochs", "6", "--out", mode]].concat();
        head_epochs.into_iter().for_each(|n| args.extend(["--head-epochs", n]));
        let said = succeed(d, &args);
        assert!(said.contains("all 619 parameters train, the first layer's at 0.3 of the learning rate"), "{said}");
        assert_eq!(said.contains("epochs 1 to 10: 387 of 619"), head_epochs.is_some(), "{said}");
        let after = tensors(&d.join(mode).join("model.safetensors"));
        assert!(after["0.weight"] != before["0.weight"]);
        assert_eq!(after["1.running_mean"], before["1.running_mean"], "statistics stay those of the backbone");
        assert!(accuracy(d, &format!("{mode}/model.safetensors")) > 0.9);
    }
    // A model of the same classes keeps its head.
    let said = succeed(
        d,
        &["finetune", "--from", "old.safetensors", "old", "--mode", "head", "--epochs", "1", "--out", "again"],
    );
    assert!(said.contains("6 is kept, for the classes are the same"), "{said}");
}

#[test]
fn means_of_features_serve_as_classes() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    backbone(d);
    let prototypes =
        ["finetune", "--from", "old.safetensors", "new", "--mode", "prototype", "--ways", "2", "--shots", "1,3,99"];
    let said = succeed(d, &[&prototypes[..], &["--out", "means"]].concat());
    assert!(
        said.contains("The nearest mean of all ") && said.contains(" training images: 100.00% validation accuracy on "),
        "{said}"
    );
    assert!(said.contains("2-way 1-shot: ") && said.contains("2-way 3-shot: ") && !said.contains("99-shot"), "{said}");
    // The model's head gives the same answers.
    assert_eq!(accuracy(d, "means/model.safetensors"), 1.0);
    let out = succeed(d, &[&prototypes[..], &["--log", "json", "--out", "means-2"]].concat());
    let report: serde_json::Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!(
        (report["correct"].as_u64(), report["train_samples"].as_u64()),
        (report["measured_samples"].as_u64(), Some(60 - report["measured_samples"].as_u64().unwrap()))
    );
    assert_eq!(report["few_shot"][0]["ways"], 2);
    assert!(report["few_shot"][0]["accuracy"].as_f64().unwrap() > 0.8, "{report}");
}

#[test]
fn an_imported_network_learns_other_classes_and_is_exported_again() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    backbone(d);
    succeed(d, &["export", "old.safetensors", "--format", "onnx", "--out", "old.onnx"]);
    succeed(d, &["import", "old.onnx", "--out", "imported.safetensors"]);
    let finetune = ["finetune", "--from", "imported.safetensors", "new", "--lr", "0.02", "--batch-size", "8"];
    for (mode, epochs) in [("head", "20"), ("full", "8"), ("gradual", "8")] {
        let said = succeed(d, &[&finetune[..], &["--mode", mode, "--epochs", epochs, "--out", mode]].concat());
        for part in [
            "the backbone is the graph from ",
            "imported.safetensors (a model)",
            "6 is new, for 3 classes; it had 4 outputs",
        ] {
            assert!(said.contains(part), "{part}: {said}");
        }
        let model = format!("{mode}/model.safetensors");
        assert_eq!(accuracy(d, &model), 1.0, "{mode}");
        let onnx = format!("{mode}.onnx");
        succeed(d, &["export", &model, "--format", "onnx", "--out", &onnx]);
        succeed(d, &["import", &onnx, "--out", "again.safetensors"]);
        let predict = |model: &str| succeed(d, &["predict", model, "new/plum/1.png"]);
        assert_eq!(predict("again.safetensors"), predict(&model), "{mode}");
    }
    succeed(d, &[&finetune[..], &["--mode", "prototype", "--out", "means"]].concat());
    assert_eq!(accuracy(d, "means/model.safetensors"), 1.0);
    fail(d, &[&finetune[..], &["--model", "lenet"]].concat(), 1, &["imported.safetensors", "is a model of the graph"]);
    fail(d, &[&finetune[..], &["--size", "20"]].concat(), 1, &["the graph", "16×16", "20×20"]);
    let checkpoint = ["finetune", "new", "--from", "head/checkpoint.safetensors"];
    fail(d, &checkpoint, 1, &["checkpoint.safetensors", "take the model.safetensors of its run"]);
    succeed(
        d,
        &["finetune", "new", "--from", "head/model.safetensors", "--mode", "head", "--epochs", "1", "--out", "on"],
    );
}

#[test]
fn a_run_of_an_imported_network_goes_on_without_the_file_that_it_came_from() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    backbone(d);
    succeed(d, &["export", "old.safetensors", "--format", "onnx", "--out", "old.onnx"]);
    succeed(d, &["import", "old.onnx", "--out", "imported.safetensors"]);
    let path = |name: &str| d.join(name).to_str().unwrap().to_string();
    let config = gradual(&path("new"), &path("imported.safetensors"));
    Session::start(config.clone(), Some(&d.join("whole"))).unwrap().run(&mut Vec::new()).unwrap();
    let stop = AtomicBool::new(false);
    let mut sink = StopAfter { steps: 7, features: false, stop: &stop };
    let mut session = Session::start(config, Some(&d.join("parts"))).unwrap();
    assert_eq!(session.run_until(&stop, &mut sink).unwrap(), Outcome::Stopped);
    drop(session);
    fs::remove_file(d.join("imported.safetensors")).unwrap();
    Session::resume(&d.join("parts")).unwrap().run(&mut Vec::new()).unwrap();
    let model = |run: &str| fs::read(d.join(run).join("model.safetensors")).unwrap();
    assert!(model("parts") == model("whole"));
}

/// Two epochs of the head, then two of all layers.
fn gradual(data: &str, from: &str) -> Layers {
    let finetune = FineTuneConfig::default().from(from).head_epochs(2);
    let own = Config::default().data(data).epochs(4).batch_size(16).finetune(finetune);
    Layers::default().preset("recipe", FineTuneMode::Gradual.recipe().config()).add("own", own)
}

/// Stops the run after some steps, or while features are computed.
struct StopAfter<'a> {
    steps: u32,
    features: bool,
    stop: &'a AtomicBool,
}

impl Sink for StopAfter<'_> {
    fn event(&mut self, event: &Event) {
        match event {
            Event::Step { .. } => {
                self.steps -= 1;
                self.stop.store(self.steps == 0, Ordering::Relaxed);
            }
            Event::Features { .. } if self.features => self.stop.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}

#[test]
fn a_run_stopped_in_either_stretch_ends_in_the_same_weights() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    backbone(d);
    let path = |name: &str| d.join(name).to_str().unwrap().to_string();
    let images = ImageConfig::default().augment("flip");
    let finetune = gradual(&path("new"), &path("old.safetensors"));
    let finetune = finetune.add("more", Config::default().ema(0.9).images(images));
    let undisturbed = d.join("undisturbed");
    let mut session = Session::start(finetune.clone(), Some(&undisturbed)).unwrap();
    assert!(matches!(session.run(&mut Vec::new()).unwrap(), Outcome::Finished { .. }));
    let expected = fs::read(undisturbed.join("model.safetensors")).unwrap();
    // 48 images make three steps an epoch.
    for (steps, features) in [(1, false), (3, false), (6, false), (7, false), (11, false), (99, true)] {
        let run = d.join(format!("stopped-{steps}"));
        let stop = AtomicBool::new(false);
        let mut sink = StopAfter { steps, features, stop: &stop };
        let outcome = Session::start(finetune.clone(), Some(&run)).unwrap().run_until(&stop, &mut sink).unwrap();
        assert_eq!(outcome, Outcome::Stopped, "{steps}");
        let mut resumed = Session::resume(&run).unwrap();
        assert!(matches!(resumed.run(&mut Vec::new()).unwrap(), Outcome::Finished { .. }), "{steps}");
        drop(resumed);
        assert!(fs::read(run.join("model.safetensors")).unwrap() == expected, "stopped after {steps}: another model");
        let metrics = |run: &Path| fs::read_to_string(run.join("metrics.csv")).unwrap();
        assert_eq!(metrics(&run), metrics(&undisturbed), "stopped after {steps}");
    }
}

#[test]
fn weights_of_a_ready_network_are_recognized() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 40, 20, 28);
    succeed(d, &["train", "squares", "--epochs", "1", "--batch-size", "20", "--out", "run"]);
    succeed(d, &["export", "run/model.safetensors", "--out", "w.pth"]);
    let said =
        succeed(d, &["finetune", "--from", "w.pth", "squares", "--mode", "head", "--epochs", "2", "--out", "fine"]);
    assert!(said.contains("the backbone is mnist-net from") && said.contains("fc2 is new, for 10 classes"), "{said}");
    // Random changes are for images, so the usual ones do not stand in the way of other data.
    let all = ["finetune", "--from", "w.pth", "squares", "--epochs", "1", "--head-epochs", "1", "--out", "both"];
    assert!(succeed(d, &all).contains("epoch 2: all "));
    // This network takes grey images alone.
    stripes(&d.join("colour"), &NEW, 10, 28, false);
    succeed(d, &["finetune", "--from", "w.pth", "colour", "--mode", "head", "--epochs", "1", "--out", "grey"]);
    // What is no network's, and what is another's.
    let stranger = "conv 8 3, relu, flatten, linear";
    succeed(d, &["train", "squares", "--model", stranger, "--epochs", "1", "--out", "strange"]);
    succeed(d, &["export", "strange/model.safetensors", "--out", "strange.pth"]);
    fail(d, &["finetune", "--from", "strange.pth", "squares"], 1, &["strange.pth", "say which it is (--model)"]);
    let said = succeed(
        d,
        &["finetune", "--from", "strange.pth", "--model", stranger, "squares", "--mode", "head", "--epochs", "1"],
    );
    assert!(said.contains("4 of its 4 tensors") || said.contains("2 of its 4 tensors taken"), "{said}");
    let other = ["train", "squares", "--model", "lenet", "--weights", "w.pth", "--epochs", "1"];
    fail(d, &other, 1, &["w.pth", "it looks like mnist-net (6 of 6 tensors): (--model mnist-net)"]);
}

#[test]
fn a_backbone_for_colour_takes_grey_images() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    backbone(d);
    stripes(&d.join("grey"), &NEW, 20, 16, true);
    let said = succeed(
        d,
        &[
            "finetune",
            "--from",
            "old.safetensors",
            "grey",
            "--mode",
            "head",
            "--epochs",
            "20",
            "--lr",
            "0.02",
            "--out",
            "g",
        ],
    );
    assert!(
        said.contains("0.weight was made for images of 3 channels, and is summed over them for images of 1"),
        "{said}"
    );
    assert!(accuracy(d, "g/model.safetensors") > 0.9);
    succeed(d, &["predict", "g/model.safetensors", "grey/rose/1.png", "new/rose/1.png"]);
}

#[test]
fn mistakes_are_answered_in_a_line() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    backbone(d);
    let from = |from: &'static str| ["finetune", "--from", from, "new"];
    fail(d, &from("resnet999"), 1, &["resnet999", "neither a file nor a ready network", "striate models"]);
    fail(d, &from("new/rose/1.png"), 1, &["new/rose/1.png", "safetensors, PyTorch or npz"]);
    fail(d, &["finetune", "new"], 2, &["--from"]);
    fail(d, &["finetune", "--from", "old.safetensors", "nowhere"], 1, &["nowhere"]);
    fail(
        d,
        &["finetune", "--from", "old.safetensors", "new", "--mode", "tail"],
        2,
        &["tail", "head, full, gradual, prototype"],
    );
    fail(
        d,
        &["finetune", "--from", "old.safetensors", "new", "--backbone-lr", "2"],
        2,
        &["--backbone-lr", "above 0 and at most 1"],
    );
    let other = ["finetune", "--from", "old.safetensors", "--model", "lenet", "new"];
    fail(d, &other, 1, &["old.safetensors", "is a model of net of 7 layers, and not of lenet"]);
    // Nothing has been begun.
    assert!(!d.join("runs").exists());
}
