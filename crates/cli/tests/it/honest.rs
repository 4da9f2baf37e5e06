//! Numbers that people act on: what was learnt from is known by its content, what is not finite stops, and each way that a message names works.

use crate::common::*;
use image::{Rgb, RgbImage};
use std::fs;
use std::path::Path;

/// An image of noise, from which nothing but itself can be learnt.
fn noise(seed: u32, size: u32) -> RgbImage {
    let mut state = seed.wrapping_mul(2654435761) | 1;
    RgbImage::from_fn(size, size, |_, _| {
        Rgb([0; 3].map(|_: u8| {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 24) as u8
        }))
    })
}

/// `dir/class/n.png`, `each` images of noise in each class.
fn noise_folders(dir: &Path, classes: &[&str], each: u32, first: u32) {
    for (c, class) in classes.iter().enumerate() {
        let folder = dir.join(class);
        fs::create_dir_all(&folder).unwrap();
        for n in 0..each {
            noise(first + c as u32 * 1000 + n, 16).save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
}

/// Images whose class is their colour.
fn colour_folders(dir: &Path, each: u32, size: u32) {
    for (class, name) in ["red", "green", "blue"].into_iter().enumerate() {
        let folder = dir.join(name);
        fs::create_dir_all(&folder).unwrap();
        for n in 0..each {
            let mut image = noise(class as u32 * 1000 + n + 7, size);
            image.pixels_mut().for_each(|p| p[class] = p[class] / 4 + 190);
            image.save(folder.join(format!("{n}.png"))).unwrap();
        }
    }
}

const NET: &str = "conv 8 3, relu, flatten, linear 64, relu, linear";

/// A model that knows its training images of noise by heart, and can know no others.
fn by_heart(d: &Path) {
    noise_folders(&d.join("data"), &["a", "b"], 40, 0);
    succeed(
        d,
        &["train", "data", "--model", NET, "--epochs", "40", "--lr", "0.003", "--augment", "none", "--out", "run"],
    );
}

fn measured(d: &Path, args: &[&str]) -> serde_json::Value {
    serde_json::from_str(&succeed(d, &[&["eval"], args, &["--json"]].concat())).unwrap()
}

#[test]
fn what_was_learnt_from_is_known_wherever_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    by_heart(d);
    let own = measured(d, &["run/model.safetensors"]);
    let held_out = own["images"].as_u64().unwrap();
    let learnt = 80 - held_out;
    assert!((8..=28).contains(&held_out), "{held_out}");
    assert_eq!((own["measured_on"].as_str(), own["learnt_from_left_out"].as_u64()), (Some("validation"), Some(learnt)));
    assert!(own["accuracy"].as_f64().unwrap() < 0.8, "noise cannot be known: {own}");

    // The model elsewhere, the data elsewhere, under other names, as other files of the same pixels, in an archive, in a manifest.
    fs::create_dir(d.join("ship")).unwrap();
    fs::copy(d.join("run/model.safetensors"), d.join("ship/m.safetensors")).unwrap();
    let mut manifest = String::from("path,label\n");
    for class in ["a", "b"] {
        fs::create_dir_all(d.join("moved").join(class)).unwrap();
        for n in 0..40 {
            let (from, to) = (d.join(format!("data/{class}/{n}.png")), format!("moved/{class}/renamed {n}.bmp"));
            image::open(from).unwrap().save(d.join(&to)).unwrap();
            manifest += &format!("{to},{class}\n");
        }
    }
    fs::write(d.join("list.csv"), manifest).unwrap();
    let mut tar = tar::Builder::new(fs::File::create(d.join("data.tar")).unwrap());
    tar.append_dir_all("data", d.join("data")).unwrap();
    tar.finish().unwrap();
    for data in [
        &["ship/m.safetensors"][..],
        &["ship/m.safetensors", "moved"],
        &["ship/m.safetensors", "list.csv"],
        &["ship/m.safetensors", "data.tar"],
    ] {
        let there = measured(d, data);
        for key in ["images", "accuracy", "measured_on", "learnt_from_left_out"] {
            assert_eq!(there[key], own[key], "{data:?}: {key}");
        }
    }
    let text = succeed(d, &["eval", "ship/m.safetensors", "moved"]);
    assert!(text.contains("validation images") && !text.contains("test images"), "{text}");

    // Images that it has not seen are test images, also where some that it has seen lie among them.
    noise_folders(&d.join("new"), &["a", "b"], 10, 500_000);
    let new = measured(d, &["ship/m.safetensors", "new"]);
    assert_eq!((new["measured_on"].as_str(), new["images"].as_u64()), (Some("test"), Some(20)));
    assert_eq!(new["learnt_from_left_out"], 0);

    // Nothing but images that were learnt from.
    let list = fs::read_to_string(d.join("run/images.csv")).unwrap();
    for (n, line) in list.lines().filter(|l| l.contains(",train,")).enumerate() {
        let class = if line.contains("data/a/") || line.contains("a/") && line.contains(",a,") { "a" } else { "b" };
        let name = line.split(',').next().unwrap();
        let from = if Path::new(name).is_absolute() { name.into() } else { d.join("data").join(name) };
        fs::create_dir_all(d.join("seen").join(class)).unwrap();
        fs::copy(from, d.join("seen").join(class).join(format!("{n}.png"))).unwrap();
    }
    fail(d, &["eval", "run/model.safetensors", "seen"], 1, &["seen", "learnt from", "nothing to measure on"]);
}

#[test]
fn a_model_of_an_earlier_version_promises_no_test() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    colour_folders(&d.join("data"), 10, 16);
    succeed(d, &["train", "data", "--model", NET, "--epochs", "1", "--out", "run"]);
    let file = d.join("run/model.safetensors");
    let bytes = fs::read(&file).unwrap();
    let n = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..8 + n]).unwrap();
    let mut card: serde_json::Value =
        serde_json::from_str(header["__metadata__"]["striate"].as_str().unwrap()).unwrap();
    card["training"].as_object_mut().unwrap().remove("provenance").expect("a new model says what it learnt from");
    let metrics = card["training"].as_object_mut().unwrap().remove("metrics").unwrap();
    card["training"]
        .as_object_mut()
        .unwrap()
        .remove("monitor")
        .expect("a new model says what the best epoch was chosen by");
    card["training"]["test_accuracy"] = metrics.as_array().unwrap()[1]["value"].clone();
    header["__metadata__"]["striate"] = card.to_string().into();
    let header = header.to_string().into_bytes();
    let old = [&(header.len() as u64).to_le_bytes(), &header[..], &bytes[8 + n..]].concat();
    fs::write(d.join("old.safetensors"), old).unwrap();
    assert_eq!(measured(d, &["old.safetensors"])["measured_on"], "unknown");
    let text = succeed(d, &["eval", "old.safetensors"]);
    assert!(!text.contains("test images") && !text.contains("validation"), "{text}");
}

#[test]
fn what_a_model_has_learnt_from_is_not_held_out_of_the_next_run() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    by_heart(d);
    let before = measured(d, &["run/model.safetensors"])["accuracy"].as_f64().unwrap();
    noise(987_654, 16).save(d.join("data/a/0 first.png")).unwrap();
    let start = ["--lr", "1e-9", "--epochs", "1", "--augment", "none"];
    let from_checkpoint = ["--weights", "run/checkpoint.safetensors", "--seed", "5", "--out", "two"];
    for more in [&["--weights", "run/model.safetensors", "--out", "one"][..], &from_checkpoint] {
        succeed(d, &[&["train", "data"], &start[..], more].concat());
    }
    let head = ["--mode", "head", "--lr", "1e-9", "--epochs", "1", "--seed", "9", "--out", "three"];
    succeed(d, &[&["finetune", "data", "--from", "run/model.safetensors"], &head[..]].concat());
    // The checkpoint has the weights of the last epoch.
    let last = measured(d, &["run/last.safetensors"])["accuracy"].as_f64().unwrap();
    for (run, before) in [("one", before), ("two", last), ("three", before)] {
        let after = measured(d, &[&format!("{run}/model.safetensors")]);
        let gained = after["accuracy"].as_f64().unwrap() - before;
        assert!(gained.abs() < 0.1, "{run} learnt nothing, and gained {gained}: {after}");
        // What the first model was chosen on, the next one is not tested on.
        assert_eq!(after["measured_on"], "validation", "{run}");
    }
    // Held out by folders, but learnt from by the weights that the run starts from.
    for (split, from) in [("train", 0), ("test", 20)] {
        for class in ["a", "b"] {
            fs::create_dir_all(d.join("other").join(split).join(class)).unwrap();
            for n in from..from + 20 {
                let name = format!("{class}/{n}.png");
                fs::copy(d.join("data").join(&name), d.join("other").join(split).join(&name)).unwrap();
            }
        }
    }
    let output =
        run(d, &[&["train", "other", "--weights", "run/model.safetensors", "--out", "four"], &start[..]].concat());
    let said = stdout(&output) + &stderr(&output);
    assert!(
        output.status.success() && said.contains("are not measured on") && said.contains("have learnt from them"),
        "{said}"
    );
    let gained = measured(d, &["four/model.safetensors"])["accuracy"].as_f64().unwrap() - before;
    assert!(gained < 0.25, "{gained}");
}

#[test]
fn numbers_that_are_none_stop_a_run_by_name_and_leave_no_model() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    colour_folders(&d.join("data"), 12, 16);
    for (name, settings) in [
        ("huge", &["--lr", "1e12"][..]),
        ("sgd", &["--lr", "1e20", "--optimizer", "sgd"]),
        ("average", &["--lr", "1e25", "--ema", "0.9"]),
        ("normalized", &["--lr", "1e30", "--model", "conv 4 3, batchnorm, relu, flatten, linear"]),
    ] {
        let args = [&["train", "data", "--model", NET, "--epochs", "2", "--out", name], settings].concat();
        let args: Vec<&str> = match settings.contains(&"--model") {
            true => [&["train", "data", "--epochs", "2", "--out", name], settings].concat(),
            false => args,
        };
        let output = run(d, &args);
        let (code, line) = (output.status.code(), stderr(&output));
        if code == Some(0) {
            // It may be that nothing overflows: then every verb reads the model.
            succeed(d, &["predict", &format!("{name}/model.safetensors"), "data/red/1.png"]);
            continue;
        }
        let last = line.lines().last().unwrap();
        assert!(code == Some(1) && last.starts_with("error: step ") && last.contains("--lr"), "{name}: {line}");
        assert!(!line.contains("last good"), "{name} has no good checkpoint: {line}");
        assert!(!d.join(name).join("model.safetensors").exists(), "{name}");
        // What it advises, as typed: the same run with the rate that it names.
        let rate = last.rsplit("--lr ").next().unwrap().split([',', ' ']).next().unwrap();
        let mut again: Vec<&str> = args.clone();
        let at = again.iter().position(|a| *a == "--lr").unwrap();
        again[at + 1] = rate;
        succeed(d, &again);
    }
}

#[test]
fn a_run_that_diverges_late_goes_on_from_its_last_good_checkpoint() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    colour_folders(&d.join("my data"), 12, 16);
    // The rate rises with each step, and with it the factor by which weight decay multiplies the weights: below 1 in the first epoch, then beyond it.
    let settings =
        ["--model", NET, "--batch-size", "4", "--epochs", "99", "--optimizer", "sgd", "--weight-decay", "1000"];
    let rising = ["--lr", "1", "--schedule", "warmup 10000", "--patience", "0"];
    let line = fail_last(d, &[&["train", "my data", "--out", "a run"], &settings[..], &rising[..]].concat());
    assert!(line.contains("the last good checkpoint, a run/checkpoint.safetensors"), "{line}");
    let flags = line.split_once("--lr ").expect("it says what to do").1;
    let (rate, weights) = flags.split_once(", or also --weights ").unwrap();
    assert_eq!(weights, "'a run/checkpoint.safetensors'");
    let shell = format!(
        "{} train 'my data' --weights {weights} --lr {rate} --epochs 2 --out next",
        env!("CARGO_BIN_EXE_striate")
    );
    let output = std::process::Command::new("sh").arg("-c").arg(&shell).current_dir(d).output().unwrap();
    assert!(output.status.success(), "{shell}: {}", stderr(&output));
    assert!(stdout(&output).contains("6 of 6 tensors taken"), "{}", stdout(&output));
    // What had been best before it diverged is still the model.
    succeed(d, &["predict", "a run/model.safetensors", "my data/red/1.png"]);
}

#[test]
fn no_count_of_images_and_batch_size_crashes() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    colour_folders(&d.join("data"), 7, 8);
    // Ends in feature maps of 1×1, which a batch of one image cannot normalize.
    let net = "conv 4 3 stride 2 padding 1, batchnorm, relu, conv 4 4, batchnorm, relu, globalavgpool, linear";
    let base = ["train", "data", "--model", net, "--size", "8", "--epochs", "2", "--val", "20%"];
    let list = |d: &Path, out: &str| fs::read_to_string(d.join(out).join("images.csv")).unwrap();
    succeed(d, &[&base[..], &["--out", "first"]].concat());
    let n = list(d, "first").lines().filter(|l| l.contains(",train,")).count();
    for (i, more) in [
        vec!["--batch-size".to_string(), (n - 1).to_string()],
        vec!["--batch-size".to_string(), "2".into()],
        vec!["--batch-size".to_string(), "2".into(), "--accumulate".into(), "3".into()],
        vec!["--batch-size".to_string(), "3".into(), "--epoch-fraction".into(), format!("{}", 4.0 / n as f64)],
    ]
    .iter()
    .enumerate()
    {
        let more: Vec<&str> = more.iter().map(String::as_str).collect();
        succeed(d, &[&base[..], &more, &["--out", &format!("run{i}")]].concat());
    }
    let fraction = (1.0 / n as f64).to_string();
    for (out, more) in [("one", ["--batch-size", "1"]), ("none", ["--epoch-fraction", &fraction])] {
        let line = fail_last(d, &[&base[..], &more, &["--out", out]].concat());
        assert!(line.contains("normalizes") && line.contains("2"), "{line}");
        assert!(!d.join(out).join("checkpoint.safetensors").exists(), "told before the first step");
    }
    // Larger feature maps, or none that are normalized over the batch, take one image.
    for (out, net) in [("wide", "conv 4 3, batchnorm, relu, flatten, linear"), ("plain", "flatten, linear")] {
        let args = ["train", "data", "--model", net, "--batch-size", "1", "--epochs", "1", "--out", out];
        succeed(d, &args);
    }
}

/// The last line of a run that must fail with exit code 1.
fn fail_last(d: &Path, args: &[&str]) -> String {
    let output = run(d, args);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "striate {args:?}: {text}");
    assert!(!text.contains("internal error"), "{text}");
    text.lines().last().unwrap_or_default().to_string()
}

#[test]
fn an_unreadable_image_is_left_out_wherever_it_stands() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    colour_folders(&d.join("data"), 8, 16);
    succeed(d, &["train", "data", "--model", NET, "--epochs", "1", "--out", "run"]);
    // Large inputs are measured in batches of 16: a last batch of one that cannot be read is still no error.
    let big =
        ["train", "data", "--model", "maxpool 8, flatten, linear", "--size", "96", "--epochs", "1", "--out", "big"];
    succeed(d, &big);
    for broken in ["zz.png", "00.png"] {
        let test = d.join("test");
        let _ = fs::remove_dir_all(&test);
        for class in ["blue", "green", "red"] {
            fs::create_dir_all(test.join(class)).unwrap();
        }
        for n in 0..16 {
            let class = ["blue", "green", "red"][n as usize % 3];
            noise(90_000 + n, 100).save(test.join(class).join(format!("{n}.png"))).unwrap();
        }
        fs::write(test.join("red").join(broken), "").unwrap();
        for model in ["run/model.safetensors", "big/model.safetensors"] {
            let output = run(d, &["eval", model, "test", "--json"]);
            let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
            assert_eq!((json["images"].as_u64(), json["unreadable"].as_u64()), (Some(16), Some(1)), "{broken}");
        }
    }
    // Images that go bad while a run waits, one to a batch.
    let settings = ["--model", NET, "--batch-size", "1", "--epochs", "400", "--log", "json", "--out", "waiting"];
    let mut child =
        striate(d).args(["train", "data"]).args(settings).stdout(std::process::Stdio::null()).spawn().unwrap();
    while !d.join("waiting/checkpoint.safetensors").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(150));
    child.kill().unwrap();
    child.wait().unwrap();
    (0..3).for_each(|n| fs::write(d.join(format!("data/green/{n}.png")), "").unwrap());
    let mut resumed =
        striate(d).args(["train", "--resume", "waiting"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(std::time::Duration::from_millis(500));
    let ended = resumed.try_wait().unwrap();
    assert!(ended.is_none_or(|status| status.success()), "{ended:?}");
    let _ = resumed.kill();
    let _ = resumed.wait();
    // None of those that it learns from: that is an error.
    for line in fs::read_to_string(d.join("waiting/images.csv")).unwrap().lines().filter(|l| l.contains(",train,")) {
        fs::write(line.split(',').next().unwrap(), "").unwrap();
    }
    let line = fail_last(d, &["train", "--resume", "waiting"]);
    assert!(line.contains("none of the training images can be read"), "{line}");
}

#[test]
fn the_best_weights_are_the_model_and_the_last_ones_lie_beside_them() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    noise_folders(&d.join("data"), &["a", "b", "c"], 15, 0);
    let settings = ["--model", NET, "--epochs", "12", "--lr", "0.01", "--augment", "none"];
    let said = succeed(d, &[&["train", "data", "--patience", "0", "--out", "run"], &settings[..]].concat());
    let rows = fs::read_to_string(d.join("run/metrics.csv")).unwrap();
    let measured: Vec<(usize, f64)> = rows
        .lines()
        .map(|l| l.split(',').collect::<Vec<_>>())
        .filter(|f| f[2] == "val")
        .map(|f| (f[1].parse().unwrap(), f[6].parse().unwrap()))
        .collect();
    assert_eq!(measured.len(), 12);
    let best = measured.iter().fold(measured[0], |b, m| if m.1 >= b.1 { *m } else { b });
    let accuracy = |file: &str| self::measured(d, &[file])["accuracy"].as_f64().unwrap();
    assert!((accuracy("run/model.safetensors") - best.1).abs() < 1e-6, "{best:?}");
    assert!((accuracy("run/last.safetensors") - measured[11].1).abs() < 1e-6);
    assert!(said.contains(&format!("the weights of epoch {}, the best of 12", best.0)), "{said}");
    assert!(said.contains("Validation Loss: ") && said.contains("last.safetensors has those of epoch 12"), "{said}");

    // Early stopping ends it, to the same best weights as far as it came.
    let more = ["--patience", "2", "--out", "early"];
    let said = succeed(d, &[&["train", "data"], &settings[..], &more[..]].concat());
    let epochs =
        fs::read_to_string(d.join("early/metrics.csv")).unwrap().lines().filter(|l| l.contains(",val,")).count();
    let stale = measured.iter().scan((f64::NEG_INFINITY, 0), |(best, stale), m| {
        (*best, *stale) = if m.1 > *best { (m.1, 0) } else { (*best, *stale + 1) };
        Some(*stale)
    });
    let expected = stale.take_while(|stale| *stale < 2).count() + 1;
    assert_eq!(epochs, expected.min(12), "{said}");
    if epochs < 12 {
        assert!(said.contains("stopped early"), "{said}");
    }
}

#[test]
fn a_finished_run_gets_more_epochs_where_its_schedule_allows() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    colour_folders(&d.join("my data"), 10, 16);
    let train = ["train", "my data", "--model", NET, "--schedule", "step 2 0.5", "--epochs"];
    succeed(d, &[&train[..], &["2", "--out", "short"]].concat());
    succeed(d, &[&train[..], &["4", "--out", "long"]].concat());
    succeed(d, &["train", "--resume", "short", "--epochs", "4"]);
    assert!(weights(&d.join("short/last.safetensors")) == weights(&d.join("long/last.safetensors")));
    assert!(weights(&d.join("short/model.safetensors")) == weights(&d.join("long/model.safetensors")));
    fail(d, &["train", "--resume", "short", "--epochs", "3"], 1, &["short", "4 epochs"]);

    // Under a schedule that is laid out over the run, the line names the command that does it; that command works as typed.
    let args = ["train", "my data", "--model", NET, "--schedule", "cosine", "--epochs", "2", "--out", "a cosine"];
    succeed(d, &args);
    let line = fail(d, &["train", "--resume", "a cosine", "--epochs", "4"], 1, &["cosine", "2 epochs"]);
    let command = line.trim_end().split_once("striate train ").expect("a command").1.replace(" N", " 2");
    let shell = format!("{} train {command} --out next", env!("CARGO_BIN_EXE_striate"));
    let output = std::process::Command::new("sh").arg("-c").arg(&shell).current_dir(d).output().unwrap();
    assert!(output.status.success(), "{shell}: {}", stderr(&output));

    // The data has moved.
    fs::rename(d.join("my data"), d.join("elsewhere")).unwrap();
    fail_last(d, &["train", "--resume", "short", "--epochs", "5"]);
    succeed(d, &["train", "elsewhere", "--resume", "short", "--epochs", "5"]);
    let line = fail_last(d, &["train", "my data", "--resume", "short"]);
    assert!(line.contains("my data"), "{line}");
}
