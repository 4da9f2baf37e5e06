//! What goes with the optimizers.

use striate_nn::optim::{
    Accumulator, Adam, AdamW, Ema, Lamb, NAdam, ParamGroup, ParamGroups, RMSprop, Sgd, l1_penalty, l2_penalty,
};
use striate_nn::{
    BatchNorm2d, Conv2d, CrossEntropyLoss, Flatten, Forward, Linear, Module, Optimizer, Pass, Sequential, state_dict,
};
use striate_tensor::{DType, Generator, Gradients, Tensor};

fn net() -> Linear {
    Linear::new(4, 3, &mut Generator::new(5))
}

fn images(n: usize, first: u64) -> (Tensor, Tensor) {
    let x = Tensor::randn([n, 4], DType::F32, &mut Generator::new(first));
    (x, Tensor::from_vec((0..n as i64).map(|i| i % 3).collect(), [n]))
}

fn gradients(net: &dyn Forward, x: &Tensor, target: &Tensor) -> Gradients {
    CrossEntropyLoss::new().forward(net.forward(x.clone(), &Pass::train(0)), target).backward()
}

fn values(net: &dyn Module) -> Vec<f32> {
    net.named_parameters().iter().flat_map(|(_, p)| p.value().to_vec::<f32>()).collect()
}

#[test]
fn small_batches_give_the_update_of_a_large_one() {
    let (x, target) = images(20, 1);
    let (mut large, mut small) = (net(), net());
    let grads = gradients(&large, &x, &target);
    Sgd::new(0.5).step(&mut large, &grads);
    let mut accumulator = Accumulator::new();
    // Of uneven sizes, as the last one of an epoch is.
    for (start, n) in [(0, 8), (8, 8), (16, 4)] {
        let grads = gradients(&small, &x.clone().narrow(0, start, n), &target.clone().narrow(0, start, n));
        accumulator.add(&small, grads, n);
    }
    let grads = accumulator.finish();
    Sgd::new(0.5).step(&mut small, &grads);
    for (a, b) in values(&large).iter().zip(values(&small)) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    assert!(accumulator.finish().is_empty());
}

#[test]
fn groups_reach_the_optimizer() {
    let (x, target) = images(6, 2);
    let step = |optimizer: &mut dyn Optimizer| {
        let mut net = net();
        let grads = gradients(&net, &x, &target);
        optimizer.step(&mut net, &grads);
        let of = |name: &str| state_dict(&net)[name].to_vec::<f32>();
        (of("weight"), of("bias"))
    };
    let start = net();
    let (weight, bias) = (start.weight.value().to_vec::<f32>(), start.bias.as_ref().unwrap().value().to_vec::<f32>());
    let frozen = ParamGroups::new().add("bias", ParamGroup::new().frozen(true));
    let (plain_weight, plain_bias) = step(&mut Sgd::new(0.1));
    assert_eq!(step(&mut Sgd::new(0.1).groups(frozen)), (plain_weight.clone(), bias.clone()));
    let halved = ParamGroups::new().add("b*", ParamGroup::new().lr_scale(0.0));
    assert_eq!(step(&mut Sgd::new(0.1).groups(halved)), (plain_weight, bias.clone()));
    // All weight decay and no gradient to speak of: only what decays moves.
    let no_decay = ParamGroups::new().no_decay_on_biases_and_norms();
    let (w, b) = step(&mut AdamW::new(0.1).weight_decay(0.5).groups(no_decay));
    let (undecayed_w, undecayed_b) = step(&mut AdamW::new(0.1).weight_decay(0.0));
    assert_eq!(b, undecayed_b);
    for ((w, u), start) in w.iter().zip(undecayed_w).zip(weight) {
        assert!((w - (u - 0.05 * start)).abs() < 1e-6);
    }
    assert_ne!(plain_bias, bias);
    let typo = ParamGroups::new().add("waight", ParamGroup::new()).add("*", ParamGroup::new());
    assert_eq!(typo.unmatched(&start), ["waight"]);
}

#[test]
fn averaged_weights_are_swapped_in_and_out() {
    let rng = &mut Generator::new(1);
    let mut net = Sequential::new()
        .add(Conv2d::new(1, 2, 3, rng))
        .add(BatchNorm2d::new(2))
        .add(Flatten::default())
        .add(Linear::new(8, 3, rng));
    let mut ema = Ema::new(&net, 0.9).warmup(true);
    let (mut optimizer, x) = (Adam::new(0.05), Tensor::randn([6, 1, 4, 4], DType::F32, rng));
    let target = Tensor::from_vec(vec![0i64, 1, 2, 0, 1, 2], [6]);
    let mut expected = state_dict(&net)["0.weight"].to_vec::<f32>();
    for t in 0..4 {
        let grads = gradients(&net, &x, &target);
        optimizer.step(&mut net, &grads);
        let decay = f32::min(0.9, (1.0 + t as f32) / (10.0 + t as f32));
        assert!((ema.next_decay() as f32 - decay).abs() < 1e-6);
        ema.update(&net);
        let now = state_dict(&net)["0.weight"].to_vec::<f32>();
        expected.iter_mut().zip(now).for_each(|(e, w)| *e = decay * *e + (1.0 - decay) * w);
    }
    let all = |net: &Sequential| -> Vec<_> {
        state_dict(net).into_iter().map(|(k, v)| (k, v.to_dtype(DType::F64).to_vec::<f64>())).collect()
    };
    let trained = all(&net);
    ema.swap(&mut net);
    for (got, want) in state_dict(&net)["0.weight"].to_vec::<f32>().iter().zip(expected) {
        assert!((got - want).abs() < 1e-6, "{got} {want}");
    }
    for (averaged, trained) in all(&net).iter().zip(&trained) {
        // All but the count of batches.
        assert_eq!(averaged == trained, averaged.0 == "1.num_batches_tracked", "{}", averaged.0);
    }
    ema.swap(&mut net);
    assert_eq!(all(&net), trained);

    let (average, updates) = ema.state();
    let (average, updates) = (average.clone(), updates);
    let mut fresh = Ema::new(&net, 0.9).warmup(true);
    fresh.set_state(average.clone(), updates).unwrap();
    assert_eq!(fresh.next_decay(), ema.next_decay());
    let mut lacking = average;
    lacking.remove("0.bias");
    assert_eq!(fresh.set_state(lacking, 1).unwrap_err().to_string(), "tensors are missing: 0.bias");
}

#[test]
fn penalties_have_the_gradient_of_weight_decay() {
    let (x, target) = images(6, 3);
    let (mut a, mut b) = (net(), net());
    let grads = gradients(&a, &x, &target);
    Sgd::new(0.1).weight_decay(0.3).step(&mut a, &grads);
    let pass = Pass::train(0);
    let loss = CrossEntropyLoss::new().forward(b.forward(x, &pass), &target);
    let parameters = b.named_parameters();
    let penalty = l2_penalty(parameters.iter().map(|(_, p)| *p), &pass) * 0.15;
    let grads = (loss + penalty).backward();
    Sgd::new(0.1).step(&mut b, &grads);
    for (a, b) in values(&a).iter().zip(values(&b)) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
    let net = net();
    let sum: f32 = values(&net).iter().map(|v| v.abs()).sum();
    let penalty = l1_penalty(net.named_parameters().into_iter().map(|(_, p)| p), &pass);
    assert!((penalty.item::<f32>() - sum).abs() < 1e-5);
    let grads = penalty.backward();
    let sign = grads.get(&net.weight).unwrap().to_vec::<f32>();
    assert!(sign.iter().zip(net.weight.value().to_vec::<f32>()).all(|(s, w)| *s == w.signum()));
}

/// Whatever an optimizer keeps is in its state: a fresh one that gets it goes on in the same bits.
#[test]
fn a_restored_state_goes_on_in_the_same_bits() {
    type Make = fn() -> Box<dyn Optimizer>;
    let all: [Make; 6] = [
        || Box::new(Sgd::new(0.1).momentum(0.9)),
        || Box::new(AdamW::new(0.01)),
        || Box::new(RMSprop::new(0.01).centered(true).momentum(0.5)),
        || Box::new(striate_nn::Adagrad::new(0.01).lr_decay(0.1)),
        || Box::new(NAdam::new(0.01)),
        || Box::new(Lamb::new(0.01).weight_decay(0.1)),
    ];
    let (x, target) = images(6, 4);
    for make in all {
        let mut results = Vec::new();
        for restored in [false, true] {
            let (mut net, mut optimizer) = (net(), make());
            for step in 0..6 {
                if restored && step == 3 {
                    let state = optimizer.state().clone();
                    optimizer = make();
                    optimizer.set_state(state);
                }
                let grads = gradients(&net, &x, &target);
                optimizer.step(&mut net, &grads);
            }
            results.push(values(&net));
        }
        assert_eq!(results[0], results[1]);
    }
}
