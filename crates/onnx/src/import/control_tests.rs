use crate::network::Network;
use crate::proto::{AttributeProto, GraphProto, NodeProto, ValueInfoProto};
use crate::test_models::{int, model, node, with};
use std::path::Path;
use std::time::{Duration, Instant};
use striate_nn::Pass;
use striate_tensor::{DType, Tensor};

fn value(name: &str) -> ValueInfoProto {
    ValueInfoProto { name: Some(name.into()), ..ValueInfoProto::default() }
}

/// A loop of `iterations`, a value's name, that carries `from` through `body`; the names inside end with `depth`.
fn repeat(depth: usize, from: &str, to: &str, body: Vec<NodeProto>, last: &str) -> NodeProto {
    let name = |name: &str| format!("{name}{depth}");
    let keep = node("Identity", &[&name("go")], &[&name("on")]);
    let body = GraphProto {
        node: [body, vec![keep]].concat(),
        input: vec![value(&name("iteration")), value(&name("go")), value(&name("v"))],
        output: vec![value(&name("on")), value(last)],
        ..GraphProto::default()
    };
    let a = AttributeProto { name: Some("body".into()), g: Some(body), ..AttributeProto::default() };
    with(node("Loop", &["iterations", "", from], &[to]), a)
}

/// Loops in loops, this many deep, around one addition of `x`.
fn nested(iterations: i64, depth: usize) -> Network {
    let mut body = vec![node("Add", &[&format!("v{}", depth - 1), "x"], &["sum"])];
    let mut last = "sum".to_string();
    for d in (0..depth).rev() {
        let (from, to) = (if d == 0 { "x".into() } else { format!("v{}", d - 1) }, format!("w{d}"));
        body = vec![repeat(d, &from, &to, body, &last)];
        last = to;
    }
    let count = with(node("Constant", &[], &["iterations"]), int("value_int", iterations));
    let nodes = [vec![count], body, vec![node("Identity", &["w0"], &["y"])]].concat();
    Network::of_model(model(Vec::new(), nodes), Path::new("loop.onnx")).unwrap()
}

fn run(network: &Network) -> Result<Vec<f32>, String> {
    let x = Tensor::ones([3], DType::F32);
    network.run(vec![x], &Pass::eval()).map(|y| y[0].to_vec()).map_err(|e| e.to_string())
}

#[test]
fn loops_in_loops_run() {
    assert_eq!(run(&nested(5, 3)).unwrap(), [126.0; 3]);
    assert_eq!(nested(5, 3).graph(&[[3].into()]).unwrap().nodes.len(), 125);
}

#[test]
fn loops_in_loops_end_within_seconds() {
    let start = Instant::now();
    let endless = nested(60_000, 3);
    for e in [run(&endless).unwrap_err(), endless.graph(&[[3].into()]).map(|_| ()).unwrap_err().to_string()] {
        assert!(e.contains("loop.onnx") && e.contains("loops take too long"), "{e}");
    }
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}
