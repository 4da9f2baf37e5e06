//! Modules: names, state and passes.

use striate_nn::*;
use striate_tensor::{DType, Device, Generator, Tensor};

#[derive(Module)]
struct Block {
    conv: Conv2d,
    bn: BatchNorm2d,
}

#[derive(Module)]
struct Net {
    blocks: Vec<Block>,
    head: Option<Linear>,
    scale: f64,
    #[module(skip)]
    note: std::cell::Cell<u8>,
}

#[derive(Module)]
struct Pair<M: Module>(M, Box<Linear>);

fn net(rng: &mut Generator) -> Net {
    let block = |rng: &mut Generator| Block {
        conv: Conv2d::options(2, 2, 3).padding("same").bias(false).build(rng),
        bn: BatchNorm2d::new(2),
    };
    Net {
        blocks: vec![block(rng), block(rng)],
        head: Some(Linear::new(2, 3, rng)),
        scale: 1.0,
        note: Default::default(),
    }
}

#[test]
fn names_are_paths_of_fields() {
    let rng = &mut Generator::new(0);
    let n = net(rng);
    assert_eq!((n.scale, n.note.get()), (1.0, 0));
    let names: Vec<_> = state_dict(&n).into_keys().collect();
    assert_eq!(names.len(), 2 * 6 + 2);
    for name in ["blocks.1.conv.weight", "blocks.0.bn.running_mean", "blocks.0.bn.num_batches_tracked", "head.bias"] {
        assert!(names.iter().any(|n| n == name), "{name} is not in {names:?}");
    }
    assert_eq!(n.num_parameters(), 2 * (36 + 4) + 9);
    let p = Pair(Linear::without_bias(1, 1, rng), Box::new(Linear::new(1, 1, rng)));
    let names: Vec<_> = p.named_parameters().into_iter().map(|(n, _)| n).collect();
    assert_eq!(names, ["0.weight", "1.weight", "1.bias"]);
}

#[test]
fn a_state_dict_that_does_not_fit_changes_nothing() {
    let mut a = net(&mut Generator::new(0));
    let b = net(&mut Generator::new(1));
    let before = state_dict(&a)["head.weight"].to_vec::<f32>();
    let mut state = state_dict(&b);
    state.insert("head.weight".into(), Tensor::zeros([3, 3], DType::F32));
    let line = load_state_dict(&mut a, &state).unwrap_err().to_string();
    assert_eq!(line, "tensor 'head.weight' is f32 [3, 3], the network needs f32 [3, 2]");
    state.remove("head.weight");
    assert_eq!(load_state_dict(&mut a, &state), Err(StateDictError::Missing(vec!["head.weight".into()])));
    let mut state = state_dict(&b);
    state.insert("extra".into(), Tensor::zeros([1], DType::F32));
    assert_eq!(load_state_dict(&mut a, &state), Err(StateDictError::Unexpected(vec!["extra".into()])));
    assert_eq!(state_dict(&a)["head.weight"].to_vec::<f32>(), before);
    load_state_dict(&mut a, &state_dict(&b)).unwrap();
    assert_eq!(state_dict(&a)["head.weight"].to_vec::<f32>(), state_dict(&b)["head.weight"].to_vec::<f32>());
}

#[test]
fn an_evaluation_records_nothing_and_changes_nothing() {
    let rng = &mut Generator::new(0);
    let bn = BatchNorm2d::new(2);
    let x = Tensor::randn([4, 2, 3, 3], DType::F32, rng);
    let before = bn.running_mean.value().to_vec::<f32>();
    let y = bn.forward(x.clone(), &Pass::eval());
    assert!(!y.has_grad());
    assert_eq!(bn.running_mean.value().to_vec::<f32>(), before);
    let y = bn.forward(x, &Pass::train(0));
    assert!(y.has_grad());
    assert_ne!(bn.running_mean.value().to_vec::<f32>(), before);
    assert_eq!(bn.num_batches_tracked.value().item::<i64>(), 1);
}

#[test]
fn dropout_depends_on_seed_rank_step_and_layer_alone() {
    let x = Tensor::ones([10, 8, 5, 5], DType::F32);
    let (a, b) = (Dropout::new(0.5), Dropout2d::new(0.5));
    let net = [a.clone(), a.clone()];
    let run = |net: &[Dropout; 2], passes: Passes, step| {
        let pass = passes.of_step(step, 0);
        let mask = |layer: &Dropout| layer.forward(x.clone(), &pass).to_vec::<f32>();
        (mask(&net[0]), mask(&net[1]), mask(&net[0]))
    };
    let passes = |seed| Passes::new(&net, seed);
    let first = run(&net, passes(1), 2);
    assert_eq!(first, run(&net, passes(1), 2));
    assert_ne!(first.0, run(&net, passes(1), 3).0);
    assert_ne!(first.0, run(&net, passes(2), 2).0);
    assert_ne!(first.0, run(&net, passes(1).rank(1), 2).0);
    assert_ne!(first.0, first.1, "two layers draw different masks");
    assert_ne!(first.0, first.2, "a layer that is called twice draws different masks");
    // A layer's numbers depend on its name, not on which layers drew before it, nor on which copy it is.
    let other = [a.clone(), a.clone()];
    let alone = other[1].forward(x.clone(), &Passes::new(&other, 1).of_step(2, 0)).to_vec::<f32>();
    assert_eq!(first.1, alone);
    let mut counted = passes(1);
    drop((counted.train(), counted.train()));
    assert_eq!(net[0].forward(x.clone(), &counted.train()).to_vec::<f32>(), first.0);
    assert_eq!(net[0].forward(x.clone(), &passes(1).resume(2).train()).to_vec::<f32>(), first.0);
    // The third pass of all is the first of the second step where a step has two.
    assert_eq!(net[0].forward(x.clone(), &passes(1).accumulate(2).of_step(1, 0)).to_vec::<f32>(), first.0);
    assert_eq!(net[0].forward(x.clone(), &passes(1).accumulate(2).of_step(0, 2)).to_vec::<f32>(), first.0);
    assert_eq!(a.forward(x.clone(), &Pass::eval()).to_vec::<f32>(), x.to_vec::<f32>());
    let y = b.forward(x.clone(), &Pass::train(0)).to_vec::<f32>();
    assert!(y.chunks(25).all(|c| c.iter().all(|v| *v == c[0] && (*v == 0.0 || *v == 2.0))), "whole channels go");
    let kept = y.iter().filter(|v| **v > 0.0).count() as f64 / y.len() as f64;
    assert!((0.25..0.75).contains(&kept), "{kept}");
    assert_eq!(Dropout::new(1.0).forward(x.clone(), &Pass::train(0)).sum_all().item::<f32>(), 0.0);
    assert_eq!(Dropout::new(0.0).forward(x.clone(), &Pass::train(0)).to_vec::<f32>(), x.to_vec::<f32>());
    // A pass that uses half of the rates drops what a layer of half the rate drops; one that uses none drops nothing.
    let halved = |layer: Dropout, pass: Pass| layer.forward(x.clone(), &pass).to_vec::<f32>();
    let (half, quarter) = (Dropout::new(0.5), Dropout::new(0.25));
    assert_eq!(halved(half.clone(), Pass::train(3).dropout_scale(0.5)), halved(quarter, Pass::train(3)));
    assert_eq!(halved(half, Pass::train(3).dropout_scale(0.0)), x.to_vec::<f32>());
}

#[test]
fn default_initial_values_are_pytorchs() {
    let rng = &mut Generator::new(3);
    let c = Conv2d::new(16, 64, 3, rng);
    let bound = 1.0 / (16.0f32 * 9.0).sqrt();
    for p in [c.weight.value(), c.bias.as_ref().unwrap().value()] {
        let v = p.to_vec::<f32>();
        let largest = v.iter().fold(0.0f32, |m, x| m.max(x.abs()));
        assert!(largest <= bound && largest > 0.9 * bound, "{largest} against {bound}");
    }
    let w = c.weight.value().to_vec::<f32>();
    let std = (w.iter().map(|x| x * x).sum::<f32>() / w.len() as f32).sqrt();
    assert!((std - bound / 3f32.sqrt()).abs() < 0.02 * bound, "{std}");
}

#[test]
fn same_padding_keeps_the_size() {
    let rng = &mut Generator::new(0);
    for (kernel, dilation) in [(1, 1), (2, 1), (3, 1), (4, 2), (5, 3)] {
        let c = Conv2d::options(1, 1, kernel).padding("same").dilation(dilation).build(rng);
        let y = c.forward(Tensor::zeros([1, 1, 9, 7], DType::F32), &Pass::eval());
        assert_eq!(y.shape(), [1, 1, 9, 7], "kernel {kernel}, dilation {dilation}");
    }
}

#[test]
fn an_optimizer_leaves_what_has_no_gradient() {
    let rng = &mut Generator::new(0);
    let mut pair = Pair(Linear::new(2, 2, rng), Box::new(Linear::new(2, 2, rng)));
    let before = state_dict(&pair);
    let loss = pair.0.forward(Tensor::ones([1, 2], DType::F32), &Pass::train(0)).sum_all();
    Adam::new(0.1).step(&mut pair, &loss.backward());
    let after = state_dict(&pair);
    assert_ne!(before["0.weight"].to_vec::<f32>(), after["0.weight"].to_vec::<f32>());
    assert_eq!(before["1.weight"].to_vec::<f32>(), after["1.weight"].to_vec::<f32>());
}

#[derive(Module)]
struct Tapped {
    conv: Conv2d,
    norm: BatchNorm2d,
}

impl Forward for Tapped {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        self.norm.forward(self.conv.forward(x, pass), pass).relu()
    }
}

#[test]
fn a_tapped_layer_gives_its_output_and_the_gradient_of_it() {
    let rng = &mut Generator::new(0);
    let block = |i, rng: &mut Generator| Tapped { conv: Conv2d::new(i, 4, 3, rng), norm: BatchNorm2d::new(4) };
    let net = Sequential::new().add(block(1, rng)).add(block(4, rng)).add(Flatten::default()).add(Linear::new(
        4 * 16,
        3,
        rng,
    ));
    let x = Tensor::randn([2, 1, 8, 8], DType::F32, rng);
    for pass in [Pass::eval, || Pass::train(0)] {
        let plain = net.forward(x.clone(), &pass());
        let tapped = pass().tap(&net, &["0", "1.conv", "3"]);
        let y = net.forward(x.clone(), &tapped);
        assert_eq!(y.to_vec::<f32>(), plain.to_vec::<f32>(), "a tap changes nothing");
        let output = |layer| tapped.output(layer).unwrap();
        assert_eq!((output("0").shape(), output("1.conv").shape()), (&[2, 4, 6, 6][..], &[2, 4, 4, 4][..]));
        assert_eq!(output("3").to_vec::<f32>(), y.to_vec::<f32>());
        assert!(tapped.output("1").is_none() && tapped.gradient("0").is_none());
        y.square().sum_all().backward();
        let of_scores = tapped.gradient("3").unwrap();
        assert_eq!(of_scores.to_vec::<f32>(), (plain * 2.0).to_vec::<f32>());
        let gradient = tapped.gradient("0").unwrap();
        assert!(gradient.shape() == [2, 4, 6, 6] && gradient.to_vec::<f32>().iter().any(|g| *g != 0.0));
    }
    // In evaluation the gradient is that of the rest of the network.
    let pass = Pass::eval().tap(&net, &["0"]);
    net.forward(x, &pass).sum_all().backward();
    let leaf = pass.output("0").unwrap().requires_grad();
    let rest = net.forward_range(1.., leaf.clone(), &Pass::eval());
    let want = rest.sum_all().backward().get(&leaf).unwrap();
    assert_eq!(pass.gradient("0").unwrap().to_vec::<f32>(), want.to_vec::<f32>());
}

#[test]
fn a_sequence_can_be_tapped_whole() {
    let rng = &mut Generator::new(0);
    let inner = Sequential::new().add(Linear::new(3, 4, rng)).add(ReLU);
    let net = Sequential::new().add(inner).add(Linear::new(4, 2, rng));
    let pass = Pass::eval().tap(&net, &["", "0", "0.0"]);
    let y = net.forward(Tensor::randn([5, 3], DType::F32, rng), &pass);
    assert_eq!(pass.output("").unwrap().to_vec::<f32>(), y.to_vec::<f32>());
    assert_eq!(pass.output("0").unwrap().to_vec::<f32>(), pass.output("0.0").unwrap().relu().to_vec::<f32>());
    y.sum_all().backward();
    assert_eq!((pass.gradient("").unwrap().shape(), pass.gradient("0").unwrap().shape()), (&[5, 2][..], &[5, 4][..]));
}

#[test]
#[should_panic(expected = "the network has no layer 'layer9'")]
fn a_tap_of_no_layer_is_refused() {
    let _ = Pass::eval().tap(&Linear::new(2, 2, &mut Generator::new(0)), &["layer9"]);
}

#[test]
fn a_network_moves_to_another_device_and_back() {
    let mut net =
        Sequential::new().add(Tapped { conv: Conv2d::new(1, 2, 3, &mut Generator::new(0)), norm: BatchNorm2d::new(2) });
    let x = Tensor::randn([1, 1, 5, 5], DType::F32, &mut Generator::new(1));
    let here = net.forward(x.clone(), &Pass::eval());
    net.to(Device::Reference);
    let said = crate::panics::message(|| net.forward(x.clone(), &Pass::eval()));
    assert_eq!(said, "conv2d: one tensor is on reference, another on cpu: move one with to(Device::..)");
    let there = net.forward(x.clone().to(Device::Reference), &Pass::eval());
    assert_eq!(there.device(), Device::Reference);
    assert!(there.to(Device::Cpu).allclose(&here, 1e-5, 1e-6));
    net.to(Device::Cpu);
    assert_eq!(net.forward(x, &Pass::eval()).to_vec::<f32>(), here.to_vec::<f32>());
}
