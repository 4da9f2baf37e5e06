//! Cross-validations and sweeps that are killed go on to the same bits.

use crate::common::*;
use crate::many_runs::{NET, bits, patches};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

/// Starts the program and kills it as soon as `file` is there.
fn kill_at(d: &Path, args: &[&str], file: &Path) {
    let mut child = striate(d).args(args).spawn().unwrap();
    let start = Instant::now();
    while !file.exists() {
        assert!(child.try_wait().unwrap().is_none(), "striate {args:?} ended before {} was there", file.display());
        assert!(start.elapsed() < Duration::from_secs(120), "there is no {}", file.display());
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn folds_that_were_killed_go_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 8);
    let settings = ["--model", NET, "--epochs", "60", "--batch-size", "6", "--ema", "0.9", "--schedule", "cosine"];
    let run = |out| [&["train", "patches", "--folds", "3", "--quiet", "--out", out][..], &settings].concat();
    succeed(d, &run("whole"));
    // As the first begins, in the middle of the second, and as the last is there.
    kill_at(d, &run("killed"), &d.join("killed/fold-1/checkpoint.safetensors"));
    let resume = ["train", "--resume", "killed", "--quiet"];
    kill_at(d, &resume, &d.join("killed/fold-2/model.safetensors"));
    kill_at(d, &resume, &d.join("killed/fold-3/config.toml"));
    assert!(!d.join("killed/predictions.csv").exists(), "it was killed in the middle");
    succeed(d, &resume);
    assert!(bits(&d.join("killed")) == bits(&d.join("whole")));
    assert_eq!(fs::read(d.join("killed/predictions.csv")).unwrap(), fs::read(d.join("whole/predictions.csv")).unwrap());
}

#[test]
fn sweeps_that_were_killed_go_on_to_the_same_bits() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    patches(d, 8);
    let plan = format!(
        "data = \"patches\"\nmodel = \"{NET}\"\nepochs = 48\nbatch_size = 6\npatience = 0\n\n[images]\naugment = \"none\"\n\n\
         [sweep]\nmethod = \"METHOD\"\nruns = 4\neta = 2\nmin_epochs = 12\n[sweep.space]\nlr = [0.05, 0.001]\noptimizer = [\"adam\", \"sgd\"]\n"
    );
    for (method, places) in [
        ("grid", ["trial-001/checkpoint.safetensors", "trial-003/model.safetensors", "trial-004/config.toml"]),
        ("random", ["trial-001/config.toml", "trial-002/model.safetensors", "trial-004/checkpoint.safetensors"]),
        // The first rung, one in its middle, and the second.
        ("halving", ["trial-001-12-epochs/config.toml", "trial-003-12-epochs/model.safetensors", "24-epochs"]),
    ] {
        let (file, whole, killed) = (format!("{method}.toml"), format!("{method}-whole"), format!("{method}-killed"));
        fs::write(d.join(&file), plan.replace("METHOD", method)).unwrap();
        succeed(d, &["sweep", &file, "--quiet", "--out", &whole]);
        let resume = ["sweep", "--resume", &killed, "--quiet"];
        for (i, place) in places.into_iter().enumerate() {
            // Which trials come into the second rung is up to their losses.
            let name = |e: fs::DirEntry| e.file_name().to_string_lossy().into_owned();
            let of_rung =
                || fs::read_dir(d.join(&whole)).unwrap().map(|e| name(e.unwrap())).filter(|n| n.ends_with(place)).max();
            let place = of_rung().map_or(place.to_string(), |trial| format!("{trial}/checkpoint.safetensors"));
            let begin = ["sweep", &file, "--quiet", "--out", &killed];
            kill_at(d, if i == 0 { &begin[..] } else { &resume }, &d.join(&killed).join(place));
        }
        assert!(!d.join(&killed).join("trial-004/trial.json").exists(), "{method}: it was killed in the middle");
        succeed(d, &resume);
        assert!(bits(&d.join(&killed)) == bits(&d.join(&whole)), "{method}");
    }
}
