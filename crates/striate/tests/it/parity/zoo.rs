//! Ready networks against torchvision: names and sizes, multiply-adds, logits and input gradients.

use super::fixtures::{Case, Tolerance, for_each_case};
use super::nets::{compare_sums, hashed, stored};
use serde_json::Value;
use striate::Op;
use striate::graph::capture;
use striate::isa::{Isa, isa};
use striate::nn::{Entry, EntryMut};
use striate::prelude::*;
use striate::zoo::*;

const CLASSES: usize = 10;

/// The network of a case, with torchvision's constructor arguments. Where logits are compared dropout is off: the random numbers would be
/// others than PyTorch's.
fn build(case: &Case) -> Box<dyn Forward> {
    let rng = &mut Generator::new(0);
    macro_rules! network {
        ($options:ident::$preset:ident $(, $field:ident: $value:expr)*) => {
            Box::new($options { $($field: $value,)* ..$options::$preset() }.build(CLASSES, rng))
        };
    }
    match case.name.as_str() {
        "resnet50-dilated" => network!(ResNetOptions::resnet50, replace_stride_with_dilation: [false, true, true]),
        "mobilenet-v2" => network!(MobileNetV2Options::default, dropout: 0.0),
        "mobilenet-v2-0.35" => network!(MobileNetV2Options::default, dropout: 0.0, width_mult: 0.35),
        "mobilenet-v3-small" => network!(MobileNetV3Options::small, dropout: 0.0),
        "mobilenet-v3-large" => network!(MobileNetV3Options::large, dropout: 0.0),
        "mobilenet-v3-small-tail" => {
            network!(MobileNetV3Options::small, dropout: 0.0, width_mult: 0.75, reduced_tail: true, dilated: true)
        }
        "mobilenet-v3-large-tail" => {
            network!(MobileNetV3Options::large, dropout: 0.0, width_mult: 0.75, reduced_tail: true, dilated: true)
        }
        "efficientnet-b0" => network!(EfficientNetOptions::b0, dropout: 0.0, stochastic_depth_prob: 0.0),
        "efficientnet-b2" => network!(EfficientNetOptions::b2, dropout: 0.0, stochastic_depth_prob: 0.0),
        "efficientnet-lite0" => network!(EfficientNetLiteOptions::lite0, dropout: 0.0, stochastic_depth_prob: 0.0),
        "efficientnet-lite2" => network!(EfficientNetLiteOptions::lite2, dropout: 0.0, stochastic_depth_prob: 0.0),
        "mnasnet0-5" => network!(MnasNetOptions::mnasnet0_5, dropout: 0.0),
        "mnasnet1-0" => network!(MnasNetOptions::mnasnet1_0, dropout: 0.0),
        "convnext-tiny" => network!(ConvNeXtOptions::tiny, stochastic_depth_prob: 0.0),
        "googlenet-aux" => {
            let (dropout, dropout_aux, transform_input) = (0.0, 0.0, true);
            let options = GoogLeNetOptions { dropout, dropout_aux, transform_input, ..Default::default() };
            Box::new(AllHeads(options.build(CLASSES, rng)))
        }
        "inception-v3" => network!(InceptionV3Options::plain, dropout: 0.0),
        "inception-v3-aux" => network!(InceptionV3Options::default, dropout: 0.0, transform_input: true),
        "squeezenet1-0" => network!(SqueezeNetOptions::squeezenet1_0, dropout: 0.0),
        "squeezenet1-1" => network!(SqueezeNetOptions::squeezenet1_1, dropout: 0.0),
        "alexnet" => network!(AlexNetOptions::default, dropout: 0.0),
        "vgg11-bn" => network!(VggOptions::vgg11_bn, dropout: 0.0),
        name => find(name).unwrap_or_else(|| panic!("there is no network {name}")).build(CLASSES, rng),
    }
}

/// In training, the logits of all heads, joined.
struct AllHeads(GoogLeNet);

impl Module for AllHeads {
    fn visit<'a>(&'a self, prefix: &str, f: &mut dyn FnMut(&str, Entry<'a>)) {
        self.0.visit(prefix, f);
    }
    fn visit_mut<'a>(&'a mut self, prefix: &str, f: &mut dyn FnMut(&str, EntryMut<'a>)) {
        self.0.visit_mut(prefix, f);
    }
}

impl Forward for AllHeads {
    fn forward(&self, x: Tensor, pass: &Pass) -> Tensor {
        let (logits, aux) = self.0.forward_with_aux(x, pass);
        Tensor::cat(&[logits].into_iter().chain(aux.into_iter().flatten()).collect::<Vec<_>>(), 1)
    }
}

/// The weights of `scripts/fixture_zoo.py`, which has the formulas in words.
pub(super) fn fill(net: &mut dyn Module) {
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
pub(super) fn check_sizes(case: &Case, net: &dyn Forward) -> Result<(), String> {
    let mut state = Vec::new();
    net.visit("", &mut |name, entry| {
        let shape = match entry {
            Entry::Parameter(p) => p.value().shape().to_vec(),
            Entry::Buffer(b) => b.value().shape().to_vec(),
            Entry::Layer(_) => return,
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
    let graph = capture(net, &[1, 3, 224, 224]);
    let counted = graph.nodes.iter().filter(|node| matches!(node.op, Op::Conv2d { .. } | Op::Linear));
    let macs: u64 = counted.map(|node| graph.macs(node)).sum();
    let counts = (net.num_parameters() as isize, macs as isize);
    let want = (case.int("parameters"), case.int("multiply_adds"));
    if counts == want {
        Ok(())
    } else {
        Err(format!("{}: {counts:?} parameters and multiply-adds, torchvision {want:?}", case.name))
    }
}

/// The spread of each parameter's initial values, to what chance allows, or the one value that it has everywhere.
pub(super) fn check_initial_values(case: &Case, net: &dyn Forward) -> Result<(), String> {
    for ((name, p), want) in net.named_parameters().into_iter().zip(case.list("initial")) {
        let values = p.value().to_vec::<f32>();
        let same = values.iter().all(|v| *v == values[0]);
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let spread = (values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt();
        // Standard errors of two normal samples are 1/√n together; both numbers are rounded.
        let (near, got) = match want.as_f64() {
            Some(want) => (!same && (spread / want - 1.0).abs() < 5.0 / n.sqrt() + 0.01, spread),
            None => (same && is_rounded(want, values[0]), f64::from(values[0])),
        };
        if !near {
            return Err(format!("{}: {name} starts with {got}, in torchvision with {want}", case.name));
        }
    }
    Ok(())
}

/// Whether a text is a number with three digits of it.
fn is_rounded(text: &Value, value: f32) -> bool {
    let number: Option<f64> = text.as_str().and_then(|text| text.parse().ok());
    number.is_some_and(|number| (number - f64::from(value)).abs() <= 0.005 * number.abs())
}

/// The net's logits, and the gradient of its input if the logits' is stream 0x10000, in `f32`.
pub(super) fn run(net: &dyn Forward, input: &Tensor, pass: &Pass) -> (Tensor, Tensor) {
    let x = input.clone().requires_grad();
    let logits = net.forward(x.clone(), pass);
    let weight = Tensor::from_vec(hashed(0x10000, logits.shape()), logits.shape()).to_dtype(x.dtype());
    let grad = logits.clone().backward_with(weight).get(&x).expect("the input is a leaf");
    (logits.to_dtype(DType::F32), grad.to_dtype(DType::F32))
}

/// The sums of all running means and of all running variances.
pub(super) fn running_sums(net: &dyn Forward) -> [f32; 2] {
    let mut sums = [0.0; 2];
    net.visit("", &mut |name, entry| {
        let Entry::Buffer(buffer) = entry else { return };
        for (sum, end) in sums.iter_mut().zip(["running_mean", "running_var"]) {
            if name.ends_with(end) {
                *sum += buffer.value().to_vec::<f64>().into_iter().sum::<f64>();
            }
        }
    });
    sums.map(|sum| sum as f32)
}

/// How far `got` is from PyTorch's, as a fraction of its length.
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
        let sizes_only = case.find("eval.logits").is_none();
        if !small && !last_rung {
            return Ok(());
        }
        let mut net = build(case);
        check_sizes(case, &*net)?;
        check_initial_values(case, &*net)?;
        if sizes_only {
            return Ok(());
        }
        fill(&mut net);
        let shape = case.sizes("input");
        let input = Tensor::from_vec(hashed(0, &shape), shape);
        let (eval, train) = (Pass::eval(), Pass::train(0));
        let logits = net.forward(input.clone(), &eval);
        case.compare("eval.logits", &logits, Tolerance::of_largest(1e-4))?;
        if small {
            let (logits, grad) = run(&*net, &input, &train);
            let (key, sample) = stored(case, "train.grad", &grad);
            let off = [distance(case, "train.logits", &logits), distance(case, &key, &sample)];
            if off.iter().any(|&d| d.is_nan() || d > 0.1) {
                return Err(format!("{}: logits and gradient are off by {off:?} of their length", case.name));
            }
        }
        if !last_rung || case.find("train.logits").is_none() {
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
        let sums = running_sums(&*net);
        case.compare("train.running", &Tensor::from_slice(&sums, [sums.len()]), Tolerance::of_largest(1e-6))
    });
}

pub(super) fn in_f64(net: &mut dyn Module) {
    let wide = |t: &Tensor| if t.dtype().is_float() { t.clone().to_dtype(DType::F64) } else { t.clone() };
    net.visit_mut("", &mut |_, entry| match entry {
        EntryMut::Parameter(p) => p.set(wide(&p.value().clone())),
        EntryMut::Buffer(b) => b.set(wide(&b.value())),
    });
}
