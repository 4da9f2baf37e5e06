//! Convolutions and poolings as nodes of ONNX.

use crate::export::attributes::{int, ints, string};
use crate::export::builder::Builder;
use crate::export::ops::{reduce, slice};
use striate_graph::{Dim, Node};
use striate_tensor::op::Reduce;
use striate_tensor::{Conv2dOptions, ConvTranspose2dOptions, Pool2dOptions, Tensor};

fn relu_if(b: &mut Builder, x: &str, relu: bool) -> String {
    if relu { b.node("Relu", &[x], vec![]) } else { x.to_string() }
}

/// The names of input, weight and perhaps bias.
fn with_weights(b: &mut Builder, x: String, node: &Node) -> Vec<String> {
    std::iter::once(x).chain(node.inputs[1..].iter().map(|&id| b.value(id))).collect()
}

fn names(all: &[String]) -> Vec<&str> {
    all.iter().map(String::as_str).collect()
}

/// Height and width of a window's first operand.
fn size_of(b: &Builder, node: &Node) -> [usize; 2] {
    let shape = b.graph.value(node.inputs[0]).spec.shape;
    [shape[2], shape[3]]
}

fn kernel_of(b: &Builder, node: &Node) -> [usize; 2] {
    let shape = b.graph.value(node.inputs[1]).spec.shape;
    [shape[2], shape[3]]
}

pub(crate) fn conv(b: &mut Builder, x: &str, o: &Conv2dOptions, input_relu: bool, node: &Node) -> String {
    let x = relu_if(b, x, input_relu);
    let kernel = kernel_of(b, node);
    let inputs = with_weights(b, x, node);
    let [[top, bottom], [left, right]] = o.padding;
    let attributes = vec![
        ints("kernel_shape", &kernel),
        ints("strides", &o.stride),
        ints("pads", &[top, left, bottom, right]),
        ints("dilations", &o.dilation),
        int("group", o.groups as i64),
    ];
    b.node("Conv", &names(&inputs), attributes)
}

pub(crate) fn conv_transpose(b: &mut Builder, x: &str, o: &ConvTranspose2dOptions, node: &Node) -> String {
    let kernel = kernel_of(b, node);
    let inputs = with_weights(b, x.to_string(), node);
    let attributes = vec![
        ints("kernel_shape", &kernel),
        ints("strides", &o.stride),
        ints("pads", &[o.padding, o.padding].concat()),
        ints("output_padding", &o.output_padding),
        ints("dilations", &o.dilation),
        int("group", o.groups as i64),
    ];
    b.node("ConvTranspose", &names(&inputs), attributes)
}

/// How far the last windows hang over the padded input, which `ceil_mode` allows.
fn overhang(o: &Pool2dOptions, input: [usize; 2], output: [usize; 2]) -> [usize; 2] {
    [0, 1].map(|d| {
        let reach = (output[d] - 1) * o.stride[d] + (o.kernel_size[d] - 1) * o.dilation[d] + 1;
        reach.saturating_sub(input[d] + 2 * o.padding[d])
    })
}

fn output_size(b: &Builder, node: &Node) -> [usize; 2] {
    let shape = b.graph.value(node.outputs[0]).spec.shape;
    [shape[2], shape[3]]
}

/// Adds pixels around images.
fn pad(b: &mut Builder, x: &str, before: [usize; 2], after: [usize; 2], value: f64, node: &Node) -> String {
    let dtype = b.graph.value(node.inputs[0]).spec.dtype;
    let all = [0, 0, before[0], before[1], 0, 0, after[0], after[1]].map(|n| n as i64);
    let (pads, value) = (b.ints(&all), b.scalar(value, dtype));
    b.node("Pad", &[x, &pads, &value], vec![string("mode", "constant")])
}

fn windows(o: &Pool2dOptions, before: [usize; 2], after: [usize; 2]) -> Vec<crate::proto::AttributeProto> {
    vec![ints("kernel_shape", &o.kernel_size), ints("strides", &o.stride), ints("pads", &[before, after].concat())]
}

pub(crate) fn max_pool(b: &mut Builder, x: &str, o: &Pool2dOptions, input_relu: bool, node: &Node) -> String {
    let mut x = relu_if(b, x, input_relu);
    let extra = overhang(o, size_of(b, node), output_size(b, node));
    let mut before = o.padding;
    let mut after = [0, 1].map(|d| o.padding[d] + extra[d]);
    // Runtimes take no padding as large as the window.
    if (0..2).any(|d| after[d] >= o.kernel_size[d] || before[d] >= o.kernel_size[d]) {
        x = pad(b, &x, before, after, f64::NEG_INFINITY, node);
        (before, after) = ([0; 2], [0; 2]);
    }
    let mut attributes = windows(o, before, after);
    if o.dilation != [1; 2] {
        attributes.push(ints("dilations", &o.dilation));
    }
    b.node("MaxPool", &[&x], attributes)
}

pub(crate) fn avg_pool(b: &mut Builder, x: &str, o: &Pool2dOptions, node: &Node) -> String {
    let extra = overhang(o, size_of(b, node), output_size(b, node));
    let (mut x, mut before) = (x.to_string(), o.padding);
    let mut counts_padding = o.count_include_pad && o.padding != [0; 2];
    if counts_padding && extra != [0; 2] {
        // Padding counts, what ceil_mode adds beyond it does not.
        x = pad(b, &x, o.padding, o.padding, 0.0, node);
        (before, counts_padding) = ([0; 2], false);
    }
    let after = [0, 1].map(|d| before[d] + extra[d]);
    let mut attributes = windows(o, before, after);
    attributes.push(int("count_include_pad", counts_padding as i64));
    b.node("AveragePool", &[&x], attributes)
}

/// The size of windows of which `output` cover `input` without overlap, if there is one.
fn even(input: &[usize], output: &[usize]) -> Option<Vec<usize>> {
    let divides = input.iter().zip(output).all(|(i, o)| i.is_multiple_of(*o));
    divides.then(|| input.iter().zip(output).map(|(i, o)| i / o).collect())
}

/// Window `i` of adaptive pooling.
fn window(i: usize, size: usize, out: usize) -> std::ops::Range<usize> {
    i * size / out..((i + 1) * size).div_ceil(out)
}

/// `[out, size]`: each row averages one window.
fn averages(size: usize, out: usize) -> Tensor {
    let mut rows = vec![0f32; out * size];
    for i in 0..out {
        let range = window(i, size, out);
        let weight = 1.0 / range.len() as f32;
        rows[i * size..][range].fill(weight);
    }
    Tensor::from_vec(rows, [out, size])
}

pub(crate) fn adaptive_avg_pool(b: &mut Builder, x: &str, out: &[usize], node: &Node) -> String {
    let spec = b.graph.value(node.inputs[0]).spec;
    let input = &spec.shape[2..];
    if out.iter().all(|&n| n == 1) {
        return b.node("GlobalAveragePool", &[x], vec![]);
    }
    if let Some(window) = even(input, out) {
        return b.node("AveragePool", &[x], vec![ints("kernel_shape", &window), ints("strides", &window)]);
    }
    let mut x = x.to_string();
    if let ([height, _], [rows, _]) = (input, out) {
        let rows = b.constant(&averages(*height, *rows).to_dtype(spec.dtype));
        x = b.node("MatMul", &[&rows, &x], vec![]);
    }
    let (width, columns) = (input[input.len() - 1], out[out.len() - 1]);
    let columns = b.constant(&averages(width, columns).transpose(0, 1).to_dtype(spec.dtype));
    b.node("MatMul", &[&x, &columns], vec![])
}

pub(crate) fn adaptive_max_pool(b: &mut Builder, x: &str, out: &[usize; 2], node: &Node) -> String {
    let input = size_of(b, node);
    if *out == [1; 2] {
        return b.node("GlobalMaxPool", &[x], vec![]);
    }
    if let Some(window) = even(&input, out) {
        return b.node("MaxPool", &[x], vec![ints("kernel_shape", &window), ints("strides", &window)]);
    }
    let mut x = x.to_string();
    for d in 0..2 {
        let parts: Vec<String> = (0..out[d])
            .map(|i| {
                let range = window(i, input[d], out[d]);
                let part = slice(b, &x, 2 + d, Dim::fixed(range.start), Dim::fixed(range.end));
                reduce(b, Reduce::Max, &part, &[2 + d], true)
            })
            .collect();
        x = b.node("Concat", &names(&parts), vec![int("axis", 2 + d as i64)]);
    }
    x
}
