//! What a run's directory gets besides weights: pictures, its result, numbers for TensorBoard.

use crate::common::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

const LENET: [&str; 6] = ["train", "squares", "--model", "lenet", "--batch-size", "20"];

fn events(run: &Path) -> usize {
    fs::read_dir(run.join("tensorboard")).map_or(0, |files| files.count())
}

fn result(run: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap()
}

#[test]
fn numbers_for_tensorboard_lie_in_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let said = succeed(d, &[&LENET[..], &["--epochs", "1", "--out", "plain"]].concat());
    assert!(!d.join("plain/tensorboard").exists(), "{said}");
    succeed(d, &[&LENET[..], &["--epochs", "1", "--tensorboard", "--quiet", "--out", "run"]].concat());
    assert_eq!(events(&d.join("run")), 1);
    let file = fs::read_dir(d.join("run/tensorboard")).unwrap().next().unwrap().unwrap().path();
    let bytes = fs::read(file).unwrap();
    for tag in ["train/loss", "train/accuracy", "test/loss", "test/f1_macro", "lr", "grad_norm"] {
        assert!(bytes.windows(tag.len()).any(|part| part == tag.as_bytes()), "{tag}");
    }
    // A run that has begun so goes on so.
    succeed(d, &["train", "--resume", "run", "--epochs", "2"]);
    assert_eq!(events(&d.join("run")), 2);
    succeed(d, &["train", "--resume", "plain", "--epochs", "2", "--tensorboard"]);
    assert_eq!(events(&d.join("plain")), 1);
    // What cannot be written is said once, and ends nothing.
    fs::remove_dir_all(d.join("plain/tensorboard")).unwrap();
    fs::write(d.join("plain/tensorboard"), "").unwrap();
    let said = succeed(d, &["train", "--resume", "plain", "--epochs", "3", "--tensorboard"]);
    assert_eq!(said.matches("cannot write for TensorBoard: ").count(), 1, "{said}");
    assert!(said.contains("training goes on without it") && said.contains("Done in"), "{said}");
    let means = ["finetune", "squares", "--from", "run/model.safetensors", "--mode", "prototype"];
    for flag in ["--tensorboard", "--ui"] {
        fail(d, &[&means[..], &[flag]].concat(), 1, &[flag, "prototype trains nothing"]);
    }
}

/// The Python that has TensorBoard; none if there is no such.
fn python_with_tensorboard() -> Option<String> {
    let named = std::env::var("STRIATE_TENSORBOARD_PYTHON").ok();
    let python = named.clone().unwrap_or_else(|| "python3".into());
    let has = Command::new(&python).args(["-c", "import tensorboard"]).output().is_ok_and(|o| o.status.success());
    assert!(has || named.is_none(), "STRIATE_TENSORBOARD_PYTHON names {python}, which has no tensorboard");
    has.then_some(python)
}

#[test]
fn tensorboard_shows_what_metrics_csv_has() {
    let Some(python) = python_with_tensorboard() else {
        println!("skipped: python3 has no tensorboard (STRIATE_TENSORBOARD_PYTHON may name one that has)");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let train = ["--epochs", "2", "--log-every", "1", "--tensorboard", "--quiet", "--out", "run"];
    succeed(d, &[&LENET[..], &train].concat());
    let check = || {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/check_tensorboard.py");
        let output = Command::new(&python).arg(script).arg(d.join("run")).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        stdout(&output)
    };
    let rows = fs::read_to_string(d.join("run/metrics.csv")).unwrap();
    let values: usize =
        rows.lines().skip(1).map(|row| row.split(',').skip(3).filter(|cell| !cell.is_empty()).count()).sum();
    let shown = check();
    assert!(shown.contains(&format!("shows {values} values of ")), "{values}: {shown}");
    assert!(shown.contains(" in 1 files ") && shown.contains(", and 0 superseded"), "{shown}");
    // Killed in the third epoch after it was measured and before its checkpoint: its steps are done twice.
    let checkpoint = fs::read(d.join("run/checkpoint.safetensors")).unwrap();
    succeed(d, &["train", "--resume", "run", "--epochs", "3", "--quiet"]);
    let of_third = fs::read_to_string(d.join("run/metrics.csv")).unwrap().len() - rows.len();
    fs::write(d.join("run/checkpoint.safetensors"), checkpoint).unwrap();
    succeed(d, &["train", "--resume", "run", "--quiet"]);
    assert_eq!(fs::read_to_string(d.join("run/metrics.csv")).unwrap().len(), rows.len() + of_third);
    let shown = check();
    assert!(shown.contains(&format!("shows {} values of ", values / 2 * 3)), "{values}: {shown}");
    assert!(shown.contains(" in 3 files ") && shown.contains(&format!(", and {} superseded", values / 2)), "{shown}");
}

/// A limit on the size of files is as good as a full disk for the only one that is large.
#[cfg(unix)]
#[test]
fn metrics_that_no_longer_fit_end_nothing_and_leave_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let train = "train squares --model 'flatten, linear' --batch-size 20 --epochs 1 --quiet --out run";
    let program = env!("CARGO_BIN_EXE_striate");
    let sh = |line: &str| Command::new("sh").arg("-c").arg(line).current_dir(d).output().unwrap();
    assert!(sh(&format!("{program} {train}")).status.success());
    let csv = d.join("run/metrics.csv");
    let rows = fs::read_to_string(&csv).unwrap() + &"1,1,train,0.001,1.0,0.5,0.5,,,\n".repeat(100_000);
    fs::write(&csv, &rows).unwrap();
    let names = || fs::read_dir(d.join("run")).unwrap().map(|e| e.unwrap().file_name()).collect::<BTreeSet<_>>();
    let before = names();
    let output = sh(&format!("trap '' XFSZ; ulimit -f 1000; exec {program} train --resume run --epochs 2"));
    let said = stdout(&output) + &stderr(&output);
    assert!(output.status.success(), "{said}");
    assert_eq!(said.matches("run/metrics.csv: ").count(), 1, "{said}");
    assert!(said.contains("training goes on without it") && said.contains("Done in"), "{said}");
    assert!(fs::read_to_string(&csv).unwrap() == rows, "it is as it was");
    assert_eq!(names(), before);
}

#[test]
fn a_run_has_pictures_and_a_result() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 200, 50, 28);
    succeed(d, &[&LENET[..], &["--epochs", "2", "--log-every", "3", "--out", "run"]].concat());
    let run = d.join("run");
    let curves = fs::read_to_string(run.join("curves.svg")).unwrap();
    for name in ["training", "test", "training accuracy", "test accuracy", "step"] {
        assert!(curves.contains(&format!(">{name}<")), "{name}: {curves}");
    }
    let confusion = fs::read_to_string(run.join("confusion.svg")).unwrap();
    assert!(confusion.contains("Confusion matrix") && confusion.contains("actual 3, predicted 3: "), "{confusion}");
    let first = result(&run);
    assert_eq!(
        (&first["state"], &first["task"], &first["data"]),
        (&"finished".into(), &"classification".into(), &"squares".into())
    );
    assert_eq!((&first["epochs_done"], &first["steps"], &first["split"]), (&2.into(), &20.into(), &"test".into()));
    let accuracy = first["best"]["metrics"].as_array().unwrap().iter().find(|m| m["name"] == "accuracy").unwrap();
    assert!(accuracy["interval_95"].is_array() && first["baseline"]["value"].is_f64(), "{first}");
    let seconds = first["seconds"].as_f64().unwrap();
    assert!(seconds > 0.0);
    // It goes on where it was, and so do its curves.
    succeed(d, &["train", "--resume", "run", "--epochs", "3", "--quiet"]);
    let second = result(&run);
    assert_eq!((&second["epochs_done"], &second["started"]), (&3.into(), &first["started"]));
    assert!(second["seconds"].as_f64().unwrap() > seconds, "{second}");
    assert!(fs::read_to_string(run.join("curves.svg")).unwrap().len() > curves.len());
}

#[test]
fn an_error_is_in_the_result_and_the_directory_can_be_taken_again() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let lost = [&LENET[..], &["--epochs", "1", "--lr", "1e30", "--tensorboard", "--out", "run"]].concat();
    let output = run(d, &lost);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let failed = result(&d.join("run"));
    assert_eq!(failed["state"], "failed");
    assert!(failed["error"].as_str().unwrap().contains("smaller learning rate"), "{failed}");
    succeed(d, &[&LENET[..], &["--epochs", "1", "--quiet", "--out", "run"]].concat());
    assert_eq!(result(&d.join("run"))["state"], "finished");
    assert!(!d.join("run/tensorboard").exists());
}

/// A directory in the place of a file is as good as a full disk: nothing can be written there.
#[test]
fn pictures_that_cannot_be_written_end_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    succeed(d, &[&LENET[..], &["--epochs", "1", "--quiet", "--out", "run"]].concat());
    for name in ["curves.svg", "confusion.svg", "result.json"] {
        fs::remove_file(d.join("run").join(name)).unwrap();
        fs::create_dir_all(d.join("run").join(name).join("x")).unwrap();
    }
    let said = succeed(d, &["train", "--resume", "run", "--epochs", "4"]);
    assert_eq!(said.matches("training goes on without it").count(), 1, "{said}");
    assert!(said.contains("Done in"), "{said}");
}
