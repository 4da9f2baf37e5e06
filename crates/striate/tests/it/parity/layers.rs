//! Layers: 1-D and transposed convolution, pooling, padding, resizing, and layers made of layers.

use super::fixtures::{Case, Inputs, Tolerance, for_each_case};
use striate::nn::Entry;
use striate::prelude::*;

fn size(case: &Case, arg: &str, default: usize) -> usize {
    if case.has(arg) { case.int(arg) as usize } else { default }
}

/// The only number of a list of one, or the default.
fn single(case: &Case, arg: &str, default: usize) -> usize {
    if case.has(arg) { case.sizes(arg)[0] } else { default }
}

fn conv1d(case: &Case) -> Conv1d {
    let [o, per_group, k] = *case.tensor("weight").shape() else { panic!("{}: a weight of rank 3", case.name) };
    let groups = size(case, "groups", 1);
    let builder = Conv1d::options(per_group * groups, o, k)
        .stride(single(case, "stride", 1))
        .dilation(single(case, "dilation", 1))
        .groups(groups)
        .padding_mode(case.text("padding_mode").unwrap_or("zeros"));
    let builder = match case.text("padding") {
        Some(name) => builder.padding(name),
        None => builder.padding(single(case, "padding", 0)),
    };
    builder.build(&mut Generator::new(0))
}

fn pool1d(case: &Case) -> Pool1dOptions {
    let mut o = Pool1dOptions::new(size(case, "kernel_size", 0));
    o.stride = size(case, "stride", o.kernel_size);
    o.padding = size(case, "padding", 0);
    o.dilation = size(case, "dilation", 1);
    o.ceil_mode = case.flag("ceil_mode", false);
    o.count_include_pad = case.flag("count_include_pad", true);
    o
}

/// A convolution with padding other than zeros: the layer's settings, applied to the case's tensors.
fn padded_conv(case: &Case, t: &Inputs) -> Tensor {
    let (weight, bias) = (t.get("weight"), t.find("bias"));
    if weight.rank() == 3 {
        let layer = conv1d(case);
        let o = Conv1dOptions { padding: [0; 2], ..layer.options };
        return t.x().pad_mode(&[layer.options.padding], layer.padding_mode).conv1d(&weight, bias.as_ref(), &o);
    }
    let [o, per_group, kh, kw] = *weight.shape() else { panic!("{}: a weight of rank 4", case.name) };
    let groups = size(case, "groups", 1);
    let builder = Conv2d::options(per_group * groups, o, [kh, kw])
        .stride(case.pair("stride", [1; 2]))
        .groups(groups)
        .padding_mode(case.text("padding_mode").expect("a mode"));
    let builder = match case.text("padding") {
        Some(name) => builder.padding(name),
        None => builder.padding(case.pair("padding", [0; 2])),
    };
    let mut layer = builder.build(&mut Generator::new(0));
    layer.weight.set(weight.clone());
    layer.bias = bias.clone().map(Parameter::new);
    let [height, width] = layer.options.padding;
    let options = Conv2dOptions { padding: [[0; 2]; 2], ..layer.options };
    let y = t.x().pad_mode(&[width, height], layer.padding_mode).conv2d(&weight, bias.as_ref(), &options);
    // What the layer itself does is the same to the bit.
    assert_eq!(layer.forward(t.x(), &Pass::eval()).to_vec::<f32>(), y.to_vec::<f32>(), "{}", case.name);
    y
}

#[test]
fn one_dimensional() {
    for_each_case("conv1d", |case| {
        let tolerance = Tolerance::of_largest(2e-6);
        match case.op.as_str() {
            "conv1d" => {
                let options = conv1d(case).options;
                case.check(tolerance, |t| t.x().conv1d(&t.get("weight"), t.find("bias").as_ref(), &options))
            }
            "conv1d_padding_mode" | "conv2d_padding_mode" => case.check(tolerance, |t| padded_conv(case, t)),
            "max_pool1d" => case.check_both(Tolerance::EXACT, Tolerance::SUM, |t| t.x().max_pool1d(pool1d(case))),
            "avg_pool1d" => case.check(Tolerance::SUM, |t| t.x().avg_pool1d(pool1d(case))),
            other => panic!("no such op: {other}"),
        }
    });
}

#[test]
fn conv_transpose() {
    for_each_case("conv_transpose", |case| {
        assert_eq!(case.op, "conv_transpose1d");
        let options = ConvTranspose1dOptions {
            stride: single(case, "stride", 1),
            padding: single(case, "padding", 0),
            output_padding: single(case, "output_padding", 0),
            dilation: single(case, "dilation", 1),
            groups: size(case, "groups", 1),
        };
        let call = |t: &Inputs| t.x().conv_transpose1d(&t.get("weight"), t.find("bias").as_ref(), &options);
        case.check(Tolerance::of_largest(2e-6), call)
    });
}

#[test]
fn adaptive_pool() {
    for_each_case("adaptive_pool", |case| {
        assert_eq!(case.op, "adaptive_max_pool1d");
        let out = size(case, "output_size", 0);
        case.check_both(Tolerance::EXACT, Tolerance::SUM, |t| t.x().adaptive_max_pool1d(out))
    });
}

#[test]
fn resize() {
    for_each_case("resize", |case| match case.op.as_str() {
        "pixel_shuffle" => case.check(Tolerance::EXACT, |t| t.x().pixel_shuffle(size(case, "factor", 0))),
        "pixel_unshuffle" => case.check(Tolerance::EXACT, |t| t.x().pixel_unshuffle(size(case, "factor", 0))),
        other => panic!("no such op: {other}"),
    });
}

/// Names, with shapes.
fn state(layer: &dyn Module) -> Vec<(String, Vec<usize>)> {
    let mut all = Vec::new();
    layer.visit("", &mut |name, entry| {
        let value = match entry {
            Entry::Parameter(p) => p.value().clone(),
            Entry::Buffer(b) => b.value(),
            Entry::Layer(_) => return,
        };
        all.push((name.to_string(), value.shape().to_vec()));
    });
    all
}

fn check_state(case: &Case) -> Result<(), String> {
    let rng = &mut Generator::new(0);
    let layer: Box<dyn Module> = match case.name.as_str() {
        "Conv1d" => Box::new(Conv1d::options(4, 6, 3).groups(2).build(rng)),
        "ConvTranspose1d" => Box::new(ConvTranspose1d::options(4, 6, 3).groups(2).build(rng)),
        "ConvTranspose2d" => Box::new(ConvTranspose2d::options(4, 6, [3, 2]).groups(2).build(rng)),
        "ConvTranspose2d_no_bias" => Box::new(ConvTranspose2d::options(4, 6, 3).bias(false).build(rng)),
        "BatchNorm1d" => Box::new(BatchNorm1d::new(5)),
        "GroupNorm" => Box::new(GroupNorm::new(2, 6)),
        "LayerNorm" => Box::new(LayerNorm::new([3, 4])),
        "InstanceNorm2d" => Box::new(InstanceNorm2d::new(5)),
        "InstanceNorm2d_tracked" => Box::new(InstanceNorm2d::new(5).affine().track_running_stats()),
        "Embedding" => Box::new(Embedding::new(7, 3, rng)),
        "PReLU" => Box::new(PReLU::new(4)),
        "SqueezeExcitation" => Box::new(SqueezeExcitation::new(8, 2, rng)),
        other => panic!("no such layer: {other}"),
    };
    let (got, want) = (state(&*layer), case.state());
    if got == want { Ok(()) } else { Err(format!("{}: {got:?}, PyTorch has {want:?}", case.name)) }
}

/// As [`SqueezeExcitation`]'s forward, with the case's tensors as weights.
fn squeeze_excitation(t: &Inputs, between: fn(Tensor) -> Tensor, after: fn(Tensor) -> Tensor) -> Tensor {
    let o = Conv2dOptions::default();
    let fc = |x: Tensor, n: &str| x.conv2d(&t.get(&format!("{n}.weight")), Some(&t.get(&format!("{n}.bias"))), &o);
    let scale = after(fc(between(fc(t.x().adaptive_avg_pool2d([1, 1]), "fc1")), "fc2"));
    t.x() * scale
}

fn squeeze_excitation_layer(case: &Case) -> SqueezeExcitation {
    let rng = &mut Generator::new(0);
    let layer = SqueezeExcitation::new(case.tensor("input").shape()[1], 3, rng);
    let mut layer = match case.op.as_str() {
        "squeeze_excitation_silu_sigmoid" => layer.activations(SiLU, Sigmoid),
        "squeeze_excitation_relu_hardsigmoid" => layer.activations(ReLU, Hardsigmoid),
        _ => layer,
    };
    let names: Vec<String> = state_dict(&layer).into_keys().collect();
    let weights: StateDict = names.into_iter().map(|n| (n.clone(), case.tensor(&n))).collect();
    load_state_dict(&mut layer, &weights).expect("the case has the layer's weights");
    layer
}

#[test]
fn modules() {
    for_each_case("modules", |case| match case.op.as_str() {
        "state_dict" => check_state(case),
        "embedding" => {
            let padding = case.has("padding_idx").then(|| case.int("padding_idx") as usize);
            case.check_both(Tolerance::EXACT, Tolerance::SUM, |t| t.x().embedding(&t.get("weight"), padding))
        }
        op => {
            let tolerance = Tolerance::of_largest(3e-6);
            let layer = squeeze_excitation_layer(case);
            case.compare("output", &layer.forward(case.tensor("input"), &Pass::eval()), tolerance)?;
            case.check(tolerance, |t| match op {
                "squeeze_excitation_relu_sigmoid" => squeeze_excitation(t, Tensor::relu, Tensor::sigmoid),
                "squeeze_excitation_silu_sigmoid" => squeeze_excitation(t, Tensor::silu, Tensor::sigmoid),
                "squeeze_excitation_relu_hardsigmoid" => squeeze_excitation(t, Tensor::relu, Tensor::hardsigmoid),
                other => panic!("no such op: {other}"),
            })
        }
    });
}
