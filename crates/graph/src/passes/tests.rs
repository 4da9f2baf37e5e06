use super::*;
use crate::{Executable, Origin, RunError, capture};
use std::collections::HashSet;
use striate_nn::{
    BatchNorm1d, BatchNorm2d, Conv2d, Entry, EntryMut, Flatten, Forward, Linear, MaxPool2d, Module, Pass, ReLU,
    Sequential, SiLU,
};
use striate_tensor::op::Binary;
use striate_tensor::{DType, Generator, Op, Tensor};

#[path = "rewrite_tests.rs"]
mod rewrites;

/// Running statistics, scales and shifts that are not those of a fresh network.
fn shaken(mut net: impl Forward) -> impl Forward {
    let rng = &mut Generator::new(7);
    let mut random = |t: &Tensor| Tensor::rand_uniform(t.shape(), 0.5, 1.5, DType::F32, rng);
    net.visit_mut("", &mut |_, entry| match entry {
        EntryMut::Parameter(p) if p.value().rank() == 1 => p.set(random(p.value())),
        EntryMut::Buffer(b) if b.value().dtype().is_float() => b.set(random(&b.value())),
        _ => (),
    });
    net
}

fn names(graph: &Graph) -> Vec<&'static str> {
    graph.nodes.iter().map(|n| n.op.name()).collect()
}

/// Checks a pass: the outputs agree with the network's, and the ops are those expected.
fn check(net: &dyn Forward, input: &[usize], pass: fn(&mut Graph), ops: &[&str]) -> Graph {
    let mut graph = capture(net, input);
    pass(&mut graph);
    drop_dead(&mut graph);
    assert_eq!(names(&graph), ops);
    let x = Tensor::randn(input, DType::F32, &mut Generator::new(1));
    let want = net.forward(x.clone(), &Pass::eval());
    let got = graph.run(&[x]).swap_remove(0);
    let largest = want.clone().abs().max_all().item::<f32>();
    let error = (got - want).abs().max_all().item::<f32>();
    assert!(error <= 1e-5 * largest, "{error} of {largest}\n{graph}");
    graph
}

#[test]
fn a_batch_normalization_goes_into_the_weight_before_it() {
    let rng = &mut Generator::new(0);
    let net = Sequential::new()
        .add(Conv2d::options(3, 8, 3).padding(1).bias(false).build(rng))
        .add(BatchNorm2d::new(8))
        .add(ReLU)
        .add(Conv2d::options(8, 6, 3).groups(2).build(rng))
        .add(BatchNorm2d::new(6))
        .add(Flatten::default())
        .add(Linear::new(6 * 16, 5, rng))
        .add(BatchNorm1d::new(5));
    let ops = ["conv2d", "relu", "conv2d", "flatten", "linear"];
    let graph = check(&shaken(net), &[2, 3, 6, 6], fold_batch_norm, &ops);
    let bias = graph.value(graph.nodes[0].inputs[2]);
    assert_eq!(*bias.spec.shape, [8]);
}

#[test]
fn maps_are_flattened_in_the_order_in_which_they_lie() {
    let rng = &mut Generator::new(0);
    let conv = |rng: &mut _| Conv2d::options(3, 8, 3).build(rng);
    let after = |size: usize, rng: &mut _| Linear::new(8 * size * size, 5, rng);
    let pooled = Sequential::new().add(conv(rng)).add(ReLU).add(MaxPool2d::new(2));
    let net = pooled.add(Flatten::default()).add(after(3, rng));
    let ops = ["conv2d", "relu", "max_pool2d", "permute", "flatten", "linear"];
    let graph = check(&net, &[2, 3, 8, 8], flatten_channels_last, &ops);
    assert_eq!(graph.value(graph.nodes[5].inputs[1]).origin, Origin::Constant);
    // One pixel has no order; and what is given lies as it was given.
    let net = Sequential::new().add(conv(rng)).add(Flatten::default()).add(after(1, rng));
    check(&net, &[1, 3, 3, 3], flatten_channels_last, &["conv2d", "flatten", "linear"]);
    let net = Sequential::new().add(Flatten::default()).add(Linear::new(48, 5, rng));
    check(&net, &[2, 3, 4, 4], flatten_channels_last, &["flatten", "linear"]);
    // Every batch.
    let net = Sequential::new().add(conv(rng)).add(Flatten::default()).add(after(4, rng));
    let run = Executable::new(capture(&net, &[2, 3, 6, 6]));
    for n in [1, 3, 17] {
        let x = Tensor::randn([n, 3, 6, 6], DType::F32, rng);
        let (got, want) = (run.run(std::slice::from_ref(&x)).swap_remove(0), net.forward(x, &Pass::eval()));
        assert!((got - want).abs().max_all().item::<f32>() < 1e-5);
    }
}

/// Convolves, normalizes, and reads the convolution's result once more.
#[derive(striate_nn::Module)]
struct ReadTwice {
    conv: Conv2d,
    norm: BatchNorm2d,
}

impl Forward for ReadTwice {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let y = self.conv.forward(x, pass);
        self.norm.forward(y.clone(), pass) + y
    }
}

#[test]
fn what_others_read_is_left_alone() {
    let net = ReadTwice { conv: Conv2d::new(2, 4, 3, &mut Generator::new(0)), norm: BatchNorm2d::new(4) };
    let net = shaken(net);
    check(&net, &[1, 2, 5, 5], fold_batch_norm, &["conv2d", "batch_norm", "add"]);
    check(&net, &[1, 2, 5, 5], fuse_epilogues, &["conv2d", "batch_norm", "add"]);
}

/// A residual block whose both branches are convolutions.
#[derive(striate_nn::Module)]
struct Block {
    conv1: Conv2d,
    conv2: Conv2d,
    shortcut: Conv2d,
}

impl Forward for Block {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let shortcut = self.shortcut.forward(x.clone(), pass);
        let y = self.conv1.forward(x, pass).silu();
        (self.conv2.forward(y, pass) + shortcut).relu()
    }
}

#[test]
fn residuals_activations_and_pooling_go_into_convolutions() {
    let rng = &mut Generator::new(0);
    let same = |i, o, rng: &mut Generator| Conv2d::options(i, o, 3).padding(1).build(rng);
    let block = Block { conv1: same(3, 8, rng), conv2: same(8, 4, rng), shortcut: Conv2d::new(3, 4, 1, rng) };
    let graph = check(&block, &[2, 3, 7, 5], fuse_epilogues, &["conv2d", "fused_conv2d", "fused_conv2d"]);
    let Op::FusedConv2d(last) = &graph.nodes[2].op else { panic!("a fused convolution") };
    assert!(last.residual && last.activation.is_some());

    let pooled = Sequential::new().add(Conv2d::new(16, 32, 3, rng)).add(ReLU).add(MaxPool2d::new(2));
    check(&pooled, &[2, 16, 28, 28], fuse_epilogues, &["fused_conv2d"]);
    // A SiLU is no monotonic function, so that its maxima are not those of what it is computed from.
    let silu = Sequential::new().add(Conv2d::new(3, 8, 3, rng)).add(SiLU).add(MaxPool2d::new(2));
    check(&silu, &[2, 3, 9, 9], fuse_epilogues, &["fused_conv2d", "max_pool2d"]);
}

/// Scales its weight in each pass, and computes something that nobody reads.
#[derive(striate_nn::Module)]
struct Scaled {
    layer: Linear,
}

impl Forward for Scaled {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let weight = self.layer.weight.tensor(pass).square() * 0.5;
        let _unused = x.clone().exp();
        x.linear(&weight, None)
    }
}

#[test]
fn constants_are_folded_and_dead_nodes_dropped() {
    let net = Scaled { layer: Linear::new(4, 3, &mut Generator::new(0)) };
    let all = capture(&net, &[2, 4]);
    assert_eq!(names(&all), ["square", "mul", "exp", "linear"]);
    let graph = check(&net, &[2, 4], fold_constants, &["linear"]);
    assert_eq!(graph.values.len(), 3, "{graph}");
}

#[test]
fn what_is_folded_is_given_up() {
    let net = Scaled { layer: Linear::new(4, 3, &mut Generator::new(0)) };
    let mut graph = capture(&net, &[2, 4]);
    fold_constants(&mut graph);
    let known: Vec<&str> = graph.values.iter().filter(|v| v.is_known()).map(|v| v.name.as_str()).collect();
    let folded = graph.value(graph.nodes.last().unwrap().inputs[1]);
    assert_eq!(known, ["layer.bias", &folded.name], "{graph}");
    let mut graph = capture(&shaken(normalized(&mut Generator::new(0))), &[2, 3, 6, 6]);
    fold_batch_norm(&mut graph);
    let before: Vec<&str> =
        graph.values_of(Origin::Parameter).filter(|v| v.is_known()).map(|v| v.name.as_str()).collect();
    assert!(!before.contains(&"0.weight"), "{before:?}");
}

fn normalized(rng: &mut Generator) -> Sequential {
    Sequential::new().add(Conv2d::new(3, 8, 3, rng)).add(BatchNorm2d::new(8))
}

#[test]
fn a_bias_that_is_added_leaves_the_weight_as_it_is() {
    let mut graph = capture(&Linear::new(4, 3, &mut Generator::new(0)), &[2, 4]);
    let weight = graph.nodes[0].inputs[1];
    let (sum, shift) = (graph.outputs[0], graph.add_constant(Tensor::ones([3], DType::F32)));
    graph.outputs[0] = graph.append(Op::Binary(Binary::Add), &[sum, shift]);
    fold_batch_norm(&mut graph);
    assert_eq!(names(&graph), ["linear"]);
    assert_eq!(graph.nodes[0].inputs[1], weight);
}

#[test]
fn passes_keep_values_in_order_and_the_batch_size_open() {
    let rng = &mut Generator::new(0);
    let net = shaken(
        Sequential::new()
            .add(Conv2d::options(1, 4, 3).padding(1).build(rng))
            .add(BatchNorm2d::new(4))
            .add(ReLU)
            .add(MaxPool2d::new(2))
            .add(Flatten::default())
            .add(Linear::new(4 * 9, 5, rng)),
    );
    let run = Executable::of(&net, &[1, 1, 6, 6]);
    let mut computed: HashSet<_> = run.graph().inputs.iter().copied().collect();
    for node in &run.graph().nodes {
        let ready = |v| computed.contains(v) || run.graph().value(*v).is_known();
        assert!(node.inputs.iter().all(ready), "{}", run.graph());
        computed.extend(&node.outputs);
    }
    for batch in [1, 3, 17] {
        let x = Tensor::randn([batch, 1, 6, 6], DType::F32, &mut Generator::new(batch as u64));
        let (got, want) = (run.forward(x.clone()), net.forward(x, &Pass::eval()));
        assert!(got.allclose(&want, 1e-5, 1e-6));
    }
    assert!(run.packed_bytes() > 0);
}

#[test]
fn a_plan_is_never_exceeded() {
    let rng = &mut Generator::new(0);
    let same = |i, o, rng: &mut Generator| Conv2d::options(i, o, 3).padding(1).build(rng);
    let net = Sequential::new()
        .add(same(3, 16, rng))
        .add(Block { conv1: same(16, 24, rng), conv2: same(24, 8, rng), shortcut: Conv2d::new(16, 8, 1, rng) })
        .add(MaxPool2d::new(3))
        .add(Flatten::default())
        .add(Linear::new(8 * 9, 5, rng));
    let run = Executable::of(&net, &[2, 3, 9, 9]);
    for batch in [1, 2, 5] {
        let plan = run.memory_plan(batch);
        let all: usize = plan.regions.values().map(|r| r.bytes).sum();
        assert!(plan.arena < all, "results share places");
        for (i, a) in plan.regions.values().enumerate() {
            for b in plan.regions.values().skip(i + 1) {
                let apart = a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset;
                assert!(apart || a.last < b.first || b.last < a.first, "{a:?} {b:?}");
            }
        }
        let (_, most) = run.run_measured(&[Tensor::randn([batch, 3, 9, 9], DType::F32, rng)]).unwrap();
        assert!(most > 0 && most <= plan.arena, "{most} bytes in use, {} planned", plan.arena);
    }
}

#[test]
fn parameters_of_a_graph_that_trains_are_the_networks_own() {
    let net = ReadTwice { conv: Conv2d::new(2, 4, 3, &mut Generator::new(0)), norm: BatchNorm2d::new(4) };
    let graph = crate::GraphModule::new(capture(&net, &[2, 2, 5, 5]));
    let mut names = Vec::new();
    graph.visit("", &mut |name, entry| names.push((name.to_string(), matches!(entry, Entry::Parameter(_)))));
    let of = |name: &str, parameter| (name.to_string(), parameter);
    assert_eq!(
        names,
        [
            of("conv.weight", true),
            of("conv.bias", true),
            of("norm.weight", true),
            of("norm.bias", true),
            of("norm.running_mean", false),
            of("norm.running_var", false),
            of("norm.num_batches_tracked", false),
        ]
    );
    let x = Tensor::randn([3, 2, 5, 5], DType::F32, &mut Generator::new(1));
    for pass in [Pass::eval(), Pass::train(0)] {
        let (own, other) = (net.forward(x.clone(), &pass), graph.forward(x.clone(), &pass));
        assert_eq!(own.to_vec::<f32>(), other.to_vec::<f32>());
        if pass.is_train() {
            let (own, other) = (own.square().sum_all().backward(), other.square().sum_all().backward());
            for ((name, a), (_, b)) in net.named_parameters().into_iter().zip(graph.named_parameters()) {
                let (a, b) = (own.get(a).unwrap(), other.get(b).unwrap());
                assert_eq!(a.to_vec::<f32>(), b.to_vec::<f32>(), "{name}");
            }
        }
    }
    assert_eq!(net.norm.running_var.value().to_vec::<f32>(), graph_buffer(&graph, "norm.running_var"));
    // Captured again it is the same graph.
    assert_eq!(capture(&graph, &[2, 2, 5, 5]).to_string(), capture(&net, &[2, 2, 5, 5]).to_string());
}

fn graph_buffer(graph: &crate::GraphModule, name: &str) -> Vec<f32> {
    let mut found = Vec::new();
    graph.visit("", &mut |n, entry| {
        if let Entry::Buffer(b) = entry
            && n == name
        {
            found = b.value().to_vec::<f32>();
        }
    });
    found
}

/// A convolution whose weight is computed from its input.
#[derive(striate_nn::Module)]
struct DynamicFilter {}

impl Forward for DynamicFilter {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        let weight = x.clone().mean_keepdim(&[0]).expand([4, 3, 6, 6]).narrow(2, 0, 3).narrow(3, 0, 3);
        x.conv2d(&weight, None, &Default::default())
    }
}

#[test]
fn a_weight_that_is_computed_is_not_kept_from_run_to_run() {
    let net = DynamicFilter {};
    let run = Executable::of(&net, &[2, 3, 6, 6]);
    let rng = &mut Generator::new(0);
    for _ in 0..3 {
        let x = Tensor::randn([2, 3, 6, 6], DType::F32, rng);
        let want = net.forward(x.clone(), &Pass::eval());
        assert_eq!(run.forward(x).to_vec::<f32>(), want.to_vec::<f32>());
    }
    assert_eq!(run.packed_bytes(), 0);
}

/// Picks the slices that the input names.
#[derive(striate_nn::Module)]
struct Picks {}

impl Forward for Picks {
    fn forward(&self, x: Tensor, _: &Pass) -> Tensor {
        let place = x.clone().sum(&[1]).to_dtype(DType::I64);
        x.index_select(1, &place)
    }
}

#[test]
fn a_computed_position_out_of_range_is_an_error() {
    let run = Executable::of(&Picks {}, &[2, 3]);
    let x = |numbers: [f32; 6]| [Tensor::from_vec(numbers.to_vec(), [2, 3])];
    let good = run.try_run(&x([0.0, 1.0, 1.0, 0.0, 0.0, 0.0])).unwrap().swap_remove(0);
    assert_eq!(good.to_vec::<f32>(), [1.0, 0.0, 0.0, 0.0]);
    for (numbers, index) in [([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], 3), ([0.0; 6].map(|_| -1.0), -3)] {
        let e = run.try_run(&x(numbers)).unwrap_err();
        let RunError::Index { index: got, size: 3, .. } = e else { panic!("{e}") };
        assert_eq!(got, index);
        assert!(e.to_string().contains("is out of range for 3 elements"), "{e}");
    }
    let e = run.try_run(&[Tensor::ones([2, 4], DType::F32)]).unwrap_err();
    assert!(matches!(e, RunError::Inputs(_)), "{e}");
}

/// An inverted residual block between two other convolutions.
#[derive(striate_nn::Module)]
struct Inverted {
    stem: Conv2d,
    expand: Conv2d,
    depthwise: Conv2d,
    project: Conv2d,
    head: Conv2d,
}

impl Forward for Inverted {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.stem.forward(x, pass);
        let y = self.expand.forward(x.clone(), pass).relu();
        let y = self.depthwise.forward(y, pass).silu();
        let y = self.project.forward(y, pass) + x;
        self.head.forward(y, pass)
    }
}

#[test]
fn a_depthwise_convolution_and_its_neighbours_become_one_node() {
    let rng = &mut Generator::new(0);
    let mut net = |size: usize| {
        let conv =
            |i, o, k, groups, rng: &mut Generator| Conv2d::options(i, o, k).padding(k / 2).groups(groups).build(rng);
        let block = Inverted {
            stem: conv(3, 6, 3, 1, rng),
            expand: conv(6, 24, 1, 1, rng),
            depthwise: conv(24, 24, 5, 24, rng),
            project: conv(24, 6, 1, 1, rng),
            head: conv(6, 2, 3, 1, rng),
        };
        (block, [2, 3, size, size])
    };
    fn fuse(graph: &mut Graph) {
        fuse_epilogues(graph);
        chain_convolutions(graph);
    }
    let (block, input) = net(17);
    let graph = check(&block, &input, fuse, &["conv2d", "conv_chain", "conv2d"]);
    let Op::ConvChain(chain) = &graph.nodes[1].op else { panic!("a chain") };
    assert_eq!(
        chain.iter().map(|f| (f.residual, f.activation.is_some())).collect::<Vec<_>>(),
        [(false, true), (false, true), (true, false)]
    );
    // At any batch size.
    let run = Executable::of(&block, &input);
    for batch in [0, 1, 5] {
        let x = Tensor::randn([batch, 3, 17, 17], DType::F32, &mut Generator::new(2));
        let want = block.forward(x.clone(), &Pass::eval());
        assert!(run.forward(x).allclose(&want, 1e-4, 1e-5), "{batch}");
    }
    // Narrow images are put together instead.
    let (block, input) = net(7);
    check(&block, &input, fuse, &["conv2d", "fused_conv2d", "fused_conv2d", "fused_conv2d", "conv2d"]);
}
