use super::*;
use crate::network::Network;
use crate::proto::OperatorSetIdProto;
use crate::test_models::{float, graph_attribute, int, model, node, texts, with};
use striate_nn::{Forward, Pass};
use striate_tensor::Tensor;

const DOMAIN: &str = "own";

fn call(name: &str, inputs: &[&str], outputs: &[&str]) -> NodeProto {
    NodeProto { domain: Some(DOMAIN.into()), ..node(name, inputs, outputs) }
}

fn reference(name: &str, to: &str) -> AttributeProto {
    AttributeProto { name: Some(name.into()), ref_attr_name: Some(to.into()), ..AttributeProto::default() }
}

fn function(name: &str, inputs: &[&str], outputs: &[&str], nodes: Vec<NodeProto>) -> FunctionProto {
    FunctionProto {
        name: Some(name.into()),
        domain: Some(DOMAIN.into()),
        input: texts(inputs),
        output: texts(outputs),
        node: nodes,
        ..FunctionProto::default()
    }
}

fn read(functions: Vec<FunctionProto>, nodes: Vec<NodeProto>) -> Result<Network, String> {
    Network::of_model(model(functions, nodes), Path::new("f.onnx")).map_err(|e| e.to_string())
}

fn run(functions: Vec<FunctionProto>, nodes: Vec<NodeProto>) -> Vec<f32> {
    let network = read(functions, nodes).unwrap();
    network.forward(Tensor::from_vec(vec![-1.0f32, 0.5, 2.0], [3]), &Pass::eval()).to_vec()
}

/// `x` where it is positive, else `slope · x + shift`, by way of an `If` that sees values around it.
fn leaky() -> FunctionProto {
    let leak = with(node("LeakyRelu", &["in"], &["t"]), reference("alpha", "slope"));
    let shift = with(node("Constant", &[], &["c"]), reference("value_float", "shift"));
    let yes = with(node("Constant", &[], &["yes"]), int("value_int", 1));
    let choose = node("If", &["yes"], &["out"]);
    let choose = with(choose, graph_attribute("then_branch", vec![node("Add", &["t", "c"], &["sum"])], "sum"));
    let choose = with(choose, graph_attribute("else_branch", vec![node("Neg", &["t"], &["minus"])], "minus"));
    let mut f = function("leaky", &["in"], &["out"], vec![leak, shift, yes, choose]);
    f.attribute = texts(&["slope"]);
    f.attribute_proto = vec![float("shift", 10.0)];
    f
}

#[test]
fn attributes_come_from_the_call_or_the_function_or_the_operator() {
    let plain = call("leaky", &["x"], &["y"]);
    assert_eq!(run(vec![leaky()], vec![plain.clone()]), [9.99, 10.5, 12.0]);
    let sloped = with(plain.clone(), float("slope", 0.5));
    assert_eq!(run(vec![leaky()], vec![sloped.clone()]), [9.5, 10.5, 12.0]);
    assert_eq!(run(vec![leaky()], vec![with(sloped, float("shift", 1.0))]), [0.5, 1.5, 3.0]);
}

#[test]
fn names_of_two_calls_and_of_the_file_are_kept_apart() {
    // The file has values that are called as those of the function, and as those of its calls.
    let nodes = vec![
        node("Neg", &["x"], &["t"]),
        with(NodeProto { name: Some("a".into()), ..call("leaky", &["t"], &["a/t"]) }, float("slope", 0.5)),
        with(NodeProto { name: Some("a".into()), ..call("leaky", &["a/t"], &["out"]) }, float("slope", 0.5)),
        node("Sub", &["out", "t"], &["y"]),
    ];
    assert_eq!(run(vec![leaky()], nodes), [20.0, 20.25, 21.0]);
}

#[test]
fn functions_call_functions_and_leave_operands_out() {
    let inner =
        function("clip", &["in", "low", "high"], &["out"], vec![node("Clip", &["in", "low", "high"], &["out"])]);
    let body = vec![
        with(node("Constant", &[], &["one"]), float("value_float", 1.0)),
        call("clip", &["v", "", "one"], &["below"]),
        call("clip", &["v", "one"], &["above"]),
    ];
    let outer = function("split", &["v"], &["below", "above", "v"], body);
    let nodes = vec![call("split", &["x"], &["a", "b", "c"]), node("Sum", &["a", "b", "c"], &["y"])];
    assert_eq!(run(vec![outer, inner], nodes), [-1.0, 2.0, 5.0]);
}

#[test]
fn overloads_are_told_apart_and_calls_in_branches_are_found() {
    let of = |overload: &str, op: &str| FunctionProto {
        overload: Some(overload.into()),
        ..function("f", &["a"], &["b"], vec![node(op, &["a"], &["b"])])
    };
    let one =
        |overload: &str, outputs: &[&str]| NodeProto { overload: Some(overload.into()), ..call("f", &["x"], outputs) };
    let yes = with(node("Constant", &[], &["yes"]), int("value_int", 0));
    let choose = with(node("If", &["yes"], &["y"]), graph_attribute("then_branch", vec![one("n", &["p"])], "p"));
    let choose = with(choose, graph_attribute("else_branch", vec![one("a", &["q"])], "q"));
    assert_eq!(run(vec![of("n", "Neg"), of("a", "Abs")], vec![yes, choose]), [1.0, 0.5, 2.0]);
}

#[track_caller]
fn refused(functions: Vec<FunctionProto>, nodes: Vec<NodeProto>, words: &[&str]) {
    let e = read(functions, nodes).map(|_| ()).unwrap_err();
    assert!(words.iter().all(|word| e.contains(word)) && !e.contains('\n'), "{e}");
}

#[test]
fn hostile_functions_are_refused() {
    let start = std::time::Instant::now();
    let y = || vec![call("f", &["x"], &["y"])];
    let f = function("f", &["a"], &["b"], vec![call("g", &["a"], &["b"])]);
    let g = function("g", &["a"], &["b"], vec![call("f", &["a"], &["b"])]);
    refused(vec![f.clone(), g], y(), &["f.onnx", "node 'f_y' (f)", "function 'f' calls itself"]);
    refused(vec![f.clone()], y(), &["domain own is not supported"]);
    refused(vec![f.clone(), f.clone()], y(), &["two functions are called 'f'"]);
    // Each calls the one before it twice.
    let name = |i: usize| if i == 40 { "f".to_string() } else { format!("f{i}") };
    let double = |i: usize| {
        let body = match i {
            0 => vec![node("Neg", &["a"], &["b"])],
            _ => vec![call(&name(i - 1), &["a"], &["t"]), call(&name(i - 1), &["t"], &["b"])],
        };
        function(&name(i), &["a"], &["b"], body)
    };
    refused((0..=40).map(double).collect(), y(), &["'f', 'f39', 'f38'", "65536 nodes"]);
    let chain = |i: usize| function(&name(i), &["a"], &["b"], vec![call(&name((i + 1) % 200), &["a"], &["b"])]);
    refused((0..200).map(chain).collect(), y(), &["more than 64 deep"]);
    // A large constant in a function that is called often.
    let large =
        AttributeProto { name: Some("value_floats".into()), floats: vec![1.0; 1 << 18], ..AttributeProto::default() };
    let body = vec![with(node("Constant", &[], &["c"]), large), node("Add", &["a", "a"], &["b"])];
    let often = (0..1000).map(|i| call("f", &["x"], &[&format!("y{i}")])).collect();
    refused(vec![function("f", &["a"], &["b"], body)], often, &["67108864 bytes"]);
    let many = call("f", &["x", "x"], &["y"]);
    refused(vec![f.clone()], vec![many], &["takes 1 and gives 1 values, not 2 and 1"]);
    let version = OperatorSetIdProto { domain: Some(String::new()), version: Some(11) };
    refused(vec![FunctionProto { opset_import: vec![version], ..f }], y(), &["'f' uses opset 11, but the file 18"]);
    let lost = with(node("LeakyRelu", &["x"], &["y"]), reference("alpha", "slope"));
    refused(Vec::new(), vec![lost], &["alpha is an attribute of a function"]);
    assert!(start.elapsed().as_secs() < 10);
}
