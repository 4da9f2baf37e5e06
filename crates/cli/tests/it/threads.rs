//! One thread suffices: no verb needs another.
#![cfg(target_os = "linux")]

use crate::common::*;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the program as a user who may have `tasks` threads in all; none where this process may not become another user.
fn limited(dir: &Path, tasks: u32, args: &[&str]) -> Option<Output> {
    // A user of its own, so that nothing else counts.
    let user = 60_000 + std::process::id() % 5_000;
    let mut command = Command::new("setpriv");
    command.args([&format!("--reuid={user}"), &format!("--regid={user}"), "--clear-groups"]);
    command.args(["prlimit", &format!("--nproc={tasks}:{tasks}"), env!("CARGO_BIN_EXE_striate")]);
    let output = command.args(args).current_dir(dir).env("HOME", dir).output().ok()?;
    let said = stderr(&output);
    let refused = said.contains("setpriv: ") || said.contains("prlimit: ");
    (!refused).then_some(output)
}

#[test]
fn no_verb_needs_a_second_thread() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 100, 20, 28);
    image::GrayImage::new(28, 28).save(d.join("black.png")).unwrap();
    let train = |out: &'static str| {
        ["train", "squares", "--model", "lenet", "--epochs", "1", "--batch-size", "20", "--out", out]
    };
    succeed(d, &train("free"));
    fs::set_permissions(d, fs::Permissions::from_mode(0o777)).unwrap();
    for tasks in [1, 2] {
        let out = if tasks == 1 { "one" } else { "two" };
        for args in [
            &train(out)[..],
            &["train", "--resume", out],
            &["eval", out],
            &["eval", out, "mnist"],
            &["predict", out, "black.png", "black.png", "black.png"],
            &["export", out, "--out", &format!("{out}.pth")],
            &["inspect", out],
            &["inspect", "resnet18"],
            &["models", "lenet"],
            &["bench", "--model", "lenet", "--batch-size", "2"],
            &["completions", "bash"],
        ] {
            let Some(output) = limited(d, tasks, args) else {
                println!("skipped: this process may not become another user");
                return;
            };
            assert!(output.status.success(), "striate {args:?} with {tasks} threads: {}", stderr(&output));
        }
        let same = weights(&d.join("free/model.safetensors")) == weights(&d.join(out).join("model.safetensors"));
        assert!(same, "{tasks} threads: other weights");
    }
}
