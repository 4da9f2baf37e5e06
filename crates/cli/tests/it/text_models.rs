//! Networks that are written as their layers, from `--model` to the model file and back.

use crate::common::*;
use std::fs;
use std::path::Path;

const NET: &str = "conv 4 3, relu, maxpool 2, (conv 4 3 padding same, relu) x2, residual(conv 8 3 stride 2 padding 1, batchnorm), dropout2d .1, globalavgpool, linear";
const CANONICAL: &str = "conv 4 3, relu, maxpool 2, (conv 4 3 padding same, relu) x2, residual(conv 8 3 stride 2 padding 1, batchnorm), dropout2d 0.1, globalavgpool, linear";

fn card(model: &Path) -> serde_json::Value {
    let file = fs::read(model).unwrap();
    let n = u64::from_le_bytes(file[..8].try_into().unwrap()) as usize;
    let header: serde_json::Value = serde_json::from_slice(&file[8..8 + n]).unwrap();
    serde_json::from_str(header["__metadata__"]["striate"].as_str().unwrap()).unwrap()
}

/// Runs the program, which must fail with exactly this on standard error.
fn screen(dir: &Path, args: &[&str], expected: &str) {
    let output = run(dir, args);
    assert_eq!((output.status.code(), stderr(&output).as_str()), (Some(1), expected), "striate {args:?}");
}

#[test]
fn a_text_net_is_trained_measured_used_and_resumed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 100, 20, 28);
    let out = succeed(d, &["train", "squares", "--epochs", "1", "--batch-size", "20", "--model", NET]);
    assert!(out.starts_with("Training net of 12 layers (786 parameters) on squares"), "{out}");
    let run = d.join("runs/squares-net-of-12-layers-1");
    let model = run.join("model.safetensors");
    assert_eq!(card(&model)["architecture"], CANONICAL);
    let config = fs::read_to_string(run.join("config.toml")).unwrap();
    assert!(config.contains(&format!("model = \"{CANONICAL}\"")), "{config}");

    let path = "runs/squares-net-of-12-layers-1/model.safetensors";
    let out = succeed(d, &["eval", path]);
    assert!(
        out.starts_with(&format!(
            "{path}: net of 12 layers on squares (20 validation images: its best epoch was chosen on them)\n"
        )),
        "{out}"
    );
    image::GrayImage::new(28, 28).save(d.join("black.png")).unwrap();
    let out = succeed(d, &["predict", path, "black.png"]);
    assert!(out.starts_with("black.png: "), "{out}");
    let out = succeed(d, &["inspect", path]);
    assert!(out.starts_with(&format!("{path}: {CANONICAL} for 10 classes, trained on ")), "{out}");
    assert!(out.contains("\n7.shortcut.0 "), "{out}");

    // The canonical text stands for the same run, which goes on where it was.
    succeed(
        d,
        &["train", "squares", "--epochs", "2", "--batch-size", "20", "--model", CANONICAL, "--out", "two", "--quiet"],
    );
    let config = fs::read_to_string(run.join("config.toml")).unwrap().replace("epochs = 1", "epochs = 2");
    fs::write(run.join("config.toml"), config).unwrap();
    succeed(d, &["train", "--quiet", "--resume", "runs/squares-net-of-12-layers-1"]);
    assert!(weights(&model) == weights(&d.join("two/model.safetensors")), "the resumed run ends elsewhere");
}

#[test]
fn layers_come_from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 40, 10, 12);
    fs::write(d.join("net.txt"), "# a small net\nconv 3 3 # grey images\nrelu\n\nflatten, linear\n").unwrap();
    for (model, out) in [("@net.txt", "a"), ("net.txt", "b"), ("conv 3 3, relu, flatten, linear", "c")] {
        succeed(
            d,
            &["train", "squares", "--epochs", "1", "--batch-size", "20", "--model", model, "--out", out, "--quiet"],
        );
        assert_eq!(card(&d.join(out).join("model.safetensors"))["architecture"], "conv 3 3, relu, flatten, linear");
    }
    assert!(weights(&d.join("a/model.safetensors")) == weights(&d.join("c/model.safetensors")));
    fs::write(d.join("bad.net"), "conv 3 3\nrelu\nflaten, linear\n").unwrap();
    screen(
        d,
        &["train", "squares", "--model", "@bad.net"],
        "error: bad.net: line 3: unknown layer 'flaten': did you mean flatten?\n\
         \x20 flaten, linear\n\
         \x20 ^^^^^^\n\
         \x20 shapes so far: 1×12×12 → conv 3×10×10 → relu\n",
    );
    fail(d, &["train", "squares", "--model", "@nowhere.net"], 1, &["cannot read nowhere.net: "]);
    fail(d, &["train", "squares", "--model", "nowhere.txt"], 1, &["cannot read nowhere.txt: "]);
    fs::write(d.join("big.txt"), "relu\n".repeat(300_000)).unwrap();
    fail(d, &["train", "squares", "--model", "big.txt"], 1, &["big.txt is longer than 1 MiB"]);
    fs::write(d.join("raw.txt"), [0xff; 9]).unwrap();
    fail(d, &["inspect", "raw.txt"], 1, &["cannot read raw.txt: "]);
    assert!(!d.join("runs").exists(), "nothing is made for a run that cannot start");
}

#[test]
fn mistakes_are_shown_in_the_line() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    screen(
        d,
        &["train", "--model", "conv 32 3, relu, maxpol 2, flatten, linear"],
        "error: unknown layer 'maxpol': did you mean maxpool?\n\
         \x20 conv 32 3, relu, maxpol 2, flatten, linear\n\
         \x20                  ^^^^^^\n\
         \x20 shapes so far: 1×28×28 → conv 32×26×26 → relu\n",
    );
    screen(
        d,
        &["inspect", "conv 8 3 stride 2, relu, conv 16 3, linear", "--input", "3x32x32"],
        "error: linear needs a list of numbers, but gets 16×13×13 images: put flatten before it\n\
         \x20 conv 8 3 stride 2, relu, conv 16 3, linear\n\
         \x20                                     ^^^^^^\n\
         \x20 shapes so far: 3×32×32 → conv 8×15×15 → relu → conv 16×13×13\n",
    );
    let line = fail(d, &["train", "--model", "lennet"], 1, &[]);
    assert_eq!(
        line,
        "error: there is no network 'lennet': did you mean lenet? Or give its layers, such as \"conv 32 3, relu, maxpool 2, flatten, linear\"\n"
    );
    let line = fail(d, &["inspect", "lennet"], 1, &[]);
    assert_eq!(
        line,
        "error: 'lennet' is neither a file nor a network: did you mean lenet? Or give its layers, such as \"conv 32 3, relu, maxpool 2, flatten, linear\"\n"
    );
    assert!(!d.join("runs").exists(), "nothing is made for a run that cannot start");
}

#[test]
fn inspect_shows_a_text_net() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let out = succeed(d, &["inspect", "conv 8 3, ReLU, maxpool 2, flatten, linear"]);
    let rows: Vec<Vec<&str>> = out.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(out.lines().next().unwrap(), "net of 5 layers: conv 8 3, relu, maxpool 2, flatten, linear");
    assert_eq!(rows[3], ["input", "1×1×28×28"]);
    assert_eq!(rows[4], ["0", "conv2d", "1×8×26×26", "80", "48,672", "22", "kB"]);
    assert_eq!(rows[8], ["4", "linear", "1×10", "13,530", "13,520", "0", "kB"]);
    let out = succeed(
        d,
        &["inspect", "conv 8 3, flatten, linear", "--input", "3x10x8", "--classes", "4", "--batch-size", "2", "--json"],
    );
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["input"], serde_json::json!([2, 3, 10, 8]));
    assert_eq!(json["layers"][2]["output"], serde_json::json!([2, 4]));
    fail(d, &["inspect", "lenet", "--input", "3x32x32"], 1, &["--input: lenet takes 1×32×32 images"]);
    succeed(d, &["inspect", "lenet", "--input", "1x32x32", "--classes", "7"]);
    fail(d, &["inspect", "lenet", "--input", "28x28"], 2, &["--input", "28x28", "such as 3x32x32"]);
    fail(d, &["inspect", "lenet", "--input", "1x0x4"], 2, &["--input"]);
}

#[test]
fn model_files_whose_text_is_damaged() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 40, 10, 8);
    let args =
        ["train", "squares", "--epochs", "1", "--model", "conv 3 3, relu, flatten, linear", "--out", "run", "--quiet"];
    succeed(d, &args);
    let path = d.join("run/model.safetensors");
    fail(d, &["inspect", "run/model.safetensors", "--input", "1x8x8"], 1, &["--input", "run/model.safetensors"]);
    let good = fs::read(&path).unwrap();
    let with = |text: &str| {
        let n = u64::from_le_bytes(good[..8].try_into().unwrap()) as usize;
        let header = String::from_utf8(good[8..8 + n].to_vec()).unwrap();
        let header = header.replace("conv 3 3, relu, flatten, linear", text);
        [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &good[8 + n..]].concat()
    };
    for (text, parts) in [
        ("conv 3 3, rleu, flatten, linear", &["cannot build: unknown layer 'rleu'"][..]),
        ("conv 3 9, relu, flatten, linear", &["cannot build: a window of 9×9 does not fit 8×8 images"]),
        ("flatten, (linear 1000000) x3, linear", &["more than 1,000,000,000 parameters"]),
        ("conv 4 3, relu, flatten, linear", &["its network has 1490 parameters, its tensors hold 1120 numbers"]),
        ("conv 2 3, relu, flatten, linear", &["tensor '0.bias' is f32 [3], the network needs f32 [2]"]),
        ("flatten, (linear 30000) x2, linear", &["its network has 902280010 parameters"]),
        ("conv 3 3, tanh, flatten, linear", &["self-test"]),
    ] {
        fs::write(&path, with(text)).unwrap();
        fail(d, &["eval", "run/model.safetensors"], 1, &[&["run/model.safetensors"], parts].concat());
    }
    let config = fs::read_to_string(d.join("run/config.toml")).unwrap().replace("relu", "rleu");
    fs::write(d.join("run/config.toml"), config).unwrap();
    fail(d, &["train", "--resume", "run"], 1, &["run/config.toml: model: unknown layer 'rleu': did you mean relu?"]);
}

#[test]
fn a_redundant_layer_is_remarked_on() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 20, 10, 8);
    let args = ["train", "squares", "--epochs", "1", "--model", "flatten, linear, logsoftmax"];
    let output = run(d, &args);
    assert!(output.status.success());
    assert_eq!(
        stderr(&output).lines().next().unwrap_or_default().to_string() + "\n",
        "note: cross-entropy got the output of log_softmax, which it takes itself: one of them is redundant. The result is right; leave log_softmax out, or use NLLLoss\n"
    );
    assert_eq!(stderr(&run(d, &[&args[..], &["--quiet"]].concat())), "");
}
