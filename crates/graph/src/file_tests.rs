//! Tests of graphs as text.

use super::*;
use crate::capture;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use striate_nn::{BatchNorm2d, Conv2d, Flatten, Forward, Linear, MaxPool2d, Module, Pass, ReLU, Sequential};
use striate_tensor::{Generator, Reduction};

/// Ops that have infinities, constants, an index and sizes that depend on the number of samples.
#[derive(Module)]
struct Odd {
    conv: Conv2d,
    norm: BatchNorm2d,
    linear: Linear,
}

impl Odd {
    fn new() -> Odd {
        let rng = &mut Generator::new(3);
        let conv = Conv2d::options(2, 4, 3).stride(2).padding(1).build(rng);
        Odd { conv, norm: BatchNorm2d::new(4), linear: Linear::new(4 * 3, 5, rng) }
    }
}

impl Forward for Odd {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.norm.forward(self.conv.forward(x, pass), pass).hardtanh(-1.0, f64::INFINITY);
        let x = x.pad(&[[0, 1], [0, 0]], f64::NEG_INFINITY).max_pool2d(2).leaky_relu(0.1);
        let order = pass.constant(Tensor::from_slice(&[2i64, 0, 1, 3], [4]));
        let x = x.index_select(1, &order);
        let n = x.size(0);
        let x = x.narrow(3, 0, 1).reshape([n * 4, 2]).reshape([n, 8]);
        let x = Tensor::cat(&[x.clone(), x.narrow(1, 0, 4)], 1);
        self.linear.forward(x, pass).softmax(1)
    }
}

fn tensors(graph: &Graph) -> HashMap<String, Tensor> {
    graph.tensors().map(|(name, t)| (name.to_string(), t.clone())).collect()
}

fn read(text: &str, tensors: &HashMap<String, Tensor>) -> Result<Graph, String> {
    Graph::from_text(text, |name| tensors.get(name).cloned())
}

#[test]
fn a_graph_is_the_same_after_a_file() {
    let net = Odd::new();
    let graph = capture(&net, &[2, 2, 8, 8]);
    assert_eq!(graph.batch, Batch::Any(2));
    let text = graph.to_text();
    let again = read(&text, &tensors(&graph)).unwrap();
    assert_eq!(again.to_string(), graph.to_string());
    assert_eq!(again.nodes, graph.nodes);
    assert_eq!(again.to_text(), text);
    for batch in [1, 2, 5] {
        let x = Tensor::rand([batch, 2, 8, 8], DType::F32, &mut Generator::new(batch as u64));
        let expected = net.forward(x.clone(), &Pass::eval()).to_vec::<f32>();
        assert_eq!(again.run(&[x])[0].to_vec::<f32>(), expected);
    }
}

#[test]
fn numbers_keep_their_bits() {
    for value in [f64::INFINITY, f64::NEG_INFINITY, -0.0, 0.1 + 0.2, f64::MIN_POSITIVE, f64::MAX] {
        let op = Op::Pad { padding: vec![[1, 0]], mode: striate_tensor::PaddingMode::Zeros, value };
        let Op::Pad { value: again, .. } = serde_json::from_str(&serde_json::to_string(&op).unwrap()).unwrap() else {
            panic!("a padding")
        };
        assert_eq!(again.to_bits(), value.to_bits());
    }
}

/// The text with one change to its JSON.
fn edited(text: &str, edit: impl FnOnce(&mut serde_json::Value)) -> String {
    let mut json = serde_json::from_str(text).unwrap();
    edit(&mut json);
    json.to_string()
}

#[test]
fn what_is_wrong_is_said() {
    let graph = capture(&Odd::new(), &[1, 2, 8, 8]);
    let (text, all) = (graph.to_text(), tensors(&graph));
    let index = graph.nodes.iter().position(|n| n.op.name() == "index_select").unwrap();
    let refused = |edit: &dyn Fn(&mut serde_json::Value), words: &[&str]| {
        let reason = read(&edited(&text, edit), &all).map(|_| ()).unwrap_err();
        assert!(words.iter().all(|w| reason.contains(w)), "{reason}");
    };
    refused(&|g| g["version"] = 9.into(), &["version 9", "up to 1"]);
    refused(&|g| g["version"] = "x".into(), &["no version"]);
    refused(&|g| g["nodes"][0]["op"] = "warp".into(), &["warp"]);
    refused(
        &|g| g["nodes"][0]["op"]["conv2d"]["options"]["stride"][0] = 0.into(),
        &["node '%", "stride", "at least 1"],
    );
    refused(
        &|g| g["nodes"][0]["op"]["conv2d"]["options"]["groups"] = (1u64 << 40).into(),
        &["1099511627776", "at most"],
    );
    refused(&|g| g["nodes"][0]["inputs"][0] = 999.into(), &["no value 999"]);
    refused(&|g| g["nodes"][1]["inputs"][0] = g["nodes"][2]["outputs"][0].clone(), &["before it is computed"]);
    refused(&|g| g["nodes"][1]["outputs"][0] = g["nodes"][0]["outputs"][0].clone(), &["computed twice"]);
    refused(&|g| g["outputs"] = serde_json::json!([]), &["no output"]);
    refused(&|g| g["values"][1]["name"] = g["values"][2]["name"].clone(), &["two values"]);
    refused(&|g| g["values"][0]["shape"][1] = 3.into(), &["conv2d", "[n, 2, h, w]"]);
    refused(&|g| g["values"][1]["shape"][0] = 5.into(), &["tensor"]);
    refused(&|g| g["values"][0]["shape"] = serde_json::json!([1, 1, 1, 1, 1, 1, 1, 1, 1]), &["9 dimensions"]);
    let reason = read("{", &all).map(|_| ()).unwrap_err();
    assert!(reason.contains("no JSON"), "{reason}");
    let mut less = all.clone();
    less.remove("conv.weight");
    let reason = read(&text, &less).map(|_| ()).unwrap_err();
    assert!(reason.contains("'conv.weight' has no elements"), "{reason}");
    let mut other = all.clone();
    let order = &graph.value(graph.nodes[index].inputs[1]).name;
    other.insert(order.clone(), Tensor::from_slice(&[0i64, 1, 2, 4], [4]));
    let reason = read(&text, &other).map(|_| ()).unwrap_err();
    assert!(reason.contains("index 4 is out of range"), "{reason}");
}

/// Paths of all numbers in a text.
fn numbers(value: &serde_json::Value, path: String, all: &mut Vec<String>) {
    match value {
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, v)| numbers(v, format!("{path}/{i}"), all))
        }
        serde_json::Value::Object(items) => items.iter().for_each(|(key, v)| numbers(v, format!("{path}/{key}"), all)),
        serde_json::Value::Number(_) => all.push(path),
        _ => {}
    }
}

#[test]
fn no_number_of_a_text_makes_it_panic() {
    let graph = capture(&Odd::new(), &[1, 2, 8, 8]);
    let (text, all) = (graph.to_text(), tensors(&graph));
    let mut paths = Vec::new();
    numbers(&serde_json::from_str(&text).unwrap(), String::new(), &mut paths);
    assert!(paths.len() > 150, "{}", paths.len());
    let x = Tensor::rand([1, 2, 8, 8], DType::F32, &mut Generator::new(0));
    let mut ran = 0;
    for path in &paths {
        for number in [-1i64, 0, 1, 2, 3, 7, 1 << 20, i32::MAX as i64, i64::MAX] {
            let changed = edited(&text, |json| *json.pointer_mut(path).unwrap() = number.into());
            let x = std::slice::from_ref(&x);
            let run = || match read(&changed, &all) {
                Ok(graph) if graph.check_inputs(x).is_ok() => {
                    graph.run(x);
                    crate::Executable::new(graph).run(x);
                    1
                }
                _ => 0,
            };
            ran += catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| panic!("{path} = {number}"));
        }
    }
    assert!(ran > 100, "only {ran} of the texts are graphs");
}

#[test]
fn a_network_in_a_text_trains() {
    let rng = &mut Generator::new(0);
    let net = Sequential::new()
        .add(Conv2d::new(1, 4, 3, rng))
        .add(BatchNorm2d::new(4))
        .add(ReLU)
        .add(MaxPool2d::new(2))
        .add(Flatten::default())
        .add(Linear::new(4 * 9, 3, rng));
    let graph = capture(&net, &[1, 1, 8, 8]);
    let again = crate::GraphModule::new(read(&graph.to_text(), &tensors(&graph)).unwrap());
    let x = Tensor::rand([4, 1, 8, 8], DType::F32, &mut Generator::new(1));
    let target = Tensor::from_slice(&[0i64, 1, 2, 1], [4]);
    let gradients = |net: &dyn Forward| {
        let pass = Pass::train(0);
        let gradients = net.forward(x.clone(), &pass).cross_entropy(&target, Reduction::Mean).backward();
        let of = |(_, p): (String, &striate_nn::Parameter)| gradients.get(p.value()).map(|g| g.to_vec::<f32>());
        net.named_parameters().into_iter().map(of).collect::<Vec<_>>()
    };
    assert_eq!(gradients(&again), gradients(&net));
}
