//! Whole networks: the first step with its loss and every gradient, and three steps of Adam.

use super::fixtures::{Case, Tolerance, for_each_case};
use striate::prelude::*;
use striate::set_num_threads;
use striate::zoo::{LeNet, MnistNet};

/// Numbers from −1 to 1 as in `scripts/fixture_nets.py`, which has the formula in words.
pub(crate) fn hashed(stream: u32, shape: &[usize]) -> Vec<f32> {
    let number = |i: u32| {
        let mut x = i.wrapping_mul(0x9E37_79B1).wrapping_add(stream.wrapping_mul(0x85EB_CA6B));
        x ^= x >> 16;
        x = x.wrapping_mul(0x21F0_AAAD);
        x ^= x >> 15;
        x = x.wrapping_mul(0x735A_2D97);
        x ^= x >> 15;
        (x >> 8) as f32 / (1u32 << 23) as f32 - 1.0
    };
    (0..shape.iter().product::<usize>() as u32).map(number).collect()
}

/// Gives the n-th parameter stream n, times 1/√fan_in.
fn fill(net: &mut dyn Module) {
    let mut fan_in = 0;
    for (n, (_, parameter)) in (1..).zip(net.named_parameters_mut()) {
        let shape = parameter.value().shape().to_vec();
        if shape.len() > 1 {
            fan_in = shape[1..].iter().product();
        }
        let scale = (1.0 / (fan_in as f64).sqrt()) as f32;
        let values = hashed(n, &shape).into_iter().map(|v| v * scale).collect();
        parameter.set(Tensor::from_vec(values, shape));
    }
}

/// The tutorial's network without its dropout, which would draw other random numbers than PyTorch.
#[derive(Module)]
struct WithoutDropout {
    conv1: Conv2d,
    conv2: Conv2d,
    fc1: Linear,
    fc2: Linear,
}

impl WithoutDropout {
    fn new(rng: &mut Generator) -> Self {
        WithoutDropout {
            conv1: Conv2d::new(1, 32, 3, rng),
            conv2: Conv2d::new(32, 64, 3, rng),
            fc1: Linear::new(9216, 128, rng),
            fc2: Linear::new(128, 10, rng),
        }
    }
}

impl Forward for WithoutDropout {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let x = self.conv1.forward(x, pass).relu();
        let x = self.conv2.forward(x, pass).relu().max_pool2d(2);
        let x = self.fc1.forward(x.flatten(1, -1), pass).relu();
        self.fc2.forward(x, pass)
    }
}

fn named(name: &str) -> Box<dyn Forward> {
    let rng = &mut Generator::new(0);
    let mut net: Box<dyn Forward> = match name {
        "lenet" => Box::new(LeNet::new(10, rng)),
        "mnist-net" => Box::new(WithoutDropout::new(rng)),
        other => panic!("no such network: {other}"),
    };
    fill(&mut net);
    net
}

/// The fixture's name for a tensor and what to compare with it: the whole, or a sample of a large one.
pub(crate) fn stored(case: &Case, name: &str, got: &Tensor) -> (String, Tensor) {
    if case.find(name).is_some() {
        return (name.to_string(), got.clone());
    }
    let prefix = format!("{name}.sample");
    let key = case.tensor_names().find(|k| k.starts_with(&prefix)).unwrap_or_else(|| panic!("no tensor {name}"));
    let stride: usize = key[prefix.len()..].parse().expect("a stride");
    let sample: Vec<f32> = got.to_vec::<f32>().into_iter().step_by(stride).collect();
    (key.to_string(), Tensor::from_slice(&sample, [sample.len()]))
}

/// Compares the sum and the sum of squares of a tensor that the fixture has only a sample of.
pub(crate) fn compare_sums(case: &Case, name: &str, got: &Tensor, fraction: f64) -> Result<(), String> {
    let Some(sums) = case.find(&format!("{name}.sums")) else { return Ok(()) };
    let [sum, squares] = sums.to_vec::<f32>()[..] else { panic!("two sums") };
    let values = got.to_vec::<f32>();
    let (own_sum, own_squares) =
        values.iter().fold((0.0, 0.0), |(s, q), &v| (s + f64::from(v), q + f64::from(v).powi(2)));
    let root = f64::from(squares).sqrt();
    let near = (own_sum - f64::from(sum)).abs() <= fraction * root * (values.len() as f64).sqrt()
        && (own_squares.sqrt() - root).abs() <= fraction * root;
    if near { Ok(()) } else { Err(format!("{name}: sums {own_sum}, {own_squares}; PyTorch {sum}, {squares}")) }
}

/// Adam divides a gradient by its own size, so where that is near zero a rounding error becomes a part of a step. Hence no
/// weight may be off by more than a tenth of the learning rate, and all together by far less.
fn compare_after_adam(case: &Case, name: &str, got: &Tensor, lr: f64) -> Result<(), String> {
    let (key, got_part) = stored(case, name, got);
    let pairs = got_part.to_vec::<f32>().into_iter().zip(case.tensor(&key).to_vec::<f32>());
    let off: Vec<f64> = pairs.map(|(g, w)| f64::from((g - w).abs())).collect();
    let root_mean_square = (off.iter().map(|d| d * d).sum::<f64>() / off.len() as f64).sqrt();
    let worst = off.iter().copied().fold(0.0, f64::max);
    let near = worst <= lr / 10.0 && root_mean_square <= lr / 100.0;
    if !near {
        return Err(format!("{}: {key}: off by {root_mean_square:.2e}, at worst {worst:.2e}", case.name));
    }
    compare_sums(case, name, got, 1e-4)
}

fn step(net: &dyn Forward, images: &Tensor, target: &Tensor, step: u64) -> (Tensor, Tensor) {
    let logits = net.forward(images.clone(), &Pass::train(step));
    let loss = CrossEntropyLoss::new().forward(logits.clone(), target);
    (logits, loss)
}

#[test]
fn networks() {
    for_each_case("nets", |case| {
        let mut net = named(&case.name);
        let shape = case.sizes("input");
        let images = Tensor::from_vec(hashed(0, &shape), shape);
        let target = case.tensor("target");
        let mut optimizer = Adam::new(1e-3);
        let mut losses = Vec::new();
        for n in 0..3 {
            let (logits, loss) = step(&net, &images, &target, n);
            losses.push(loss.detach());
            let grads = loss.backward();
            if n == 0 {
                case.compare("logits", &logits, Tolerance::of_largest(1e-5))?;
                for (name, p) in net.named_parameters() {
                    let grad = grads.get(p).ok_or_else(|| format!("no gradient of {name}"))?;
                    let (key, part) = stored(case, &format!("grad.{name}"), &grad);
                    case.compare(&key, &part, Tolerance::of_largest(2e-5))?;
                    compare_sums(case, &format!("grad.{name}"), &grad, 2e-5)?;
                }
            }
            optimizer.step(&mut net, &grads);
        }
        case.compare("losses", &Tensor::stack(&losses, 0), Tolerance { relative: 1e-5, of_largest: 0.0 })?;
        for (name, p) in net.named_parameters() {
            compare_after_adam(case, &format!("after.{name}"), p.value(), optimizer.lr())?;
        }
        Ok(())
    });
}

#[test]
fn the_zoo_has_the_same_network() {
    let rng = &mut Generator::new(0);
    let mut net = MnistNet::new(10, rng);
    fill(&mut net);
    let images = Tensor::from_vec(hashed(0, &[3, 1, 28, 28]), [3, 1, 28, 28]);
    let logits = |net: &dyn Forward| net.forward(images.clone(), &Pass::eval()).to_vec::<f32>();
    assert_eq!(logits(&net), logits(&named("mnist-net")));
}

/// The same bits on any number of threads: work is split by the problem's size alone.
#[test]
fn a_step_has_the_same_bits_on_any_number_of_threads() {
    let images = Tensor::from_vec(hashed(0, &[17, 1, 28, 28]), [17, 1, 28, 28]);
    let target = Tensor::from_vec((0..17).map(|i| i % 10).collect::<Vec<i64>>(), [17]);
    let bits = |threads: usize| -> Vec<Vec<u32>> {
        set_num_threads(threads);
        let mut net = MnistNet::new(10, &mut Generator::new(3));
        let (_, loss) = step(&net, &images, &target, 0);
        let grads = loss.backward();
        Adam::new(1e-3).step(&mut net, &grads);
        net.named_parameters()
            .iter()
            .map(|(_, p)| p.value().to_vec::<f32>().iter().map(|v| v.to_bits()).collect())
            .collect()
    };
    let one = bits(1);
    for threads in [2, 3, 7] {
        assert!(bits(threads) == one, "{threads} threads give other bits than one");
    }
}
