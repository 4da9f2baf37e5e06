//! What can be tried before a run: `--smoke`, `--overfit-one-batch` and `--batch-size auto`.

use crate::common::*;
use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;

fn entries(d: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(d).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

/// Runs the program with its temporary files in `tmp`, which must be empty afterwards.
fn run_in(d: &Path, args: &[&str]) -> std::process::Output {
    let tmp = d.join("tmp");
    fs::create_dir_all(&tmp).unwrap();
    let output = striate(d).env("TMPDIR", &tmp).args(args).output().unwrap();
    assert!(entries(&tmp).is_empty(), "{:?}", entries(&tmp));
    fs::remove_dir(&tmp).unwrap();
    output
}

const WORKS: &str = "Everything works: data, every stage of the training, validation, checkpoint and model file, in ";

#[test]
fn a_smoke_run_says_that_everything_works_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 200, 50, 28);
    let norm = "conv 4 3, batchnorm, relu, maxpool 2, flatten, linear";
    for more in [
        &["--model", "lenet"][..],
        &[
            "--model",
            norm,
            "--schedule",
            "onecycle",
            "--ema",
            "0.9",
            "--balance",
            "--epoch-fraction",
            "0.1",
            "--patience",
            "1",
        ],
        &["--model", norm, "--accumulate", "4", "--augment", "pad-crop 2, cutmix", "--recipe", "fast"],
        &["--schedule", "warmup 100, step 30", "--time-budget", "1s", "--seed", "4", "--batch-size", "90"],
    ] {
        let output = run_in(d, &[&["train", "squares", "--smoke", "--epochs", "50"], more].concat());
        let said = stdout(&output);
        assert!(output.status.success(), "{more:?}: {}", stderr(&output));
        assert!(said.lines().last().unwrap().starts_with(WORKS), "{said}");
        assert!(said.contains("Epoch: [1/1]") && !said.contains("tmp") && !said.contains("Done in"), "{said}");
        assert_eq!(entries(d), ["squares"], "{more:?}");
    }
    let quiet = run_in(d, &["train", "squares", "--smoke", "--quiet"]);
    assert!(quiet.status.success() && quiet.stdout.is_empty() && quiet.stderr.is_empty());
    let json = stdout(&run_in(d, &["train", "squares", "--smoke", "--log", "json"]));
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!((&last["event"], &last["works"]), (&"smoke".into(), &true.into()), "{json}");
    assert!(!json.contains("tmp"), "{json}");
}

#[test]
fn a_smoke_run_fine_tunes_in_every_mode_and_keeps_what_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 120, 40, 28);
    let net = ["--model", "conv 4 3, batchnorm, relu, maxpool 2, flatten, linear"];
    succeed(
        d,
        &[&["train", "squares", "--epochs", "1", "--batch-size", "20", "--quiet", "--out", "base"], &net[..]].concat(),
    );
    for mode in ["head", "full", "gradual"] {
        let output = run_in(d, &["finetune", "--from", "base/model.safetensors", "squares", "--mode", mode, "--smoke"]);
        let said = stdout(&output);
        assert!(output.status.success(), "{mode}: {}", stderr(&output));
        let stages = if mode == "gradual" { 2 } else { 1 };
        assert_eq!(
            said.matches(&format!("/{stages}], Test Loss")).count()
                + said.matches(&format!("/{stages}], Validation Loss")).count(),
            stages,
            "{said}"
        );
        assert!(said.lines().last().unwrap().starts_with(WORKS), "{said}");
        assert_eq!(entries(d), ["base", "squares"], "{mode}");
    }
    let prototype = ["finetune", "--from", "base/model.safetensors", "squares", "--mode", "prototype", "--smoke"];
    fail(d, &prototype, 2, &["'--smoke' cannot be used with '--mode prototype'"]);
    let kept = run_in(d, &["train", "squares", "--smoke", "--out", "kept"]);
    assert!(kept.status.success() && stdout(&kept).contains("into kept"), "{}", stderr(&kept));
    assert!(succeed(d, &["eval", "kept"]).contains("Accuracy"));
}

#[test]
fn a_smoke_run_reads_images_and_tells_of_those_that_it_cannot() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for (class, name) in ["red", "blue"].into_iter().enumerate() {
        fs::create_dir_all(d.join("photos").join(name)).unwrap();
        for n in 0..40u8 {
            let image = RgbImage::from_fn(16, 16, |x, y| {
                let mut pixel = [(x * 13) as u8 ^ n, (y * 11) as u8 ^ n, n];
                pixel[2 * class] = 250 - n;
                Rgb(pixel)
            });
            image.save(d.join("photos").join(name).join(format!("{n}.png"))).unwrap();
        }
    }
    fs::write(d.join("photos/red/broken.png"), "no image").unwrap();
    let output = run_in(d, &["train", "photos", "--smoke", "--cache", "ram"]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stdout(&output).lines().last().unwrap().starts_with(WORKS), "{}", stdout(&output));
    let notes = stderr(&output);
    assert!(notes.contains("left out: 1 image that cannot be read: ") && notes.contains("broken.png"), "{notes}");
    assert!(!notes.contains("bad-images.txt") && entries(d) == ["photos"], "{notes}");
}

#[test]
fn a_smoke_run_fails_as_a_run_would() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let error = |args: &[&str], code: i32, parts: &[&str]| {
        let output = run_in(d, args);
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
        let last = text.lines().last().unwrap();
        assert!(last.starts_with("error: ") && parts.iter().all(|part| last.contains(part)), "{args:?}: {text}");
        assert!(!last.contains("tmp"), "{last}");
        assert_eq!(entries(d), ["squares"], "{args:?}");
    };
    error(&["train", "nowhere", "--smoke"], 1, &["nowhere"]);
    error(&["train", "squares", "--smoke", "--model", "lenett"], 1, &["lenett"]);
    error(
        &["train", "squares", "--smoke", "--lr", "1e38", "--optimizer", "sgd", "--quiet"],
        1,
        &["step 1", "--lr 0.001"],
    );
    error(&["train", "--smoke", "--resume", "run"], 2, &["--smoke", "--resume"]);
    error(&["train", "squares", "--smoke", "--show-config"], 2, &["--smoke", "--show-config"]);
    error(&["lr-find", "squares", "--smoke"], 2, &["'--smoke' cannot be used with 'lr-find'"]);
    // A directory with something in it stays as it is.
    fs::create_dir(d.join("full")).unwrap();
    fs::write(d.join("full/precious"), "x").unwrap();
    fail(d, &["train", "squares", "--smoke", "--out", "full"], 1, &["full", "not empty"]);
    assert_eq!(entries(&d.join("full")), ["precious"]);
    // One image, and fewer than a batch.
    idx_dir(d, 1, 1, 28);
    assert!(run_in(d, &["train", "squares", "--smoke", "--model", "flatten, linear"]).status.success());
    idx_dir(d, 3, 2, 28);
    assert!(run_in(d, &["train", "squares", "--smoke"]).status.success());
}

#[test]
fn one_batch_is_memorized_or_the_line_says_why_not() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let train = |more: &[&'static str]| {
        [
            &[
                "train",
                "squares",
                "--batch-size",
                "20",
                "--model",
                "conv 4 3, relu, maxpool 2, flatten, dropout 0.5, linear",
            ],
            more,
        ]
        .concat()
    };
    let said = succeed(
        d,
        &train(&[
            "--overfit-one-batch",
            "--lr",
            "0.01",
            "--weight-decay",
            "1",
            "--label-smoothing",
            "0.5",
            "--augment",
            "cutmix",
        ]),
    );
    let lines: Vec<&str> = said.lines().collect();
    assert!(
        lines[0].contains("on one batch of squares alone: adam at 0.01, 500 steps at most, without augmentation"),
        "{said}"
    );
    assert!(lines[1].starts_with("Epoch: [1/1], Step: [1/500], Loss: 2."), "{said}");
    let last = lines.last().unwrap();
    assert!(
        last.starts_with("The network memorizes one batch of 20 images: in ") && last.ends_with("accuracy 100%."),
        "{said}"
    );
    assert_eq!(entries(d), ["squares"]);
    fail(
        d,
        &train(&["-q", "--overfit-one-batch=20", "--lr", "1e-9"]),
        1,
        &["20 steps on one batch of 20 images", "--lr 0.00000001", "too small"],
    );
    fail(
        d,
        &train(&["-q", "--overfit-one-batch=20", "--optimizer", "sgd", "--lr", "1e38"]),
        1,
        &["not finite", "too large"],
    );
    fail(
        d,
        &train(&["-q", "--overfit-one-batch=12", "--lr", "0.001"]),
        1,
        &["it still falls", "--overfit-one-batch=48", "--lr 0.01"],
    );
    fail(d, &train(&["--overfit-one-batch=0"]), 2, &["--overfit-one-batch", "1 or more"]);
    for flag in ["--smoke", "--show-config", "--profile"] {
        fail(d, &train(&["--overfit-one-batch", flag]), 2, &["--overfit-one-batch", flag]);
    }
    fail(d, &["train", "--overfit-one-batch", "--resume", "run"], 2, &["--overfit-one-batch", "--resume"]);
    fail(d, &["lr-find", "squares", "--overfit-one-batch"], 2, &["cannot be used with 'lr-find'"]);
    let json = stdout(&run(d, &train(&["--overfit-one-batch=12", "--lr", "1e-9", "--log", "json"])));
    let last: serde_json::Value = serde_json::from_str(json.lines().last().unwrap()).unwrap();
    assert_eq!(
        (&last["event"], &last["verdict"], &last["samples"]),
        (&"overfit".into(), &"flat".into(), &20.into()),
        "{json}"
    );
}

#[test]
fn every_task_can_be_tried() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    fs::create_dir(d.join("levels")).unwrap();
    let mut table = "path,labels,level,split\n".to_string();
    for i in 0..64u32 {
        let pixels: Vec<u8> =
            (0..256).map(|p| (i * 3 + (2654435761u32.wrapping_mul(p * (i + 7)) >> 16) % 60) as u8).collect();
        fs::write(d.join(format!("levels/{i:02}.pgm")), [b"P5 16 16 255\n".to_vec(), pixels].concat()).unwrap();
        let labels = [(i < 40, "dark"), (i >= 24, "bright")].into_iter().filter_map(|(has, name)| has.then_some(name));
        let labels = labels.collect::<Vec<_>>().join(";");
        table += &format!("levels/{i:02}.pgm,{labels},{i},{}\n", if i % 4 == 3 { "val" } else { "train" });
    }
    fs::write(d.join("levels.csv"), table).unwrap();
    let net = ["--model", "conv 4 3, relu, flatten, linear", "--batch-size", "auto", "--lr", "0.01"];
    for task in [&["--task", "multi-label"][..], &["--task", "regression", "--label-column", "level"]] {
        let of = |verb: &'static str, more: &[&'static str]| [&[verb, "levels.csv"], &net[..], task, more].concat();
        let smoke = run_in(d, &of("train", &["--smoke"]));
        assert!(
            smoke.status.success() && stdout(&smoke).lines().last().unwrap().starts_with(WORKS),
            "{}",
            stderr(&smoke)
        );
        assert!(
            succeed(d, &of("train", &["--overfit-one-batch"])).contains("The network memorizes one batch of 4 images")
        );
        let search = succeed(d, &of("lr-find", &["--json", "--svg", "curve.svg"]));
        assert!(search.contains("\"rule\":\"valley\""), "{search}");
    }
    assert_eq!(entries(d), ["curve.svg", "levels", "levels.csv"]);
}
