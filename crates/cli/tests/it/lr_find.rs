//! `striate lr-find`: what it prints, writes and leaves.

use crate::common::*;
use std::fs;
use std::path::Path;
use std::process::Command;

const NET: [&str; 2] = ["--model", "conv 4 3, relu, maxpool 2, flatten, linear"];

fn search<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["lr-find", "squares", "--batch-size", "20"], &NET[..], more].concat()
}

fn entries(d: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(d).unwrap().map(|e| e.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[test]
fn the_suggested_command_trains() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 120, 40, 28);
    let said = succeed(d, &search(&["--epochs", "2", "--lr", "7"]));
    assert_eq!(entries(d), ["lr-find.svg", "squares"], "nothing remains but the curve");
    assert!(fs::read_to_string(d.join("lr-find.svg")).unwrap().contains("learning rate"));
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].starts_with("Trying 100 learning rates from 1e-7 to 10 with net of 5 layers"), "{said}");
    let plot: Vec<&&str> = lines.iter().filter(|line| line.contains('┤')).collect();
    assert!(plot.len() > 10 && plot.iter().all(|line| line.chars().count() <= 80), "{said}");
    assert!(said.contains("1e-7") && said.contains("Suggestion: ") && said.contains("the longest valley"), "{said}");
    let command = said.lines().find_map(|line| line.strip_prefix("Train with it:  ")).unwrap();
    assert!(
        command.contains(" train squares --batch-size 20 ") && command.contains("--epochs 2 --lr 0.0"),
        "{command}"
    );
    let output = Command::new("sh").arg("-c").arg(format!("{command} --out run")).current_dir(d).output().unwrap();
    assert!(output.status.success(), "{command}: {}", stderr(&output));
    let lr = command.rsplit(' ').next().unwrap();
    let config = fs::read_to_string(d.join("run/config.toml")).unwrap();
    assert!(config.contains(&format!("lr = {lr}\n")) && config.contains("epochs = 2"), "{config}");
}

#[test]
fn a_search_is_one_object_and_always_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    let options = ["--json", "--steps", "40", "--svg", "curve.svg"];
    let json = |more: &[&str]| succeed(d, &search(&[&options[..], more].concat()));
    let text = json(&[]);
    let found: serde_json::Value = serde_json::from_str(&text).unwrap();
    let points = found["points"].as_array().unwrap();
    assert!(points.len() <= 40 && points[0]["lr"] == 1e-7 && points[0]["loss"] == points[0]["smoothed_loss"], "{text}");
    assert_eq!((&found["rule"], &found["svg"]), (&"valley".into(), &"curve.svg".into()), "{text}");
    let lr = found["suggestion"].as_f64().unwrap();
    assert!((1e-5..1.0).contains(&lr) && found["command"].as_str().unwrap().ends_with(&format!("--lr {lr}")), "{text}");
    assert!(found["steepest"].as_f64().is_some() && found["valley"].as_f64().is_some(), "{text}");
    assert_eq!(json(&["--threads", "1"]).replace(" --threads 1", ""), text, "on any number of threads");
    assert_ne!(json(&["--seed", "1"]), text);
    assert_eq!(entries(d), ["curve.svg", "squares"]);
}

#[test]
fn little_data_and_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 2, 1, 28);
    let text = succeed(d, &search(&["--json", "--steps", "20"]));
    assert!(text.contains("\"suggestion\":0."), "{text}");
    // The only class there is needs no learning.
    idx_dir(d, 1, 1, 28);
    fail(d, &search(&["--quiet", "--steps", "20"]), 1, &["none to suggest"]);
    idx_dir(d, 60, 20, 28);
    let line = fail(d, &search(&["--quiet", "--start-lr", "1e-12", "--end-lr", "1e-11"]), 1, &["none to suggest"]);
    assert!(line.contains("at no learning rate from 0.000000000001 to"), "{line}");
    fail(
        d,
        &search(&["--start-lr", "1", "--end-lr", "0.1"]),
        1,
        &["--end-lr is 0.1, it must be above the first rate, 1e0"],
    );
    fail(d, &search(&["--steps", "5"]), 2, &["--steps", "10 or more"]);
    fail(d, &search(&["--start-lr", "0"]), 2, &["--start-lr", "a positive number"]);
    fail(d, &search(&["--svg", "nowhere/curve.svg"]), 1, &["nowhere"]);
    fail(d, &["lr-find", "--resume", "run"], 2, &["--resume", "cannot be used with 'lr-find'"]);
    fail(d, &search(&["--show-config"]), 2, &["--show-config", "cannot be used with 'lr-find'"]);
    fail(d, &["lr-find", "nowhere"], 1, &["nowhere"]);
    fail(d, &["lr-find", "squares", "--model", "lenett"], 1, &["lenett", "lenet"]);
    fail(d, &["train", "squares", "--start-lr", "1"], 2, &["--start-lr is an option of lr-find"]);
    let help = succeed(d, &["lr-find", "--help"]);
    assert!(!help.contains("--resume <") && help.contains("--start-lr") && help.contains("[default: 100"), "{help}");
}
