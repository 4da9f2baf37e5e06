//! `--batch-size auto`: what it comes to, and that it stays that.

use crate::common::*;
use std::fs;
use std::path::Path;
use std::process::Command;

const NET: [&str; 2] = ["--model", "conv 4 3, batchnorm, relu, dropout 0.2, maxpool 2, flatten, linear"];

fn train<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["train", "squares", "--epochs", "1"], &NET[..], more].concat()
}

fn config(d: &Path, run: &str) -> String {
    fs::read_to_string(d.join(run).join("config.toml")).unwrap()
}

#[test]
fn auto_is_a_number_that_stays() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 200, 40, 28);
    let said = succeed(d, &train(&["--batch-size", "auto", "--out", "auto"]));
    assert!(said.contains("1 epoch, batch 16,"), "{said}");
    assert!(
        said.contains("note: batch size 16 (auto): the largest power of two up to 512 and 1/8 of the 200 samples"),
        "{said}"
    );
    assert!(config(d, "auto").contains("batch_size = 16\n"), "{}", config(d, "auto"));
    // What was measured has left no trace.
    succeed(d, &train(&["--batch-size", "16", "--out", "typed", "--quiet"]));
    let of = |run: &str| weights(&d.join(run).join("last.safetensors"));
    assert!(of("auto") == of("typed"));
    assert_eq!(config(d, "auto"), config(d, "typed"));
    let more = succeed(d, &["train", "--resume", "auto", "--epochs", "2"]);
    assert!(more.contains("batch 16,") && config(d, "auto").contains("batch_size = 16\n"), "{more}");
    let half = succeed(d, &train(&["--batch-size", "auto", "--epoch-fraction", "0.5", "--out", "half"]));
    assert!(half.contains("batch size 8 (auto)"), "{half}");
}

#[test]
fn auto_comes_from_files_too_and_every_verb_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 200, 40, 28);
    fs::write(d.join("my.toml"), "batch_size = \"auto\"\n").unwrap();
    let shown = |more: &[&str]| succeed(d, &train(&[&["--config", "my.toml", "--show-config"], more].concat()));
    let line = |text: &str| {
        text.lines()
            .find(|line| line.starts_with("batch_size"))
            .unwrap()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line(&shown(&[])), "batch_size = 16 # my.toml");
    assert_eq!(line(&shown(&["--batch-size", "20"])), "batch_size = 20 # typed");
    let smoke = succeed(d, &train(&["--batch-size", "AUTO", "--smoke"]));
    assert!(smoke.contains("batch 16,") && smoke.contains("Everything works"), "{smoke}");
    let search =
        succeed(d, &["lr-find", "squares", "--batch-size", "auto", "--steps", "10", "--json", "--end-lr", "1"]);
    assert!(search.contains("--batch-size auto"), "{search}");
    succeed(d, &train(&["--batch-size", "50", "--out", "base", "--quiet"]));
    for (mode, size) in [("head", "batch 16,"), ("full", "batch 16,")] {
        let finetune = [
            "finetune",
            "--from",
            "base/model.safetensors",
            "squares",
            "--mode",
            mode,
            "--epochs",
            "1",
            "--batch-size",
            "auto",
            "--out",
            mode,
        ];
        let said = succeed(d, &finetune);
        assert!(said.contains(size), "{mode}: {said}");
    }
}

#[test]
fn little_data_and_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for images in [1, 2, 9] {
        idx_dir(d, images, 1, 28);
        let said = succeed(
            d,
            &[
                "train",
                "squares",
                "--epochs",
                "1",
                "--model",
                "flatten, linear",
                "--batch-size",
                "auto",
                "--out",
                &format!("run-{images}"),
            ],
        );
        assert!(said.contains("batch 2,"), "{said}");
    }
    for text in ["0", "-1", "1.5", "automatic", ""] {
        fail(
            d,
            &["train", "squares", "--batch-size", text],
            2,
            &["--batch-size", "it must be a whole number, 1 or more, or auto"],
        );
    }
    fail(d, &["train", "--resume", "run-9", "--batch-size", "auto"], 2, &["--batch-size", "--resume"]);
    fs::write(d.join("my.toml"), "batch_size = \"all\"\n").unwrap();
    fail(d, &["train", "squares", "--config", "my.toml"], 1, &["my.toml: line 1", "expected a number or \"auto\""]);
}

#[cfg(target_os = "linux")]
#[test]
fn less_memory_makes_a_smaller_batch() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 4100, 20, 28);
    let net = "conv 64 3, relu, conv 64 3, relu, maxpool 4, flatten, linear";
    let smoke = |megabytes: usize| {
        let line = format!(
            "ulimit -v {}; exec {} train squares --smoke --threads 1 --batch-size auto --model '{net}'",
            megabytes << 10,
            env!("CARGO_BIN_EXE_striate")
        );
        Command::new("sh").arg("-c").arg(line).current_dir(d).output().unwrap()
    };
    let size = |output: &std::process::Output| {
        let notes = stderr(output);
        assert!(output.status.success(), "{notes}");
        let after = notes.split("batch size ").nth(1).unwrap_or_else(|| panic!("{notes}"));
        after.split(' ').next().unwrap().parse::<usize>().unwrap()
    };
    let (less, more) = (size(&smoke(600)), size(&smoke(1800)));
    assert!(less < more && less >= 2, "{less} {more}");
}
