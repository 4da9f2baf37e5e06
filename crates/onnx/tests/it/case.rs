//! One case of the ONNX project: a folder with `model.onnx`, and folders with its inputs and the outputs that it must give.

use std::fs;
use std::path::{Path, PathBuf};
use striate_nn::Pass;
use striate_onnx::{Network, read_tensor};
use striate_tensor::{DType, Tensor};

/// The tolerances of the project's own runner.
pub const RELATIVE: f64 = 1e-3;
const ABSOLUTE: f64 = 1e-7;
/// Two steps of a number with 8 bits of precision, as the project's runner has it.
const RELATIVE_BF16: f64 = 1.0 / 64.0;

/// The folders in a folder.
pub fn folders(path: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut all: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).filter(|p| p.is_dir()).collect();
    all.sort();
    Ok(all)
}

/// The tensors `kind_0.pb`, `kind_1.pb`, … of a folder.
fn tensors(folder: &Path, kind: &str) -> Result<Vec<Tensor>, String> {
    let files = (0..).map(|i| folder.join(format!("{kind}_{i}.pb"))).take_while(|file| file.exists());
    files.map(|file| read_tensor(&file).map(|(_, t)| t).map_err(|e| format!("data: {e}"))).collect()
}

/// Whole numbers and truth values must be the same; others may differ by the tolerances.
fn compare(want: &Tensor, got: &Tensor, relative: f64) -> Result<(), String> {
    if want.spec() != got.spec() {
        return Err(format!("wrong: gives {}, not {}", got.spec(), want.spec()));
    }
    if want.dtype() == DType::I64 {
        let (want, got) = (want.to_vec::<i64>(), got.to_vec::<i64>());
        return match want.iter().zip(&got).position(|(a, b)| a != b) {
            None => Ok(()),
            Some(i) => Err(format!("wrong: element {i} is {}, not {}", got[i], want[i])),
        };
    }
    // The other types of whole numbers have fewer bits than f64 keeps.
    let numbers = |t: &Tensor| t.clone().to_dtype(DType::F64).to_vec::<f64>();
    let relative = if want.dtype() == DType::BF16 { relative.max(RELATIVE_BF16) } else { relative };
    let is_float = want.dtype().is_float();
    let close = |(a, b): (&f64, &f64)| {
        a == b || (is_float && ((a.is_nan() && b.is_nan()) || (a - b).abs() <= ABSOLUTE + relative * a.abs()))
    };
    let (want, got) = (numbers(want), numbers(got));
    match want.iter().zip(&got).position(|pair| !close(pair)) {
        None => Ok(()),
        Some(i) => Err(format!("wrong: element {i} is {}, not {}", got[i], want[i])),
    }
}

/// Runs a case; `relative` is how far numbers may be off.
pub fn check(folder: &Path, relative: f64) -> Result<(), String> {
    let network = Network::read(&folder.join("model.onnx")).map_err(|e| e.to_string())?;
    let sets = folders(folder)?;
    if sets.is_empty() {
        return Err("data: there is none".into());
    }
    for set in sets {
        // The last inputs may be weights, which files of old versions list as inputs, too.
        let inputs = tensors(&set, "input")?.into_iter().take(network.inputs().len()).collect();
        let want = tensors(&set, "output")?;
        let got = network.run(inputs, &Pass::eval()).map_err(|e| e.to_string())?;
        if want.is_empty() || got.len() < want.len() {
            return Err(format!("wrong: gives {} outputs, not {}", got.len(), want.len()));
        }
        want.iter().zip(&got).try_for_each(|(want, got)| compare(want, got, relative))?;
    }
    Ok(())
}
