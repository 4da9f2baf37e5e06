//! What is said of models, against the programs that the field uses: fixtures by `scripts/make_robustness.py`, `make_calibration.py` and `make_explanations.py`.

mod attack;
mod calibration;
mod compare;
mod corruptions;
mod groups;

use serde_json::Value;
use std::path::Path;

/// The fixtures of a file.
fn read(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap_or(f64::NAN)).collect()
}

fn places(value: &Value) -> Vec<usize> {
    numbers(value).into_iter().map(|x| x as usize).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|x| x as f32).collect()
}

fn assert_near(what: &str, found: Option<f64>, expected: f64, tolerance: f64) {
    let found = found.unwrap_or_else(|| panic!("{what}: there is none, the fixture has {expected}"));
    assert!((found - expected).abs() <= tolerance, "{what}: {found}, the fixture {expected}");
}
