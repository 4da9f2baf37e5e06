//! ONNX files written, imported and run by the program.

use crate::common::*;
use std::fs;
use std::path::Path;
use striate::formats::{npy, npz};
use striate::graph::{capture, capture_with};
use striate::imaging::{Fit, Preprocessing};
use striate::model::{Model, export_onnx};
use striate::nn::{Conv2d, Forward, Linear, Pass, ReLU, Sequential};
use striate::onnx::ExportOptions;
use striate::tensor::Spec;
use striate::{DType, Generator, Tensor};

const NET: &str = "conv 4 3, batchnorm, relu, maxpool 2, globalavgpool, linear";

/// A trained model in `run`.
fn trained(d: &Path) {
    idx_dir(d, 100, 20, 28);
    let settings = ["--epochs", "1", "--batch-size", "20", "--out", "run", "--quiet"];
    succeed(d, &[&["train", "squares", "--model", NET], &settings[..]].concat());
    image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(x * y) as u8])).save(d.join("x.png")).unwrap();
}

#[test]
fn a_model_comes_back_from_onnx() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d);
    let out = succeed(d, &["export", "run", "--format", "onnx"]);
    assert!(out.starts_with("run/model.onnx: images [batch, 1, 28, 28] to scores [batch, 10]"), "{out}");
    let out = succeed(d, &["import", "run/model.onnx", "--out", "back.safetensors"]);
    assert!(out.starts_with("back.safetensors: 10 classes of images 1×28×28, "), "{out}");
    let predicted = |model: &str| succeed(d, &["predict", model, "x.png"]);
    assert_eq!(predicted("back.safetensors"), predicted("run"));
    let out = succeed(d, &["inspect", "back.safetensors"]);
    assert!(out.starts_with("back.safetensors: graph for 10 classes, imported from model.onnx\n"), "{out}");
    fail(d, &["eval", "back.safetensors"], 1, &["what the model was trained on is not known"]);
    let output = run(d, &["eval", "back.safetensors", "squares"]);
    assert!(output.status.success() && stderr(&output).contains("comes from model.onnx"), "{}", stderr(&output));

    // Probabilities in the file are scores again in the model.
    for options in [&["--softmax"][..], &["--half"], &["--opset", "28", "--softmax", "--half"]] {
        succeed(d, &[&["export", "run", "--out", "p.onnx"], options].concat());
        let output = run(d, &["import", "p.onnx", "--out", "p.safetensors"]);
        assert!(output.status.success(), "{}", stderr(&output));
        assert_eq!(stderr(&output).contains("softmax is left out"), options.contains(&"--softmax"));
        let class = |text: String| text.split_whitespace().nth(1).unwrap().to_string();
        assert_eq!(class(predicted("p.safetensors")), class(predicted("run")), "{options:?}");
    }
    fail(d, &["export", "run", "--format", "onnx", "--opset", "16"], 1, &["opset 16", "17 to 28"]);
    // Nothing that was there is lost, and nothing lies beside it.
    let before = fs::read(d.join("run/model.onnx")).unwrap();
    let mut model = Model::load(&d.join("run/model.safetensors")).unwrap();
    model.card.self_test[0].output[0] = 99.0;
    let refused = export_onnx(&model, &d.join("run/model.onnx"), &ExportOptions::default()).unwrap_err().to_string();
    assert!(refused.contains("run/model.onnx") && refused.contains("self-test 1"), "{refused}");
    assert!(fs::read(d.join("run/model.onnx")).unwrap() == before);
    let names = || fs::read_dir(d.join("run")).unwrap().map(|e| e.unwrap().file_name()).collect::<Vec<_>>();
    assert!(names().iter().all(|name| !name.to_string_lossy().starts_with(".tmp")), "{:?}", names());
    fail(d, &["export", "run", "--half"], 1, &["--half", "--format onnx"]);
    fail(d, &["export", "run", "--format", "onnx", "--out", "nowhere/x.onnx"], 1, &["nowhere"]);
}

#[test]
fn a_file_takes_images_as_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d);
    succeed(d, &["export", "run", "--out", "plain.onnx"]);
    let trained = Model::load(&d.join("run/model.safetensors")).unwrap().card.preprocessing;
    let prepared_by = |fit: Fit, name: &str| {
        let p = Preprocessing { fit, ..trained.clone() };
        fs::write(d.join("p.json"), serde_json::to_string(&p).unwrap()).unwrap();
        succeed(d, &["import", "plain.onnx", "--preprocessing", "p.json", "--out", name]);
    };
    prepared_by(Fit::Crop { shorter: 32 }, "photos.safetensors");
    let export = ["export", "photos.safetensors", "--out", "raw.onnx", "--with-preprocessing"];
    let out = succeed(d, &export);
    let first = "raw.onnx: RGB images u8 [batch, height, width, 3] of any size to scores [batch, 10]; in Python: ";
    assert!(out.starts_with(first) && out.ends_with("Read back, it gives what the model gives.\n"), "{out}");

    let photo = image::RgbImage::from_fn(61, 45, |x, y| image::Rgb([(x * y) as u8, (4 * x) as u8, (5 * y) as u8]));
    photo.save(d.join("photo.png")).unwrap();
    let probability = |model: &str| {
        let out = succeed(d, &["predict", model, "photo.png", "--json"]);
        let answer: serde_json::Value = serde_json::from_str(&out).unwrap();
        answer["probability"].as_f64().unwrap()
    };
    let want = probability("photos.safetensors");
    let output = run(d, &["import", "raw.onnx", "--out", "back.safetensors"]);
    assert!(output.status.success() && stderr(&output).contains("nodes that prepare images are left out"));
    assert!((probability("back.safetensors") - want).abs() < 1e-6);

    let pixels = Tensor::from_vec(photo.into_raw(), [1, 45, 61, 3]);
    npy::write(&d.join("photo.npy"), &pixels).unwrap();
    succeed(d, &[&export[..], &["--softmax", "--opset", "28"]].concat());
    succeed(d, &["run", "raw.onnx", "--input", "photo.npy", "--output", "out.npz"]);
    let probabilities = npz::read(&d.join("out.npz")).unwrap()[0].1.to_vec::<f32>();
    let got = probabilities.into_iter().fold(0f32, f32::max);
    assert!((f64::from(got) - want).abs() < 1e-3, "{got}, not {want}");
    fail(d, &["run", "raw.onnx"], 1, &["takes images (u8 [?, ?, ?, 3])"]);

    fail(d, &[&export[..], &["--opset", "17"]].concat(), 1, &["opset 17", "antialiasing", "18 to 28"]);
    let torch = ["export", "photos.safetensors", "--with-preprocessing", "--format", "torch"];
    fail(d, &torch, 1, &["--with-preprocessing is for ONNX", "--format onnx"]);
    prepared_by(Fit::Digit, "digits.safetensors");
    let digits = ["export", "digits.safetensors", "--with-preprocessing", "--format", "onnx"];
    fail(d, &digits, 1, &["digits.safetensors", "MNIST's digits", "leave --with-preprocessing out"]);
    assert!(!d.join("digits.onnx").exists());
}

#[test]
fn import_asks_for_what_a_file_does_not_say() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d);
    succeed(d, &["export", "run", "--out", "m.onnx"]);
    // A file of another program has no metadata.
    let mut file = fs::read(d.join("m.onnx")).unwrap();
    for key in ["preprocessing", "classes"] {
        let at = file.windows(key.len()).position(|w| w == key.as_bytes()).unwrap();
        file[at..at + key.len()].fill(b'?');
    }
    fs::write(d.join("m.onnx"), file).unwrap();
    let advice = "add --preprocessing with imagenet, unit, signed, bytes or a JSON file";
    fail(d, &["import", "m.onnx"], 1, &["m.onnx does not say how images are prepared", advice]);
    fail(d, &["import", "m.onnx", "--preprocessing", "magic"], 1, &["magic", "imagenet"]);
    fs::write(d.join("p.json"), "{").unwrap();
    fail(d, &["import", "m.onnx", "--preprocessing", "p.json"], 1, &["p.json", "not a preprocessing"]);
    fs::write(d.join("names.txt"), "a\nb\n").unwrap();
    fail(d, &["import", "m.onnx", "--preprocessing", "unit", "--classes", "names.txt"], 1, &["10 outputs", "2 names"]);
    fail(d, &["import", "m.onnx", "--preprocessing", "unit", "--classes", "none.txt"], 1, &["none.txt"]);
    let names: Vec<String> = (0..10).map(|i| format!("square {i}")).collect();
    fs::write(d.join("names.txt"), names.join("\n")).unwrap();
    let card = Model::load(&d.join("run/model.safetensors")).unwrap().card;
    fs::write(d.join("p.json"), serde_json::to_string(&card.preprocessing).unwrap()).unwrap();
    succeed(d, &["import", "m.onnx", "--preprocessing", "p.json", "--classes", "names.txt"]);
    let out = succeed(d, &["predict", "m.safetensors", "x.png"]);
    assert!(out.starts_with("x.png: square "), "{out}");
    fail(d, &["import", "m.onnx", "--preprocessing", "unit"], 1, &["m.safetensors exists", "--out m.safetensors"]);
    fail(d, &["import", "x.png"], 1, &["x.png", "not an ONNX file"]);
    fail(d, &["import", "none.onnx"], 1, &["none.onnx"]);
    fail(d, &["import", "m.onnx", "--preprocessing", "unit", "--out", "m.onnx"], 1, &["--out"]);
}

#[test]
fn arrays_are_run_through_files() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    trained(d);
    succeed(d, &["export", "run", "--out", "m.onnx"]);
    let x = Tensor::randn([3, 1, 28, 28], DType::F64, &mut Generator::new(0));
    npy::write(&d.join("x.npy"), &x).unwrap();
    let outputs = |args: &[&str]| {
        succeed(d, &[&["run"], args, &["--output", "out.npz"]].concat());
        npz::read(&d.join("out.npz")).unwrap()
    };
    let one = outputs(&["m.onnx", "--input", "x.npy"]);
    assert_eq!((one[0].0.as_str(), one[0].1.shape()), ("output", &[3, 10][..]));
    for args in [
        &["m.onnx", "--input", "input=x.npy"][..],
        &["run", "--input", "x.npy"],
        &["run/model.safetensors", "--input", "x.npy"],
    ] {
        let again = outputs(args);
        let close =
            one[0].1.to_vec::<f32>().into_iter().zip(again[0].1.to_vec::<f32>()).all(|(a, b)| (a - b).abs() < 1e-4);
        assert!(close, "{args:?}");
    }
    npz::write(&d.join("in.npz"), &[("input".to_string(), x.clone())].into()).unwrap();
    assert_eq!(outputs(&["m.onnx", "--input", "in.npz"])[0].1.shape(), [3, 10]);
    let out = succeed(d, &["run", "m.onnx", "--input", "x.npy", "--json"]);
    let json: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(json["outputs"][0]["shape"], serde_json::json!([3, 10]));

    fail(d, &["run", "m.onnx"], 1, &["takes input (f32 [?, 1, 28, 28])", "--input"]);
    let unknown = ["no input 'image'", "takes input (f32 [?, 1, 28, 28])"];
    fail(d, &["run", "m.onnx", "--input", "image=x.npy"], 1, &unknown);
    fail(d, &["run", "run", "--input", "image=x.npy"], 1, &unknown);
    fail(d, &["run", "m.onnx", "--input", "input=in.npz"], 1, &["in.npz alone"]);
    fail(d, &["run", "m.onnx", "--input", "none.npy"], 1, &["none.npy"]);
    npy::write(&d.join("odd.npy"), &Tensor::ones([3, 2, 28, 28], DType::F32)).unwrap();
    fail(d, &["run", "m.onnx", "--input", "odd.npy"], 1, &["node", "Conv", "[3, 2, 28, 28]"]);
    fail(d, &["run", "run", "--input", "odd.npy"], 1, &["input (f32 [?, 1, 28, 28])", "[3, 2, 28, 28]"]);
    npy::write(&d.join("whole.npy"), &Tensor::ones([3, 1, 28, 28], DType::I64)).unwrap();
    fail(d, &["run", "m.onnx", "--input", "whole.npy"], 1, &["i64"]);
}

/// A file that gives `scores`, what a layer makes of `a`, and `product`, of `a` and `b`. Its bias is an input with a default.
fn several(file: &Path) -> Linear {
    let net = Linear::new(4, 3, &mut Generator::new(0));
    let input = |name| (name, Spec::new([2, 4], DType::F32));
    let graph = capture_with(&net, &[input("a"), input("b")], |x, pass| {
        Ok::<_, std::convert::Infallible>(vec![net.forward(x[0].clone(), pass), x[0].clone() * x[1].clone()])
    });
    let options = ExportOptions { names: vec!["scores".into(), "product".into()], ..ExportOptions::default() };
    striate::onnx::Model::of_graph(&graph.unwrap(), &options).unwrap().write(file).unwrap();
    let mut bytes = fs::read(file).unwrap();
    // A message that comes twice is one with the fields of both: the graph gets an input of type f32 with the name of an initializer.
    let info = [b"\x0a\x04bias", &b"\x12\x04\x0a\x02\x08\x01"[..]].concat();
    bytes.extend([&[0x3a, info.len() as u8 + 2, 0x5a, info.len() as u8][..], &info].concat());
    fs::write(file, bytes).unwrap();
    net
}

#[test]
fn several_inputs_and_outputs_go_by_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let net = several(&d.join("m.onnx"));
    let random = |seed| Tensor::randn([5, 4], DType::F32, &mut Generator::new(seed));
    let (a, b, bias) = (random(1), random(2), Tensor::from_vec(vec![1.0f32, 2.0, 3.0], [3]));
    npy::write(&d.join("a.npy"), &a).unwrap();
    npy::write(&d.join("b.npy"), &b).unwrap();
    npy::write(&d.join("bias.npy"), &bias).unwrap();
    npz::write(&d.join("both.npz"), &[("a".to_string(), a.clone()), ("b".to_string(), b.clone())].into()).unwrap();
    npz::write(&d.join("more.npz"), &[("b".to_string(), b.clone()), ("bias".to_string(), bias.clone())].into())
        .unwrap();
    let outputs = |args: &[&str]| {
        let out = succeed(d, &[&["run", "m.onnx"], args, &["--output", "out.npz"]].concat());
        assert!(out.contains("All outputs are in out.npz."), "{out}");
        let read: std::collections::BTreeMap<String, Tensor> =
            npz::read(&d.join("out.npz")).unwrap().into_iter().collect();
        assert_eq!(read.keys().collect::<Vec<_>>(), ["product", "scores"]);
        read
    };
    let close = |got: &Tensor, want: &Tensor| {
        assert_eq!(got.shape(), want.shape());
        let pairs = got.to_vec::<f32>().into_iter().zip(want.to_vec::<f32>());
        pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5)
    };
    let (scores, product) = (net.forward(a.clone(), &Pass::eval()), a.clone() * b.clone());
    for args in [&["--input", "a=a.npy", "--input", "b=b.npy"][..], &["--input", "both.npz"]] {
        let got = outputs(args);
        assert!(close(&got["scores"], &scores) && close(&got["product"], &product), "{args:?}");
    }
    let other = a.clone().linear(net.weight.value(), Some(&bias));
    for args in [
        &["--input", "a=a.npy", "--input", "b=b.npy", "--input", "bias=bias.npy"][..],
        &["--input", "more.npz", "--input", "a=a.npy"],
    ] {
        let got = outputs(args);
        assert!(close(&got["scores"], &other) && close(&got["product"], &product), "{args:?}");
    }
    npz::write(
        &d.join("again.npz"),
        &[("a".to_string(), outputs(&["--input", "both.npz"]).remove("product").unwrap()), ("b".to_string(), b)].into(),
    )
    .unwrap();
    outputs(&["--input", "again.npz"]);

    let out = succeed(d, &["run", "m.onnx", "--input", "both.npz"]);
    let rows: Vec<&str> = out.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(rows, ["output", "scores", "product"], "{out}");
    let out = succeed(d, &["run", "m.onnx", "--input", "both.npz", "--time"]);
    let line = out.lines().last().unwrap();
    assert!(line.starts_with("A run takes ") && line.contains(" ms (median of ") && line.ends_with(" ms)."), "{out}");
    let timed = succeed(d, &["run", "m.onnx", "--input", "both.npz", "--time", "--json"]);
    let timed: serde_json::Value = serde_json::from_str(&timed).unwrap();
    let ms = |key: &str| timed["ms"][key].as_f64().unwrap();
    assert!(0.0 < ms("median") && ms("median") <= ms("p99") && ms("runs") >= 1.0, "{timed}");

    let takes = "a (f32 [?, 4]), b (f32 [?, 4]), and may be given bias (f32 [])";
    fail(d, &["run", "m.onnx"], 1, &["takes", takes, "gives scores (f32 [?, 3]), product (f32 [?, 4])"]);
    fail(d, &["run", "m.onnx", "--input", "a=a.npy"], 1, &["no array for input b (f32 [?, 4])", "--input b=x.npy"]);
    fail(d, &["run", "m.onnx", "--input", "both.npz", "--input", "c=a.npy"], 1, &["no input 'c'", takes]);
    fail(d, &["run", "m.onnx", "--input", "a.npy"], 1, &["which input it is for, NAME=a.npy", takes]);
    npy::write(&d.join("whole.npy"), &Tensor::ones([3], DType::I64)).unwrap();
    fail(d, &["run", "m.onnx", "--input", "both.npz", "--input", "bias=whole.npy"], 1, &["input bias", "i64"]);
}

/// A network over whole images that says 1×3×32×32 of its input takes other sizes.
#[test]
fn an_array_may_have_other_sizes_than_the_file_says() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    let rng = &mut Generator::new(0);
    let net =
        Sequential::new().add(Conv2d::options(3, 4, 3).padding(1).build(rng)).add(ReLU).add(Conv2d::new(4, 2, 1, rng));
    let graph = capture(&net, &[1, 3, 32, 32]);
    striate::onnx::Model::of_graph(&graph, &ExportOptions::default()).unwrap().write(&d.join("m.onnx")).unwrap();
    for shape in [[2, 3, 40, 56], [1, 3, 7, 32]] {
        let x = Tensor::randn(shape, DType::F32, &mut Generator::new(1));
        npy::write(&d.join("x.npy"), &x).unwrap();
        succeed(d, &["run", "m.onnx", "--input", "x.npy", "--output", "out.npz"]);
        let got = npz::read(&d.join("out.npz")).unwrap().into_iter().next().unwrap().1;
        let want = net.forward(x, &Pass::eval());
        assert_eq!(got.shape(), want.shape());
        let pairs = got.to_vec::<f32>().into_iter().zip(want.to_vec::<f32>());
        assert!(pairs.into_iter().all(|(a, b)| (a - b).abs() < 1e-5), "{shape:?}");
    }
}
