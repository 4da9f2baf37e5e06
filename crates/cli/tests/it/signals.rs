//! Signals end a training as its caller expects, or not at all.
#![cfg(target_os = "linux")]

use crate::common::*;
use rustix::process::Signal;
use std::path::Path;
use std::process::{Child, Command};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A training that takes minutes, started by a shell that ignores these signals, in the middle of its first epochs.
fn training(dir: &Path, run: &str, ignored: &str) -> Child {
    let line = format!(
        "{}exec \"$0\" \"$@\"",
        if ignored.is_empty() { String::new() } else { format!("trap '' {ignored}; ") }
    );
    let train =
        ["train", "squares", "--model", "lenet", "--epochs", "100000", "--batch-size", "20", "--quiet", "--out", run];
    // Who runs this test may ignore signals itself, as nohup does, and a shell cannot take that back.
    let child = Command::new("env")
        .args(["--default-signal=HUP", "--default-signal=INT", "--default-signal=TERM"])
        .args(["sh", "-c", &line, env!("CARGO_BIN_EXE_striate")])
        .args(train)
        .current_dir(dir)
        .spawn()
        .unwrap();
    let start = Instant::now();
    while !dir.join(run).join("checkpoint.safetensors").exists() {
        assert!(start.elapsed() < Duration::from_secs(60), "the training does not begin");
        sleep(Duration::from_millis(10));
    }
    child
}

fn number(signal: &str) -> Signal {
    match signal {
        "HUP" => Signal::HUP,
        "INT" => Signal::INT,
        _ => Signal::TERM,
    }
}

#[test]
fn the_exit_code_tells_the_signal_and_the_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 100, 20, 28);
    for (signal, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut child = training(dir.path(), signal, "");
        send(&child, number(signal));
        if signal == "HUP" {
            // A shell passes on that its terminal is closed, and so does the terminal when the shell ends.
            send(&child, number(signal));
        }
        assert_eq!(child.wait().unwrap().code(), Some(code), "SIG{signal}");
        let result = std::fs::read_to_string(dir.path().join(signal).join("result.json")).unwrap();
        assert!(result.contains("\"state\": \"stopped\""), "SIG{signal}: {result}");
        let config = dir.path().join(signal).join("config.toml");
        let once = std::fs::read_to_string(&config).unwrap().replace("epochs = 100000", "epochs = 1");
        std::fs::write(&config, once).unwrap();
        let resumed = run(dir.path(), &["train", "--resume", signal, "--quiet"]);
        assert!(!stderr(&resumed).contains("panic") && !stderr(&resumed).contains("internal"), "{}", stderr(&resumed));
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 100, 20, 28);
    for (ignored, end, code) in
        [("HUP", "TERM", 143), ("INT", "HUP", 129), ("TERM", "INT", 130), ("HUP INT", "TERM", 143)]
    {
        let mut child = training(dir.path(), &ignored.replace(' ', "-"), ignored);
        for signal in ignored.split(' ') {
            send(&child, number(signal));
            // Two would end it at once.
            send(&child, number(signal));
        }
        sleep(Duration::from_millis(300));
        assert_eq!(child.try_wait().unwrap(), None, "SIG{ignored} was ignored, and must be");
        send(&child, number(end));
        assert_eq!(child.wait().unwrap().code(), Some(code), "SIG{end} after an ignored SIG{ignored}");
    }
}
