//! Networks that take images of several sizes.

use crate::common::*;
use serde_json::Value;

fn inspect(args: &[&str]) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let out = succeed(dir.path(), &[&["inspect"], args, &["--json"]].concat());
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out}"))
}

fn total(out: &Value, key: &str) -> u64 {
    out[key].as_u64().unwrap()
}

#[test]
fn inspect_takes_any_size_that_the_network_does() {
    let small = inspect(&["resnet18", "--input", "3x32x32"]);
    let default = inspect(&["resnet18", "--classes", "1000"]);
    // Torchvision's: 11,689,512 parameters with 1000 classes, 990 of which are 513 numbers each.
    assert_eq!(total(&default, "parameters"), 11_689_512);
    assert_eq!(total(&small, "parameters"), 11_689_512 - 990 * 513);
    let shape = |out: &Value| out["input"].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect::<Vec<_>>();
    assert_eq!((shape(&small), shape(&default)), (vec![1, 3, 32, 32], vec![1, 3, 224, 224]));
    assert!(40 * total(&small, "multiply_adds") < total(&default, "multiply_adds"));
    let dir = tempfile::tempdir().unwrap();
    let text = succeed(dir.path(), &["inspect", "mobilenet_v2", "--input", "1x40x32"]);
    assert!(text.starts_with("mobilenet-v2: MobileNetV2"), "{text}");
    assert!(text.contains("features.18.0 ") && text.contains("classifier.1 "), "{text}");
    let refused = ["inspect", "resnet50", "--input", "3x31x224"];
    fail(dir.path(), &refused, 1, &["--input: resnet50 takes images from 32×32 on"]);
}

#[test]
fn a_resnet_is_trained_on_small_grey_images_and_read_again() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 40, 20, 28);
    let train = ["train", "squares", "--model", "resnet18", "--epochs", "2", "--batch-size", "20", "--out", "run"];
    let out = succeed(dir.path(), &train);
    assert!(out.contains("Training resnet18 (11175370 parameters)"), "{out}");
    let measured = succeed(dir.path(), &["eval", "run/model.safetensors"]);
    assert!(
        measured.contains("resnet18 on squares (20 validation images: its best epoch was chosen on them)"),
        "{measured}"
    );
    let shown = succeed(dir.path(), &["inspect", "run/model.safetensors"]);
    assert!(shown.contains("1×1×32×32"), "{shown}");
}
