//! What is written in PyTorch's form.

use super::files::bits;
use std::collections::BTreeMap;
use std::path::Path;
use striate_formats::{Format, pth, read_weights, weights_from_bytes};
use striate_tensor::{Tensor, bf16, f16};

fn tensors() -> BTreeMap<String, Tensor> {
    let image: Vec<f32> = (0..2 * 3 * 2 * 5).map(|i| i as f32).collect();
    [
        ("conv.weight", Tensor::from_vec(image, [2, 3, 2, 5])),
        ("odd", Tensor::from_vec(vec![f64::NAN, f64::NEG_INFINITY, -0.0], [3])),
        ("empty", Tensor::from_vec(Vec::<i64>::new(), [0, 4])),
        ("bytes", Tensor::from_vec(vec![1u8, 2], [2, 1])),
        ("half", Tensor::from_vec(vec![f16::MIN_POSITIVE_SUBNORMAL, f16::NAN, f16::MAX], [1, 3])),
        ("brain", Tensor::from_vec(vec![bf16::MIN_POSITIVE_SUBNORMAL, bf16::NAN, bf16::MAX], [3])),
        ("brain scalar", Tensor::from_vec(vec![bf16::NEG_INFINITY], [])),
        ("int", Tensor::from_vec(vec![i32::MIN, 7, i32::MAX], [3, 1, 1])),
        ("quantized", Tensor::from_vec(vec![i8::MIN, -1, i8::MAX, 0, 5], [5])),
        ("mask", Tensor::from_vec(vec![true, false, true], [3])),
        ("no mask", Tensor::from_vec(Vec::<bool>::new(), [2, 0])),
        ("name with spaces, ä and 'quotes'", Tensor::from_vec(vec![7i64], [])),
    ]
    .into_iter()
    .map(|(name, tensor)| (name.to_string(), tensor))
    .collect()
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("any name");
    for all in [tensors(), BTreeMap::from([("w".to_string(), Tensor::from_vec(vec![1.5f32], [1]))])] {
        pth::write(&path, &all).unwrap();
        let weights = read_weights(&path).unwrap();
        assert_eq!((weights.format, weights.notes().len()), (Format::Torch, 0));
        let back = weights.into_map();
        assert!(back.keys().eq(all.keys()));
        for (name, tensor) in &back {
            assert_eq!(bits(tensor), bits(&all[name]), "{name}");
        }
    }
    let line = pth::write(&dir.path().join("nowhere/a"), &tensors()).unwrap_err().to_string();
    assert!(line.starts_with("cannot write "), "{line}");
}

#[test]
fn the_same_tensors_give_the_same_bytes() {
    assert_eq!(pth::to_bytes(&tensors()), pth::to_bytes(&tensors()));
}

/// `scripts/check_weights.py` has PyTorch read this file.
#[test]
fn storages_are_aligned_and_stored() {
    let bytes = pth::to_bytes(&tensors());
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(&bytes)).unwrap();
    for index in 0..zip.len() {
        let entry = zip.by_index(index).unwrap();
        assert_eq!(entry.compression(), zip::CompressionMethod::Stored);
        assert_eq!(entry.data_start().unwrap() % 64, 0, "{index}");
    }
    if let Some(path) = std::env::var_os("STRIATE_WRITE_WEIGHTS") {
        std::fs::write(path, bytes).unwrap();
    }
}

#[test]
fn every_length_that_is_too_short_is_refused() {
    let bytes = pth::to_bytes(&tensors());
    for length in 0..bytes.len() {
        for read in [pth::from_bytes, weights_from_bytes] {
            let line = read(&bytes[..length], Path::new("some.pth")).err().expect("too short").to_string();
            assert!(line.contains("some.pth"), "{line}");
        }
    }
}
