//! Ready networks against torchvision: names and sizes, multiply-adds, logits and input gradients.

use crate::fixtures::{Case, Tolerance, for_each_case};
use crate::nets::{compare_sums, hashed, stored};
use striate::graph::capture;
use striate::isa::{Isa, isa};
use striate::prelude::*;
use striate::zoo::{MobileNetV2Options, ResNetOptions, find};

const CLASSES: usize = 10;

/// The network of a case, with torchvision's constructor arguments.
fn build(case: &Case) -> Box<dyn Forward> {
    let rng = &mut Generator::new(0);
    match case.name.as_str() {
        "resnet50-dilated" => Box::new(
            ResNetOptions { replace_stride_with_dilation: [false, true, true], ..ResNetOptions::resnet50() }
                .build(CLASSES, rng),
        ),
        // Dropout draws other random numbers than PyTorch.
        name if name.starts_with("mobilenet-v2") => {
            let (dropout, width_mult) = (0.0, case.float("width_mult").unwrap_or(1.0));
            Box::new(MobileNetV2Options { dropout, width_mult, ..Default::default() }.build(CLASSES, rng))
        }
        name => find(name).unwrap_or_else(|| panic!("there is no network {name}")).build(CLASSES, rng),
    }
}

/// The weights of `scripts/fixture_zoo.py`, which has the formulas in words.
fn fill(net: &mut dyn Module) {
    let mut n = 0;
    let mut value = |name: &str, old: &Tensor| {
        n += 1;
        if old.dtype() != DType::F32 {
            return old.clone();
        }
        let shape = old.shape();
        let spread = |fan_in: usize| (6.0 / fan_in as f64).sqrt() as f32;
        let place: Box<dyn Fn(f32) -> f32> = match shape {
            [_, rest @ ..] if !rest.is_empty() => {
                let scale = spread(rest.iter().product());
                Box::new(move |h| h * scale)
            }
            _ if name.ends_with("running_var") => Box::new(|h| 1.0 + h / 2.0),
            _ if name.ends_with("weight") => Box::new(|h| 1.0 + h / 4.0),
            _ => Box::new(|h| h / 8.0),
        };
        Tensor::from_vec(hashed(n, shape).into_iter().map(place).collect(), shape)
    };
    net.visit_mut("", &mut |name, entry| match entry {
        EntryMut::Parameter(p) => p.set(value(name, &p.value().clone())),
        EntryMut::Buffer(b) => b.set(value(name, &b.value())),
    });
}

/// FNV-1a, 64 bits, of lines that each end in a newline.
fn checksum(lines: impl Iterator<Item = String>) -> String {
    let bytes = lines.flat_map(|line| (line + "\n").into_bytes());
    let value = bytes.fold(0xcbf2_9ce4_8422_2325u64, |v, b| (v ^ u64::from(b)).wrapping_mul(0x100_0000_01b3));
    format!("{value:016x}")
}

/// Names and shapes of the whole state in the network's order, the number of parameters, and the cost of an image of 224×224.
fn check_sizes(case: &Case, net: &dyn Forward) -> Result<(), String> {
    let mut state = Vec::new();
    net.visit("", &mut |name, entry| {
        let shape = match entry {
            Entry::Parameter(p) => p.value().shape().to_vec(),
            Entry::Buffer(b) => b.value().shape().to_vec(),
        };
        state.push((name.to_string(), shape));
    });
    if case.has("state") {
        let want = case.state();
        if let Some((own, theirs)) = state.iter().zip(&want).find(|(a, b)| a != b) {
            return Err(format!("{}: has {own:?} where torchvision has {theirs:?}", case.name));
        }
    }
    let sum = checksum(state.iter().map(|(name, shape)| format!("{name} {shape:?}")));
    if Some(sum.as_str()) != case.text("checksum") {
        return Err(format!("{}: the names or shapes of the state differ from torchvision's", case.name));
    }
    let macs: u64 = capture(net, &[1, 3, 224, 224])
        .nodes
        .iter()
        .filter(|node| matches!(node.op, "conv2d" | "linear"))
        .map(|node| node.macs)
        .sum();
    let counts = (net.num_parameters() as isize, macs as isize);
    let want = (case.int("parameters"), case.int("multiply_adds"));
    if counts == want {
        Ok(())
    } else {
        Err(format!("{}: {counts:?} parameters and multiply-adds, torchvision {want:?}", case.name))
    }
}

/// The net's logits, and the gradient of its input if the logits' is stream 0x10000, in `f32`.
fn run(net: &dyn Forward, input: &Tensor, pass: &Pass) -> (Tensor, Tensor) {
    let x = input.clone().requires_grad();
    let logits = net.forward(x.clone(), pass);
    let weight = Tensor::from_vec(hashed(0x10000, logits.shape()), logits.shape()).to_dtype(x.dtype());
    let grad = logits.clone().backward_with(weight).get(&x).expect("the input is a leaf");
    (logits.to_dtype(DType::F32), grad.to_dtype(DType::F32))
}

/// How far `got` is from PyTorch's, as a share of its length.
fn distance(case: &Case, name: &str, got: &Tensor) -> f64 {
    let pairs = || got.to_vec::<f32>().into_iter().zip(case.tensor(name).to_vec::<f32>());
    let square = |x: f32| f64::from(x) * f64::from(x);
    let (off, length) = pairs().fold((0.0, 0.0), |(o, l), (g, w)| (o + square(g - w), l + square(w)));
    (off / length).sqrt()
}

/// In `f64` both must be PyTorch's to `f32`'s precision. In `f32` the logits must be near in evaluation; in training few samples to a
/// channel make errors larger, and the gradient jumps where an error moves one of a million activations across 0, so that only small
/// networks are compared, and roughly.
#[test]
fn ready_networks() {
    for_each_case("zoo", |case| {
        let (small, last_rung) = (case.has("state"), Some(&isa()) == Isa::available().last());
        if !small && !last_rung {
            return Ok(());
        }
        let mut net = build(case);
        check_sizes(case, &*net)?;
        fill(&mut net);
        let shape = case.sizes("input");
        let input = Tensor::from_vec(hashed(0, &shape), shape);
        let (eval, train) = (Pass::eval(), Pass::train(0, 0));
        let (logits, _) = run(&*net, &input, &eval);
        case.compare("eval.logits", &logits, Tolerance::of_largest(1e-4))?;
        if small {
            let (logits, grad) = run(&*net, &input, &train);
            let (key, sample) = stored(case, "train.grad", &grad);
            let off = [distance(case, "train.logits", &logits), distance(case, &key, &sample)];
            if off.iter().any(|&d| d.is_nan() || d > 0.1) {
                return Err(format!("{}: logits and gradient are off by {off:?} of their length", case.name));
            }
        }
        if !last_rung {
            return Ok(());
        }
        fill(&mut net);
        in_f64(&mut net);
        let input = input.to_dtype(DType::F64);
        for (mode, pass) in [("eval", eval), ("train", train)] {
            let (logits, grad) = run(&*net, &input, &pass);
            case.compare(&format!("{mode}.logits"), &logits, Tolerance::of_largest(1e-6))?;
            let name = format!("{mode}.grad");
            let (key, sample) = stored(case, &name, &grad);
            case.compare(&key, &sample, Tolerance::of_largest(1e-6))?;
            compare_sums(case, &name, &grad, 1e-6)?;
        }
        Ok(())
    });
}

fn in_f64(net: &mut dyn Module) {
    let wide = |t: &Tensor| if t.dtype().is_float() { t.clone().to_dtype(DType::F64) } else { t.clone() };
    net.visit_mut("", &mut |_, entry| match entry {
        EntryMut::Parameter(p) => p.set(wide(&p.value().clone())),
        EntryMut::Buffer(b) => b.set(wide(&b.value())),
    });
}
