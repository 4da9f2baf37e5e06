//! The ONNX project's own cases, as `scripts/onnx_cases.py` packs them: a model, its inputs and the outputs that it must give.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use striate_nn::Pass;
use striate_onnx::{Network, read_tensor};
use striate_tensor::{DType, Tensor};

const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;

fn folders(path: &Path) -> Vec<PathBuf> {
    let mut all: Vec<PathBuf> = fs::read_dir(path).unwrap().map(|e| e.unwrap().path()).filter(|p| p.is_dir()).collect();
    all.sort();
    all
}

fn tensors(set: &Path, kind: &str) -> Vec<Tensor> {
    let files = (0..).map(|i| set.join(format!("{kind}_{i}.pb"))).take_while(|file| file.exists());
    files.map(|file| read_tensor(&file).unwrap().1).collect()
}

fn check(case: &Path) -> Result<(), String> {
    let network = Network::read(&case.join("model.onnx")).map_err(|e| e.to_string())?;
    for set in folders(case) {
        let inputs = tensors(&set, "input").into_iter().take(network.inputs().len()).collect();
        let got = network.run(inputs, &Pass::eval()).map_err(|e| e.to_string())?;
        let want = tensors(&set, "output");
        if got.len() < want.len() {
            return Err(format!("{} outputs, not {}", got.len(), want.len()));
        }
        for (want, got) in want.iter().zip(&got) {
            if want.spec() != got.spec() {
                return Err(format!("gives {}, not {}", got.spec(), want.spec()));
            }
            let numbers = |t: &Tensor| t.clone().to_dtype(DType::F64).to_vec::<f64>();
            let close = |(a, b): (f64, f64)| {
                a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= ABSOLUTE + RELATIVE * a.abs()
            };
            if !numbers(want).into_iter().zip(numbers(got)).all(close) {
                return Err("gives other numbers".into());
            }
        }
    }
    Ok(())
}

#[test]
fn cases_of_the_onnx_project_pass() {
    let dir = tempfile::tempdir().unwrap();
    let packed = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/onnx-cases.tar.gz");
    tar::Archive::new(flate2::read::GzDecoder::new(File::open(packed).unwrap())).unpack(dir.path()).unwrap();
    let mut count = 0;
    let mut wrong = Vec::new();
    for case in folders(dir.path()).iter().flat_map(|kind| folders(kind)) {
        count += 1;
        if let Err(reason) = check(&case) {
            wrong.push(format!("{}: {reason}", case.file_name().unwrap().to_string_lossy()));
        }
    }
    assert!(count > 900, "only {count} cases");
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
}
