//! Times training steps and inference, and prints a JSON line: Striate's side of `bench/vs-pytorch` and its neighbours.
//!
//! `step_time --net resnet18 --input 3x32x32 --batch 64 --threads 2 --warmup 3 --steps 10 --what train,infer`

#[path = "unet/net.rs"]
mod unet;

use serde_json::json;
use std::collections::HashMap;
use std::time::Instant;
use striate::graph::{Executable, capture};
use striate::prelude::*;
use striate::tensor::trim_memory;
use striate::{ComputeSettings, Precision, isa, num_threads, set_num_threads, zoo};

/// What each of `times` calls of `f` takes in milliseconds, after `warmup` others.
fn milliseconds(warmup: usize, times: usize, mut f: impl FnMut()) -> Vec<f64> {
    (0..warmup).for_each(|_| f());
    let time = |_| {
        let start = Instant::now();
        f();
        start.elapsed().as_secs_f64() * 1e3
    };
    (0..times).map(time).collect()
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let options: HashMap<&str, &str> = arguments.as_chunks::<2>().0.iter().map(|[k, v]| (&k[..], &v[..])).collect();
    let number = |key: &str, default: usize| {
        options.get(key).map_or(default, |v| v.parse().unwrap_or_else(|_| panic!("{key} takes a number, got {v}")))
    };
    let name = *options.get("--net").unwrap_or(&"mnist-net");
    let (batch, warmup, steps) = (number("--batch", 100), number("--warmup", 3), number("--steps", 10));
    let what = *options.get("--what").unwrap_or(&"train,infer");
    set_num_threads(number("--threads", num_threads()));
    let precision: Precision =
        options.get("--precision").map_or(Ok(Precision::F32), |v| v.parse()).expect("--precision");
    ComputeSettings { precision, ..ComputeSettings::current() }.set();
    let sizes = |text: &&str| -> Vec<usize> { text.split('x').map(|n| n.parse().expect("a size")).collect() };
    let [c, h, w] = options.get("--input").map_or(vec![1, 28, 28], sizes).try_into().expect("--input takes CxHxW");

    let rng = &mut Generator::new(0);
    let mut net: Box<dyn Forward> = match name {
        "unet" => Box::new(unet::UNet::new(c, 10, rng)),
        _ => zoo::find(name).unwrap_or_else(|| panic!("there is no network {name}")).build_for([c, h, w], 10, rng),
    };
    let images = Tensor::randn([batch, c, h, w], DType::F32, rng);
    let label_shape = if name == "unet" { vec![batch, h, w] } else { vec![batch] };
    let count = label_shape.iter().product::<usize>() as i64;
    let labels = Tensor::from_vec((0..count).map(|i| i * 7 % 10).collect(), label_shape);
    let (criterion, mut optimizer) = (CrossEntropyLoss::new(), Adam::new(1e-3));
    let mut passes = Passes::new(&net, 0);

    let mut train = || {
        let logits = net.forward(images.clone(), &passes.train());
        optimizer.step(&mut net, &criterion.forward(logits, &labels).backward());
    };
    let train_ms = if what.contains("train") { milliseconds(warmup, steps, &mut train) } else { Vec::new() };
    let infer_ms = if what.contains("infer") {
        let graph = capture(&*net, images.shape());
        // As in use: the network that the graph comes from is not needed any more.
        drop((net, passes));
        let network = Executable::new(graph);
        trim_memory();
        milliseconds(warmup, steps, || drop(network.forward(images.clone())))
    } else {
        Vec::new()
    };
    let line = json!({
        "net": name, "batch": batch, "threads": num_threads(), "version": env!("CARGO_PKG_VERSION"),
        "isa": isa::isa().name(), "precision": precision.name(), "train_ms": train_ms, "infer_ms": infer_ms,
    });
    println!("{line}");
}
