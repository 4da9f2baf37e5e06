//! What PyTorch writes is read.

use super::files::{Bits, bits, fixture};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use striate_formats::{Format, FormatError, Weights, pth, read_weights, safetensors};
use striate_tensor::{DType, Tensor};

/// The tensors of one fixture, in their order, as PyTorch has them.
fn expected(file: &str) -> Vec<(String, Bits)> {
    let contents = safetensors::read(&fixture("expected.safetensors")).unwrap();
    let names: BTreeMap<String, Vec<String>> = serde_json::from_str(&contents.metadata["names"]).unwrap();
    let tensors: BTreeMap<String, _> = contents.tensors.into_iter().collect();
    let bare = |name: &String| name.strip_prefix("module.").unwrap_or(name).to_string();
    names[file].iter().map(bare).map(|name| (name.clone(), bits(&tensors[&format!("{file}/{name}")]))).collect()
}

fn check(file: &str, format: Format) -> Weights {
    let path = fixture(&format!("{file}.pth"));
    let weights = read_weights(&path).unwrap();
    assert_eq!(weights.format, format, "{file}");
    let got: Vec<_> = weights.tensors.iter().map(|(name, tensor)| (name.clone(), bits(tensor))).collect();
    assert_eq!(got, expected(file), "{file}");
    let direct = pth::read(&path).unwrap();
    assert_eq!((direct.tensors.len(), direct.notes()), (weights.tensors.len(), weights.notes()));
    weights
}

#[test]
fn every_type_and_every_view_in_every_form() {
    for file in ["dtypes", "views", "protocol5", "attributes"] {
        assert!(check(file, Format::Torch).notes().is_empty(), "{file}");
    }
    for file in ["dtypes_legacy", "views_legacy"] {
        assert!(check(file, Format::TorchLegacy).notes().is_empty(), "{file}");
    }
}

#[test]
fn the_weights_of_a_checkpoint_without_the_prefix_of_data_parallel() {
    for (file, format) in [("checkpoint", Format::Torch), ("checkpoint_legacy", Format::TorchLegacy)] {
        let weights = check(file, format);
        assert_eq!(weights.entry, ["model"]);
        assert_eq!(weights.stripped, ["module."]);
        let mut ignored = weights.ignored.clone();
        ignored.sort();
        assert_eq!(ignored, ["accuracy", "best", "device", "epoch", "noise", "optimizer", "scheduler", "seen"]);
        let notes = weights.notes().join("\n");
        assert!(notes.contains("'model'") && notes.contains("optimizer") && notes.contains("'module.'"), "{notes}");
    }
}

#[test]
fn types_that_no_tensor_holds_are_named() {
    for (file, dtype) in [
        ("complex64", "complex64"),
        ("float8_e4m3fn", "float8_e4m3fn"),
        ("uint64", "uint64"),
        ("quantized", "quantized"),
        ("sparse", "sparse"),
    ] {
        let error = read_weights(&fixture(&format!("refused_{file}.pth"))).err().expect(file);
        assert!(matches!(error, FormatError::Dtype { .. }), "{error}");
        let line = error.to_string();
        assert!(line.contains("'w'") && line.contains(&format!("is {dtype},")) && line.contains("bfloat16"), "{line}");
    }
}

#[test]
fn a_whole_model_is_refused_by_its_class() {
    let error = read_weights(&fixture("whole.pth")).err().unwrap();
    let FormatError::PickledObject { class, .. } = &error else { panic!("{error}") };
    assert_eq!(class, "torch.nn.modules.container.Sequential");
    assert!(error.to_string().contains("state_dict()"), "{error}");
}

#[test]
fn published_weights() {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/weights");
    let directory = std::env::var_os("STRIATE_WEIGHTS").map_or_else(beside, PathBuf::from);
    // Counts and sums as PyTorch has them.
    for (file, tensors, elements, sum) in [
        ("efficientnet-lite0-57934424.pth", 296, 4_694_073, 425_663.245_001_555_6),
        ("pnet.pt", 13, 6_632, -43.125_317_040_717_21),
    ] {
        let path = directory.join(file);
        if !path.is_file() {
            println!("skipped: {} is not there; STRIATE_WEIGHTS can name the folder", path.display());
            continue;
        }
        let weights = read_weights(&path).unwrap();
        assert_eq!(weights.format, Format::TorchLegacy);
        let of = |tensor: &Tensor| match tensor.dtype() {
            DType::I64 => tensor.to_vec::<i64>().into_iter().map(|x| x as f64).sum::<f64>(),
            _ => tensor.to_vec::<f32>().into_iter().map(f64::from).sum(),
        };
        assert_eq!(weights.tensors.len(), tensors, "{file}");
        assert_eq!(weights.tensors.iter().map(|(_, tensor)| tensor.numel()).sum::<usize>(), elements, "{file}");
        let got: f64 = weights.tensors.iter().map(|(_, tensor)| of(tensor)).sum();
        assert!((got - sum).abs() <= 1e-9 * f64::abs(sum), "{file}: {got}");
    }
}
