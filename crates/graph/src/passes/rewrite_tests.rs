//! Passes that write ops in another form.

use super::*;
use striate_tensor::op::{Activation, Unary};
use striate_tensor::{Conv2dOptions, PaddingMode};

/// A function of one tensor as a network.
struct Of<F>(F);

impl<F> Module for Of<F> {
    fn visit<'a>(&'a self, _: &str, _: &mut dyn FnMut(&str, Entry<'a>)) {}
    fn visit_mut<'a>(&'a mut self, _: &str, _: &mut dyn FnMut(&str, EntryMut<'a>)) {}
}

impl<F: Fn(Tensor, &Pass) -> Tensor + Send + Sync> Forward for Of<F> {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.0(x, pass)
    }
}

fn random(shape: &[usize], seed: u64) -> Tensor {
    Tensor::randn(shape, DType::F32, &mut Generator::new(seed))
}

fn number(x: f64) -> Tensor {
    Tensor::full(x, [1], DType::F32)
}

fn functions(graph: &mut Graph) {
    join_scalars(graph);
    fuse_functions(graph);
}

#[track_caller]
fn becomes(f: fn(Tensor) -> Tensor, activation: Activation) {
    let graph = check(&Of(|x, _: &Pass| f(x)), &[2, 3, 5], functions, &[activation.name()]);
    assert_eq!(graph.nodes[0].op, Op::Unary(Unary::Activation(activation)));
}

#[test]
fn functions_in_several_nodes_become_one() {
    becomes(|x| (x + 3.0).clamp(0.0, 6.0) / &number(6.0), Activation::Hardsigmoid);
    becomes(|x| (x * (1.0 / 6.0) + 0.5).hardtanh(0.0, 1.0), Activation::Hardsigmoid);
    becomes(|x| x.clone() * (x + &number(3.0)).hardtanh(0.0, 6.0) / &number(6.0), Activation::Hardswish);
    becomes(|x| (&number(3.0) + x.clone()).clamp(0.0, 6.0) * (1.0 / 6.0) * x, Activation::Hardswish);
    becomes(|x| x.clone() * x.hardsigmoid(), Activation::Hardswish);
    becomes(|x| x.clone().sigmoid() * x, Activation::Silu);
    becomes(|x| x.clone() * ((x / &number(2f64.sqrt())).erf() + 1.0) * 0.5, Activation::Gelu);
    becomes(|x| (x.clone() * 0.5) * ((x / &number(2f64.sqrt())).erf() + 1.0), Activation::Gelu);
    becomes(|x| (((x.clone() / &number(2f64.sqrt())).erf() + 1.0) * 0.5) * x, Activation::Gelu);
}

#[test]
fn what_is_nearly_one_of_them_stays() {
    let swapped = Of(|x: Tensor, _: &Pass| x.clone() * x.neg().sigmoid());
    check(&swapped, &[2, 3], functions, &["neg", "sigmoid", "mul"]);
    let other = Of(|x: Tensor, _: &Pass| x.clone() * (x + 2.0).hardtanh(0.0, 6.0) * (1.0 / 6.0));
    check(&other, &[2, 3], functions, &["add", "hardtanh", "mul", "mul"]);
    // The constant has more dimensions than the other side, and gives them to the result.
    let wide = Of(|x: Tensor, pass: &Pass| x + pass.constant(Tensor::full(1.0, [1, 1, 1], DType::F32)));
    check(&wide, &[2, 3], functions, &["add"]);
}

#[test]
fn layer_normalizations_are_found() {
    fn normed(x: Tensor, pass: &Pass, dim: isize) -> Tensor {
        let n = x.size(dim);
        let centred = x.clone() - x.mean_keepdim(&[dim]);
        let variance = centred.clone().pow(number(2.0)).mean_keepdim(&[dim]);
        centred / (variance + 1e-5).sqrt() * pass.constant(random(&[n], 1)) + pass.constant(random(&[n], 2))
    }
    let graph = check(&Of(|x, p: &Pass| normed(x, p, 2)), &[2, 3, 5], functions, &["layer_norm"]);
    // The number of samples stays open.
    let x = random(&[4, 3, 5], 9);
    let want = normed(x.clone(), &Pass::eval(), 2);
    assert!(graph.run(&[x])[0].allclose(&want, 1e-5, 1e-6));
    let names = ["mean", "sub", "square", "mean", "add", "sqrt", "div", "mul", "add"];
    check(&Of(|x, p: &Pass| normed(x, p, 1)), &[2, 5, 5], functions, &names);
}

#[test]
fn constants_of_channels_go_into_the_layer_before_them() {
    let conv = |x: Tensor, pass: &Pass| x.conv2d(&pass.constant(random(&[4, 3, 3, 3], 1)), None, &Default::default());
    let of = |shape: &'static [usize], seed| move |pass: &Pass| pass.constant(random(shape, seed));
    let (a, b, c) = (of(&[1, 4, 1, 1], 2), of(&[4, 1, 1], 3), of(&[1], 4));
    let net = Of(move |x: Tensor, p: &Pass| (a(p) - (conv(x, p) * b(p)) / (c(p) + 3.0)) * 0.3 + 1.5);
    let fold = |graph: &mut Graph| {
        fold_constants(graph);
        join_scalars(graph);
        fold_batch_norm(graph);
    };
    check(&net, &[2, 3, 5, 5], fold, &["conv2d"]);
    let linear = Of(|x: Tensor, p: &Pass| {
        let y = x.linear(&p.constant(random(&[4, 6], 1)), Some(&p.constant(random(&[4], 2))));
        y * p.constant(random(&[4], 3)) + p.constant(random(&[1, 4], 4))
    });
    check(&linear, &[2, 5, 6], fold, &["linear"]);
    // A constant for each row, and one that makes the result larger, go nowhere.
    let rows = Of(move |x: Tensor, p: &Pass| conv(x, p) * p.constant(random(&[1, 1, 3, 1], 5)));
    check(&rows, &[2, 3, 5, 5], fold, &["conv2d", "mul"]);
    let larger = Of(move |x: Tensor, p: &Pass| conv(x, p) * p.constant(random(&[1, 1, 4, 1, 1], 5)));
    check(&larger, &[1, 3, 5, 5], fold, &["conv2d", "mul"]);
    let infinite = Of(move |x: Tensor, p: &Pass| (conv(x, p) * f64::INFINITY).clamp(-1.0, 1.0));
    check(&infinite, &[2, 3, 5, 5], fold, &["conv2d", "mul", "clamp", "clamp"]);
}

#[test]
fn zeros_around_images_become_padding() {
    let strange = Conv2dOptions { padding: [[1, 0], [0, 2]], ..Conv2dOptions::default() };
    let net = |value: f64, mode: PaddingMode| {
        Of(move |x: Tensor, pass: &Pass| {
            let padded = match mode {
                PaddingMode::Zeros => x.pad(&[[1, 2], [0, 3]], value),
                _ => x.pad_mode(&[[1, 2], [0, 3]], mode),
            };
            padded.conv2d(&pass.constant(random(&[4, 3, 3, 3], 1)), None, &strange)
        })
    };
    let graph = check(&net(0.0, PaddingMode::Zeros), &[2, 3, 6, 6], fold_padding, &["conv2d"]);
    let Op::Conv2d { options, .. } = &graph.nodes[0].op else { panic!("a convolution") };
    assert_eq!(options.padding, [[1, 3], [1, 4]]);
    check(&net(1.0, PaddingMode::Zeros), &[2, 3, 6, 6], fold_padding, &["pad", "conv2d"]);
    check(&net(0.0, PaddingMode::Reflect), &[2, 3, 6, 6], fold_padding, &["pad", "conv2d"]);
}

#[test]
fn known_slopes_become_what_is_faster() {
    let net = |slopes: Vec<f32>| {
        Of(move |x: Tensor, p: &Pass| x.prelu(&p.constant(Tensor::from_vec(slopes.clone(), [slopes.len()]))))
    };
    check(&net(vec![0.3]), &[2, 3, 4], lower_prelu, &["leaky_relu"]);
    check(&net(vec![0.3; 3]), &[2, 3, 4], lower_prelu, &["leaky_relu"]);
    check(&net(vec![0.3, -0.7, 1.0]), &[2, 3, 4], lower_prelu, &["mul", "maximum"]);
    check(&net(vec![0.3, -0.7, 1.1]), &[2, 3, 4], lower_prelu, &["prelu"]);
    check(&net(vec![0.3, 0.0, 1.0]), &[2, 3, 4], lower_prelu, &["prelu"]);
}

/// A network of channels-last images, as tf2onnx writes it: each convolution and pooling between two transposes.
fn channels_last(x: Tensor, pass: &Pass) -> Tensor {
    let conv = |x: Tensor, shape: &[usize], seed: u64| {
        let weight = pass.constant(random(shape, seed) * 0.3);
        x.permute(&[0, 3, 1, 2]).conv2d(&weight, None, &Default::default()).permute(&[0, 2, 3, 1])
    };
    let constant = |shape: &[usize], seed: u64| pass.constant(random(shape, seed));
    let a = (conv(x, &[8, 3, 3, 3], 1) + constant(&[8], 2)).relu();
    let padded = a.clone().pad(&[[0, 0], [1, 1], [1, 1], [0, 0]], 0.0);
    let b = (conv(padded, &[8, 8, 3, 3], 3) * constant(&[8], 4) + a.clone()).relu();
    let joined = Tensor::cat(&[a.narrow(3, 2, 5), b], 3);
    let pooled = joined.permute(&[0, 3, 1, 2]).max_pool2d(2).permute(&[0, 2, 3, 1]);
    let gate = pooled.clone().mean_keepdim(&[1, 2]).sigmoid();
    let c = conv(pooled * gate, &[6, 13, 1, 1], 5);
    c.softmax(3)
}

fn transposes(graph: &Graph) -> Vec<usize> {
    let at = graph.nodes.iter().enumerate().filter(|(_, n)| matches!(n.op, Op::Permute { .. }));
    at.map(|(i, _)| i).collect()
}

#[test]
fn a_network_of_channels_last_images_keeps_the_first_and_the_last_transpose() {
    let net = Of(channels_last);
    let mut graph = capture(&net, &[2, 10, 10, 3]);
    assert_eq!(transposes(&graph).len(), 8);
    move_transposes(&mut graph);
    assert_eq!(transposes(&graph), [0, graph.nodes.len() - 1], "{graph}");
    graph.check().unwrap();
    let run = Executable::of(&net, &[2, 10, 10, 3]);
    let fused = run.graph().nodes.iter().filter(|n| matches!(n.op, Op::FusedConv2d(_))).count();
    assert_eq!((fused, transposes(run.graph()).len()), (2, 2), "{}", run.graph());
    for batch in [2, 5] {
        let x = random(&[batch, 10, 10, 3], 7);
        let want = net.forward(x.clone(), &Pass::eval());
        assert!(graph.run(std::slice::from_ref(&x))[0].allclose(&want, 1e-5, 1e-6));
        assert!(run.forward(x).allclose(&want, 1e-4, 1e-6));
    }
}

#[test]
fn transposes_pass_what_has_a_form_for_any_order() {
    let around = |f: fn(Tensor, &Pass) -> Tensor, ops: &[&str]| {
        let net = Of(move |x: Tensor, pass: &Pass| f(x.permute(&[0, 2, 3, 1]), pass));
        let graph = check(&net, &[2, 3, 4, 5], move_transposes, ops);
        graph.check().unwrap();
    };
    fn back(y: Tensor) -> Tensor {
        y.permute(&[0, 3, 1, 2])
    }
    around(|x, _| x.permute(&[0, 3, 1, 2]), &[]);
    around(|x, _| x.permute(&[0, 2, 1, 3]), &["permute"]);
    around(move |x, _| back(x.exp().cumsum(2)), &["exp", "cumsum"]);
    around(move |x, _| back(x.pad_mode(&[[0, 0], [1, 2], [2, 0], [0, 0]], PaddingMode::Replicate)), &["pad"]);
    around(|x, _| x.sum(&[1, 2]), &["sum"]);
    around(|x, _| x.mean(&[3]), &["mean"]);
    around(|x, _| x.max(&[1]), &["max", "permute"]);
    around(|x, _| x.mean_keepdim(&[1, 2]).reshape([2, 3]), &["mean", "reshape"]);
    around(|x, _| x.reshape([2, 60]), &["permute", "reshape"]);
    around(move |x, p| back(x.clone().gt(0.0).where_(x, p.constant(random(&[4, 1, 3], 2)))), &["gt", "where"]);
    around(move |x, p| back(x.index_select(2, &p.constant(Tensor::from_vec(vec![4i64, 0], [2])))), &["index_select"]);
    // What meets a value in another order is left as it was.
    around(
        |x, p| x.clone() + p.constant(random(&[3], 1)) + x.permute(&[0, 3, 1, 2]).relu().permute(&[0, 2, 3, 1]),
        &["add", "relu", "add", "permute"],
    );
    around(
        |x, _| x.clone().narrow(1, 0, 3).narrow(2, 0, 3) + x.permute(&[0, 2, 3, 1]).narrow(1, 0, 3).narrow(3, 0, 3),
        &["narrow", "narrow", "narrow", "narrow", "permute", "permute", "add"],
    );
}
