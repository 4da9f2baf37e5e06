//! Modules: names, state and passes.

use striate_nn::*;
use striate_tensor::{DType, Generator, Tensor};

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
    let y = bn.forward(x, &Pass::train(0, 0));
    assert!(y.has_grad());
    assert_ne!(bn.running_mean.value().to_vec::<f32>(), before);
    assert_eq!(bn.num_batches_tracked.value().item::<i64>(), 1);
}

#[test]
fn dropout_depends_on_seed_step_and_layer_alone() {
    let x = Tensor::ones([10, 8, 5, 5], DType::F32);
    let (a, b) = (Dropout::new(0.5), Dropout2d::new(0.5));
    let run = |seed, step| {
        let pass = Pass::train(seed, step);
        let first = a.forward(x.clone(), &pass).to_vec::<f32>();
        (first, a.forward(x.clone(), &pass).to_vec::<f32>())
    };
    assert_eq!(run(1, 2), run(1, 2));
    assert_ne!(run(1, 2), run(1, 3));
    assert_ne!(run(1, 2), run(2, 2));
    assert_ne!(run(1, 2).0, run(1, 2).1, "two layers draw different masks");
    assert_eq!(a.forward(x.clone(), &Pass::eval()).to_vec::<f32>(), x.to_vec::<f32>());
    let y = b.forward(x.clone(), &Pass::train(0, 0)).to_vec::<f32>();
    assert!(y.chunks(25).all(|c| c.iter().all(|v| *v == c[0] && (*v == 0.0 || *v == 2.0))), "whole channels go");
    let kept = y.iter().filter(|v| **v > 0.0).count() as f64 / y.len() as f64;
    assert!((0.25..0.75).contains(&kept), "{kept}");
    assert_eq!(Dropout::new(1.0).forward(x.clone(), &Pass::train(0, 0)).sum(&[], false).item::<f32>(), 0.0);
    assert_eq!(Dropout::new(0.0).forward(x.clone(), &Pass::train(0, 0)).to_vec::<f32>(), x.to_vec::<f32>());
    // A pass that uses half of the rates drops what a layer of half the rate drops; one that uses none drops nothing.
    let halved = |layer: Dropout, pass: Pass| layer.forward(x.clone(), &pass).to_vec::<f32>();
    let (half, quarter) = (Dropout::new(0.5), Dropout::new(0.25));
    assert_eq!(halved(half.clone(), Pass::train(3, 1).dropout(0.5)), halved(quarter, Pass::train(3, 1)));
    assert_eq!(halved(half, Pass::train(3, 1).dropout(0.0)), x.to_vec::<f32>());
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
    let loss = pair.0.forward(Tensor::ones([1, 2], DType::F32), &Pass::train(0, 0)).sum(&[], false);
    Adam::new(0.1).step(&mut pair, &loss.backward());
    let after = state_dict(&pair);
    assert_ne!(before["0.weight"].to_vec::<f32>(), after["0.weight"].to_vec::<f32>());
    assert_eq!(before["1.weight"].to_vec::<f32>(), after["1.weight"].to_vec::<f32>());
}
