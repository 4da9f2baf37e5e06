//! Operators that the ONNX project's own cases leave out.

use crate::network::Network;
use crate::proto::{AttributeProto, NodeProto};
use crate::test_models::{float, int, model, node, with};
use std::path::Path;
use striate_nn::{Forward, Pass};
use striate_tensor::Tensor;

fn ints(name: &str, ints: &[i64]) -> AttributeProto {
    AttributeProto { name: Some(name.into()), ints: ints.to_vec(), ..AttributeProto::default() }
}

fn floats(name: &str, floats: &[f32]) -> AttributeProto {
    AttributeProto { name: Some(name.into()), floats: floats.to_vec(), ..AttributeProto::default() }
}

fn constant(name: &str, list: &[i64]) -> NodeProto {
    with(node("Constant", &[], &[name]), ints("value_ints", list))
}

/// What the nodes make of 1, −2 and 3.
fn run(nodes: Vec<NodeProto>) -> Vec<f32> {
    let network = Network::of_model(model(Vec::new(), nodes), Path::new("op.onnx")).unwrap();
    network.forward(Tensor::from_vec(vec![1.0f32, -2.0, 3.0], [3]), &Pass::eval()).to_vec()
}

#[test]
fn norms_of_windows_count_zeros_around_the_images() {
    let pool = |p: i64| {
        let pool = with(with(node("LpPool", &["v"], &["y"]), ints("kernel_shape", &[2])), ints("pads", &[1, 0]));
        vec![constant("shape", &[1, 1, 3]), node("Reshape", &["x", "shape"], &["v"]), with(pool, int("p", p))]
    };
    let close = |a: Vec<f32>, b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(close(run(pool(1)), [1.0, 3.0, 5.0]));
    assert!(close(run(pool(2)), [1.0, 5f32.sqrt(), 13f32.sqrt()]));
}

/// What ONNX Runtime 1.32 and the ONNX project's reference give.
#[test]
fn images_that_shrink_are_filtered() {
    let resized = |mode: &str, exclude_outside: i64, size: i64| {
        let resize = node("Resize", &["v", "", "", "size"], &["y"]);
        let numbers = [("antialias", 1), ("exclude_outside", exclude_outside)];
        let resize = numbers.into_iter().fold(resize, |node, (name, value)| with(node, int(name, value)));
        let resize = with(with(resize, text("mode", mode)), float("cubic_coeff_a", -0.5));
        let shapes = [constant("shape", &[1, 1, 1, 3]), constant("size", &[size])];
        run([&shapes[..], &[node("Reshape", &["x", "shape"], &["v"]), with(resize, ints("axes", &[3]))]].concat())
    };
    for (mode, exclude_outside, want) in [
        ("linear", 0, &[0.6666667][..]),
        ("linear", 0, &[0.0, 1.3333334]),
        ("linear", 1, &[0.2857143]),
        ("linear", 1, &[-0.125, 1.125]),
        ("linear", 1, &[1.0, -0.2, -2.0, 1.0, 3.0]),
        ("cubic", 0, &[0.6666667]),
        ("cubic", 0, &[-0.2175926, 1.2175926]),
        ("cubic", 0, &[1.192, -0.368, -2.0, 0.976, 3.32]),
        ("cubic", 1, &[0.4347826]),
        ("cubic", 1, &[-0.2504013, 1.1300161]),
        ("cubic", 1, &[1.2264156, -0.2761194, -2.0, 1.1119403, 3.3773594]),
    ] {
        let got = resized(mode, exclude_outside, want.len() as i64);
        let close = got.len() == want.len() && got.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-5);
        assert!(close, "{mode}, {exclude_outside}: {got:?}, not {want:?}");
    }
}

/// Three pixels by a factor of 1.2 are three again, but not the same.
#[test]
fn an_image_that_keeps_its_size_is_filtered_by_its_factor() {
    let resized = |mode: &str| {
        let scales = with(node("Constant", &[], &["scales"]), floats("value_floats", &[1.0, 1.0, 1.0, 1.2]));
        let resize = with(node("Resize", &["v", "", "scales"], &["y"]), text("mode", mode));
        run(vec![constant("shape", &[1, 1, 1, 3]), node("Reshape", &["x", "shape"], &["v"]), scales, resize])
    };
    let close = |a: Vec<f32>, b: [f32; 3]| a.len() == 3 && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5);
    assert!(close(resized("linear"), [1.0, -1.25, 0.9166667]), "{:?}", resized("linear"));
    assert_eq!(resized("nearest"), [1.0, -2.0, 3.0]);
}

#[test]
fn a_sequence_that_has_ended_keeps_its_state() {
    let weights = |name: &str| with(node("ConstantOfShape", &["one"], &[name]), one());
    let nodes = |outputs: &[&str], direction: &str| {
        let rnn = with(node("RNN", &["v", "w", "r", "", "lengths"], outputs), int("hidden_size", 1));
        let rnn = with(rnn, text("direction", direction));
        let shapes = [constant("shape", &[3, 1, 1]), constant("one", &[1, 1, 1]), constant("lengths", &[2])];
        let given = [weights("w"), weights("r"), node("Reshape", &["x", "shape"], &["v"]), rnn];
        shapes.into_iter().chain(given).collect::<Vec<_>>()
    };
    let first = 1f32.tanh();
    let second = (first - 2.0).tanh();
    let close = |a: Vec<f32>, b: &[f32]| a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert!(close(run(nodes(&["y"], "forward")), &[first, second, 0.0]));
    assert!(close(run(nodes(&["all", "y"], "forward")), &[second]));
    let last = (-2f32).tanh();
    assert!(close(run(nodes(&["y"], "reverse")), &[(1.0 + last).tanh(), last, 0.0]));
}

/// Why nodes that take 1, −2 and 3 are refused.
fn refusal(nodes: Vec<NodeProto>) -> String {
    let network = match Network::of_model(model(Vec::new(), nodes), Path::new("op.onnx")) {
        Ok(network) => network,
        Err(e) => return e.to_string(),
    };
    network.run(vec![Tensor::from_vec(vec![1.0f32, -2.0, 3.0], [3])], &Pass::eval()).unwrap_err().to_string()
}

fn text(name: &str, s: &str) -> AttributeProto {
    AttributeProto { name: Some(name.into()), s: Some(s.as_bytes().to_vec().into()), ..AttributeProto::default() }
}

#[test]
fn what_an_attribute_asks_for_is_done_or_refused() {
    let shaped = |sizes: &[i64], node: NodeProto| vec![constant("shape", sizes), node_of_v(), node];
    let weight =
        |sizes: &[i64]| vec![constant("sizes", sizes), with(node("ConstantOfShape", &["sizes"], &["w"]), one())];
    let images = |sizes: &[i64], operator: NodeProto| [weight(&[1, 1, 1]), shaped(sizes, operator)].concat();
    for (nodes, said) in [
        (vec![with(node("Relu", &["x"], &["y"]), int("foo", 3))], "attribute foo is not supported"),
        (
            shaped(
                &[1, 3, 1, 1],
                with(with(node("DepthToSpace", &["v"], &["y"]), int("blocksize", 1)), text("mode", "XYZ")),
            ),
            "mode 'XYZ'",
        ),
        (
            images(&[1, 1, 3], with(node("Conv", &["v", "w"], &["y"]), ints("kernel_shape", &[2]))),
            "kernel_shape is [2], but the weight has [1]",
        ),
        (
            images(
                &[1, 1, 3],
                with(with(node("MaxPool", &["v"], &["y"]), ints("kernel_shape", &[2])), ints("pads", &[2, 0])),
            ),
            "as large as the windows",
        ),
        (
            vec![
                scale(),
                with(with(node("QuantizeLinear", &["x", "scale"], &["y"]), int("block_size", 2)), int("axis", 0)),
            ],
            "scales of shape [] are not those of blocks of 2 of [3]",
        ),
        (
            vec![scale(), with(node("QuantizeLinear", &["x", "scale"], &["y"]), int("precision", 11))],
            "precision of f64",
        ),
    ] {
        let got = refusal(nodes);
        assert!(got.contains(said), "{got}");
    }
    let quantized = |id: i64| {
        let quantize = with(node("QuantizeLinear", &["x", "scale"], &["q"]), int("output_dtype", id));
        let cast = with(node("Cast", &["q"], &["y"]), int("to", 1));
        run(vec![scale(), quantize, cast])
    };
    assert_eq!(quantized(3), [1.0, -2.0, 3.0]);
    assert_eq!(quantized(2), [1.0, 0.0, 3.0]);
    assert_eq!(quantized(0), [1.0, 0.0, 3.0]);
}

fn node_of_v() -> NodeProto {
    node("Reshape", &["x", "shape"], &["v"])
}

/// The scale 1.
fn scale() -> NodeProto {
    with(node("Constant", &[], &["scale"]), float("value_float", 1.0))
}

/// The value 1, for `ConstantOfShape`.
fn one() -> AttributeProto {
    let t = crate::tensor::tensor_proto("", &Tensor::from_vec(vec![1.0f32], [1]));
    AttributeProto { name: Some("value".into()), t: Some(t), ..AttributeProto::default() }
}
