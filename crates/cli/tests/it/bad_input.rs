//! Bad input gets one clear line, an exit code, and nothing lost.

use crate::common::*;
use std::fs;
use std::io::Write;
use std::path::Path;

fn trained(dir: &Path) {
    idx_dir(dir, 100, 20, 28);
    succeed(
        dir,
        &["train", "squares", "--epochs", "1", "--batch-size", "50", "--model", "lenet", "--out", "run", "--quiet"],
    );
}

#[test]
fn impossible_settings() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    fail(d, &["train", "--batch-size", "0"], 2, &["--batch-size", "0"]);
    fail(d, &["train", "--lr", "-0.1"], 2, &["--lr", "-0.1", "positive number"]);
    fail(d, &["train", "--lr", "nan"], 2, &["--lr", "positive number"]);
    fail(d, &["train", "--threads", "0"], 2, &["--threads", "0"]);
    fail(d, &["train", "--epochs", "0"], 2, &["--epochs"]);
    fail(d, &["train", "--checkpoint-every", "0"], 2, &["--checkpoint-every"]);
    fail(d, &["train", "--optimizer", "magic"], 2, &["adam, adamw, sgd"]);
    fail(d, &["train", "--schedule", "cosin"], 2, &["--schedule", "no schedule 'cosin'", "cosine"]);
    fail(d, &["train", "--weight-decay", "-1"], 2, &["--weight-decay", "0 or a positive number"]);
    fail(d, &["train", "--clip-norm", "0"], 2, &["--clip-norm", "positive number"]);
    fail(d, &["train", "--accumulate", "0"], 2, &["--accumulate"]);
    fail(d, &["train", "--ema", "1"], 2, &["--ema", "between 0 and 1"]);
    fail(d, &["train", "--label-smoothing", "1"], 2, &["--label-smoothing", "below 1"]);
    fail(d, &["train", "--resume", "run", "--ema", "0.9"], 2, &["--resume", "--ema"]);
    fail(d, &["train", "--model", "resnet-9000"], 1, &["resnet-9000", "did you mean resnet50?"]);
    fail(d, &["train", "--device", "gpu"], 2, &["no GPU support", "--device cpu"]);
    fail(d, &["train", "--device", "abacus"], 2, &["unknown device 'abacus'", "auto, cpu, gpu"]);
    fail(d, &["train", "--colour"], 2, &["--colour"]);
    fail(d, &["trian"], 2, &["trian"]);
    fail(d, &["train", "--resume", "run", "--lr", "0.1"], 2, &["--resume", "--lr"]);
    assert!(!d.join("runs").exists(), "nothing is made for a run that cannot start");
}

/// Numbers that cannot be are told what they may be, not that they are no arguments.
#[test]
fn numbers_get_what_they_may_be() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let whole = "it must be a whole number";
    for (args, parts) in [
        (&["train", "--seed", "-1"][..], &["'-1' for '--seed", whole][..]),
        (&["train", "--epochs", "-3"], &["'-3' for '--epochs", whole]),
        (&["train", "--epochs", "1.5"], &["'1.5' for '--epochs", whole]),
        (&["train", "--epochs", "0"], &["'0' for '--epochs", whole, "1 or more"]),
        (&["train", "--threads", "2000"], &["'2000' for '--threads", "from 1 to 1024"]),
        (&["train", "--log-every", ""], &["--log-every", whole]),
        (&["train", "--lr", "-1"], &["'-1' for '--lr", "a positive number"]),
        (&["train", "--betas", "-1,0"], &["--betas", "at least 0 and below 1"]),
        (&["train", "--size", "-5"], &["'-5' for '--size", whole]),
        (&["train", "--seed", "99999999999999999999"], &["--seed", "too large"]),
        (&["predict", "m", "x.png", "--top", "-2"], &["'-2' for '--top", whole]),
        (&["inspect", "lenet", "--classes", "-2"], &["'-2' for '--classes", whole]),
        (&["bench", "--input", "-1"], &["'-1' for '--input", "3x32x32"]),
        (&["data", "split", "x", "--out", "y", "--seed", "-1"], &["'-1' for '--seed", whole]),
    ] {
        let line = fail(d, args, 2, parts);
        assert!(!line.contains("as a value, use") && !line.contains("tip:"), "{line}");
    }
}

/// What is not an option is never said to be a value.
#[test]
fn options_that_do_not_exist_get_advice_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for (args, parts) in [
        (&["finetune", "--resume", "my run"][..], &["'--resume'", "striate train --resume 'my run'"][..]),
        (&["finetune", "--from", "resnet18", "data", "--resume"], &["striate train --resume RUN"]),
        (&["finetune", "--resume=r"], &["striate train --resume"]),
        (&["train", "-e", "3"], &["'-e'", "--epochs", "--ema"]),
        (&["train", "-x", "3"], &["'-x'"]),
        (&["eval", "m", "--top", "3"], &["'--top'", "'--top-k'"]),
        (&["predict", "m", "x.png", "--epochs", "3"], &["'--epochs'", "train", "finetune"]),
        (&["train", "--epoch", "3"], &["'--epoch'", "'--epochs'"]),
        (&["train", "--learning-rate", "3"], &["'--learning-rate'"]),
        (&["data", "check", "x", "--jsn"], &["'--jsn'", "'--json'"]),
        (&["inspect", "lenet", "more", "-7"], &["'more'"]),
        (&["trian"], &["'trian'", "'train'"]),
    ] {
        let line = fail(d, args, 2, parts);
        assert!(!line.contains("as a value, use"), "{line}");
    }
}

#[test]
fn names_are_taken_in_any_case_and_wrong_ones_get_a_guess() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 20, 10, 28);
    let train = ["train", "squares", "--model", "LeNet", "--epochs", "1", "--quiet"];
    for more in [
        &["--optimizer", "AdamW", "--schedule", "Cosine", "--device", "CPU", "--recipe", "Fast"][..],
        &["--optimizer", "SGD", "--schedule", "Warmup 2, Step 1", "--log", "JSON"],
    ] {
        succeed(d, &[&train[..], more].concat());
    }
    for (args, parts) in [
        (&["train", "--optimizer", "adan"][..], &["--optimizer", "did you mean adam?"][..]),
        (&["train", "--optimizer", "magic"], &["it is one of adam, adamw, sgd"]),
        (&["train", "--schedule", "cosinus"], &["--schedule", "did you mean cosine?"]),
        (&["train", "--schedule", "warmpu 3, step 2"], &["--schedule", "did you mean warmup?"]),
        (&["train", "--recipe", "smal-data"], &["--recipe", "did you mean small-data?"]),
        (&["train", "--filter", "bicubc"], &["--filter", "did you mean bicubic?"]),
        (&["train", "--cache", "rma"], &["--cache", "none, ram, disk"]),
        (&["train", "--log", "jsn"], &["--log", "'json'"]),
        (&["finetune", "--from", "x", "y", "--mode", "ful"], &["--mode", "'full'"]),
        (&["export", "x", "--format", "safetensor"], &["--format", "'safetensors'"]),
        (&["completions", "bsh"], &["'bash'"]),
    ] {
        fail(d, args, 2, parts);
    }
    assert!(succeed(d, &["completions", "Bash"]).contains("striate"));
    // These are read, and what fails is something else.
    fail(d, &["finetune", "--from", "nowhere", "squares", "--mode", "Full"], 1, &["nowhere"]);
    fail(d, &["export", "nowhere", "--format", "NPZ"], 1, &["nowhere"]);
    fail(d, &["train", "nowhere", "--filter", "Bicubic", "--cache", "RAM"], 1, &["nowhere"]);
}

/// The word for what is built in, unless something of that name lies here.
#[test]
fn mnist_is_built_in_unless_it_is_here() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    for verb in ["check", "stats"] {
        fail(d, &["data", verb, "mnist"], 1, &["mnist is the built-in data"]);
    }
    let short = ["--epoch-fraction", "0.002", "--epochs", "1", "--model", "lenet"];
    let said = succeed(d, &[&["train", "mnist"], &short[..], &["--out", "built-in"]].concat());
    assert!(said.contains(" on mnist (60000 training and 10000 test images"), "{said}");
    fail(d, &["train", "./mnist"], 1, &["mnist"]);
    let here = idx_dir(d, 20, 10, 28);
    fs::rename(here, d.join("mnist")).unwrap();
    let said = succeed(d, &[&["train", "mnist"], &short[2..], &["--out", "here"]].concat());
    assert!(said.contains("20 training and 10 test images"), "{said}");
    for data in ["mnist", "./mnist"] {
        let json: serde_json::Value = serde_json::from_str(&succeed(d, &["eval", "here", data, "--json"])).unwrap();
        assert_eq!(json["images"], 10, "{data}");
    }
}

#[test]
fn an_instruction_set_that_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let output = striate(dir.path()).args(["train"]).env("STRIATE_ISA", "altivec").output().unwrap();
    let text = stderr(&output);
    assert_eq!((output.status.code(), text.lines().count()), (Some(1), 1), "{text}");
    assert!(text.contains("STRIATE_ISA is 'altivec'") && text.contains("portable"), "{text}");
}

#[test]
fn idx_files_that_are_missing_damaged_or_do_not_match() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let data = idx_dir(d, 100, 20, 28);
    let train_images = data.join("train-images-idx3-ubyte");
    let good = fs::read(&train_images).unwrap();
    let train = ["train", "squares", "--epochs", "1"];

    fail(d, &["train", "nowhere"], 1, &["nowhere"]);
    fs::create_dir(d.join("empty")).unwrap();
    fail(d, &["train", "empty"], 1, &["empty", "no images"]);
    fs::create_dir(d.join("part")).unwrap();
    fs::copy(&train_images, d.join("part/train-images-idx3-ubyte")).unwrap();
    fail(d, &["train", "part"], 1, &["part", "train-labels"]);

    fs::write(&train_images, &good[..good.len() - 1]).unwrap();
    fail(d, &train, 1, &["train-images-idx3-ubyte"]);
    fs::write(&train_images, &good[..7]).unwrap();
    fail(d, &train, 1, &["train-images-idx3-ubyte"]);
    fs::write(&train_images, b"").unwrap();
    fail(d, &train, 1, &["train-images-idx3-ubyte"]);
    fs::write(&train_images, [b"PK\x03\x04", &good[4..]].concat()).unwrap();
    fail(d, &train, 1, &["train-images-idx3-ubyte", "idx"]);
    fs::write(&train_images, idx(&[u32::MAX, u32::MAX, u32::MAX], &good)).unwrap();
    fail(d, &train, 1, &["train-images-idx3-ubyte"]);
    fs::write(&train_images, &good).unwrap();

    let labels = data.join("train-labels-idx1-ubyte");
    let good_labels = fs::read(&labels).unwrap();
    fs::write(&labels, idx(&[99], &good_labels[8..107])).unwrap();
    fail(d, &train, 1, &["100", "99"]);
    fs::write(&labels, &good_labels).unwrap();
    let test_labels = data.join("t10k-labels-idx1-ubyte");
    let mut outside = fs::read(&test_labels).unwrap();
    *outside.last_mut().unwrap() = 77;
    fs::write(&test_labels, outside).unwrap();
    fail(d, &train, 1, &["77"]);
    assert!(!d.join("runs").exists(), "nothing is made for a run that cannot start");
}

#[test]
fn images_of_a_size_that_the_network_does_not_take() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 20, 10, 40);
    fail(dir.path(), &["train", "squares", "--model", "lenet"], 1, &["lenet", "32×32", "40×40"]);
    fail(dir.path(), &["train", "squares"], 1, &["mnist-net", "28×28", "40×40"]);
}

fn edit_card(header: &mut serde_json::Value, edit: impl Fn(&mut serde_json::Value)) {
    let mut card: serde_json::Value =
        serde_json::from_str(header["__metadata__"]["striate"].as_str().unwrap()).unwrap();
    edit(&mut card);
    header["__metadata__"]["striate"] = card.to_string().into();
}

#[test]
fn model_files_that_are_not_what_they_should_be() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d);
    let good = fs::read(d.join("run/model.safetensors")).unwrap();
    let refused = |bytes: &[u8], parts: &[&str]| {
        fs::write(d.join("bad.safetensors"), bytes).unwrap();
        for command in [
            &["eval", "bad.safetensors"][..],
            &["inspect", "bad.safetensors"],
            &["predict", "bad.safetensors", "x.png"],
        ] {
            fail(d, command, 1, &[&["bad.safetensors"], parts].concat());
        }
    };
    fail(d, &["eval", "nowhere.safetensors"], 1, &["nowhere.safetensors"]);
    refused(b"", &[]);
    refused(&good[..5], &[]);
    refused(&good[..1000], &[]);
    refused(&good[..good.len() - 1], &[]);
    refused(&[0xff; 64], &[]);
    refused(&edited(&good, |h| h["__metadata__"] = serde_json::json!({})), &["not a model of Striate's"]);
    refused(
        &edited(&good, |h| edit_card(h, |c| c["format_version"] = 99.into())),
        &["format version 99", "newer Striate"],
    );
    refused(&edited(&good, |h| edit_card(h, |c| c["architecture"] = "mnist-net".into())), &["tensor"]);
    refused(&edited(&good, |h| edit_card(h, |c| c["architecture"] = "skynet".into())), &["skynet"]);
    refused(
        &edited(&good, |h| {
            h["fc1.weight"]["shape"] = serde_json::json!([400, 120]);
        }),
        &["fc1.weight", "[400, 120]", "[120, 400]"],
    );
    let mut flipped = good.clone();
    let last = flipped.len() - 2;
    flipped[last] ^= 0x7f;
    refused(&flipped, &["self-test"]);
    let checkpoint = fs::read(d.join("run/checkpoint.safetensors")).unwrap();
    refused(&checkpoint, &["not a model of Striate's"]);
}

#[test]
fn runs_that_cannot_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d);
    fail(d, &["train", "--resume", "nowhere"], 1, &["nowhere", "not a run directory"]);
    fail(d, &["train", "squares", "--out", "run"], 1, &["run", "--resume run"]);
    let checkpoint = d.join("run/checkpoint.safetensors");
    let good = fs::read(&checkpoint).unwrap();
    fs::write(&checkpoint, &good[..good.len() / 2]).unwrap();
    fail(d, &["train", "--resume", "run"], 1, &["checkpoint.safetensors"]);
    fs::copy(d.join("run/model.safetensors"), &checkpoint).unwrap();
    fail(d, &["train", "--resume", "run"], 1, &["not a checkpoint"]);
    for (version, message) in [
        (b'2', "has format version 2 of an earlier Striate (this one: 3): go on with the program that wrote it"),
        (b'4', "has format version 4, this program reads 3: use a newer Striate"),
    ] {
        let mut other = good.clone();
        let key = br#"{\"version\":3,"#;
        let at = other.windows(key.len()).position(|w| w == key).expect("the version of the checkpoint");
        other[at + key.len() - 2] = version;
        fs::write(&checkpoint, &other).unwrap();
        fail(d, &["train", "--resume", "run"], 1, &["checkpoint.safetensors", message]);
    }
    fs::write(&checkpoint, &good).unwrap();
    fs::OpenOptions::new().append(true).open(d.join("run/config.toml")).unwrap().write_all(b"epochs = \n").unwrap();
    fail(d, &["train", "--resume", "run"], 1, &["config.toml"]);
}

#[test]
fn a_finished_run_that_is_resumed_is_still_finished() {
    let dir = tempfile::tempdir().unwrap();
    trained(dir.path());
    let before = weights(&dir.path().join("run/model.safetensors"));
    let out = succeed(dir.path(), &["train", "--resume", "run"]);
    let measured = succeed(dir.path(), &["eval", "run/model.safetensors", "--json"]);
    let measured: serde_json::Value = serde_json::from_str(&measured).unwrap();
    let accuracy = format!("has {:.2}% test accuracy", 100.0 * measured["accuracy"].as_f64().unwrap());
    assert!(out.contains(&accuracy), "{out} should say: {accuracy}");
    assert!(before == weights(&dir.path().join("run/model.safetensors")));
}

#[test]
fn two_processes_do_not_share_a_run() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 3000, 20, 28);
    let mut first = striate(d).args(["train", "squares", "--epochs", "50", "--out", "run", "--quiet"]).spawn().unwrap();
    while !d.join("run/checkpoint.safetensors").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    fail(d, &["train", "--resume", "run"], 1, &["run is in use by another process"]);
    first.kill().unwrap();
    first.wait().unwrap();
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 400, 20, 28);
    let line = fail(
        d,
        &[
            "train",
            "squares",
            "--lr",
            "1e30",
            "--optimizer",
            "sgd",
            "--batch-size",
            "20",
            "--model",
            "lenet",
            "--out",
            "run",
            "--quiet",
        ],
        1,
        &["step ", "the loss is", "layer ", "smaller learning rate", "--lr"],
    );
    assert!(["conv1", "conv2", "fc1", "fc2", "fc3"].iter().any(|l| line.contains(&format!("layer {l}"))), "{line}");
    succeed(d, &["inspect", "lenet"]);
    assert!(!d.join("run/model.safetensors").exists(), "no model is written of weights gone wrong");
}

/// A file system of 900 kB; none where this process may not mount any.
#[cfg(target_os = "linux")]
fn small_disk(at: &Path) -> bool {
    fs::create_dir(at).unwrap();
    let mounted =
        std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=900k", "tmpfs"]).arg(at).output();
    mounted.is_ok_and(|o| o.status.success())
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_the_last_good_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let disk = d.join("disk");
    idx_dir(d, 100, 20, 28);
    if !small_disk(&disk) {
        println!("skipped: this process may not mount a small disk to fill");
        return;
    }
    // LeNet's first checkpoint takes a quarter of the disk; with Adam's means the next takes three quarters, and does not fit beside it.
    let result = std::panic::catch_unwind(|| {
        fail(
            d,
            &[
                "train",
                "squares",
                "--epochs",
                "1",
                "--batch-size",
                "20",
                "--model",
                "lenet",
                "--out",
                "disk/run",
                "--quiet",
            ],
            1,
            &["disk/run/checkpoint.safetensors", "last good checkpoint", "--resume disk/run"],
        );
        let left: Vec<_> = fs::read_dir(disk.join("run")).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!left.iter().any(|n| n.to_string_lossy().contains("tmp")), "no half-written file is left: {left:?}");
        let bytes = fs::read(disk.join("run/checkpoint.safetensors")).unwrap();
        assert!(bytes.len() > 200_000, "the checkpoint from before is whole");
        let remount = |how: &str| {
            let status = std::process::Command::new("mount").args(["-o", how]).arg(&disk).status().unwrap();
            assert!(status.success(), "mount -o {how}");
        };
        remount("remount,ro,size=64m");
        fail(d, &["train", "--resume", "disk/run"], 1, &["disk/run"]);
        assert!(fs::read(disk.join("run/checkpoint.safetensors")).unwrap() == bytes);
        // With room again the run goes on from it.
        remount("remount,rw");
        succeed(d, &["train", "--resume", "disk/run"]);
    });
    std::process::Command::new("umount").arg(&disk).status().unwrap();
    result.unwrap();
}

#[test]
fn a_directory_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 20, 10, 28);
    fs::write(d.join("file"), "x").unwrap();
    fail(d, &["train", "squares", "--out", "file/run"], 1, &["file/run"]);
}
