//! `striate bench` and `striate train --profile`.

use crate::common::*;
use serde_json::Value;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|e| panic!("{e}: {text}"))
}

fn positive(value: &Value) -> f64 {
    value.as_f64().filter(|x| *x > 0.0 && x.is_finite()).unwrap_or_else(|| panic!("{value} is not a positive number"))
}

#[test]
fn bench_measures_the_machine_and_each_layer() {
    let dir = tempfile::tempdir().unwrap();
    let out =
        json(&succeed(dir.path(), &["bench", "--model", "lenet", "--batch-size", "3", "--threads", "2", "--json"]));
    for key in ["gflops_one_thread", "gflops", "copy_gb_per_s"] {
        positive(&out["machine"][key]);
    }
    assert_eq!((out["machine"]["threads"].as_u64(), &out["input"]), (Some(2), &serde_json::json!([3, 1, 32, 32])));
    let layers = out["layers"].as_array().unwrap();
    let names: Vec<_> = layers.iter().map(|l| l["layer"].as_str().unwrap()).collect();
    assert_eq!(names, ["conv1", "conv2", "fc1", "fc2", "fc3"]);
    assert!(layers[0]["input_gradient"].is_null(), "the first layer's input needs no gradient: {}", layers[0]);
    for layer in layers {
        let macs = positive(&layer["multiply_adds"]);
        for part in ["forward", "input_gradient", "weight_gradient"] {
            if layer[part].is_null() {
                continue;
            }
            let speed = 2e-6 * macs / positive(&layer[part]["ms"]);
            assert!((positive(&layer[part]["gflops"]) / speed - 1.0).abs() < 1e-6, "{layer}");
            let percentage = 100.0 * speed / positive(&out["machine"]["gflops"]);
            assert!((positive(&layer[part]["percent_of_peak"]) / percentage - 1.0).abs() < 1e-6, "{layer}");
        }
    }
    for phase in ["forward_ms", "backward_ms", "optimizer_ms"] {
        positive(&out["training_step"][phase]);
    }
}

#[test]
fn bench_infer_times_each_node_beside_its_floor() {
    let dir = tempfile::tempdir().unwrap();
    let out = json(&succeed(dir.path(), &["bench", "--infer", "lenet", "--threads", "2", "--json"]));
    assert_eq!(out["input"], serde_json::json!([1, 1, 32, 32]));
    let nodes = out["nodes"].as_array().unwrap();
    let of = |name: &str| nodes.iter().find(|n| n["name"] == name).unwrap_or_else(|| panic!("{name}: {out}"));
    assert_eq!(of("fc1")["op"], "linear");
    assert!(of("conv1")["op"].as_str().unwrap().starts_with("conv 5×5"), "{out}");
    let peak = positive(&out["machine"]["gflops"]);
    for node in nodes.iter().filter(|n| n["multiply_adds"] != 0) {
        positive(&node["ms"]);
        let floor = 2e-6 * positive(&node["multiply_adds"]) / peak;
        assert!((positive(&node["compute_floor_ms"]) / floor - 1.0).abs() < 1e-6, "{node}");
    }
    let floor: f64 =
        nodes.iter().map(|n| n["compute_floor_ms"].as_f64().unwrap().max(n["memory_floor_ms"].as_f64().unwrap())).sum();
    assert!((positive(&out["floor_ms"]) / floor - 1.0).abs() < 1e-6);
    for key in ["run_ms", "packed_weight_bytes", "arena_bytes"] {
        positive(&out[key]);
    }
    let text = succeed(dir.path(), &["bench", "--infer", "conv 4 3, relu, flatten, linear", "--batch-size", "3"]);
    assert!(text.contains("input 3×1×28×28") && text.contains("conv 3×3 + relu"), "{text}");
    assert!(text.contains("Outside of nodes ") && text.contains("Packed weights "), "{text}");
    fail(dir.path(), &["bench", "--infer", "resnet81"], 1, &["'resnet81' is neither a file nor a network"]);
    fail(dir.path(), &["bench", "--infer", "lenet", "--model", "lenet"], 2, &["--infer", "--model"]);
    fail(dir.path(), &["bench", "--infer", "lenet", "--input", "3x32x32"], 1, &["lenet takes 1×32×32 images"]);
}

#[test]
fn bench_prints_a_table_for_any_network_and_input() {
    let dir = tempfile::tempdir().unwrap();
    let net = "conv 4 3, batchnorm, relu, globalavgpool, linear";
    let out = succeed(dir.path(), &["bench", "--model", net, "--input", "2x9x8", "--batch-size", "5"]);
    let line = |start: &str| out.lines().find(|l| l.starts_with(start)).unwrap_or_else(|| panic!("{start}: {out}"));
    assert!(line("This machine: ").contains("GFLOP/s on one thread"), "{out}");
    assert!(line("net of 5 layers: ").ends_with("input 5×2×9×8"), "{out}");
    let cells = |name: &str| line(name).split_whitespace().map(String::from).collect::<Vec<_>>();
    // A name, an output, a number of multiply-adds, and three numbers each for two parts or three.
    assert_eq!((cells("0 ").len(), &cells("0 ")[..3]), (9, &["0", "5×4×7×6", "15,120"].map(String::from)[..]));
    assert_eq!(cells("4 ").len(), 12);
    assert_eq!(cells("together")[1], "15,320");
    assert!(line("A training step of the whole network with Adam: forward ").contains(" + optimizer "), "{out}");
}

#[test]
fn bench_refuses_what_it_cannot_measure() {
    let dir = tempfile::tempdir().unwrap();
    fail(dir.path(), &["bench", "--model", "resnet81"], 1, &["there is no network 'resnet81'", "resnet18"]);
    fail(dir.path(), &["bench", "--model", "lenet", "--input", "3x32x32"], 1, &["lenet takes 1×32×32 images"]);
    fail(dir.path(), &["bench", "--batch-size", "0"], 2, &["--batch-size"]);
}

#[test]
fn a_profile_says_where_the_time_of_a_run_went() {
    let dir = tempfile::tempdir().unwrap();
    idx_dir(dir.path(), 60, 20, 28);
    let base = ["train", "squares", "--model", "lenet", "--epochs", "2", "--batch-size", "20", "--profile"];
    let out = succeed(dir.path(), &base);
    let after = out.split("\nWhere ").nth(1).unwrap_or_else(|| panic!("no profile: {out}"));
    let rows = |name: &str| after.lines().filter(|l| l.split_whitespace().next() == Some(name)).count();
    for name in
        ["data", "forward", "backward", "optimizer", "validation", "rest", "conv2d_weight_grad", "adam_step", "outside"]
    {
        assert!(rows(name) > 0, "{name}: {after}");
    }
    // Nothing of the run itself changes.
    assert!(out.contains("Epoch: [2/2], Test Loss: ") && out.contains("Measure it: "), "{out}");
    let out = succeed(dir.path(), &[&base[..], &["--log", "json"]].concat());
    let profile = json(out.lines().last().unwrap());
    assert_eq!(profile["event"], "profile");
    let ops = profile["ops"].as_array().unwrap();
    let calls = |op: &str, phase: &str| {
        let found = ops.iter().find(|o| o["op"] == op && o["phase"] == phase);
        found.unwrap_or_else(|| panic!("{op} in {phase}: {profile}"))["calls"].as_u64().unwrap()
    };
    // Six steps, one batch of test images an epoch; two convolutions, pooled on the way where no gradient is wanted, of which the first's input needs no gradient.
    assert_eq!((calls("conv2d", "forward"), calls("fused_conv2d", "validation")), (12, 4));
    assert_eq!((calls("conv2d_weight_grad", "backward"), calls("conv2d_input_grad", "backward")), (12, 6));
    assert_eq!(calls("adam_step", "optimizer"), 60);
    let phases: f64 = profile["phases"].as_object().unwrap().values().map(|v| v.as_f64().unwrap()).sum();
    let spent: f64 = ops.iter().map(|o| o["seconds"].as_f64().unwrap()).sum();
    assert!(spent > 0.0 && spent <= phases, "{spent} of {phases}");
    fail(dir.path(), &[&base[..], &["--quiet"]].concat(), 2, &["--quiet"]);
}
