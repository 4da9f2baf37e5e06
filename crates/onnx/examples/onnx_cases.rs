//! Runs the ONNX project's own test cases: `onnx_cases FOLDER…`, each of which holds `model.onnx` and `test_data_set_0`, prints a line of JSON for each.
//! `FOLDER=0.002` allows numbers to be so far off. For `scripts/onnx_cases.py`.

#[path = "../tests/it/case.rs"]
mod case;

use std::env;
use std::path::Path;

fn main() {
    for typed in env::args().skip(1) {
        let (folder, relative) = match typed.rsplit_once('=') {
            Some((folder, relative)) => (folder, relative.parse().expect("a number comes after the sign")),
            None => (typed.as_str(), case::RELATIVE),
        };
        let folder = Path::new(folder);
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let result = std::panic::catch_unwind(|| case::check(folder, relative));
        let reason = result.unwrap_or_else(|_| Err("panic".into())).err();
        println!("{}", serde_json::json!({ "case": name, "reason": reason }));
    }
}
