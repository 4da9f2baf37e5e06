//! The same seed gives the same bits: on any number of threads, and after a kill and a resume.

use crate::common::*;
use std::path::Path;
use std::time::{Duration, Instant};

const TRAIN: [&str; 9] =
    ["train", "squares", "--epochs", "2", "--batch-size", "20", "--log-every", "5", "--checkpoint-every"];

fn train(dir: &Path, out: &str, more: &[&str]) -> Vec<u8> {
    let args: Vec<&str> = TRAIN.iter().copied().chain(["3", "--out", out]).chain(more.iter().copied()).collect();
    succeed(dir, &args);
    weights(&dir.join(out).join("model.safetensors"))
}

#[test]
fn one_thread_and_several_give_the_same_weights() {
    for model in ["mnist-net", "lenet"] {
        let dir = tempfile::tempdir().unwrap();
        idx_dir(dir.path(), 250, 50, 28);
        let one = train(dir.path(), "one", &["--threads", "1", "--model", model]);
        let two = train(dir.path(), "two", &["--threads", "2", "--model", model]);
        let five = train(dir.path(), "five", &["--threads", "5", "--model", model]);
        assert!(one == two, "{model}: 2 threads end in other weights than 1");
        assert!(one == five, "{model}: 5 threads end in other weights than 1");
        let other = train(dir.path(), "other", &["--seed", "1", "--model", model]);
        assert!(one != other, "{model}: the seed changes nothing");
    }
}

fn metrics(run: &Path) -> String {
    std::fs::read_to_string(run.join("metrics.csv")).unwrap()
}

/// Kills runs with the settings `more` at other moments each time that the tests run, twice each; what was drawn is printed with a
/// failure.
fn kill_and_resume(more: &[&str], percentages: impl FnOnce(u32) -> Vec<u32>) {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 250, 50, 28);
    let undisturbed = train(dir.path(), "undisturbed", more);
    let began = Instant::now();
    train(dir.path(), "again", more);
    let usual = began.elapsed();

    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_nanos();
    for (i, percentage) in percentages(seed).into_iter().enumerate() {
        let out = format!("killed-{i}");
        let run = dir.path().join(&out);
        let args = TRAIN.iter().copied().chain(["3", "--out", &out, "--quiet"]).chain(more.iter().copied());
        let mut child = striate(dir.path()).args(args).spawn().unwrap();
        while !run.join("checkpoint.safetensors").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before its first checkpoint");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(usual * percentage / 100);
        child.kill().unwrap();
        child.wait().unwrap();
        // Once more, early in the second life.
        let mut child = striate(dir.path()).args(["train", "--quiet", "--resume", &out]).spawn().unwrap();
        std::thread::sleep(usual / 5);
        child.kill().unwrap();
        child.wait().unwrap();
        succeed(dir.path(), &["train", "--resume", &out]);
        let weights = weights(&run.join("model.safetensors"));
        assert!(weights == undisturbed, "killed after {percentage}% of {usual:?}: the weights differ");
        assert_eq!(metrics(&run), metrics(&dir.path().join("undisturbed")), "killed after {percentage}%");
    }
}

#[test]
fn a_run_that_was_killed_ends_in_the_same_weights() {
    kill_and_resume(&[], |seed| vec![seed % 30 + 10, seed / 7 % 40 + 30, seed / 11 % 20 + 70]);
}

/// All that a checkpoint has to hold besides: averaged weights, the optimizer's decay, and where the learning rate stands.
#[test]
fn a_run_with_every_setting_that_was_killed_ends_in_the_same_weights() {
    let settings = [
        "--model",
        "lenet",
        "--optimizer",
        "adamw",
        "--weight-decay",
        "0.05",
        "--clip-norm",
        "1",
        "--accumulate",
        "2",
        "--ema",
        "0.9",
        "--label-smoothing",
        "0.1",
        "--epoch-fraction",
        "0.8",
        "--betas",
        "0.85,0.98",
        "--dropout-scale",
        "0.5",
        "--augment",
        "pad-crop 2, rotate 10, cutmix 1",
        "--schedule",
    ];
    for schedule in ["warmup 3, cosine", "plateau 1 0.5"] {
        let all: Vec<&str> = settings.iter().copied().chain([schedule]).collect();
        kill_and_resume(&all, |seed| vec![seed % 70 + 20]);
    }
}

/// `images/class/n.png`: 60 of each of 3 classes, of two sizes.
fn image_folders(dir: &Path) {
    for (class, name) in ["red", "green", "blue"].into_iter().enumerate() {
        let folder = dir.join("images").join(name);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..60u32 {
            let size = 20 + n % 2 * 7;
            let image = image::RgbImage::from_fn(size, size, |x, y| {
                let mut pixel = [(x * 5 + n * 3) as u8, (y * 7 + n) as u8, (x * y + n * 11) as u8];
                pixel[class] = pixel[class].saturating_add(90);
                image::Rgb(pixel)
            });
            image.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
}

const IMAGES: [&str; 20] = [
    "train",
    "images",
    "--epochs",
    "3",
    "--batch-size",
    "16",
    "--size",
    "16",
    "--log-every",
    "5",
    "--checkpoint-every",
    "3",
    "--model",
    "conv 8 3 padding same nobias, batchnorm, relu, maxpool 2, globalavgpool, linear",
    "--augment",
    "crop-resize, flip, jitter 0.3 0.3 0.3 0.1, trivialaugment, erase, mixup 0.3, cutmix 1",
    "--label-smoothing",
    "0.1",
    "--balance",
    "--out",
];

#[test]
fn images_changed_at_random_end_in_the_same_weights_on_any_number_of_threads() {
    let dir = tempfile::tempdir().unwrap();
    image_folders(dir.path());
    let train = |out: &str, more: &[&str]| {
        succeed(dir.path(), &[&IMAGES[..], &[out], more].concat());
        weights(&dir.path().join(out).join("model.safetensors"))
    };
    let one = train("one", &["--threads", "1"]);
    assert!(one == train("two", &["--threads", "2"]), "2 threads end in other weights than 1");
    assert!(one == train("five", &["--threads", "5"]), "5 threads end in other weights than 1");
    assert!(one != train("other", &["--seed", "1"]), "the seed changes nothing");

    let seed = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().subsec_millis();
    let run = dir.path().join("killed");
    let mut child = striate(dir.path()).args(IMAGES).args(["killed", "--quiet"]).spawn().unwrap();
    while !run.join("checkpoint.safetensors").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended before its first checkpoint");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis((seed % 150).into()));
    child.kill().unwrap();
    child.wait().unwrap();
    succeed(dir.path(), &["train", "--resume", "killed"]);
    assert!(one == weights(&run.join("model.safetensors")), "killed after {} ms: the weights differ", seed % 150);
    assert_eq!(metrics(&run), metrics(&dir.path().join("one")));
}

#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 250, 50, 28);
    // Over a thousand steps, of which the signal comes in the first ones.
    let long = ["--model", "lenet", "--epochs", "100"];
    let args =
        |out| [&["train", "squares", "--batch-size", "20", "--log-every", "5", "--out", out][..], &long].concat();
    succeed(dir.path(), &args("undisturbed"));
    let undisturbed = weights(&dir.path().join("undisturbed/model.safetensors"));
    // Who runs this test in the background may ignore the signal itself.
    let child = std::process::Command::new("env")
        .args(["--default-signal=INT", env!("CARGO_BIN_EXE_striate")])
        .args(args("stopped"))
        .current_dir(dir.path())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    while !dir.path().join("stopped/checkpoint.safetensors").exists() {
        std::thread::sleep(Duration::from_millis(1));
    }
    send(&child, rustix::process::Signal::INT);
    let output = child.wait_with_output().unwrap();
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("Stopped; nothing is lost.") && said.contains("train --resume stopped"), "{said}");
    let run = dir.path().join("stopped");
    let checkpoint = run.join("checkpoint.safetensors");
    let earlier = std::fs::read(&checkpoint).unwrap();
    // The second time it starts as a run that was killed after its last model was written and before its last checkpoint.
    for killed in [false, true] {
        if killed {
            std::fs::write(&checkpoint, &earlier).unwrap();
        }
        succeed(dir.path(), &["train", "--resume", "stopped"]);
        assert!(weights(&run.join("model.safetensors")) == undisturbed, "killed: {killed}");
        assert_eq!(metrics(&run), metrics(&dir.path().join("undisturbed")), "killed: {killed}");
    }
}
