//! Trainings in a terminal: the dashboard, and a terminal that is closed.
#![cfg(target_os = "linux")]

use crate::common::*;
use crate::pty::Terminal;
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use std::fs;
use std::path::Path;

/// A training that takes minutes.
const TRAIN: [&str; 9] =
    ["train", "squares", "--model", "lenet", "--batch-size", "20", "--checkpoint-every", "1000000", "--epochs"];
const LONG: &str = "100000";

fn training(d: &Path, size: [u16; 2], run: &str, more: &[&str]) -> Terminal {
    Terminal::start(d, size, &[&TRAIN[..], &[LONG, "--out", run], more].concat())
}

fn result(run: &Path) -> serde_json::Value {
    serde_json::from_str(&fs::read_to_string(run.join("result.json")).unwrap()).unwrap()
}

/// Whether a training that was stopped in the middle goes on to the bits of one that was not: to the end of the epoch under way and one more.
fn goes_on_to_the_same_bits(d: &Path, run: &str) {
    let said = result(&d.join(run));
    assert_eq!(said["state"], "stopped", "{said}");
    let epochs = said["epochs_done"].as_u64().unwrap() + 2;
    let config = d.join(run).join("config.toml");
    let text = fs::read_to_string(&config).unwrap();
    let shorter = text.replace(&format!("epochs = {LONG}"), &format!("epochs = {epochs}"));
    assert_ne!(text, shorter);
    fs::write(&config, shorter).unwrap();
    succeed(d, &["train", "--resume", run, "--quiet"]);
    let whole = format!("{run}-whole");
    succeed(d, &[&TRAIN[..], &[&epochs.to_string(), "--out", &whole, "--quiet"]].concat());
    for file in ["model.safetensors", "last.safetensors"] {
        assert!(weights(&d.join(run).join(file)) == weights(&d.join(&whole).join(file)), "{run}: {file}");
    }
}

/// Whether the dashboard covers all of a terminal of this size.
fn is_drawn([columns, rows]: [u16; 2]) -> impl Fn(&Terminal) -> bool {
    move |terminal| {
        terminal.cell(0, 1) == "┌"
            && terminal.cell(columns - 1, 1) == "┐"
            && terminal.cell(columns - 1, rows - 2) == "┘"
            && terminal.screen().rows(0, columns).last().is_some_and(|line| line.starts_with("q or Ctrl-C stop safely"))
    }
}

#[test]
fn the_dashboard_fills_the_terminal_and_q_stops_safely() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 100, 20, 28);
    for size @ [columns, _] in [[80, 24], [200, 50]] {
        let run = format!("run-{columns}");
        let mut terminal = training(d, size, &run, &["--ui"]);
        terminal.wait_for("the dashboard is drawn", is_drawn(size));
        terminal.wait_for("an epoch is in the log", |terminal| terminal.text().contains("Test Accuracy: "));
        let text = terminal.text();
        assert!(terminal.screen().alternate_screen() && terminal.screen().hide_cursor());
        for part in ["lenet on squares (100 training, 20 test images), into run-", "Loss  training ", "ETA "] {
            assert!(text.contains(part), "'{part}' is not in\n{text}");
        }
        terminal.press("q");
        assert_eq!(terminal.wait(), Some(130));
        assert!(terminal.is_given_back(), "{}", terminal.text());
        assert!(terminal.text().contains("Stopped; nothing is lost. Go on with:"), "{}", terminal.text());
        goes_on_to_the_same_bits(d, &run);
    }
}

#[test]
fn the_dashboard_follows_a_terminal_that_is_resized() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 100, 20, 28);
    let mut terminal = training(dir.path(), [80, 24], "run", &["--ui"]);
    terminal.wait_for("the dashboard is drawn", is_drawn([80, 24]));
    for size in [[130, 40], [60, 20], [80, 24]] {
        terminal.resize(size);
        terminal.wait_for("the dashboard is drawn again", is_drawn(size));
    }
    terminal.press("\x03");
    assert_eq!(terminal.wait(), Some(130));
    assert!(terminal.is_given_back(), "{}", terminal.text());
    assert_eq!(result(&dir.path().join("run"))["state"], "stopped");
}

/// The numbers of `/proc/<id>/status`, in kB.
fn status(terminal: &Terminal, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", terminal.child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_panic_gives_the_terminal_back() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    // An epoch of some seconds, after which large batches are measured: the system has no memory for these.
    idx_dir(d, 8000, 2000, 28);
    let args = ["train", "squares", "--batch-size", "4", "--threads", "1", "--epochs", "5", "--out", "run", "--ui"];
    let mut terminal = Terminal::start(d, [80, 24], &args);
    terminal.wait_for("the dashboard is drawn", is_drawn([80, 24]));
    let step = |rest: &str| rest.split('/').next()?.replace(',', "").parse::<u64>().ok();
    terminal.wait_for("steps are taken", |terminal| terminal.text().split("step ").any(|rest| step(rest) > Some(50)));
    let some = (status(&terminal, "VmSize") + 4_000) * 1024;
    let pid = Pid::from_child(&terminal.child);
    prlimit(Some(pid), Resource::As, Rlimit { current: Some(some), maximum: Some(some) }).unwrap();
    assert_eq!(terminal.wait(), Some(1), "{}", terminal.text());
    assert!(terminal.text().contains("error: out of memory: the system gives no "), "{}", terminal.text());
    assert!(terminal.is_given_back(), "{}", terminal.text());
}

#[test]
fn a_training_whose_terminal_is_closed_stops_safely() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 100, 20, 28);
    for (run, more) in [("ui", &["--ui"][..]), ("lines", &[]), ("json", &["--log", "json"])] {
        let mut terminal = training(d, [80, 24], run, more);
        terminal.wait_for("it trains", |terminal| {
            ["Test Accuracy: ", "\"measured\""].iter().any(|part| terminal.text().contains(part))
        });
        terminal.close();
        assert_eq!(terminal.wait(), Some(129), "{run}");
        goes_on_to_the_same_bits(d, run);
    }
    // Other commands end as those that do not know what to do with the signal.
    let mut terminal = Terminal::start(d, [80, 24], &["sweep", "plan.toml", "--out", "s"]);
    assert_eq!(terminal.wait(), Some(1), "{}", terminal.text());
    fs::write(
        d.join("plan.toml"),
        format!(
            "data = \"squares\"\nmodel = \"lenet\"\nbatch_size = 20\nepochs = {LONG}\n[sweep.space]\nlr = [0.1, 0.01]\n"
        ),
    )
    .unwrap();
    let mut terminal = Terminal::start(d, [80, 24], &["sweep", "plan.toml", "--out", "s"]);
    terminal.wait_for("it trains", |_| d.join("s/trial-001/model.safetensors").exists());
    terminal.close();
    assert_eq!(terminal.wait(), Some(129));
    assert_eq!(result(&d.join("s/trial-001"))["state"], "stopped");
}
