//! Reading fixtures and comparing with them.

use safetensors::{Dtype, SafeTensors};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use striate::isa::Isa;
use striate::prelude::*;
use striate::{ComputeSettings, Op};

/// How far a number may be from PyTorch's: by `relative` of itself, or by `of_largest` of the largest finite number of its tensor,
/// whichever is more. The second is what a sum of many products can promise: it may cancel. Numbers too small for f32's normal
/// range may be flushed to zero.
#[derive(Clone, Copy)]
pub struct Tolerance {
    pub relative: f64,
    pub of_largest: f64,
}

impl Tolerance {
    /// For ops that only move or choose numbers.
    pub const EXACT: Tolerance = Tolerance { relative: 0.0, of_largest: 0.0 };
    /// For functions of single elements: a few roundings each.
    pub const ELEMENT: Tolerance = Tolerance { relative: 1e-6, of_largest: 0.0 };
    /// For sums and products over a few hundred elements at most.
    pub const SUM: Tolerance = Tolerance { relative: 1e-6, of_largest: 1e-6 };

    /// For larger errors, in proportion to the largest number.
    pub const fn of_largest(fraction: f64) -> Tolerance {
        Tolerance { relative: 0.0, of_largest: fraction }
    }
}

/// One case: its tensors, and the arguments of its op under PyTorch's names.
pub struct Case {
    pub name: String,
    pub op: String,
    args: Value,
    tensors: BTreeMap<String, Tensor>,
    /// How an [`Op`] is run, if the case is one of an op.
    pub run: Option<Run>,
}

/// A case of an [`Op`], which needs no line of Rust.
pub struct Run {
    pub op: Op,
    pub operands: Vec<String>,
    pub values: Tolerance,
    pub gradients: Tolerance,
    /// Whether central differences find the slopes.
    pub smooth: bool,
}

impl Run {
    fn of(case: &Value) -> Option<Run> {
        let operands = serde_json::from_value(case.get("operands")?.clone()).expect("names of operands");
        let op = serde_json::from_value(case["op"].clone()).unwrap_or_else(|e| panic!("{}: {e}", case["name"]));
        let tolerance = |key: &str| {
            let [relative, of_largest] = serde_json::from_value(case[key].clone()).expect("two numbers");
            Tolerance { relative, of_largest }
        };
        let (values, gradients) = (tolerance("tolerance"), tolerance("gradient_tolerance"));
        Some(Run { op, operands, values, gradients, smooth: case["smooth"] == true })
    }
}

impl Case {
    pub fn tensor(&self, name: &str) -> Tensor {
        self.find(name).unwrap_or_else(|| panic!("{}: the fixture has no tensor {name}", self.name))
    }

    pub fn find(&self, name: &str) -> Option<Tensor> {
        self.tensors.get(name).cloned()
    }

    pub fn tensor_names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    pub fn has(&self, arg: &str) -> bool {
        !self.args[arg].is_null()
    }

    pub fn text(&self, arg: &str) -> Option<&str> {
        self.args[arg].as_str()
    }

    pub fn flag(&self, arg: &str, default: bool) -> bool {
        self.args[arg].as_bool().unwrap_or(default)
    }

    pub fn float(&self, arg: &str) -> Option<f64> {
        self.args[arg].as_f64()
    }

    pub fn floats(&self, arg: &str) -> Option<Vec<f64>> {
        self.args[arg].as_array().map(|list| list.iter().map(|v| v.as_f64().expect("a number")).collect())
    }

    pub fn int(&self, arg: &str) -> isize {
        self.args[arg].as_i64().unwrap_or_else(|| panic!("{}: no whole number {arg}", self.name)) as isize
    }

    pub fn list(&self, arg: &str) -> &[Value] {
        self.args[arg].as_array().unwrap_or_else(|| panic!("{}: no list {arg}", self.name))
    }

    pub fn ints(&self, arg: &str) -> Vec<isize> {
        let list = self.args[arg].as_array().unwrap_or_else(|| panic!("{}: no list {arg}", self.name));
        list.iter().map(|v| v.as_i64().expect("a whole number") as isize).collect()
    }

    pub fn sizes(&self, arg: &str) -> Vec<usize> {
        self.ints(arg).into_iter().map(|n| n as usize).collect()
    }

    /// A list of names.
    pub fn texts(&self, arg: &str) -> Vec<String> {
        let list = self.args[arg].as_array().unwrap_or_else(|| panic!("{}: no list {arg}", self.name));
        list.iter().map(|v| v.as_str().expect("a name").to_string()).collect()
    }

    /// PyTorch's state dict: names with shapes.
    pub fn state(&self) -> Vec<(String, Vec<usize>)> {
        let list = self.args["state"].as_array().unwrap_or_else(|| panic!("{}: no state", self.name));
        let size = |v: &Value| v.as_u64().expect("a size") as usize;
        let entry = |v: &Value| {
            let shape = v[1].as_array().expect("a shape").iter().map(size).collect();
            (v[0].as_str().expect("a name").to_string(), shape)
        };
        list.iter().map(entry).collect()
    }

    /// Two sizes, or the default.
    pub fn pair(&self, arg: &str, default: [usize; 2]) -> [usize; 2] {
        if self.has(arg) { self.sizes(arg).try_into().expect("two sizes") } else { default }
    }

    /// Whether `got` is as near the tensor `name` as `tolerance` asks.
    pub fn compare(&self, name: &str, got: &Tensor, tolerance: Tolerance) -> Result<(), String> {
        let want = self.tensor(name);
        compare(got, &want, tolerance).map_err(|e| format!("{}: {name}: {e}", self.name))
    }

    /// Runs `f` on the case's tensors; compares its output and, where the case has them, the gradients.
    pub fn check(&self, tolerance: Tolerance, f: impl FnOnce(&Inputs) -> Tensor) -> Result<(), String> {
        self.check_both(tolerance, tolerance, f)
    }

    /// As [`Case::check`], with another tolerance for the gradients.
    pub fn check_both(
        &self,
        values: Tolerance,
        gradients: Tolerance,
        f: impl FnOnce(&Inputs) -> Tensor,
    ) -> Result<(), String> {
        let wants_grad = |name: &str| self.tensors.contains_key(&format!("grad.{name}"));
        let leaf = |(name, t): (&String, &Tensor)| {
            let t = if wants_grad(name) { t.clone().requires_grad() } else { t.clone() };
            (name.clone(), t)
        };
        let inputs = Inputs(self.tensors.iter().map(leaf).collect());
        let output = f(&inputs);
        self.compare("output", &output, values)?;
        let Some(grad_output) = self.find("grad_output") else { return Ok(()) };
        let grads = output.backward_with(grad_output);
        for (name, leaf) in inputs.0.iter().filter(|(name, _)| wants_grad(name)) {
            let grad = grads.get(leaf).ok_or_else(|| format!("{}: no gradient of {name}", self.name))?;
            self.compare(&format!("grad.{name}"), &grad, gradients)?;
        }
        Ok(())
    }
}

/// A case's tensors, as leaves where a gradient is wanted.
pub struct Inputs(BTreeMap<String, Tensor>);

impl Inputs {
    pub fn get(&self, name: &str) -> Tensor {
        self.find(name).unwrap_or_else(|| panic!("the fixture has no tensor {name}"))
    }

    pub fn find(&self, name: &str) -> Option<Tensor> {
        self.0.get(name).cloned()
    }

    /// `input`, which most ops have.
    pub fn x(&self) -> Tensor {
        self.get("input")
    }
}

/// Whether `got` is as near `want` as `tolerance` asks; if not, what differs.
pub fn compare(got: &Tensor, want: &Tensor, tolerance: Tolerance) -> Result<(), String> {
    if got.shape() != want.shape() || got.dtype() != want.dtype() {
        let about = |t: &Tensor| format!("{} {:?}", t.dtype(), t.shape());
        return Err(format!("got {}, PyTorch has {}", about(got), about(want)));
    }
    let numbers = |t: &Tensor| match t.dtype() {
        DType::F32 => t.to_vec::<f32>().into_iter().map(f64::from).collect::<Vec<_>>(),
        DType::I64 => t.to_vec::<i64>().into_iter().map(|n| n as f64).collect(),
        other => panic!("fixtures hold no results of type {other}"),
    };
    let (got, want) = (numbers(got), numbers(want));
    let largest = want.iter().filter(|w| w.is_finite()).fold(0.0f64, |m, w| m.max(w.abs()));
    let allowed = |w: f64| (tolerance.relative * w.abs()).max(tolerance.of_largest * largest);
    let near = |g: f64, w: f64| w.is_finite() && (g - w).abs() <= allowed(w).max(f64::from(f32::MIN_POSITIVE));
    let wrong = |(g, w): (f64, f64)| !(g == w || (g.is_nan() && w.is_nan()) || near(g, w));
    let pairs = || got.iter().copied().zip(want.iter().copied());
    let bad = pairs().filter(|&p| wrong(p)).count();
    let Some((at, (g, w))) = pairs().enumerate().find(|&(_, p)| wrong(p)) else { return Ok(()) };
    let worst = pairs().map(|(g, w)| (g - w).abs()).fold(0.0, f64::max);
    Err(format!(
        "{bad} of {} numbers differ; the first is {g}, PyTorch has {w}, at {at}; the worst differs by {worst:.2e}, the largest is {largest:.2e}",
        got.len()
    ))
}

fn read(file: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(file).with_extension("safetensors");
    let bytes = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
    let cases = header.metadata().as_ref().and_then(|m| m.get("cases")).expect("metadata with cases");
    let cases: Vec<Value> = serde_json::from_str(cases).expect("cases as JSON");
    let mut tensors: BTreeMap<String, BTreeMap<String, Tensor>> = BTreeMap::new();
    for (name, view) in SafeTensors::deserialize(&bytes).expect("a safetensors file").tensors() {
        let (shape, data) = (view.shape(), view.data());
        let t = match view.dtype() {
            Dtype::F32 => {
                let values = data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
                Tensor::from_vec(values, shape)
            }
            Dtype::I64 => Tensor::from_vec(data.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b)).collect(), shape),
            Dtype::U8 => Tensor::from_vec(data.to_vec(), shape),
            other => panic!("fixtures hold no tensors of type {other:?}"),
        };
        let (case, key) = name.split_once('/').expect("<case>/<tensor>");
        tensors.entry(case.into()).or_default().insert(key.into(), t);
    }
    let case = |case: Value| {
        let name = case["name"].as_str().expect("a name").to_string();
        let run = Run::of(&case);
        let op = run.as_ref().map_or_else(|| case["op"].as_str().expect("a name"), |run| run.op.name()).to_string();
        let tensors = tensors.remove(&name).unwrap_or_default();
        Case { name, op, args: case["args"].clone(), tensors, run }
    };
    cases.into_iter().map(case).collect()
}

/// Checks every case of a file but those of an [`Op`], as [`for_each`].
pub fn for_each_case(file: &str, check: impl Fn(&Case) -> Result<(), String>) {
    let cases: Vec<Case> = read(file).into_iter().filter(|case| case.run.is_none()).collect();
    assert!(!cases.is_empty(), "{file} has no cases");
    for_each(file, &cases, check);
}

/// The cases of an [`Op`] in all files.
pub fn cases_of_ops() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = std::fs::read_dir(&directory).expect("the fixtures").map(|entry| entry.expect("a file").path());
    let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|e| e == "safetensors")).collect();
    files.sort();
    let all = files.iter().flat_map(|path| read(&path.file_stem().expect("a name").to_string_lossy()));
    all.filter(|case| case.run.is_some()).collect()
}

/// Checks cases on every instruction set of this machine, and fails with all that do not agree.
pub fn for_each(file: &str, cases: &[Case], check: impl Fn(&Case) -> Result<(), String>) {
    let mut failures = Vec::new();
    for isa in Isa::available() {
        let failed = |c: &Case| check(c).err().map(|e| format!("{}: {} {e}", isa.name(), c.op));
        let settings = ComputeSettings { isa: Some(isa), ..ComputeSettings::default() };
        settings.scope(|| failures.extend(cases.iter().filter_map(failed)));
    }
    let count = cases.len() * Isa::available().len();
    assert!(
        failures.is_empty(),
        "{file}: {} of {count} disagree with PyTorch:\n{}",
        failures.len(),
        failures.join("\n")
    );
}

#[test]
fn comparing_finds_what_differs() {
    let t = |v: &[f32]| Tensor::from_slice(v, [v.len()]);
    let tolerance = Tolerance { relative: 1e-3, of_largest: 1e-4 };
    let differ = |a: &[f32], b: &[f32]| compare(&t(a), &t(b), tolerance).is_err();
    assert!(!differ(&[1000.0, 0.0, f32::NAN], &[1000.5, 0.05, f32::NAN]));
    assert!(differ(&[1000.0, 0.0], &[1002.0, 0.0]));
    assert!(differ(&[1000.0, 0.2], &[1000.0, 0.0]));
    assert!(differ(&[f32::NAN], &[1.0]) && differ(&[1.0], &[f32::NAN]));
    assert!(differ(&[f32::INFINITY], &[f32::NEG_INFINITY]) && differ(&[1.0], &[f32::INFINITY]));
    assert!(differ(&[1.0], &[1.0, 1.0]));
}
