//! Model files that hold a graph in the place of a network's name.

use crate::common::*;
use std::fs;
use std::path::Path;
use striate::graph::capture;
use striate::model::{Model, SelfTest, save_graph};
use striate::nn::{Forward, Pass};
use striate::tensor::Tensor;

const NET: &str =
    "conv 4 3, batchnorm, relu, maxpool 2, residual(conv 4 3 padding 1, batchnorm), globalavgpool, linear";

/// A trained model, and the same as a graph in `graph.safetensors`.
fn models(d: &Path) {
    idx_dir(d, 100, 20, 28);
    let settings = ["--epochs", "1", "--batch-size", "20", "--out", "run", "--quiet"];
    succeed(d, &[&["train", "squares", "--model", NET], &settings[..]].concat());
    let model = Model::load(&d.join("run/model.safetensors")).unwrap();
    let [c, h, w] = model.card.preprocessing.output_shape();
    let graph = capture(&*model.network, &[1, c, h, w]);
    save_graph(&d.join("graph.safetensors"), &model.card, &graph).unwrap();
}

#[test]
fn a_graph_is_used_as_its_network_is() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    models(d);
    image::GrayImage::from_fn(28, 28, |x, y| image::Luma([(x * y) as u8])).save(d.join("x.png")).unwrap();
    for args in [&["predict", "MODEL", "x.png", "--json"][..], &["eval", "MODEL", "--json"]] {
        let of = |path: &str| {
            let args: Vec<&str> = args.iter().map(|&a| if a == "MODEL" { path } else { a }).collect();
            succeed(d, &args).replace(path, "MODEL")
        };
        assert_eq!(of("graph.safetensors").replace("\"graph\"", "NET"), of("run/model.safetensors"), "{args:?}");
    }
    let of = |path: &str| succeed(d, &["inspect", path]).lines().skip(1).map(str::to_string).collect::<Vec<_>>();
    assert_eq!(of("graph.safetensors"), of("run/model.safetensors"));
    let title = succeed(d, &["inspect", "graph.safetensors"]);
    assert!(title.starts_with("graph.safetensors: graph for 10 classes, trained on "), "{title}");
    let finetune = ["finetune", "squares", "--from", "graph.safetensors", "--mode", "head", "--epochs", "1"];
    let said = succeed(d, &[&finetune[..], &["--out", "head"]].concat());
    assert!(said.contains("the backbone is the graph from ") && said.contains("graph.safetensors (a model)"), "{said}");
    assert!(said.contains("is kept, for the classes are the same"), "{said}");
    fail(d, &["train", "squares", "--weights", "graph.safetensors", "--model", "lenet"], 1, &["graph.safetensors"]);
}

#[test]
fn a_graph_that_fits_no_images_or_classes_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    models(d);
    let model = Model::load(&d.join("graph.safetensors")).unwrap();
    let refused = |network: &dyn Forward, input: &[usize], words: &[&str]| {
        let e = save_graph(&d.join("no.safetensors"), &model.card, &capture(network, input)).unwrap_err().to_string();
        assert!(words.iter().all(|word| e.contains(word)), "{e}");
        assert!(!d.join("no.safetensors").exists());
    };
    let network = Model::load(&d.join("run/model.safetensors")).unwrap().network;
    refused(&*network, &[1, 1, 30, 30], &["no.safetensors", "[1, 1, 30, 30]", "[1, 1, 28, 28]"]);
    struct Scores;
    impl striate::nn::Module for Scores {
        fn visit<'a>(&'a self, _: &str, _: &mut dyn FnMut(&str, striate::nn::Entry<'a>)) {}
        fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, striate::nn::EntryMut<'a>)) {}
    }
    impl Forward for Scores {
        fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
            x.flatten(1, -1).narrow(1, 0, 3)
        }
    }
    refused(&Scores, &[1, 1, 28, 28], &["[1, 3]", "10 classes"]);

    let good = fs::read(d.join("graph.safetensors")).unwrap();
    let refused = |edit: &dyn Fn(&mut serde_json::Value), words: &[&str]| {
        fs::write(d.join("bad.safetensors"), edited(&good, edit)).unwrap();
        for args in [&["inspect", "bad.safetensors"][..], &["predict", "bad.safetensors", "x.png"]] {
            fail(d, args, 1, &[&["bad.safetensors"], words].concat());
        }
    };
    let in_graph = |edit: &dyn Fn(&mut serde_json::Value), header: &mut serde_json::Value| {
        let text = &mut header["__metadata__"]["striate.graph"];
        let mut graph = serde_json::from_str(text.as_str().unwrap()).unwrap();
        edit(&mut graph);
        *text = graph.to_string().into();
    };
    let no_graph = |h: &mut serde_json::Value| {
        h["__metadata__"].as_object_mut().unwrap().remove("striate.graph");
    };
    refused(&no_graph, &["has none"]);
    refused(&|h| h["__metadata__"]["striate.graph"] = "[".into(), &["no JSON"]);
    refused(&|h| in_graph(&|g| g["version"] = 7.into(), h), &["version 7"]);
    refused(&|h| in_graph(&|g| g["fixed"] = "so".into(), h), &["1 images alone"]);
    refused(&|h| in_graph(&|g| g["nodes"][0]["op"]["conv2d"]["options"]["groups"] = 3.into(), h), &["node", "conv2d"]);
}

#[test]
fn a_graph_tests_itself() {
    let dir = tempfile::tempdir().unwrap();
    let d = dir.path();
    models(d);
    let mut model = Model::load(&d.join("graph.safetensors")).unwrap();
    assert_eq!(model.card.architecture, "graph");
    assert!(!model.card.self_test.is_empty());
    let SelfTest { output, .. } = &mut model.card.self_test[0];
    output[0] += 1.0;
    let [c, h, w] = model.card.preprocessing.output_shape();
    save_graph(&d.join("other.safetensors"), &model.card, &capture(&*model.network, &[1, c, h, w])).unwrap();
    fail(d, &["predict", "other.safetensors", "x.png"], 1, &["self-test 1"]);
}
