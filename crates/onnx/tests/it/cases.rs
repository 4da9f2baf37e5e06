//! The ONNX project's own cases, as `scripts/onnx_cases.py` packs them: a model, its inputs and the outputs that it must give.

use crate::case::{RELATIVE, check, folders};
use std::fs::File;
use std::path::Path;

/// Runs the cases of a packed folder of folders; gives how many there are.
fn all_pass(packed: &str) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(packed);
    tar::Archive::new(flate2::read::GzDecoder::new(File::open(packed).unwrap())).unpack(dir.path()).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for case in folders(dir.path()).unwrap().iter().flat_map(|kind| folders(kind).unwrap()) {
        count += 1;
        if let Err(reason) = check(&case, RELATIVE) {
            wrong.push(format!("{}: {reason}", case.strip_prefix(dir.path()).unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    count
}

#[test]
fn cases_of_the_onnx_project_pass() {
    let count = all_pass("onnx-cases.tar.gz");
    assert!(count > 900, "only {count} cases");
}

/// Of each version of an operator, what ONNX Runtime makes of files of its first and last opset (`scripts/onnx_opsets.py`).
#[test]
fn operators_mean_what_their_opset_says() {
    let count = all_pass("onnx-opsets.tar.gz");
    assert!(count > 1000, "only {count} files");
}
