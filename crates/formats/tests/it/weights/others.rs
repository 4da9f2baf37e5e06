//! One caller for files of every kind.

use super::files::{fixture, zip_of};
use std::collections::BTreeMap;
use std::path::Path;
use striate_formats::{Format, FormatError, npy, npz, pth, read_weights, safetensors, weights_from_bytes};
use striate_tensor::Tensor;

#[test]
fn the_contents_decide_and_not_the_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("weights.jpg");
    let tensors = BTreeMap::from([
        ("module.a".to_string(), Tensor::from_vec(vec![1.0f32, 2.0], [2])),
        ("module._orig_mod.b".to_string(), Tensor::from_vec(vec![3i64], [1])),
    ]);
    let metadata = BTreeMap::from([("by".to_string(), "a test".to_string())]);
    for format in [Format::Safetensors, Format::Torch, Format::Npz] {
        match format {
            Format::Safetensors => safetensors::write(&path, &tensors, &metadata).unwrap(),
            Format::Npz => npz::write(&path, &tensors).unwrap(),
            _ => pth::write(&path, &tensors).unwrap(),
        }
        let weights = read_weights(&path).unwrap();
        assert_eq!((weights.format, weights.metadata.is_empty()), (format, format != Format::Safetensors));
        assert_eq!(weights.stripped, ["_orig_mod.", "module."]);
        let back = weights.into_map();
        assert_eq!(back["a"].to_vec::<f32>(), [1.0, 2.0]);
        assert_eq!(back["b"].to_vec::<i64>(), [3]);
    }
    assert_eq!(read_weights(&fixture("views_legacy.pth")).unwrap().format, Format::TorchLegacy);
}

#[test]
fn what_is_no_weight_file_is_named() {
    let array = npy::to_bytes(&Tensor::from_vec(vec![1u8], [1]));
    for (bytes, part) in [
        (&b""[..], "empty"),
        (b"<!DOCTYPE html><html>404</html>", "web page"),
        (b"\n  <HTML>", "web page"),
        (b"<?xml version=\"1.0\"?><Error>AccessDenied</Error>", "XML"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "git lfs pull"),
        (b"\x89HDF\r\n\x1a\n", "Keras"),
        (b"GGUF\x03\0\0\0", "GGUF"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\x80\x04}.", "pickle"),
        (b"{\"error\": 1}", "JSON"),
        (b"something else", "begins as none"),
        (&array, "npy"),
        (&zip_of(&[("model/weights.h5", b"")]), "zip archive"),
        (b"PK\x03\x04", "copy or download it again"),
    ] {
        let line = weights_from_bytes(bytes, Path::new("some.file")).err().expect(part).to_string();
        assert!(line.contains("some.file") && line.contains(part), "{line}");
    }
    let page = pth::from_bytes(b"<!doctype html>", Path::new("x.pth"));
    assert!(matches!(page, Err(FormatError::NotThisFormat { format: "PyTorch", .. })));
    let line = read_weights(Path::new("nowhere.pth")).err().unwrap().to_string();
    assert!(line.starts_with("cannot read nowhere.pth: "), "{line}");
}
