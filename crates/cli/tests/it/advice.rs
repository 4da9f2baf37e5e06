//! Each way that a message names is walked, as typed; and help says what is set.

use crate::common::*;
use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// `dir/class/n.png`: images whose class is their colour.
fn folders(dir: &Path, each: u32) {
    for (class, name) in ["red", "blue"].into_iter().enumerate() {
        fs::create_dir_all(dir.join(name)).unwrap();
        for n in 0..each {
            let image = RgbImage::from_fn(16, 16, |x, y| {
                let mut pixel =
                    [(x * 13 * (n + 1) + y * 7) as u8, (y * 11 * (n + 2) + x * n) as u8, (x * y * (n + 3)) as u8];
                pixel[2 * class] = 200 + pixel[2 * class] / 8;
                Rgb(pixel)
            });
            image.save(dir.join(name).join(format!("{n}.png"))).unwrap();
        }
    }
}

const NET: [&str; 4] = ["--model", "conv 4 3, relu, flatten, linear", "--epochs", "2"];

/// What stands after `striate ` in a message, typed into a shell, with more arguments.
fn typed(d: &Path, command: &str, more: &str) -> Output {
    let line = format!("{} {command} {more}", env!("CARGO_BIN_EXE_striate"));
    let output = Command::new("sh").arg("-c").arg(&line).current_dir(d).output().unwrap();
    assert!(output.status.success(), "{line}: {}", stderr(&output));
    output
}

/// The command in a message: from `verb` to the end, or to what follows it in brackets.
fn command(message: &str, verb: &str) -> String {
    let at = message.find(&format!("{} {verb}", env!("CARGO_BIN_EXE_striate"))).unwrap_or_else(|| panic!("{message}"));
    let rest = &message[at + env!("CARGO_BIN_EXE_striate").len()..];
    rest.lines().next().unwrap().trim().to_string()
}

#[test]
fn what_a_finished_run_prints_can_be_typed() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("it's data"), 12);
    let said = succeed(d, &[&["train", "it's data"][..], &NET, &["--out", "a run; rm -rf"]].concat());
    typed(d, &command(&said, "eval"), "");
    typed(d, &command(&said, "predict").replace("IMAGE.png", "'it'\\''s data/red/1.png'"), "");
    let line = fail(d, &[&["train", "it's data"][..], &NET, &["--out", "a run; rm -rf"]].concat(), 1, &["not empty"]);
    typed(d, &command(&line, "train --resume"), "");
}

#[cfg(unix)]
#[test]
fn after_a_full_disk_the_same_command_works() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data"), 12);
    let train = "train data --model 'flatten, linear 64, relu, linear' --epochs 2 --out 'a run'";
    for blocks in [0, 2, 120] {
        let line = format!("trap '' XFSZ; ulimit -f {blocks}; exec {} {train}", env!("CARGO_BIN_EXE_striate"));
        let output = Command::new("sh").arg("-c").arg(&line).current_dir(d).output().unwrap();
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{blocks}: {said}");
        assert!(!said.contains("internal error"), "{said}");
        typed(d, train, "");
        fs::remove_dir_all(d.join("a run")).unwrap();
    }
}

#[cfg(target_os = "linux")]
#[test]
fn what_no_memory_holds_is_one_line_with_a_way_on() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    folders(&d.join("data"), 10);
    let train =
        "train data --model 'conv 512 3 padding same, relu, globalavgpool, linear' --epochs 1 --threads 2 --quiet";
    let limited = |more: &str| {
        let line = format!("ulimit -v 900000; exec {} {train} {more}", env!("CARGO_BIN_EXE_striate"));
        Command::new("sh").arg("-c").arg(&line).current_dir(d).output().unwrap()
    };
    let output = limited("--size 256 --batch-size 16 --out large");
    let said = stderr(&output);
    assert_eq!((output.status.code(), said.lines().count()), (Some(1), 1), "{said}");
    assert!(said.starts_with("error: out of memory: ") && said.contains("--batch-size"), "{said}");
    // What it advises.
    let output = limited("--batch-size 1 --size 32 --out small");
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn images_that_cannot_be_split_have_three_ways_on() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    // A fixed camera: all images of a class are nearly the same.
    for (class, name) in ["ok", "defect"].into_iter().enumerate() {
        fs::create_dir_all(d.join("camera").join(name)).unwrap();
        for n in 0..12u32 {
            let image = RgbImage::from_fn(64, 64, |x, y| {
                let (left, top) = (n * 5 % 60, n * 11 % 60);
                let spot = (left..left + 2).contains(&x) && (top..top + 2).contains(&y);
                let grey = 60 + ((x / 8 * 37 + y / 8 * 91 + (x / 8) * (y / 8) * 53) % 140) as u8;
                if spot { Rgb([if class == 1 { 255 } else { 20 }, 20, 20]) } else { Rgb([grey; 3]) }
            });
            image.save(d.join(format!("camera/{name}/{n}.png"))).unwrap();
        }
    }
    let line = fail(d, &[&["train", "camera"][..], &NET].concat(), 1, &["camera", "nearly the same"]);
    assert!(line.contains("--split-near-duplicates") && line.contains("finetune --mode prototype"), "{line}");
    succeed(d, &[&["train", "camera", "--split-near-duplicates", "--out", "by-image"][..], &NET].concat());
    succeed(d, &["data", "split", "camera", "--split-near-duplicates", "--out", "split.csv"]);
    succeed(d, &[&["train", "split.csv", "--out", "by-hand"][..], &NET].concat());
    folders(&d.join("data"), 12);
    succeed(d, &[&["train", "data", "--size", "32", "--out", "first"][..], &NET].concat());
    let from = ["finetune", "camera", "--from", "first/model.safetensors", "--mode", "prototype", "--out", "means"];
    let said = succeed(d, &from);
    assert!(said.contains("nothing is held out"), "{said}");
    succeed(d, &["predict", "means/model.safetensors", "camera/ok/1.png"]);
    succeed(d, &["data", "show", "camera", "--out", "grid.png"]);
}

/// The default that help states for an option.
fn stated(help: &str, option: &str) -> String {
    let at = help.find(&format!("--{option} <")).unwrap_or_else(|| panic!("{option}: {help}"));
    let text: String = help[at..].split_whitespace().collect::<Vec<_>>().join(" ");
    let default = text.split_once("[default: ").unwrap_or_else(|| panic!("{option}: {text}")).1;
    default.split_once(']').unwrap().0.to_string()
}

#[test]
fn help_states_what_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 60, 20, 28);
    folders(&d.join("data"), 8);
    let settings = [
        "epochs",
        "batch-size",
        "lr",
        "optimizer",
        "weight-decay",
        "schedule",
        "label-smoothing",
        "patience",
        "augment",
    ];
    let set = |run: &str, name: &str| {
        let config: toml::Table = fs::read_to_string(d.join(run).join("config.toml")).unwrap().parse().unwrap();
        let none = match name {
            "schedule" => "constant",
            "augment" => "none",
            _ => "0",
        };
        let key = name.replace('-', "_");
        let value = match name {
            "augment" => config.get("images").and_then(|images| images.get("augment")),
            _ => config.get(&key),
        };
        value.map_or(none.to_string(), |v| v.as_str().map_or_else(|| v.to_string(), String::from))
    };
    let help = succeed(d, &["train", "--help"]);
    succeed(d, &["train", "squares", "--model", "flatten, linear", "--out", "plain", "--quiet"]);
    succeed(d, &["train", "data", "--model", "flatten, linear", "--out", "images", "--quiet"]);
    for name in settings {
        let text = stated(&help, name);
        let plain = text.split(';').next().unwrap();
        assert_eq!(plain.parse::<f64>().ok(), set("plain", name).parse::<f64>().ok(), "{name}: {text}");
        if plain.parse::<f64>().is_err() {
            assert_eq!(plain, set("plain", name), "{text}");
        }
        let of_images = text.split_once("for images in files ").map_or(plain, |(_, rest)| rest);
        let few = of_images.strip_prefix("from ").map_or(of_images, |rest| rest.split(' ').next().unwrap());
        match (few.parse::<f64>(), set("images", name).parse::<f64>()) {
            (Ok(said), Ok(done)) => assert_eq!(said, done, "{name}: {text}"),
            _ if few == "small-data" => assert_eq!(set("images", name), "pad-crop 2, flip 0.5, cutmix 1", "{text}"),
            _ => assert_eq!(few, set("images", name), "{name}: {text}"),
        }
    }
    let help = succeed(d, &["finetune", "--help"]);
    for (mode, place) in [("head", 0), ("full", 1), ("gradual", 2)] {
        let out = format!("tuned-{mode}");
        let args = ["finetune", "data", "--from", "images/model.safetensors", "--mode", mode, "--out", &out, "--quiet"];
        succeed(d, &args);
        for name in settings.into_iter().filter(|n| !["epochs", "augment"].contains(n)) {
            let text = stated(&help, name);
            let said = match text.split_once(" for head, ") {
                None => text.as_str(),
                Some((head, _)) if place == 0 => head,
                Some((_, rest)) => match (rest.strip_prefix("else "), place) {
                    (Some(others), _) => others,
                    (None, 1) => rest.split_once(" for full, ").unwrap().0,
                    (None, _) => rest.split_once(" for full, ").unwrap().1.split_once(" for gradual").unwrap().0,
                },
            };
            let done = match (name, set(&out, name)) {
                // The optimizer's own.
                ("weight-decay", value) if value == "0" && mode != "head" => "0.01".to_string(),
                (_, value) => value,
            };
            assert_eq!(said.parse::<f64>().ok(), done.parse::<f64>().ok(), "{mode} {name}: {text}");
            if said.parse::<f64>().is_err() && said != "none" {
                assert_eq!(said, done, "{mode} {name}: {text}");
            }
        }
    }
}
