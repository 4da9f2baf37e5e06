//! Lists of runs, and comparisons.

use crate::common::*;
use std::fs;
use std::path::Path;

fn train(d: &Path, out: &str, more: &[&str]) {
    let args = ["train", "squares", "--model", "lenet", "--batch-size", "20", "--quiet", "--out", out];
    succeed(d, &args.iter().chain(more).copied().collect::<Vec<_>>());
}

fn json(d: &Path, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeed(d, args)).unwrap()
}

#[test]
fn runs_are_listed_with_their_state() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 100, 20, 28);
    fail(d, &["runs"], 1, &["there is no directory runs", "train"]);
    fs::create_dir(d.join("runs")).unwrap();
    assert_eq!(succeed(d, &["runs"]), "No runs in runs\n");
    assert_eq!(succeed(d, &["runs", "--json"]), "[]\n");
    train(d, "runs/one", &["--epochs", "1", "--lr", "0.0001"]);
    train(d, "runs/two", &["--epochs", "3"]);
    let output = run(d, &["train", "squares", "--model", "lenet", "--lr", "1e30", "--quiet", "--out", "runs/lost"]);
    assert_eq!(output.status.code(), Some(1));
    train(d, "runs/cut", &["--epochs", "1"]);
    fs::write(d.join("runs/cut/result.json"), "{").unwrap();
    fs::create_dir(d.join("runs/other")).unwrap();
    fs::write(d.join("runs/other/config.toml"), "[package]").unwrap();

    let said = succeed(d, &["runs"]);
    let cells = |name: &str| {
        let row =
            said.lines().find(|line| line.starts_with(&format!("runs/{name} "))).unwrap_or_else(|| panic!("{said}"));
        row.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(String::from).collect::<Vec<_>>()
    };
    let two = cells("two");
    assert_eq!(two[..5], ["runs/two", "classification", "squares", "lenet", "3/3"].map(String::from), "{said}");
    assert!(two[5].contains("% test accuracy (epoch ") && two[6].ends_with(" s") && two[7] == "finished", "{said}");
    assert_eq!(cells("lost").last().unwrap(), "failed");
    assert_eq!(cells("cut").last().unwrap(), "damaged");
    assert!(!said.contains("runs/other"), "{said}");
    assert!(
        said.contains("\nruns/lost: failed: step ") && said.contains("\nruns/cut: damaged: runs/cut/result.json: EOF"),
        "{said}"
    );

    let all = json(d, &["runs", "--json"]);
    let states: Vec<&str> = all.as_array().unwrap().iter().map(|run| run["state"].as_str().unwrap()).collect();
    assert_eq!((states.len(), states[3]), (4, "damaged"), "{all}");
    let sorted = json(d, &["runs", "--json", "--sort", "accuracy"]);
    assert_eq!((&sorted[0]["run"], &sorted[1]["run"]), (&"runs/two".into(), &"runs/one".into()), "{sorted}");
    let said = succeed(d, &["runs", "--sort", "loss"]);
    assert!(said.lines().nth(1).unwrap().starts_with("runs/two ") && said.contains(" test loss (epoch"), "{said}");
    fail(d, &["runs", "--sort", "speed"], 1, &["--sort", "no run has a metric 'speed'", "accuracy", "f1_macro"]);
    // The directory of one run is a list of one.
    assert_eq!(succeed(d, &["runs", "runs/two"]).lines().count(), 2);
}

#[test]
fn runs_are_compared_side_by_side() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 100, 20, 28);
    train(d, "a", &["--epochs", "1", "--lr", "0.0001"]);
    train(d, "b", &["--epochs", "2", "--ema", "0.9"]);
    let said = succeed(d, &["runs", "compare", "a", "b"]);
    let row = |name: &str| {
        let row = said
            .lines()
            .find(|line| line.trim_start().starts_with(&format!("{name} ")))
            .unwrap_or_else(|| panic!("{name}: {said}"));
        row.trim_start()[name.len()..]
            .split("  ")
            .map(str::trim)
            .filter(|c| !c.is_empty())
            .map(String::from)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (row("lr"), row("ema"), row("epochs")),
        (vec!["0.0001".into(), "0.001".into()], vec!["–".into(), "0.9".into()], vec!["1".into(), "2".into()])
    );
    assert!(!said.contains("batch_size"), "{said}");
    assert!(
        row("accuracy")[0].contains("% (")
            && row("measured on")[0] == "20 test samples"
            && row("F1 (macro)").len() == 2,
        "{said}"
    );
    let both = json(d, &["runs", "compare", "b", "a", "--json"]);
    assert_eq!(
        (&both["settings"]["lr"], &both["settings"]["ema"]),
        (&serde_json::json!(["0.001", "0.0001"]), &serde_json::json!(["0.9", null]))
    );
    assert_eq!(both["runs"][1]["run"], "a");

    assert!(succeed(d, &["runs", "compare", "a", "a"]).starts_with("The settings are the same."));
    fs::rename(d.join("squares"), d.join("moved")).unwrap();
    succeed(d, &["train", "moved", "--model", "lenet", "--epochs", "1", "--quiet", "--out", "c"]);
    let output = run(d, &["runs", "compare", "a", "c", "b"]);
    assert!(output.status.success() && stderr(&output).contains("note: the data differs ("), "{}", stderr(&output));
    fail(d, &["runs", "compare", "a"], 2, &["RUN"]);
    fail(d, &["runs", "compare", "a", "moved"], 1, &["moved is not a run directory"]);
}

/// Who trains is seen by the lock; a process that was killed has not said how it ended.
#[cfg(target_os = "linux")]
#[test]
fn running_and_killed_runs_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 100, 20, 28);
    let train = [
        "train",
        "squares",
        "--model",
        "lenet",
        "--epochs",
        "100000",
        "--batch-size",
        "20",
        "--quiet",
        "--out",
        "runs/long",
    ];
    let mut child = striate(d).args(train).spawn().unwrap();
    let state = || json(d, &["runs", "--json"])[0].clone();
    let start = std::time::Instant::now();
    while !d.join("runs/long/model.safetensors").exists() || state()["epochs_done"] == 0 {
        assert!(start.elapsed().as_secs() < 60, "no epoch is done");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(state()["state"], "running");
    child.kill().unwrap();
    child.wait().unwrap();
    let killed = state();
    assert_eq!(killed["state"], "failed");
    assert!(killed["error"].as_str().unwrap().contains("killed") && killed["best"]["epoch"].is_u64(), "{killed}");
}
