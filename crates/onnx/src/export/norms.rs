//! Normalizations as nodes of ONNX.

use crate::export::attributes::{float, int};
use crate::export::builder::{Builder, as_i64};
use striate_graph::Node;
use striate_tensor::Tensor;

/// Our order is input, mean, variance, weight, bias; ONNX's is input, weight, bias, mean, variance.
pub(crate) fn batch_norm(b: &mut Builder, x: &str, eps: f64, node: &Node) -> String {
    let [mean, var, weight, bias] = [1, 2, 3, 4].map(|i| b.value(node.inputs[i]));
    b.node("BatchNormalization", &[x, &weight, &bias, &mean, &var], vec![float("epsilon", eps)])
}

/// ONNX has it since opset 18, and since 21 with a weight for each channel; before, each group is an instance.
pub(crate) fn group_norm(b: &mut Builder, x: &str, groups: usize, eps: f64, node: &Node) -> String {
    let value = b.graph.value(node.inputs[0]);
    let (shape, dtype) = (value.spec.shape, value.spec.dtype);
    let (into, back) = (b.ints(&[0, groups as i64, -1]), b.shape(&value.dims));
    let grouped = b.node("Reshape", &[x, &into], vec![]);
    let (ones, zeros) = (Tensor::ones([groups], dtype), Tensor::zeros([groups], dtype));
    let (ones, zeros) = (b.constant(&ones), b.constant(&zeros));
    let normed = b.node("InstanceNormalization", &[&grouped, &ones, &zeros], vec![float("epsilon", eps)]);
    let normed = b.node("Reshape", &[&normed, &back], vec![]);
    let per_channel = [&[shape[1]][..], &vec![1; shape.rank() - 2]].concat();
    let weight = b.reshaped(node.inputs[1], &per_channel);
    let bias = b.reshaped(node.inputs[2], &per_channel);
    let scaled = b.node("Mul", &[&normed, &weight], vec![]);
    b.node("Add", &[&scaled, &bias], vec![])
}

pub(crate) fn layer_norm(b: &mut Builder, x: &str, eps: f64, node: &Node) -> String {
    let [weight, bias] = [1, 2].map(|i| b.value(node.inputs[i]));
    let dims = b.graph.value(node.inputs[1]).spec.shape.rank();
    let attributes = vec![int("axis", -as_i64(&[dims])[0]), float("epsilon", eps)];
    b.node("LayerNormalization", &[x, &weight, &bias], attributes)
}
