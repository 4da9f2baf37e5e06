//! Files that are damaged, hostile or of another kind.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use striate_graph::capture;
use striate_nn::{BatchNorm2d, Conv2d, Flatten, Linear, MaxPool2d, Pass, ReLU, Sequential};
use striate_onnx::{ExportOptions, Model, Network};
use striate_tensor::{DType, Generator, Tensor};

fn written(path: &Path) -> Vec<u8> {
    let rng = &mut Generator::new(0);
    let net = Sequential::new()
        .add(Conv2d::new(1, 3, 3, rng))
        .add(BatchNorm2d::new(3))
        .add(ReLU)
        .add(MaxPool2d::new(2))
        .add(Flatten::default())
        .add(Linear::new(3 * 4, 2, rng));
    Model::of_graph(&capture(&net, &[1, 1, 6, 6]), &ExportOptions::default()).unwrap().write(path).unwrap();
    fs::read(path).unwrap()
}

fn run(path: &Path) -> Result<(), String> {
    let network = Network::read(path).map_err(|e| e.to_string())?;
    let shape: Vec<usize> =
        network.inputs().first().map_or(vec![], |p| p.sizes.iter().map(|n| n.unwrap_or(1)).collect());
    if shape.iter().product::<usize>() > 1 << 16 {
        return Err("large".into());
    }
    let x = Tensor::ones(shape, DType::F32);
    network.run(vec![x; network.inputs().len()], &Pass::eval()).map(|_| ()).map_err(|e| e.to_string())
}

#[test]
fn no_damage_makes_it_panic() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("m.onnx");
    let good = written(&path);
    run(&path).unwrap();
    let mut refused = 0;
    let mut check = |bytes: &[u8], what: String| {
        fs::write(&path, bytes).unwrap();
        let result = catch_unwind(AssertUnwindSafe(|| run(&path))).unwrap_or_else(|_| panic!("{what}"));
        if let Err(e) = result {
            refused += 1;
            assert!(e.contains("m.onnx") || e == "large", "{what}: {e}");
            assert!(!e.contains('\n'), "{what}: {e}");
        }
    };
    for n in (0..good.len()).step_by(7) {
        check(&good[..n], format!("cut at {n}"));
    }
    let mut state = 1u32;
    for i in 0..good.len() {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        let mut bytes = good.clone();
        bytes[i] ^= (state >> 24) as u8 | 1;
        check(&bytes, format!("byte {i}"));
    }
    assert!(refused > 100, "{refused}");
}

#[test]
fn what_is_no_onnx_file_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x.onnx");
    let refused = |bytes: Option<&[u8]>, words: &[&str]| {
        match bytes {
            Some(bytes) => fs::write(&path, bytes).unwrap(),
            None => drop(fs::remove_file(&path)),
        }
        let e = Network::read(&path).map(|_| ()).unwrap_err().to_string();
        assert!(e.contains("x.onnx") && words.iter().all(|word| e.contains(word)), "{e}");
    };
    refused(None, &[]);
    refused(Some(b""), &["not an ONNX file"]);
    refused(Some(b"\x89PNG\r\n\x1a\n0000"), &["not an ONNX file"]);
    refused(Some(&[0xff; 100]), &["not an ONNX file"]);
    // A message in a message, a thousand times: the field "graph" of the model, "node" of the graph, "attribute", "graph" …
    let mut deep = Vec::new();
    for _ in 0..1000 {
        for tag in [0x32u8, 0x2a, 0x0a] {
            let length = deep.len();
            let mut outer = vec![tag];
            let mut n = length;
            while n >= 128 {
                outer.push((n % 128) as u8 | 128);
                n /= 128;
            }
            outer.push(n as u8);
            outer.extend(&deep);
            deep = outer;
            if deep.len() > 1 << 16 {
                break;
            }
        }
    }
    refused(Some(&deep), &[]);
}
