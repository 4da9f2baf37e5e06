//! Runs the ONNX project's own test cases: `onnx_cases FOLDER…`, each of which holds `model.onnx` and `test_data_set_0`, prints a line of JSON for each.
//! For `scripts/onnx_cases.py`.

use std::path::{Path, PathBuf};
use std::{env, fs};
use striate::onnx::{Network, read_tensor};
use striate::prelude::*;

/// The tolerances of the project's own runner.
const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;

/// The tensors `kind_0.pb`, `kind_1.pb`, … of a folder.
fn tensors(folder: &Path, kind: &str) -> Result<Vec<Tensor>, String> {
    let files = (0..).map(|i| folder.join(format!("{kind}_{i}.pb"))).take_while(|file| file.exists());
    files.map(|file| read_tensor(&file).map(|(_, t)| t).map_err(|e| format!("data: {e}"))).collect()
}

fn numbers(t: &Tensor) -> Vec<f64> {
    t.clone().to_dtype(DType::F64).to_vec()
}

fn compare(want: &Tensor, got: &Tensor) -> Result<(), String> {
    if want.shape() != got.shape() || want.dtype() != got.dtype() {
        return Err(format!("wrong: gives {}, not {}", got.spec(), want.spec()));
    }
    let close =
        |(a, b): (&f64, &f64)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= ABSOLUTE + RELATIVE * a.abs();
    let (want, got) = (numbers(want), numbers(got));
    match want.iter().zip(&got).position(|pair| !close(pair)) {
        None => Ok(()),
        Some(i) => Err(format!("wrong: element {i} is {}, not {}", got[i], want[i])),
    }
}

fn run(folder: &Path) -> Result<(), String> {
    let network = Network::read(&folder.join("model.onnx")).map_err(|e| e.to_string())?;
    let mut sets: Vec<PathBuf> =
        fs::read_dir(folder).map_err(|e| e.to_string())?.filter_map(|e| Some(e.ok()?.path())).collect();
    sets.retain(|path| path.is_dir());
    sets.sort();
    for set in sets {
        let inputs = tensors(&set, "input")?;
        let want = tensors(&set, "output")?;
        // The last inputs may be weights, which files of old versions list as inputs, too.
        let inputs = inputs.into_iter().take(network.inputs().len()).collect();
        let got = network.run(inputs, &Pass::eval()).map_err(|e| e.to_string())?;
        want.iter().zip(&got).try_for_each(|(want, got)| compare(want, got))?;
    }
    Ok(())
}

fn main() {
    for folder in env::args().skip(1) {
        let case = Path::new(&folder).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let result = std::panic::catch_unwind(|| run(Path::new(&folder)));
        let reason = match result {
            Ok(Ok(())) => None,
            Ok(Err(reason)) => Some(reason),
            Err(_) => Some("panic".to_string()),
        };
        println!("{}", serde_json::json!({ "case": case, "reason": reason }));
    }
}
