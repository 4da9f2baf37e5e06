//! npy and npz files as NumPy writes them, and as nobody should.

use super::weights::bits;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use striate_formats::{FormatError, npy, npz};
use striate_tensor::{DType, Element, Tensor, bf16, f16};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn is_count<T: Element>(tensor: &Tensor) {
    assert_eq!(tensor.shape(), [2, 3, 4]);
    let expected: Vec<T> = (0..24).map(|i| T::from_f64(i as f64)).collect();
    assert_eq!(tensor.to_vec::<T>(), expected);
}

#[test]
fn what_numpy_writes_is_read() {
    is_count::<f32>(&npy::read(&fixture("f4.npy")).unwrap());
    is_count::<f64>(&npy::read(&fixture("f8_fortran.npy")).unwrap());
    is_count::<i64>(&npy::read(&fixture("i8_big.npy")).unwrap());
    is_count::<i32>(&npy::read(&fixture("i4.npy")).unwrap());
    is_count::<u8>(&npy::read(&fixture("u1.npy")).unwrap());
    let scalar = npy::read(&fixture("scalar.npy")).unwrap();
    assert_eq!((scalar.rank(), scalar.item::<f32>()), (0, 2.5));
    for name in ["two.npz", "two_compressed.npz"] {
        let arrays: BTreeMap<_, _> = npz::read(&fixture(name)).unwrap().into_iter().collect();
        is_count::<f32>(&arrays["x"]);
        assert_eq!(arrays["y"].to_vec::<i64>(), [1, -2]);
    }
}

#[test]
fn types_that_are_not_supported_are_named() {
    let error = npy::read(&fixture("object.npy")).err().unwrap();
    assert!(matches!(error, FormatError::Dtype { .. }), "{error}");
    let line = error.to_string();
    assert!(line.contains("object.npy") && line.contains("O") && line.contains("float32"), "{line}");
}

fn tensors() -> BTreeMap<String, Tensor> {
    let image: Vec<f32> = (0..2 * 3 * 2 * 5).map(|i| i as f32).collect();
    [
        ("image", Tensor::from_vec(image, [2, 3, 2, 5])),
        ("odd", Tensor::from_vec(vec![f64::NAN, f64::NEG_INFINITY, -0.0], [3])),
        ("empty", Tensor::from_vec(Vec::<i64>::new(), [0, 4])),
        ("bytes", Tensor::from_vec(vec![1u8], [1])),
        ("scalar", Tensor::from_vec(vec![7i64], [])),
        ("half", Tensor::from_vec(vec![f16::MIN_POSITIVE_SUBNORMAL, f16::NAN, f16::MAX], [1, 3])),
        ("half scalar", Tensor::from_vec(vec![f16::NEG_INFINITY], [])),
        ("int", Tensor::from_vec(vec![i32::MIN, 7, i32::MAX], [3, 1, 1])),
        ("quantized", Tensor::from_vec(vec![i8::MIN, -1, i8::MAX, 0, 5], [5])),
        ("mask", Tensor::from_vec(vec![true, false, true], [3])),
        ("no mask", Tensor::from_vec(Vec::<bool>::new(), [2, 0])),
    ]
    .into_iter()
    .map(|(name, tensor)| (name.to_string(), tensor))
    .collect()
}

#[test]
fn what_is_written_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let all = tensors();
    for (name, tensor) in &all {
        let path = dir.path().join("a.npy");
        npy::write(&path, tensor).unwrap();
        let back = npy::read(&path).unwrap();
        assert_eq!(bits(&back), bits(tensor), "{name}");
    }
    let path = dir.path().join("a.npz");
    npz::write(&path, &all).unwrap();
    let back = npz::read(&path).unwrap();
    assert_eq!(back.len(), all.len());
    for (name, tensor) in back {
        assert_eq!(bits(&tensor), bits(&all[&name]), "{name}");
    }
    assert_eq!(npz::to_bytes(&all), npz::to_bytes(&tensors()));
}

#[test]
fn bfloat16_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let tensor = Tensor::from_vec(vec![bf16::ONE], [1]);
    let line = npy::write(&dir.path().join("a.npy"), &tensor).unwrap_err().to_string();
    assert!(
        line.ends_with(
            "a.npy: tensor 'array' is bf16, which npy files have no type for (convert it with to_dtype(DType::F32))"
        ),
        "{line}"
    );
    let line = npz::write(&dir.path().join("a.npz"), &BTreeMap::from([("w".into(), tensor)])).unwrap_err().to_string();
    assert!(line.contains("'w' is bf16"), "{line}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
}

#[test]
fn what_numpy_calls_these_types() {
    for (dtype, name, bytes) in [
        (DType::F16, "'<f2'", &[0x00, 0x3c][..]),
        (DType::I32, "'<i4'", &[1, 0, 0, 0]),
        (DType::I8, "'|i1'", &[1]),
        (DType::Bool, "'|b1'", &[1]),
    ] {
        let file = npy::to_bytes(&Tensor::ones([1], dtype));
        let header = String::from_utf8_lossy(&file);
        assert!(header.contains(name) && file.ends_with(bytes), "{header}");
    }
}

#[test]
fn every_length_that_is_too_short_is_refused() {
    let all = tensors();
    let bytes = npy::to_bytes(&all["image"]);
    for length in 0..bytes.len() {
        let line = npy::from_bytes(&bytes[..length], Path::new("some.npy")).expect_err("too short").to_string();
        assert!(line.contains("some.npy"), "{line}");
    }
    assert!(npy::from_bytes(&[&bytes[..], b"x"].concat(), Path::new("some.npy")).is_err());
    let bytes = npz::to_bytes(&all);
    for length in 0..bytes.len() {
        let line = npz::from_bytes(&bytes[..length], Path::new("some.npz")).expect_err("too short").to_string();
        assert!(line.contains("some.npz"), "{line}");
    }
}

#[test]
fn every_changed_byte_is_survived() {
    let npy_bytes = npy::to_bytes(&tensors()["image"]);
    let npz_bytes = std::fs::read(fixture("two_compressed.npz")).unwrap();
    for value in [0, b'9', b'(', 0x7f, 0xff] {
        for at in 0..npy_bytes.len() {
            let mut changed = npy_bytes.clone();
            changed[at] = value;
            let _ = npy::from_bytes(&changed, Path::new("x"));
        }
        for at in 0..npz_bytes.len() {
            let mut changed = npz_bytes.clone();
            changed[at] = value;
            let _ = npz::from_bytes(&changed, Path::new("x"));
        }
    }
}

/// An npy file of version 2 with this header.
fn with_header(text: &str) -> Vec<u8> {
    [b"\x93NUMPY\x02\x00", &(text.len() as u32).to_le_bytes()[..], text.as_bytes(), &[0; 16]].concat()
}

#[test]
fn lies_are_refused() {
    let dict = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}\n");
    assert!(npy::from_bytes(&with_header(&dict("(4,)")), Path::new("x")).is_ok());
    for text in [
        dict("(5,)"),
        dict("(-4,)"),
        dict("(4.0,)"),
        dict("(18446744073709551616,)"),
        dict("(9223372036854775807, 9223372036854775807)"),
        dict("(0, 9223372036854775807, 9223372036854775807)"),
        dict("(4294967296, 4294967296, 4294967296)"),
        dict("(1, 1, 1, 1, 1, 1, 1, 1, 4)"),
        dict(&"(".repeat(3000)),
        "(".repeat(4000),
        "not a dictionary".to_string(),
        "{}".to_string(),
        String::new(),
    ] {
        let error =
            npy::from_bytes(&with_header(&text), Path::new("x.npy")).err().unwrap_or_else(|| panic!("accepted {text}"));
        assert!(error.to_string().contains("x.npy"), "{error}");
    }
    let long = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(matches!(npy::from_bytes(&long, Path::new("x")), Err(FormatError::HeaderTooLarge { .. })));
    assert!(matches!(npy::from_bytes(b"PK\x03\x04", Path::new("x")), Err(FormatError::NotThisFormat { .. })));
    assert!(matches!(npz::from_bytes(b"\x93NUMPY", Path::new("x")), Err(FormatError::NotThisFormat { .. })));
}
